// L2 penalty: pulls every weight towards zero in proportion to its size.
//
//   value     = factor w^2
//   slope     = 2 factor w
//   curvature = 2 factor
//
// Source: Hoerl and Kennard 1970, Ridge Regression: Biased Estimation for Nonorthogonal Problems, Technometrics 12(1).

#if defined(LOSSD_CORE_LOSSES_REGULARIZERS_L2_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_REGULARIZERS_L2_INL_H_
#undef LOSSD_CORE_LOSSES_REGULARIZERS_L2_INL_H_
#else
#define LOSSD_CORE_LOSSES_REGULARIZERS_L2_INL_H_
#endif

#include "core/simd/residual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct L2 {
  static constexpr Contract kContract = {
      .name = "l2",
      .summary = "pulls every weight towards zero in proportion to its size",
      .use = "Small weights (ridge regression, weight decay). Add it to the loss of the data, unweighted.",
      .formula = "factor w^2, w = y_pred",
      .gradient = "2 factor w",
      .tex = R"(\lambda w^2)",
      .source =
          "Hoerl and Kennard 1970, Ridge Regression: Biased Estimation for Nonorthogonal Problems, Technometrics 12(1)",
      .notes = "No factor 1/2. The sum over the tensor by default; it takes no targets.",
      .peers =
          "Keras: regularizers.L2, the same factor and the same sum. PyTorch's weight_decay and optax's "
          "add_decayed_weights add factor w to the gradient: that is this loss with half the factor.",
      .params = {{"factor", 0.01, kNonNegative, "strength"}},
      .inputs = {{.name = "y_pred", .differentiable = true, .summary = "a tensor of weights"}},
      .examples = {{.origin = "by hand: .01 (9 + 1)",
                    .target = {},
                    .prediction = {3, -1},
                    .value = .1,
                    .gradient = {.06, -.02}},
                   {.origin = "Keras documentation, L2(2) on ones, 12 of its 25",
                    .target = {},
                    .prediction = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
                    .value = 24,
                    .gradient = {4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4},
                    .params = {2}}},
      .conventions = {{.convention = Convention::kKeras, .last_axis = LastAxis::kKeep, .reduction = Reduction::kSum}},
      .curvature = true,
      .reduction = Reduction::kSum,
  };
  static constexpr bool kNative = true;
  double factor;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V weight) const {
    const V pull = Share(d, factor, weight);
    return {hn::Mul(pull, factor == 0 ? pull : weight), {hn::Add(pull, pull)}, C(d, factor + factor)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_REGULARIZERS_L2_INL_H_
