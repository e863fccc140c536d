// Pinball: the absolute error with a slope of its own on either side; its best constant is the tau-quantile.
//
//   r     = prediction - target
//   w     = 1 - tau if r > 0 else tau
//   value = w |r|                             max(tau (t - p), (tau - 1) (t - p))
//   slope = w sign(r)                         0 at r = 0
//
// Source: Koenker and Bassett 1978, Regression Quantiles, Econometrica 46(1).

#if defined(LOSSD_CORE_LOSSES_REGRESSION_PINBALL_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_REGRESSION_PINBALL_INL_H_
#undef LOSSD_CORE_LOSSES_REGRESSION_PINBALL_INL_H_
#else
#define LOSSD_CORE_LOSSES_REGRESSION_PINBALL_INL_H_
#endif

#include "core/simd/residual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Pinball {
  static constexpr Contract kContract = {
      .name = "pinball",
      .aliases = {{"PinballLoss"}, {"QuantileLoss"}, {"quantile"}},
      .summary = "the absolute error with a slope of its own on either side; its best constant is the tau-quantile",
      .use =
          "Quantile regression and prediction intervals: one model for each tau. tau = 1/2 is half the absolute error.",
      .formula = "tau |r| if y_pred < y_true else (1 - tau) |r|, r = y_pred - y_true",
      .gradient = "-tau if y_pred < y_true, 1 - tau if y_pred > y_true, 0 if equal",
      .tex = R"(\max\bigl(\tau (y - \hat y), (\tau - 1)(y - \hat y)\bigr))",
      .source = "Koenker and Bassett 1978, Regression Quantiles, Econometrica 46(1)",
      .notes = "Several quantiles at once: one call for each. Nothing keeps them from crossing.",
      .peers =
          "TensorFlow Addons (PinballLoss, whose gradient at r = 0 is -tau), CatBoost, LightGBM and scikit-learn have "
          "it. XGBoost smooths it. Keras, PyTorch and optax have none.",
      .kinks_note = "r = 0: the gradient there is 0, which lies between -tau and 1 - tau",
      .params = {{"tau", 0.5, kUnit, "the quantile"}},
      .examples = {{.origin = "TensorFlow Addons documentation of PinballLoss, times 4",
                    .target = {0, 0, 1, 1},
                    .prediction = {1, 1, 1, 0},
                    .value = 1.9,
                    .gradient = {.9, .9, 0, -.1},
                    .params = {.1}}},
      .kinks = {0},
      .curvature = true,
  };
  static constexpr bool kNative = true;
  static constexpr bool kPassesNan = true;
  double tau;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V zero = hn::Zero(d), half = C(d, 0.5);
    const V r = hn::Sub(prediction, target);
    const V weight = hn::IfThenElse(hn::Gt(r, zero), C(d, 1.0 - tau), C(d, tau));
    // Where r is beyond the largest number w r may not be: half of either is exact there.
    const V halved = hn::Sub(hn::Mul(half, prediction), hn::Mul(half, target));
    const V beyond = hn::Mul(hn::Mul(weight, hn::Abs(halved)), C(d, 2.0));
    const V value = hn::Mul(weight, hn::Abs(r));
    return Defined(r, {hn::IfThenElse(hn::IsInf(r), beyond, value), {hn::Mul(Sign(d, r), weight)}, zero});
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_REGRESSION_PINBALL_INL_H_
