// Absolute error: the same pull at every distance; its best constant is the median.
//
//   r     = prediction - target
//   value = |r|
//   slope = sign(r)          0 at r = 0, the subgradient of least norm
//
// Source: Boscovich 1757; Laplace 1793, Sur quelques points du systeme du monde.

#if defined(LOSSD_CORE_LOSSES_REGRESSION_MEAN_ABSOLUTE_ERROR_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_REGRESSION_MEAN_ABSOLUTE_ERROR_INL_H_
#undef LOSSD_CORE_LOSSES_REGRESSION_MEAN_ABSOLUTE_ERROR_INL_H_
#else
#define LOSSD_CORE_LOSSES_REGRESSION_MEAN_ABSOLUTE_ERROR_INL_H_
#endif

#include "core/simd/elementwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct MeanAbsoluteError {
  static constexpr Contract kContract = {
      .name = "mean_absolute_error",
      .aliases = {{"mae"}, {"L1Loss"}, {"absolute_error"}},
      .summary = "the same pull at every distance; its best constant is the median",
      .use =
          "Regression in the units of the target, where outliers should count in proportion. Its gradient does not "
          "shrink near the target: lower the learning rate towards the end.",
      .formula = "|r|, r = y_pred - y_true",
      .gradient = "sign(r)",
      .tex = R"(|\hat y - y|)",
      .source = "Boscovich 1757; Laplace 1793, Sur quelques points du systeme du monde",
      .peers =
          "Keras (MeanAbsoluteError) averages the last axis. PyTorch (L1Loss) divides by the sum of its newer weight "
          "argument where that is given. optax has none but huber_loss.",
      .kinks_note = "r = 0: the gradient there is 0 (as in Keras, PyTorch and JAX)",
      .examples = {{.origin = "Keras docstring of MeanAbsoluteError",
                    .target = {1, .3, 1},
                    .prediction = {1.9, .3, 1.8},
                    .value = 1.7,
                    .gradient = {1, 0, 1}}},
      .kinks = {0},
      .conventions = {{.convention = Convention::kKeras},
                      {.convention = Convention::kTorch, .divisor = Divisor::kWeightSum}},
      .curvature = true,
  };
  static constexpr bool kNative = true;
  static constexpr bool kPassesNan = true;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V prediction, V target) const {
    const V r = hn::Sub(prediction, target);
    return {hn::Abs(r), {Sign(d, r)}, hn::Zero(d)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_REGRESSION_MEAN_ABSOLUTE_ERROR_INL_H_
