// Charbonnier: the absolute error with a rounded tip of height epsilon.
//
//   r         = prediction - target
//   value     = sqrt(r^2 + epsilon^2)
//   slope     = r / value
//   curvature = epsilon^2 / value^3
//
// The larger of |r| and epsilon is taken out of the root, so that nothing over- or underflows.
// Source: Charbonnier et al. 1994, Two deterministic half-quadratic regularization algorithms for computed imaging,
// ICIP.

#if defined(LOSSD_CORE_LOSSES_ROBUST_CHARBONNIER_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_ROBUST_CHARBONNIER_INL_H_
#undef LOSSD_CORE_LOSSES_ROBUST_CHARBONNIER_INL_H_
#else
#define LOSSD_CORE_LOSSES_ROBUST_CHARBONNIER_INL_H_
#endif

#include "core/simd/residual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Charbonnier {
  static constexpr Contract kContract = {
      .name = "charbonnier",
      .aliases = {{"CharbonnierLoss"}},
      .summary = "the absolute error with a rounded tip of height epsilon",
      .use = "Image restoration and super-resolution: the sharpness of the absolute error with a gradient everywhere.",
      .formula = "sqrt(r^2 + epsilon^2), r = y_pred - y_true",
      .gradient = "r / sqrt(r^2 + epsilon^2)",
      .tex = R"(\sqrt{(\hat y - y)^2 + \epsilon^2})",
      .source =
          "Charbonnier et al. 1994, Two deterministic half-quadratic regularization algorithms for computed imaging, "
          "ICIP",
      .notes = "Not 0 but epsilon at r = 0. pseudo_huber with delta = epsilon is epsilon times (this loss - epsilon).",
      .peers =
          "kornia's charbonnier_loss is sqrt(r^2 + 1) - 1, which is pseudo_huber with delta = 1. Keras, PyTorch and "
          "optax have none.",
      .params = {{"epsilon", 1e-3, kPositive, "height and width of the tip"}},
      .examples = {{.origin = "by hand: a triangle of 3, 4, 5",
                    .target = {0},
                    .prediction = {3},
                    .value = 5,
                    .gradient = {.6},
                    .params = {4}},
                   {.origin = "by hand: the tip", .target = {7}, .prediction = {7}, .value = .001, .gradient = {0}}},
      .f64 = {.value_ulp = 2, .slope_ulp = 8},
      .tolerance_note = "f64: the second derivative has three times the error of the value",
      .curvature = true,
  };
  double epsilon;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V one = C(d, 1.0), tip = C(d, epsilon);
    const V r = hn::Sub(prediction, target);
    const V distance = hn::Abs(r);
    const V large = hn::Max(distance, tip);
    const V ratio = hn::Div(hn::Min(distance, tip), large);
    const V value = hn::Mul(large, hn::Sqrt(hn::MulAdd(ratio, ratio, one)));
    // Beyond 2^30 epsilon the slope is 1 to the last bit, and |r| may be infinite.
    const auto far = hn::Gt(hn::Mul(distance, C(d, 0x1p-30)), tip);
    const V size = hn::IfThenElse(far, one, hn::Div(distance, value));
    const V share = hn::Div(tip, value);
    return Defined(r, {value, {hn::CopySign(size, r)}, hn::Mul(hn::Div(share, value), share)});
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_ROBUST_CHARBONNIER_INL_H_
