// Squared error: grows with the square of the distance; one outlier can rule a batch.
//
//   r     = prediction - target
//   value = r^2
//   slope = 2 r
//
// No factor 1/2: that is another loss (half squared error). The mean over elements is the reduction's work.
// Source: Gauss 1809, Theoria motus corporum coelestium, book II, section 3.

#if defined(LOSSD_CORE_LOSSES_REGRESSION_MEAN_SQUARED_ERROR_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_REGRESSION_MEAN_SQUARED_ERROR_INL_H_
#undef LOSSD_CORE_LOSSES_REGRESSION_MEAN_SQUARED_ERROR_INL_H_
#else
#define LOSSD_CORE_LOSSES_REGRESSION_MEAN_SQUARED_ERROR_INL_H_
#endif

#include "core/simd/elementwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct MeanSquaredError {
  static constexpr Contract kContract = {
      .name = "mean_squared_error",
      .aliases = {{"mse"}, {"MSELoss"}, {"mse_loss"}, {"MeanSquaredError"}, {"squared_error"}},
      .summary = "grows with the square of the distance; one outlier can rule a batch",
      .formula = "r^2, r = y_pred - y_true",
      .gradient = "2 r",
      .source = "Gauss 1809, Theoria motus corporum coelestium, book II, section 3",
      .notes = "No factor 1/2 (Keras, PyTorch; optax calls this squared_error and its half l2_loss).",
      .examples = {{.origin = "Keras docstring of MeanSquaredError",
                    .target = {1, 0, 1},
                    .prediction = {.9, .1, .8},
                    .value = .06,
                    .gradient = {-.2, .2, -.4}}},
  };
  static constexpr bool kNative = true;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D, V prediction, V target) const {
    const V r = hn::Sub(prediction, target);
    return {hn::Mul(r, r), hn::Add(r, r)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_REGRESSION_MEAN_SQUARED_ERROR_INL_H_
