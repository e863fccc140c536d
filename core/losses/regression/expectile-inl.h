// Expectile: the squared error with a weight of its own on either side; its best constant is the tau-expectile.
//
//   r         = prediction - target
//   w         = 1 - tau if r > 0 else tau
//   value     = w r^2
//   slope     = 2 w r
//   curvature = 2 w                           at r = 0 the smaller one
//
// Source: Newey and Powell 1987, Asymmetric Least Squares Estimation and Testing, Econometrica 55(4).

#if defined(LOSSD_CORE_LOSSES_REGRESSION_EXPECTILE_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_REGRESSION_EXPECTILE_INL_H_
#undef LOSSD_CORE_LOSSES_REGRESSION_EXPECTILE_INL_H_
#else
#define LOSSD_CORE_LOSSES_REGRESSION_EXPECTILE_INL_H_
#endif

#include "core/simd/residual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Expectile {
  static constexpr Contract kContract = {
      .name = "expectile",
      .summary = "the squared error with a weight of its own on either side; its best constant is the tau-expectile",
      .use =
          "Asymmetric least squares: a smooth relative of pinball, and the value loss of implicit Q-learning. tau = "
          "1/2 is half the squared error.",
      .formula = "tau r^2 if y_pred < y_true else (1 - tau) r^2, r = y_pred - y_true",
      .gradient = "2 tau r if y_pred < y_true else 2 (1 - tau) r",
      .tex = R"(\left|\tau - \mathbf 1[\hat y > y]\right| (\hat y - y)^2)",
      .source = "Newey and Powell 1987, Asymmetric Least Squares Estimation and Testing, Econometrica 55(4)",
      .notes = "No factor 1/2.",
      .peers = "XGBoost (reg:expectileerror) and CatBoost have it; Keras, PyTorch and optax do not.",
      .kinks_note = "none in the gradient; its own derivative jumps at r = 0, where the smaller one is returned",
      .params = {{"tau", 0.5, kOpenUnit, "weight of predictions that are too low"}},
      .examples = {{.origin = "by hand: 0.2 + 0.8 4",
                    .target = {0, 0},
                    .prediction = {1, -2},
                    .value = 3.4,
                    .gradient = {.4, -3.2},
                    .params = {.8}},
                   {.origin = "by hand: 9/2", .target = {1}, .prediction = {4}, .value = 4.5, .gradient = {3}}},
      .kinks = {0},
      .curvature = true,
  };
  static constexpr bool kNative = true;
  static constexpr bool kPassesNan = true;
  double tau;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V zero = hn::Zero(d), low = C(d, tau), high = C(d, 1.0 - tau);
    const V r = hn::Sub(prediction, target);
    const V weight = hn::IfThenElse(hn::Gt(r, zero), high, hn::IfThenElse(hn::Lt(r, zero), low, hn::Min(low, high)));
    const V pull = hn::Mul(weight, r);
    return Defined(r, {hn::Mul(pull, r), {hn::Add(pull, pull)}, hn::Add(weight, weight)});
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_REGRESSION_EXPECTILE_INL_H_
