// L1 penalty: pulls every weight towards zero with the same force, so that many arrive.
//
//   value = factor |w|
//   slope = factor sign(w)                    0 at w = 0
//
// Source: Tibshirani 1996, Regression Shrinkage and Selection via the Lasso, J. Royal Statistical Society B 58(1).

#if defined(LOSSD_CORE_LOSSES_REGULARIZERS_L1_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_REGULARIZERS_L1_INL_H_
#undef LOSSD_CORE_LOSSES_REGULARIZERS_L1_INL_H_
#else
#define LOSSD_CORE_LOSSES_REGULARIZERS_L1_INL_H_
#endif

#include "core/simd/residual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct L1 {
  static constexpr Contract kContract = {
      .name = "l1",
      .summary = "pulls every weight towards zero with the same force",
      .use = "Sparse weights (the lasso). Add it to the loss of the data, unweighted.",
      .formula = "factor |w|, w = y_pred",
      .gradient = "factor sign(w)",
      .tex = R"(\lambda \, |w|)",
      .source =
          "Tibshirani 1996, Regression Shrinkage and Selection via the Lasso, J. Royal Statistical Society B 58(1)",
      .notes = "The sum over the tensor by default; it takes no targets.",
      .peers =
          "Keras: regularizers.L1, the same factor and the same sum; activity regularizers are divided by the batch "
          "size. PyTorch and optax have no such term: weight decay is l2.",
      .kinks_note = "w = 0: the gradient there is 0",
      .params = {{"factor", 0.01, kNonNegative, "strength"}},
      .inputs = {{.name = "y_pred", .differentiable = true, .summary = "a tensor of weights"}},
      .examples = {{.origin = "by hand: .01 3",
                    .target = {},
                    .prediction = {1, -2, 0},
                    .value = .03,
                    .gradient = {.01, -.01, 0}},
                   {.origin = "by hand: .5 2",
                    .target = {},
                    .prediction = {-2},
                    .value = 1,
                    .gradient = {-.5},
                    .params = {.5}}},
      .kinks = {0},
      .conventions = {{.convention = Convention::kKeras, .last_axis = LastAxis::kKeep, .reduction = Reduction::kSum}},
      .curvature = true,
      .reduction = Reduction::kSum,
  };
  static constexpr bool kNative = true;
  double factor;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V weight) const {
    return {Share(d, factor, hn::Abs(weight)), {Share(d, factor, Sign(d, weight))}, hn::Zero(d)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_REGULARIZERS_L1_INL_H_
