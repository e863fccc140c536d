// Squared error: grows with the square of the distance; one outlier can rule a batch.
//
//   r     = prediction - target
//   value = r^2
//   slope = 2 r
//   curvature = 2
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
      .aliases = {{"mse"}, {"MSELoss"}, {"squared_error"}},
      .summary = "grows with the square of the distance; one outlier can rule a batch",
      .use = "Regression with errors that are normal and all alike; its best constant is the mean.",
      .formula = "r^2, r = y_pred - y_true",
      .gradient = "2 r",
      .tex = R"((\hat y - y)^2)",
      .source = "Gauss 1809, Theoria motus corporum coelestium, book II, section 3",
      .notes = "No factor 1/2: half_squared_error has it.",
      .peers =
          "Keras (MeanSquaredError) averages the last axis. PyTorch (MSELoss) divides by the sum of its newer weight "
          "argument where that is given, and only warns about shapes that broadcast. optax: squared_error; its "
          "l2_loss is the half.",
      .examples = {{.origin = "Keras docstring of MeanSquaredError",
                    .target = {1, 0, 1},
                    .prediction = {.9, .1, .8},
                    .value = .06,
                    .gradient = {-.2, .2, -.4}}},
      .conventions = {{.convention = Convention::kKeras},
                      {.convention = Convention::kTorch, .divisor = Divisor::kWeightSum},
                      {.convention = Convention::kOptax}},
      .curvature = true,
  };
  static constexpr bool kNative = true;
  static constexpr bool kPassesNan = true;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V r = hn::Sub(prediction, target);
    return {hn::Mul(r, r), {hn::Add(r, r)}, C(d, 2.0)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_REGRESSION_MEAN_SQUARED_ERROR_INL_H_
