// Entropy of the prediction: how undecided it is.
//
// From probabilities:
//   value   = -sum_c p_c ln p_c
//   slope_c = -(ln p_c + 1), curvature_c = -1 / p_c
// From logits x, with d_c = max x - x_c, e_c = exp(-d_c), S = sum e = 1 + rest, s = e/S:
//   value   = log1p(rest) + sum_c s_c d_c                logsumexp(x) - s.x as a sum of terms >= 0
//   slope_c = s_c g_c,  g_c = d_c - sum_k s_k d_k        -s_c (ln s_c + value)
//   curvature_c = s_c ((1 - 2 s_c) g_c - (1 - s_c))
//
// Source: Shannon 1948, A Mathematical Theory of Communication.

#if defined(LOSSD_CORE_LOSSES_DIVERGENCE_ENTROPY_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_DIVERGENCE_ENTROPY_INL_H_
#undef LOSSD_CORE_LOSSES_DIVERGENCE_ENTROPY_INL_H_
#else
#define LOSSD_CORE_LOSSES_DIVERGENCE_ENTROPY_INL_H_
#endif

#include <limits>

#include "core/simd/categorical-inl.h"
#include "core/simd/divergence_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Entropy {
  static constexpr Contract kContract = {
      .name = "entropy",
      .family = Family::kRow,
      .aliases = {{"shannon_entropy"}, {"entropy_loss"}},
      .summary = "how undecided a prediction is; needs no target",
      .use = "Entropy minimisation in semi-supervised learning; with a negative weight, a bonus for exploration.",
      .formula = "PROBABILITIES: -sum_c p_c ln p_c; LOGITS: the same of softmax(x)",
      .gradient = "PROBABILITIES: -(ln p_c + 1); LOGITS: -s_c (ln s_c + H), s = softmax(x)",
      .tex = "-\\sum_c p_c \\ln p_c",
      .source = "Shannon 1948, A Mathematical Theory of Communication",
      .notes =
          "Natural logarithm; 0 ln 0 = 0. Probabilities are not normalised; the slope is +inf at p_c = 0, its limit. "
          "A class with the logit -inf takes no part; a row of logits without a finite maximum answers NaN.",
      .peers = "Not a loss in Keras, PyTorch (torch.special.entr gives the terms) or optax.",
      .forms = {{InputKind::kProbabilities, ClipPolicy::kNone, kNonNegative}, {InputKind::kLogits}},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true}},
      .examples = {{.origin = "by hand: 1/2 ln 2 + 1/2 ln 4",
                    .target = {},
                    .prediction = {.5, .25, .25},
                    .value = 1.0397208,
                    .gradient = {-.30685282, .38629436, .38629436},
                    .form = {InputKind::kProbabilities}},
                   {.origin = "by hand: the most there is, ln 2",
                    .target = {},
                    .prediction = {3, 3},
                    .value = .69314718,
                    .gradient = {0, 0},
                    .form = {InputKind::kLogits}}},
      .f64 = {.value_ulp = 4, .slope_ulp = 64},
      .tolerance_note = "slopes that are the difference of nearly equal terms, near p_c = 1/e",
      .curvature = true,
  };

  HWY_INLINE double operator()(const Item& x) const {
    return x.form().input_kind == InputKind::kLogits ? FromLogits(x) : FromProbabilities(x);
  }

 private:
  static HWY_INLINE double FromProbabilities(const Item& x) {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    const V one = C(d, 1.0);
    const bool curves = x.curvature() != nullptr;
    LaneSum value;
    EachVector<1, 2>(x.width(), {x.in(0)}, {0.0}, {x.slope(0), x.curvature()},
                     [&](size_t at, const std::array<V, 1>& in) HWY_ATTR -> std::array<V, 2> {
                       const V log = LogOf(d, in[0]);
                       value.Add(at, hn::Neg(Times(d, in[0], log)));
                       return {hn::Neg(hn::Add(log, one)), curves ? hn::Neg(hn::Div(one, hn::Abs(in[0]))) : one};
                     });
    return value.Total();
  }

  static HWY_INLINE double FromLogits(const Item& x) {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    const double nothing = -std::numeric_limits<double>::infinity();
    const RowMax<double> top = MaxOf(x.in(0), x.width(), nothing);
    if (!top.sound) return Refuse(x);
    const V max = C(d, top.max);
    LaneSum depth;
    // e (max - x); 0 where either factor is.
    const auto each = [&](size_t at, auto v, auto)
                          HWY_ATTR { depth.Add(at, Times(d, ExpBelow(d, v, max), hn::Sub(max, v))); };
    const Masses masses = LogitMasses(x.in(0), top.max, nullptr, x.width(), nullptr, each);
    const double mean = depth.Total() / masses.sum();
    if (x.slope(0) != nullptr || x.curvature() != nullptr) {
      const V one = C(d, 1.0), rest = C(d, masses.rest), sum = C(d, masses.sum());
      const V share = C(d, 1 / masses.sum());
      EachVector<1, 2>(x.width(), {x.in(0)}, {nothing}, {x.slope(0), x.curvature()},
                       [&](size_t, const std::array<V, 1>& in) HWY_ATTR -> std::array<V, 2> {
                         const V e = ExpBelow(d, in[0], max);
                         const V mine = hn::Mul(e, share), depth = hn::Sub(hn::Sub(max, in[0]), C(d, mean));
                         const V others = hn::Mul(hn::IfThenElse(hn::Eq(e, one), rest, hn::Sub(sum, e)), share);
                         const V bend = hn::MulSub(hn::Sub(others, mine), depth, others);
                         return {Times(d, mine, depth), Times(d, mine, bend)};
                       });
    }
    return Log1pScalar(masses.rest) + mean;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_DIVERGENCE_ENTROPY_INL_H_
