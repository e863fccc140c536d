// RankNet: the cross-entropy of the order of every pair, ties included.
//
//   o_ij  = sigma (s_i - s_j)
//   value = sum over pairs i < j: softplus(-o_ij) for y_i > y_j, softplus(o_ij) for y_i < y_j,
//           their mean |o_ij|/2 + log1p(exp(-|o_ij|)) for y_i = y_j
//   slope_i = sigma (sum_{j: y_j > y_i} sigmoid(o_ij) - sum_{j: y_j < y_i} sigmoid(-o_ij)
//             + 1/2 sum_{j: y_j = y_i} tanh(o_ij/2))
//   curvature_i = sigma^2 sum_{j != i} sigmoid(o_ij) sigmoid(-o_ij)
//
// Source: Burges et al. 2005, Learning to Rank using Gradient Descent, ICML; Burges 2010, From RankNet to LambdaRank to
// LambdaMART: An Overview.

#if defined(LOSSD_CORE_LOSSES_RANKING_RANKNET_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_RANKING_RANKNET_INL_H_
#undef LOSSD_CORE_LOSSES_RANKING_RANKNET_INL_H_
#else
#define LOSSD_CORE_LOSSES_RANKING_RANKNET_INL_H_
#endif

#include "core/simd/ranking-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct RankNet {
  static constexpr Contract kContract = {
      .name = "ranknet",
      .family = Family::kRow,
      .aliases = {{"ranknet_loss"}},
      .summary = "the cross-entropy of the order of every pair, ties included",
      .use = "Learning to rank from graded relevances, where equal relevance asks for equal scores.",
      .formula =
          "sum over pairs i < j of -P o_ij + log(1 + exp(o_ij)), o_ij = sigma (s_i - s_j), P = 1, 1/2, 0 for y_i "
          "above, at, below y_j",
      .gradient = "sigma sum_j (sigmoid(o_ij) - P_ij)",
      .tex = R"(\sum_{i<j} \bigl(-\bar P_{ij}\,o_{ij} + \ln(1 + e^{o_{ij}})\bigr),\ o_{ij} = \sigma (s_i - s_j))",
      .source = "Burges et al. 2005, Learning to Rank using Gradient Descent, ICML",
      .notes =
          "Each pair once. pairwise_logistic is the loss without the ties. What stands in an entry left out is not "
          "looked at, NaN included.",
      .peers = "XGBoost rank:pairwise and TF-Ranking leave the ties out. Keras, PyTorch and optax do not have it.",
      .params = {{"sigma", 1, kPositive, "steepness"}},
      .forms = {{InputKind::kLogits}},
      .inputs = {{.name = "y_pred", .shape = "... K", .differentiable = true, .summary = "scores"},
                 {.name = "y_true", .shape = "... K", .summary = "relevances"},
                 {.name = "where",
                  .shape = "... K",
                  .content = Content::kBool,
                  .optional = true,
                  .fallback = 1,
                  .summary = "false leaves an entry out"}},
      .examples = {{.origin = "by hand: log 2 for each of three pairs",
                    .target = {1, 0, 0},
                    .prediction = {0, 0, 0},
                    .value = 2.07944154,
                    .gradient = {-1, .5, .5},
                    .form = {InputKind::kLogits}},
                   {.origin = "by hand: a tie at o = 2: 1 + log(1 + exp(-2)), slope 2 tanh(1)/2",
                    .target = {1, 1},
                    .prediction = {1, 0},
                    .value = 1.12692801,
                    .gradient = {.761594156, -.761594156},
                    .form = {InputKind::kLogits},
                    .params = {2}}},
      .f64 = {16, 64},
      .tolerance_note =
          "a slope is a difference of two sums of probabilities; where they are nearly equal its error "
          "counts in units of these. With sigma other than 1, o itself is rounded",
      .curvature = true,
      .checks_nan_itself = true,
  };
  double sigma;

  static size_t Scratch(const Dims&, size_t width) { return Ranking::Scratch(width); }

  HWY_INLINE double operator()(const Item& x) const {
    const Ranking list(x);
    if (!list.sound) return list.Poison();
    const size_t padded = Ranking::Padded(list.count);
    CarefulSum value;
    for (size_t i = 0; i < list.count; ++i) {
      const Tag<double> d;
      const auto half = C(d, 0.5), minus_half = C(d, -0.5);
      const auto s = hn::Set(d, list.score[i]), y = hn::Set(d, list.relevance[i]);
      list.relevance[i] = std::numeric_limits<double>::quiet_NaN();  // no pair with itself
      LaneSum cost, up, down, bend;
      Walk(list.score, 0.0, list.relevance, padded, nullptr, [&](size_t at, auto other, auto theirs) HWY_ATTR {
        const auto better = hn::Gt(theirs, y), worse = hn::Lt(theirs, y), tie = hn::Eq(theirs, y);
        const auto first = hn::IfThenElse(better, s, other), second = hn::IfThenElse(better, other, s);
        const auto term = LogisticPair(d, first, second, sigma);
        cost.Add(at, hn::IfThenElseZero(worse, term.value));
        up.Add(at, hn::IfThenElseZero(better, term.pull));
        down.Add(at, hn::IfThenElseZero(worse, term.pull));
        bend.Add(at, hn::IfThenElseZero(hn::Or(tie, hn::Or(better, worse)), term.bend));
        // Of a tie each end counts half the value.
        const auto o = hn::Mul(C(d, sigma), hn::Sub(s, other));
        const auto distance = hn::Abs(o);
        const auto decay = hn::Exp(d, hn::Neg(distance));
        const auto even = hn::MulAdd(half, distance, hn::Log1p(d, decay));
        const auto tanh = hn::Div(hn::Expm1(d, hn::Neg(distance)), hn::Add(C(d, 1.0), decay));
        cost.Add(at, hn::IfThenElseZero(tie, hn::Mul(half, even)));
        up.Add(at, hn::IfThenElseZero(tie, hn::CopySign(hn::Mul(minus_half, tanh), o)));
      });
      list.relevance[i] = hn::GetLane(y);
      value.Add(cost.Total());
      if (list.wants_slope()) list.SetSlope(i, sigma * (up.Total() - down.Total()));
      if (list.wants_curvature()) list.SetCurvature(i, sigma * sigma * bend.Total());
    }
    return value.Total();
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_RANKING_RANKNET_INL_H_
