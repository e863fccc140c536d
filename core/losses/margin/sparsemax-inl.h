// Sparsemax: a logistic loss that is exactly 0 from a margin on.
//
//   z         = (1 - 2 t) x              t = 0 or 1
//   value     = 0 for z <= -1, (z + 1)^2/4 between, z for z >= 1
//   slope     = (1 - 2 t) clamp((z + 1)/2, 0, 1)
//   curvature = (1 - 2 t)^2/2 between, 0 outside
//
// Source: Blondel, Martins and Niculae 2020, Learning with Fenchel-Young Losses, JMLR 21, section 4.4.

#if defined(LOSSD_CORE_LOSSES_MARGIN_SPARSEMAX_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_MARGIN_SPARSEMAX_INL_H_
#undef LOSSD_CORE_LOSSES_MARGIN_SPARSEMAX_INL_H_
#else
#define LOSSD_CORE_LOSSES_MARGIN_SPARSEMAX_INL_H_
#endif

#include "core/simd/elementwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Sparsemax {
  static constexpr Contract kContract = {
      .name = "sparsemax",
      .aliases = {{"sparsemax_loss"}, {"binary_sparsemax_loss"}},
      .summary = "a logistic loss that is exactly 0 from a margin on",
      .use = "Binary classification by a logit, with probabilities that may be exactly 0 and 1.",
      .formula = "z = (1 - 2 y_true) y_pred: 0 for z <= -1, (z + 1)^2/4 between, z for z >= 1",
      .gradient = "(1 - 2 y_true) clamp((z + 1)/2, 0, 1)",
      .tex = R"(\operatorname{sparseplus}((1 - 2t)\,x))",
      .source = "Blondel, Martins and Niculae 2020, Learning with Fenchel-Young Losses, JMLR 21, section 4.4",
      .notes = "Labels are 0 and 1. The prediction that it fits is clamp((x + 1)/2, 0, 1).",
      .peers = "optax sparsemax_loss, for labels 0 and 1; it reads any other label as 1.",
      .kinks_note = "none in the gradient; the second derivative jumps at |y_pred| = 1, where it is 0",
      .forms = {{InputKind::kLogits}},
      .inputs = {{.name = "y_pred", .differentiable = true}, {.name = "y_true", .domain = kUnit}},
      .target = kUnit,
      .examples = {{.origin = "by hand: 0 + 20, as in the test of optax",
                    .target = {1, 0},
                    .prediction = {10, 20},
                    .value = 20,
                    .gradient = {0, 1},
                    .form = {InputKind::kLogits}},
                   {.origin = "by hand: 1.5^2/4 + 0.5^2/4",
                    .target = {0, 1},
                    .prediction = {.5, .5},
                    .value = .625,
                    .gradient = {.75, -.25},
                    .form = {InputKind::kLogits}}},
      .conventions = {{.convention = Convention::kOptax}},
      .curvature = true,
  };

  template <class D, class V>
  HWY_INLINE ValueSlope<V> operator()(D d, V x, V t) const {
    const V zero = hn::Zero(d), one = C(d, 1.0), half = C(d, 0.5);
    const V sign = hn::Sub(one, hn::Add(t, t));
    const V z = hn::Mul(sign, x);
    const V rise = hn::Mul(half, hn::Clamp(hn::Add(z, one), zero, C(d, 2.0)));
    const auto bent = hn::Lt(hn::Abs(z), one);
    const V value = hn::IfThenElse(hn::Ge(z, one), z, hn::Mul(rise, rise));
    return {value, {hn::Mul(sign, rise)}, hn::IfThenElseZero(bent, hn::Mul(half, hn::Mul(sign, sign)))};
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_MARGIN_SPARSEMAX_INL_H_
