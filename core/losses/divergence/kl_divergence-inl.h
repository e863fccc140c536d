// Kullback-Leibler divergence: what it costs to code the target with the prediction.
//
//   value      = sum_c t_c ln(t_c / p_c) = sum deviance(t_c, p_c) + sum t - sum p: no cancellation at p near t
//   slope of p = -t_c / p_c                                    of ln p: -t_c
//   slope of t = ln(t_c / p_c) + 1                             of ln t: t_c (ln(t_c / p_c) + 1)
//   curvature  = t_c / p_c^2                                   of ln p: 0
//
// 0 ln 0 = 0: a class with t_c = 0 adds nothing, wherever its prediction lies.
// Source: Kullback and Leibler 1951, On Information and Sufficiency, Ann. Math. Stat. 22(1).

#if defined(LOSSD_CORE_LOSSES_DIVERGENCE_KL_DIVERGENCE_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_DIVERGENCE_KL_DIVERGENCE_INL_H_
#undef LOSSD_CORE_LOSSES_DIVERGENCE_KL_DIVERGENCE_INL_H_
#else
#define LOSSD_CORE_LOSSES_DIVERGENCE_KL_DIVERGENCE_INL_H_
#endif

#include <array>
#include <limits>

#include "core/simd/divergence_common-inl.h"
#include "core/simd/double_log-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct KlDivergence {
  static constexpr Contract kContract = {
      .name = "kl_divergence",
      .family = Family::kRow,
      .aliases = {{"kld"},
                  {"kullback_leibler_divergence"},
                  {"relative_entropy"},
                  {"KLDivLoss", InputKind::kLogProbabilities},
                  {"kl_div", InputKind::kLogProbabilities}},
      .summary = "what it costs to code the target distribution with the predicted one",
      .use = "Distillation, variational inference, and every target that is a distribution and not a label.",
      .formula = "sum_c t_c ln(t_c/p_c)",
      .gradient = "y_pred: -t_c/p_c (LOG_PROBABILITIES: -t_c); y_true: ln(t_c/p_c) + 1 (log_target: t_c times that)",
      .tex = "\\sum_c t_c \\ln\\frac{t_c}{p_c}",
      .source = "Kullback and Leibler 1951, On Information and Sufficiency, Ann. Math. Stat. 22(1)",
      .notes =
          "Natural logarithm; 0 ln 0 = 0. Neither row is normalised: where the sums differ the value may be negative. "
          "A class with t_c > 0 = p_c makes the value +inf and its slope -inf. The slope for y_true is -inf at "
          "t_c = 0 < p_c, its limit, and 0 at t_c = p_c = 0. KERAS_CLIP clips both rows to [1e-7, 1]; clipped classes "
          "have slope 0. A negative target answers NaN.",
      .peers =
          "Keras clips both rows to [1e-7, 1]. PyTorch's kl_div takes log-probabilities; its 'mean' divides by all "
          "elements, its 'batchmean' is the mean here. optax's kl_divergence takes log-probabilities and its gradient "
          "for targets of 0 is NaN; with_log_targets is log_target here.",
      .params = {Flag("log_target", false, "y_true holds the logarithms of the target")},
      .forms = {{InputKind::kProbabilities, ClipPolicy::kNone, kNonNegative},
                {InputKind::kProbabilities, ClipPolicy::kKeras, kNonNegative},
                {InputKind::kLogProbabilities}},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true",
                  .shape = "... C",
                  .differentiable = true,
                  .summary = "probabilities of the classes, or their logarithms"}},
      .target = kNonNegative,
      .examples = {{.origin = "by hand: 0.5 ln 2 + 0.5 ln(2/3)",
                    .target = {.5, .5},
                    .prediction = {.25, .75},
                    .value = .14384104,
                    .gradient = {-2, -.66666667},
                    .form = {InputKind::kProbabilities}},
                   {.origin = "by hand: ln 2, of a hard target",
                    .target = {0, 1},
                    .prediction = {-.69314718, -.69314718},
                    .value = .69314718,
                    .gradient = {0, -1},
                    .form = {InputKind::kLogProbabilities}}},
      .f64 = {.value_ulp = 16, .slope_ulp = 64},
      .tolerance_note =
          "ln(t_c/p_c) + 1 cancels near t_c = p_c/e, and the value where the sums of the rows differ or "
          "rows of logarithms agree",
      .conventions = {{.convention = Convention::kKeras},
                      {.convention = Convention::kTorch, .input_kind = InputKind::kLogProbabilities},
                      {.convention = Convention::kOptax, .input_kind = InputKind::kLogProbabilities}},
      .curvature = true,
  };
  static constexpr bool kClips = true;
  static constexpr bool kReadsFloats = true;
  static constexpr bool kPassesNan = true;
  double log_target;
  double clip_low, clip_high;

  template <class T>
  HWY_INLINE double operator()(const ItemOf<T>& x) const {
    const bool log = x.form().input_kind == InputKind::kLogProbabilities;
    const bool clip = x.form().clip_policy == ClipPolicy::kKeras;
    if (!Sound(x.in(1), x.size(1), log_target == 0 ? kNonNegative : kReal)) return Refuse(x);
    if (log && log_target == 0 && x.slope(1) == nullptr) return OfLogProbabilities(x);
    if (!Sound(x.in(0), x.size(0), x.form().prediction)) return Refuse(x);
    if (log_target == 0 && !log) return clip ? Of<false, false, true>(x) : Of<false, false, false>(x);
    if (log_target == 0) return Of<true, false, false>(x);
    if (log) return Of<true, true, false>(x);
    return clip ? Of<false, true, true>(x) : Of<false, true, false>(x);
  }

 private:
  // The usual case, in its few operations: the slopes, exact in T, in a loop of their own.
  template <class T>
  HWY_NOINLINE double OfLogProbabilities(const ItemOf<T>& x) const {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    LaneSum value;
    EachVector<2, 0, T>(x.width(), {x.in(0), x.in(1)}, {0.0, 0.0}, {},
                        [&](size_t at, const std::array<V, 2>& in) HWY_ATTR -> std::array<V, 0> {
                          const V t = in[1];
                          V log;
                          if constexpr (sizeof(T) == sizeof(float)) {
                            log = NormalLog(d, t);
                          } else {
                            log = hn::Log(d, t);
                          }
                          value.Add(at, Times(d, t, hn::Sub(log, in[0])));
                          return {};
                        });
    const double total = value.Total();
    if (total != total) {  // a NaN in x.in(0), or two infinities
      if (!Sound(x.in(0), x.size(0), kReal)) return Refuse(x);
    }
    Negated(x.in(1), x.width(), x.slope(0));
    if (x.curvature() != nullptr) std::fill_n(x.curvature(), x.width(), T{0});
    return total;
  }

  template <class T>
  static HWY_INLINE void Negated(const T* from, size_t n, T* to) {
    if (to == nullptr) return;
    const Tag<T> d;
    EachChunk(
        n,
        [&](size_t i) HWY_ATTR {
          for (size_t at = i; at < i + kChunk; at += kLanes<T>)
            hn::StoreU(hn::Neg(hn::LoadU(d, from + at)), d, to + at);
        },
        [&](size_t i, size_t left) HWY_ATTR {
          for (size_t at = i; at < i + left; ++at) Write(-Read(from + at), to + at);
        });
  }

  template <bool kLog, bool kLogTarget, bool kClip, class T>
  HWY_NOINLINE double Of(const ItemOf<T>& x) const {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    const V zero = hn::Zero(d), one = C(d, 1.0), low = C(d, clip_low);
    LaneSum value;
    ExactLaneSum mass;
    const double nothing = -std::numeric_limits<double>::infinity();
    const bool wants_target = x.slope(1) != nullptr, curves = !kLog && x.curvature() != nullptr;
    if (kLog && x.curvature() != nullptr) std::fill_n(x.curvature(), x.width(), T{0});
    EachVector<2, 3, T>(
        x.width(), {x.in(0), x.in(1)}, {kLog ? 0.0 : 1.0, kLogTarget ? 0.0 : 1.0},
        {x.slope(0), x.slope(1), curves ? x.curvature() : nullptr},
        [&](size_t at, const std::array<V, 2>& in) HWY_ATTR -> std::array<V, 3> {
          V p = in[0], t = in[1];
          if constexpr (kLogTarget) t = hn::Exp(d, t);
          auto kept_p = hn::Eq(zero, zero), kept_t = kept_p;
          if constexpr (kClip) {
            kept_p = hn::And(hn::Ge(p, low), hn::Le(p, one));
            kept_t = hn::And(hn::Ge(t, low), hn::Le(t, one));
            p = hn::Min(hn::Max(p, low), one);
            t = hn::Min(hn::Max(t, low), one);
          }
          V log_ratio;
          if constexpr (!kLog && !kLogTarget) {
            const Divergent<V> c = Compare(d, t, p);
            value.Add(at, c.deviance);
            mass.Add(at, t);
            mass.Add(at, hn::Neg(p));
            log_ratio = c.log_ratio;
          } else {
            V log_t = kLogTarget && !kClip ? in[1] : LogOf(d, t);
            V log_p = kLog ? p : LogOf(d, p);
            log_ratio = hn::Sub(log_t, log_p);
            value.Add(at, Times(d, t, log_ratio));
            log_ratio = hn::IfThenZeroElse(hn::And(hn::Eq(t, zero), hn::Eq(log_p, C(d, nothing))), log_ratio);
          }
          const V slope_p = kLog ? hn::Neg(t) : hn::IfThenZeroElse(hn::Eq(t, zero), hn::Neg(hn::Div(t, p)));
          V slope_t = zero;
          if (wants_target) {
            slope_t = hn::Add(log_ratio, one);
            if constexpr (kLogTarget) {
              slope_t = Times(d, t, slope_t);
            } else {
              const auto absent = kLog ? hn::Eq(p, C(d, nothing)) : hn::Eq(p, zero);
              slope_t = hn::IfThenZeroElse(hn::And(hn::Eq(t, zero), absent), slope_t);
            }
          }
          const V curvature = curves ? hn::Neg(hn::Div(slope_p, p)) : zero;
          return {hn::IfThenElseZero(kept_p, slope_p), hn::IfThenElseZero(kept_t, slope_t),
                  hn::IfThenElseZero(hn::AndNot(hn::Eq(t, zero), kept_p), curvature)};
        });
    if constexpr (kLog || kLogTarget) return value.Total();
    const double terms = value.Total();
    const Pair masses = mass.Total();
    return masses.hi + (masses.lo + terms);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_DIVERGENCE_KL_DIVERGENCE_INL_H_
