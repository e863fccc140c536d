// Half squared error: the squared error whose gradient is the residual itself.
//
//   r         = prediction - target
//   value     = r^2 / 2
//   slope     = r
//   curvature = 1
//
// (r/2) r instead of r^2/2: finite wherever the value is.
// Source: Bishop 2006, Pattern Recognition and Machine Learning, equation 3.12.

#if defined(LOSSD_CORE_LOSSES_REGRESSION_HALF_SQUARED_ERROR_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_REGRESSION_HALF_SQUARED_ERROR_INL_H_
#undef LOSSD_CORE_LOSSES_REGRESSION_HALF_SQUARED_ERROR_INL_H_
#else
#define LOSSD_CORE_LOSSES_REGRESSION_HALF_SQUARED_ERROR_INL_H_
#endif

#include "core/simd/residual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct HalfSquaredError {
  static constexpr Contract kContract = {
      .name = "half_squared_error",
      .aliases = {{"l2_loss"}},
      .summary = "the squared error whose gradient is the residual itself",
      .use =
          "Least squares where no factor 2 should stand in the gradient; boosting with gradient r and Hessian 1. Its "
          "best constant is the mean.",
      .formula = "r^2 / 2, r = y_pred - y_true",
      .gradient = "r",
      .tex = R"(\tfrac{1}{2} (\hat y - y)^2)",
      .source = "Bishop 2006, Pattern Recognition and Machine Learning, equation 3.12",
      .notes = "The factor 1/2 is the whole difference from mean_squared_error.",
      .peers =
          "optax calls it l2_loss, scikit-learn HalfSquaredError, XGBoost reg:squarederror. Keras and PyTorch have "
          "only the square without the half.",
      .examples = {{.origin = "by hand: 4/2 + 1/2",
                    .target = {1, 0},
                    .prediction = {3, -1},
                    .value = 2.5,
                    .gradient = {2, -1}}},
      .conventions = {{.convention = Convention::kOptax}},
      .curvature = true,
  };
  static constexpr bool kNative = true;
  static constexpr bool kPassesNan = true;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V r = hn::Sub(prediction, target);
    return Defined(r, {hn::Mul(hn::Mul(C(d, 0.5), r), r), {r}, C(d, 1.0)});
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_REGRESSION_HALF_SQUARED_ERROR_INL_H_
