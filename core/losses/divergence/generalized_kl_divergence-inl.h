// Generalised Kullback-Leibler divergence: of rows that need not sum to 1; never negative.
//
//   p         = exp(x)
//   value     = sum_c t_c (ln t_c - x_c) - t_c + p_c          a sum of deviances, each >= 0
//   slope of x = p_c - t_c
//   curvature  = p_c
//   slope of t = ln t_c - x_c                                  of ln t: t_c (ln t_c - x_c)
//
// Source: Csiszar 1991, Why Least Squares and Maximum Entropy?, Ann. Stat. 19(4) (I-divergence).

#if defined(LOSSD_CORE_LOSSES_DIVERGENCE_GENERALIZED_KL_DIVERGENCE_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_DIVERGENCE_GENERALIZED_KL_DIVERGENCE_INL_H_
#undef LOSSD_CORE_LOSSES_DIVERGENCE_GENERALIZED_KL_DIVERGENCE_INL_H_
#else
#define LOSSD_CORE_LOSSES_DIVERGENCE_GENERALIZED_KL_DIVERGENCE_INL_H_
#endif

#include "core/simd/divergence_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct GeneralizedKlDivergence {
  static constexpr Contract kContract = {
      .name = "generalized_kl_divergence",
      .family = Family::kRow,
      .aliases = {{"convex_kl_divergence"}, {"i_divergence"}},
      .summary = "the Kullback-Leibler divergence of rows that need not sum to 1; never negative",
      .use = "Non-negative factorisation, spectra, counts: rows of masses whose sums carry information.",
      .formula = "sum_c t_c (ln t_c - x_c) - t_c + exp(x_c)",
      .gradient = "y_pred: exp(x_c) - t_c; y_true: ln t_c - x_c (log_target: t_c times that)",
      .tex = "\\sum_c t_c (\\ln t_c - x_c) - t_c + e^{x_c}",
      .source = "Csiszar 1991, Why Least Squares and Maximum Entropy?, Ann. Stat. 19(4)",
      .notes =
          "0 ln 0 = 0. The slope for y_true is -inf at t_c = 0 < exp(x_c) and 0 where both are 0. A negative target "
          "answers NaN.",
      .peers = "optax generalized_kl_divergence, once convex_kl_divergence. Keras and PyTorch do not have it.",
      .params = {Flag("log_target", false, "y_true holds the logarithms of the target")},
      .forms = {{InputKind::kLogProbabilities}},
      .inputs =
          {{.name = "y_pred", .shape = "... C", .differentiable = true},
           {.name = "y_true", .shape = "... C", .differentiable = true, .summary = "masses, or their logarithms"}},
      .target = kNonNegative,
      .examples = {{.origin = "by hand: 2 ln 2 - 2 + 1",
                    .target = {2},
                    .prediction = {0},
                    .value = .38629436,
                    .gradient = {-1},
                    .form = {InputKind::kLogProbabilities}}},
      .f64 = {.value_ulp = 8, .slope_ulp = 16},
      .tolerance_note =
          "the rounding of exp(x) is seen where it is near the target; counted where they differ by a quarter",
      .conventions = {{.convention = Convention::kOptax}},
      .curvature = true,
  };
  double log_target;

  HWY_INLINE double operator()(const Item& x) const {
    if (log_target != 0) return Of<true>(x);
    if (!Sound(x.in(1), x.size(1), kNonNegative)) return Refuse(x);
    return Of<false>(x);
  }

 private:
  template <bool kLogTarget>
  static HWY_NOINLINE double Of(const Item& x) {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    const V one = C(d, 1.0), nothing = hn::Neg(hn::Inf(d));
    LaneSum value;
    EachVector<2, 3>(
        x.width(), {x.in(0), x.in(1)}, {0.0, kLogTarget ? 0.0 : 1.0}, {x.slope(0), x.slope(1), x.curvature()},
        [&](size_t at, const std::array<V, 2>& in) HWY_ATTR -> std::array<V, 3> {
          const V p = hn::Exp(d, in[0]);
          V t, log_t, difference;
          if constexpr (kLogTarget) {
            log_t = in[1];
            t = hn::Exp(d, log_t);
            const V gap = hn::Sub(log_t, in[0]);
            difference = hn::IfThenElse(hn::Lt(hn::Abs(gap), one), hn::Mul(p, hn::Expm1(d, gap)), hn::Sub(t, p));
          } else {
            t = in[1];
            log_t = LogOf(d, t);
            difference = hn::Sub(t, p);
          }
          const auto neither = hn::And(hn::Eq(log_t, nothing), hn::Eq(in[0], nothing));
          const V gap = hn::IfThenZeroElse(neither, hn::Sub(log_t, in[0]));
          const Divergent<V> c = Compare(d, t, p, difference, gap);
          value.Add(at, c.deviance);
          return {hn::Neg(difference), kLogTarget ? Times(d, t, gap) : gap, p};
        });
    return value.Total();
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_DIVERGENCE_GENERALIZED_KL_DIVERGENCE_INL_H_
