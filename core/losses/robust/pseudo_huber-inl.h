// Pseudo-Huber: r^2/2 near zero, delta |r| far away, smooth in between.
//
//   r         = prediction - target
//   s         = sqrt(1 + (r/delta)^2)
//   value     = r^2 / (1 + s)                 delta^2 (s - 1) without its difference
//   slope     = r / s
//   curvature = 1 / s^3
//
// Where |r| > 2^28 delta, s is |r|/delta to the last bit: nothing is squared there.
// Source: Charbonnier et al. 1997, Deterministic edge-preserving regularization, IEEE Trans. Image Processing 6(2).

#if defined(LOSSD_CORE_LOSSES_ROBUST_PSEUDO_HUBER_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_ROBUST_PSEUDO_HUBER_INL_H_
#undef LOSSD_CORE_LOSSES_ROBUST_PSEUDO_HUBER_INL_H_
#else
#define LOSSD_CORE_LOSSES_ROBUST_PSEUDO_HUBER_INL_H_
#endif

#include "core/simd/residual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct PseudoHuber {
  static constexpr Contract kContract = {
      .name = "pseudo_huber",
      .aliases = {{"pseudo_huber_error"}, {"pseudo_huber_loss"}},
      .summary = "r^2/2 near zero, delta |r| far away, smooth in between",
      .use =
          "Regression with outliers for optimizers that want second derivatives, which huber does not have at its "
          "joints.",
      .formula = "delta^2 (sqrt(1 + (r/delta)^2) - 1), r = y_pred - y_true",
      .gradient = "r / sqrt(1 + (r/delta)^2)",
      .tex = R"(\delta^2 \left(\sqrt{1 + ((\hat y - y)/\delta)^2} - 1\right))",
      .source =
          "Charbonnier et al. 1997, Deterministic edge-preserving regularization, IEEE Trans. Image Processing 6(2)",
      .notes = "general_robust with alpha = 1 is this loss divided by delta^2. Above huber by less than delta^2/2.",
      .peers = "XGBoost has it (reg:pseudohubererror, huber_slope); Keras, PyTorch and optax do not.",
      .params = {{"delta", 1.0, kPositive, "distance at which the loss turns linear"}},
      .examples = {{.origin = "by hand: 16 (5/4 - 1), 3/(5/4)",
                    .target = {0},
                    .prediction = {3},
                    .value = 4,
                    .gradient = {2.4},
                    .params = {4}},
                   {.origin = "by hand: 5/3 - 1, 5/4 - 1",
                    .target = {0, 1},
                    .prediction = {-1.3333333333333333, 1.75},
                    .value = .91666667,
                    .gradient = {-.8, .6}}},
      .f64 = {.value_ulp = 3, .slope_ulp = 8},
      .tolerance_note = "f64: the second derivative has three times the error of s",
      .curvature = true,
  };
  double delta;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V r = hn::Sub(prediction, target);
    return Defined(r, At(d, r, delta));
  }

  template <class D, class V>
  static HWY_INLINE ValueSlope<V> At(D d, V r, double delta) {
    const V one = C(d, 1.0), width = C(d, delta);
    const V distance = hn::Abs(r);
    const V z = hn::Div(distance, width);
    const auto far = hn::Gt(z, C(d, kFar));
    const V s = hn::IfThenElse(far, z, hn::Sqrt(hn::MulAdd(z, z, one)));
    const V size = hn::IfThenElse(far, width, hn::Div(distance, s));
    const V near_value = hn::Mul(distance, hn::Div(distance, hn::Add(one, s)));
    const V inverse = hn::Div(one, s);
    return {hn::IfThenElse(far, hn::Mul(width, hn::Sub(distance, width)), near_value),
            {hn::CopySign(size, r)},
            hn::Mul(hn::Mul(inverse, inverse), inverse)};
  }

 private:
  static constexpr double kFar = 268435456.0;  // 2^28
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_ROBUST_PSEUDO_HUBER_INL_H_
