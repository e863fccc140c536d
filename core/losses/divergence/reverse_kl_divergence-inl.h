// Reverse Kullback-Leibler divergence: the prediction coded with the target; seeks a mode instead of covering all.
//
//   value      = sum_c p_c ln(p_c / t_c) = sum deviance(p_c, t_c) + sum p - sum t: no cancellation at p near t
//   slope of p = ln(p_c / t_c) + 1
//   slope of t = -p_c / t_c
//   curvature  = 1 / p_c
//
// Source: Minka 2005, Divergence Measures and Message Passing, section 2 (the exclusive divergence).

#if defined(LOSSD_CORE_LOSSES_DIVERGENCE_REVERSE_KL_DIVERGENCE_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_DIVERGENCE_REVERSE_KL_DIVERGENCE_INL_H_
#undef LOSSD_CORE_LOSSES_DIVERGENCE_REVERSE_KL_DIVERGENCE_INL_H_
#else
#define LOSSD_CORE_LOSSES_DIVERGENCE_REVERSE_KL_DIVERGENCE_INL_H_
#endif

#include "core/simd/divergence_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct ReverseKlDivergence {
  static constexpr Contract kContract = {
      .name = "reverse_kl_divergence",
      .family = Family::kRow,
      .aliases = {{"reverse_kl"}, {"exclusive_kl"}},
      .summary = "what it costs to code the prediction with the target: seeks a mode",
      .use = "Variational inference and distillation where the prediction should stay within one mode of the target.",
      .formula = "sum_c p_c ln(p_c/t_c)",
      .gradient = "y_pred: ln(p_c/t_c) + 1; y_true: -p_c/t_c",
      .tex = "\\sum_c p_c \\ln\\frac{p_c}{t_c}",
      .source = "Minka 2005, Divergence Measures and Message Passing, section 2",
      .notes =
          "Natural logarithm; 0 ln 0 = 0. Neither row is normalised. A class with p_c > 0 = t_c makes the value +inf, "
          "its "
          "slope for y_pred +inf and for y_true -inf. The slope for y_pred is -inf at p_c = 0 < t_c, its limit, and 0 "
          "at "
          "p_c = t_c = 0.",
      .peers =
          "None of Keras, PyTorch and optax has it by a name; it is their KL divergence with the arguments swapped.",
      .forms = {{InputKind::kProbabilities, ClipPolicy::kNone, kNonNegative}},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true",
                  .shape = "... C",
                  .differentiable = true,
                  .domain = kNonNegative,
                  .summary = "probabilities of the classes"}},
      .target = kNonNegative,
      .examples = {{.origin = "by hand: 0.25 ln(1/2) + 0.75 ln(3/2)",
                    .target = {.5, .5},
                    .prediction = {.25, .75},
                    .value = .13081204,
                    .gradient = {.30685282, 1.4054651},
                    .form = {InputKind::kProbabilities}}},
      .f64 = {.value_ulp = 4, .slope_ulp = 64},
      .tolerance_note = "ln(p_c/t_c) + 1 cancels near p_c = t_c/e, and the value where the sums of the rows differ",
      .curvature = true,
  };

  HWY_INLINE double operator()(const Item& x) const {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    const V zero = hn::Zero(d), one = C(d, 1.0);
    const bool curves = x.curvature() != nullptr;
    LaneSum value;
    ExactLaneSum mass;
    EachVector<2, 3>(x.width(), {x.in(0), x.in(1)}, {1.0, 1.0}, {x.slope(0), x.slope(1), x.curvature()},
                     [&](size_t at, const std::array<V, 2>& in) HWY_ATTR -> std::array<V, 3> {
                       const V p = in[0], t = in[1];
                       const Divergent<V> c = Compare(d, p, t);
                       value.Add(at, c.deviance);
                       mass.Add(at, p);
                       mass.Add(at, hn::Neg(t));
                       const auto absent = hn::Eq(p, zero);
                       const auto neither = hn::And(absent, hn::Eq(t, zero));
                       const V curvature = curves ? hn::IfThenZeroElse(neither, hn::Div(one, p)) : zero;
                       return {hn::IfThenZeroElse(neither, hn::Add(c.log_ratio, one)),
                               hn::IfThenZeroElse(absent, hn::Neg(hn::Div(p, t))), curvature};
                     });
    const Pair masses = mass.Total();
    return masses.hi + (masses.lo + value.Total());
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_DIVERGENCE_REVERSE_KL_DIVERGENCE_INL_H_
