// Pairwise logistic: every pair of unlike relevance is to be scored in its order.
//
//   value   = sum over pairs y_i > y_j of softplus(s_j - s_i)
//   slope_i = sum_{j: y_j > y_i} sigmoid(s_i - s_j) - sum_{j: y_j < y_i} sigmoid(s_j - s_i)
//   curvature_i = sum_{j: y_j != y_i} sigmoid(s_i - s_j) sigmoid(s_j - s_i)
//
// Source: Burges et al. 2005, Learning to Rank using Gradient Descent, ICML, without the ties.

#if defined(LOSSD_CORE_LOSSES_RANKING_PAIRWISE_LOGISTIC_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_RANKING_PAIRWISE_LOGISTIC_INL_H_
#undef LOSSD_CORE_LOSSES_RANKING_PAIRWISE_LOGISTIC_INL_H_
#else
#define LOSSD_CORE_LOSSES_RANKING_PAIRWISE_LOGISTIC_INL_H_
#endif

#include "core/simd/ranking-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct PairwiseLogistic {
  static constexpr Contract kContract = {
      .name = "pairwise_logistic",
      .family = Family::kRow,
      .aliases = {{"pairwise_logistic_loss"}},
      .summary = "every pair of unlike relevance is to be scored in its order",
      .use = "Learning to rank from graded relevances: a row is a list.",
      .formula = "sum over pairs y_i > y_j of log(1 + exp(-(s_i - s_j)))",
      .gradient =
          "sum over j more relevant of sigmoid(s_i - s_j), minus sum over j less relevant of sigmoid(s_j - s_i)",
      .tex = R"(\sum_{y_i > y_j} \ln\bigl(1 + e^{-(s_i - s_j)}\bigr))",
      .source = "Burges et al. 2005, Learning to Rank using Gradient Descent, ICML",
      .notes =
          "The sum over the pairs, not their mean. Pairs of equal relevance count nothing. What stands in an entry "
          "left out is not looked at, NaN included.",
      .peers = "rax pairwise_logistic_loss and TF-Ranking: the same terms. Keras, PyTorch and optax do not have it.",
      .forms = {{InputKind::kLogits}},
      .inputs = {{.name = "y_pred", .shape = "... K", .differentiable = true, .summary = "scores"},
                 {.name = "y_true", .shape = "... K", .summary = "relevances"},
                 {.name = "where",
                  .shape = "... K",
                  .content = Content::kBool,
                  .optional = true,
                  .fallback = 1,
                  .summary = "false leaves an entry out"}},
      .examples = {{.origin = "by hand: log 2 for each of two pairs",
                    .target = {1, 0, 0},
                    .prediction = {0, 0, 0},
                    .value = 1.38629436,
                    .gradient = {-1, .5, .5},
                    .form = {InputKind::kLogits}},
                   {.origin = "by hand: log(1 + e)",
                    .target = {0, 1},
                    .prediction = {1, 0},
                    .value = 1.31326169,
                    .gradient = {.731058579, -.731058579},
                    .form = {InputKind::kLogits}}},
      .f64 = {4, 64},
      .tolerance_note =
          "a slope is a difference of two sums of probabilities; where they are nearly equal its error "
          "counts in units of these",
      .curvature = true,
      .checks_nan_itself = true,
  };

  static size_t Scratch(const Dims&, size_t width) { return Ranking::Scratch(width); }

  HWY_INLINE double operator()(const Item& x) const {
    const Ranking list(x);
    if (!list.sound) return list.Poison();
    const size_t padded = Ranking::Padded(list.count);
    CarefulSum value;
    for (size_t i = 0; i < list.count; ++i) {
      const Tag<double> d;
      const auto s = hn::Set(d, list.score[i]), y = hn::Set(d, list.relevance[i]);
      LaneSum cost, up, down, bend;
      Walk(list.score, 0.0, list.relevance, padded, nullptr, [&](size_t at, auto other, auto theirs) HWY_ATTR {
        const auto better = hn::Gt(theirs, y), worse = hn::Lt(theirs, y);
        const auto term = LogisticPair(d, hn::IfThenElse(better, s, other), hn::IfThenElse(better, other, s), 1);
        cost.Add(at, hn::IfThenElseZero(worse, term.value));
        up.Add(at, hn::IfThenElseZero(better, term.pull));
        down.Add(at, hn::IfThenElseZero(worse, term.pull));
        bend.Add(at, hn::IfThenElseZero(hn::Or(better, worse), term.bend));
      });
      value.Add(cost.Total());
      if (list.wants_slope()) list.SetSlope(i, up.Total() - down.Total());
      if (list.wants_curvature()) list.SetCurvature(i, bend.Total());
    }
    return value.Total();
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_RANKING_PAIRWISE_LOGISTIC_INL_H_
