// Renyi divergence of order alpha: between the overlap of two distributions and their worst ratio.
//
//   a       = alpha - 1,  L_c = ln(t_c / p_c)
//   S       = sum_c t_c^alpha p_c^(1 - alpha) = sum_c t_c exp(a L_c)
//   value   = ln(S) / a
//           = log1p(S - 1) / a                 where every |a L_c| <= 1: no cancellation near alpha = 1 or p = t,
//   S - 1   = sum_c (a deviance(t_c, p_c) + t_c (exp(a L_c) - 1 - a L_c)) + a (sum t - sum p) + (sum t - 1)
//   slope_c = -(t_c / p_c)^alpha / S
//   curvature_c = -slope_c / p_c (s_c + alpha (1 - s_c)),  s_c = -p_c slope_c, the share of the class in S
//
// alpha = 1 stands for the limit on normalised rows, the Kullback-Leibler divergence.
// Source: Renyi 1961, On Measures of Entropy and Information.

#if defined(LOSSD_CORE_LOSSES_DIVERGENCE_RENYI_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_DIVERGENCE_RENYI_INL_H_
#undef LOSSD_CORE_LOSSES_DIVERGENCE_RENYI_INL_H_
#else
#define LOSSD_CORE_LOSSES_DIVERGENCE_RENYI_INL_H_
#endif

#include <limits>

