// L1 and L2 penalty together: sparse like the one, stable like the other.
//
//   value     = l1 |w| + l2 w^2
//   slope     = l1 sign(w) + 2 l2 w           0 at w = 0
//   curvature = 2 l2
//
// Source: Zou and Hastie 2005, Regularization and variable selection via the elastic net, J. Royal Statistical Society
// B 67(2).

#if defined(LOSSD_CORE_LOSSES_REGULARIZERS_L1_L2_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_REGULARIZERS_L1_L2_INL_H_
#undef LOSSD_CORE_LOSSES_REGULARIZERS_L1_L2_INL_H_
#else
#define LOSSD_CORE_LOSSES_REGULARIZERS_L1_L2_INL_H_
#endif

#include "core/simd/residual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct L1L2 {
  static constexpr Contract kContract = {
      .name = "l1_l2",
      .summary = "sparse like l1, stable like l2",
      .use = "The elastic net: sparse weights where inputs are correlated. Add it to the loss of the data, unweighted.",
      .formula = "l1 |w| + l2 w^2, w = y_pred",
      .gradient = "l1 sign(w) + 2 l2 w",
      .tex = R"(\lambda_1 |w| + \lambda_2 w^2)",
      .source =
          "Zou and Hastie 2005, Regularization and variable selection via the elastic net, J. Royal Statistical "
          "Society B 67(2)",
      .notes =
          "No factor 1/2. Both strengths are 0 unless given. The sum over the tensor by default; it takes no targets.",
      .peers =
          "Keras: regularizers.L1L2, the same with the same defaults of 0; its function l1_l2 has 0.01 for both. "
          "PyTorch and optax have none.",
      .kinks_note = "w = 0: the gradient there is 0",
      .params = {{"l1", 0.0, kNonNegative, "strength of |w|"}, {"l2", 0.0, kNonNegative, "strength of w^2"}},
      .inputs = {{.name = "y_pred", .differentiable = true, .summary = "a tensor of weights"}},
      .examples = {{.origin = "by hand: .1 3 + .2 5",
                    .target = {},
                    .prediction = {1, -2},
                    .value = 1.3,
                    .gradient = {.5, -.9},
                    .params = {.1, .2}},
                   {.origin = "by hand: nothing", .target = {}, .prediction = {3}, .value = 0, .gradient = {0}}},
      .kinks = {0},
      .conventions = {{.convention = Convention::kKeras, .last_axis = LastAxis::kKeep, .reduction = Reduction::kSum}},
      .curvature = true,
      .reduction = Reduction::kSum,
  };
  static constexpr bool kNative = true;
  double l1, l2;

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V weight) const {
    const V pull = Share(d, l2, weight);
    const V square = hn::Mul(pull, l2 == 0 ? pull : weight);
    return {hn::Add(Share(d, l1, hn::Abs(weight)), square),
            {hn::Add(Share(d, l1, Sign(d, weight)), hn::Add(pull, pull))},
            C(d, l2 + l2)};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_REGULARIZERS_L1_L2_INL_H_