#include "core/simd/divergence_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Renyi {
  static constexpr Contract kContract = {
      .name = "renyi",
      .family = Family::kRow,
      .aliases = {{"renyi_divergence"}, {"alpha_divergence"}},
      .summary = "a family of divergences from overlap (alpha near 0) over KL (1) to the worst ratio (large)",
      .use = "Variational bounds and privacy accounting; alpha sets how much classes that p misses weigh.",
      .formula = "ln(sum_c t_c^alpha p_c^(1-alpha)) / (alpha - 1)",
      .gradient = "-(t_c/p_c)^alpha / sum_k t_k^alpha p_k^(1-alpha)",
      .tex = "\\frac{1}{\\alpha-1} \\ln \\sum_c t_c^{\\alpha} p_c^{1-\\alpha}",
      .source = "Renyi 1961, On Measures of Entropy and Information",
      .notes =
          "Rows are not normalised; a row of targets that does not sum to 1 gives a value that grows like 1/(alpha - "
          "1). "
          "alpha = 1 is kl_divergence. A class with t_c > 0 = p_c has slope -inf; with alpha > 1 the value is +inf "
          "too, "
          "as it is for any alpha where the rows do not overlap.",
      .peers = "Not in Keras, PyTorch or optax.",
      .params = {{"alpha", .5, kPositive, "order; 1/2 is symmetric, 1 is the Kullback-Leibler divergence"}},
      .forms = {{InputKind::kProbabilities, ClipPolicy::kNone, kNonNegative}},
      .inputs =
          {{.name = "y_pred", .shape = "... C", .differentiable = true},
           {.name = "y_true", .shape = "... C", .domain = kNonNegative, .summary = "probabilities of the classes"}},
      .target = kNonNegative,
      .examples = {{.origin = "by hand: ln(1/4/(1/4) + 1/4/(3/4)) = ln(4/3)",
                    .target = {.5, .5},
                    .prediction = {.25, .75},
                    .value = .28768207,
                    .gradient = {-3, -.33333333},
                    .form = {InputKind::kProbabilities},
                    .params = {2}}},
      .f64 = {.value_ulp = 16, .slope_ulp = 64},
      .tolerance_note = "alpha multiplies the error of the logarithm inside an exponential",
      .curvature = true,
  };
  double alpha;

  HWY_INLINE double operator()(const Item& x) const {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    const double a = alpha - 1;
    const V zero = hn::Zero(d), one = C(d, 1.0), order = C(d, a);
    const double infinity = std::numeric_limits<double>::infinity();
    LaneSum moved, divergence;
    ExactLaneSum mass, rest;
    V top = hn::Neg(hn::Inf(d));
    auto all_close = hn::Eq(zero, zero);
    // w = ln t + a L, the logarithm of the class's term; -inf where it has none.
    const auto term = [&](V t, V log_ratio) HWY_ATTR {
      const V w = hn::MulAdd(order, log_ratio, LogOf(d, t));
      return hn::IfThenElse(hn::Eq(t, zero), hn::Neg(hn::Inf(d)), w);
    };
    EachVector<2, 0>(x.width(), {x.in(0), x.in(1)}, {0.0, 0.0}, {},
                     [&](size_t at, const std::array<V, 2>& in) HWY_ATTR -> std::array<V, 0> {
                       const V p = in[0], t = in[1];
                       const Divergent<V> c = Compare(d, t, p);
                       const V step = hn::IfThenZeroElse(hn::Eq(t, zero), hn::Mul(order, c.log_ratio));
                       all_close = hn::And(all_close, hn::Le(hn::Abs(step), one));
                       moved.Add(at, hn::MulAdd(order, c.deviance, hn::Mul(t, ExpBeyondLine(d, step))));
                       top = hn::Max(top, term(t, c.log_ratio));
                       mass.Add(at, t);
                       divergence.Add(at, c.deviance);
                       rest.Add(at, hn::Neg(p));
                       return {};
                     });
    double value, log_sum;
    const Pair masses = Plus(mass.Total(), rest.Total());
    if (a == 0) {
      value = masses.hi + (masses.lo + divergence.Total());
      log_sum = 0;
    } else if (hn::AllTrue(d, all_close)) {
      const Pair excess = Plus(mass.Total(), {-1, 0});
      const double total = excess.hi + (excess.lo + (a * masses.value() + moved.Total()));
      log_sum = total > -.5 ? Scalar(total, [](auto d1, auto v) HWY_ATTR { return hn::Log1p(d1, v); })
                            : LogScalar1(1 + total);
      value = log_sum / a;
    } else {
      const double max = hn::GetLane(hn::MaxOfLanes(d, top));
      if (max == infinity || max == -infinity) {
        log_sum = max;
        value = infinity;
      } else {
        LaneSum sum;
        const V shift = C(d, max);
        EachVector<2, 0>(x.width(), {x.in(0), x.in(1)}, {0.0, 0.0}, {},
                         [&](size_t at, const std::array<V, 2>& in) HWY_ATTR -> std::array<V, 0> {
                           const V w = term(in[1], Compare(d, in[1], in[0]).log_ratio);
                           sum.Add(at, hn::Exp(d, hn::Sub(w, shift)));
                           return {};
                         });
        log_sum = max + LogScalar1(sum.Total());
        value = log_sum / a;
      }
    }
    if (x.slope(0) != nullptr || x.curvature() != nullptr) {
      const V exponent = C(d, alpha), less = C(d, log_sum);
      EachVector<2, 2>(x.width(), {x.in(0), x.in(1)}, {0.0, 0.0}, {x.slope(0), x.curvature()},
                       [&](size_t, const std::array<V, 2>& in) HWY_ATTR -> std::array<V, 2> {
                         const V p = in[0], t = in[1];
                         const V log_ratio = Compare(d, t, p).log_ratio;
                         V slope = hn::Neg(hn::Exp(d, hn::Sub(hn::Mul(exponent, log_ratio), less)));
                         slope = hn::IfThenElse(hn::Eq(p, zero), hn::Neg(hn::Inf(d)), slope);
                         const V pull = hn::Neg(slope), share = hn::Mul(p, pull);  // of the class in S
                         const V bend = hn::MulAdd(exponent, hn::Sub(one, share), share);
                         const V curvature = hn::IfThenElse(hn::Eq(p, zero), pull, hn::Mul(hn::Div(pull, p), bend));
                         const auto absent = hn::Eq(t, zero);
                         return {hn::IfThenZeroElse(absent, slope), hn::IfThenZeroElse(absent, curvature)};
                       });
    }
    return value;
  }

 private:
  // exp(x) - 1 - x for |x| <= 1, by its series: the next term is 1/20!.
  template <class D, class V>
  static HWY_INLINE V ExpBeyondLine(D d, V x) {
    V sum = C(d, 1.0);
    for (double k = 19; k >= 3; --k) sum = hn::MulAdd(hn::Mul(sum, x), C(d, 1.0 / k), C(d, 1.0));
    return hn::Mul(hn::Mul(x, x), hn::Mul(sum, C(d, .5)));
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_DIVERGENCE_RENYI_INL_H_
