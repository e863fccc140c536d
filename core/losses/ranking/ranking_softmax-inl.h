// Ranking softmax: the cross-entropy of a list's relevances and the softmax of its scores (ListNet).
//
//   Y     = sum y, p = softmax(s)
//   value = -sum_i y_i log p_i = sum_i y_i (max s - s_i) + Y log1p(rest)     rest: core/simd/categorical-inl.h
//   slope = Y p_i - y_i        = (Y - y_i) p_i - y_i (1 - p_i)
//   curvature = Y p_i (1 - p_i)
//
// Source: Cao et al. 2007, Learning to Rank: From Pairwise Approach to Listwise Approach, ICML.

#if defined(LOSSD_CORE_LOSSES_RANKING_RANKING_SOFTMAX_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_RANKING_RANKING_SOFTMAX_INL_H_
#undef LOSSD_CORE_LOSSES_RANKING_RANKING_SOFTMAX_INL_H_
#else
#define LOSSD_CORE_LOSSES_RANKING_RANKING_SOFTMAX_INL_H_
#endif

#include "core/simd/ranking-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct RankingSoftmax {
  static constexpr Contract kContract = {
      .name = "ranking_softmax",
      .family = Family::kRow,
      .aliases = {{"ranking_softmax_loss"}, {"listnet"}, {"softmax_ranking"}},
      .summary = "the cross-entropy of a list's relevances and the softmax of its scores",
      .use = "Learning to rank: a row is a list, y_true the relevance of its entries.",
      .formula = "-sum_i y_i log softmax(s)_i over the entries that where leaves in",
      .gradient = "(sum y) softmax(s)_i - y_i; 0 for entries left out",
      .tex = R"(-\sum_i y_i \ln \frac{e^{s_i}}{\sum_j e^{s_j}})",
      .source = "Cao et al. 2007, Learning to Rank: From Pairwise Approach to Listwise Approach, ICML",
      .notes =
          "Relevances are not normalised. A list without entries has the value 0. What stands in an entry left out "
          "is not looked at, NaN included.",
      .peers =
          "optax ranking_softmax_loss averages over the lists that have an entry; its weights are factors of y_true. "
          "rax and TF-Ranking have the same value.",
      .forms = {{InputKind::kLogits}},
      .inputs = {{.name = "y_pred", .shape = "... K", .differentiable = true, .summary = "scores"},
                 {.name = "y_true", .shape = "... K", .summary = "relevances"},
                 {.name = "where",
                  .shape = "... K",
                  .content = Content::kBool,
                  .optional = true,
                  .fallback = 1,
                  .summary = "false leaves an entry out"}},
      .target = kNonNegative,
      .examples = {{.origin = "test of optax: -log softmax at the last two",
                    .target = {0, 0, 1, 1},
                    .prediction = {0, 3, 1, 2},
                    .value = 3.88037940,
                    .gradient = {.0641172, 1.2878285, -.8257114, -.5262344},
                    .form = {InputKind::kLogits}}},
      .f64 = {4, 4},
      .tolerance_note = "a sum over the list",
      .soft_targets_cancel = true,
      .conventions = {{.convention = Convention::kOptax, .reduction = Reduction::kMean}},
      .curvature = true,
      .checks_nan_itself = true,
  };

  static size_t Scratch(const Dims&, size_t width) { return Ranking::Scratch(width) + width; }

  HWY_INLINE double operator()(const Item& x) const {
    const Ranking list(x);
    if (!list.sound) return list.Poison();
    if (list.count == 0) return 0;
    const RowMax<double> top = MaxOf(list.score, list.count, -std::numeric_limits<double>::infinity());
    if (!top.sound) return list.Poison();
    double* const mass = x.scratch() + Ranking::Scratch(x.width());
    const Masses masses = LogitMasses(list.score, top.max, nullptr, list.count, mass, [](size_t, auto, auto) {});
    CarefulSum value, relevance;
    for (size_t i = 0; i < list.count; ++i) {
      const double y = list.relevance[i];
      if (y == 0) continue;
      relevance.Add(y);
      value.Add(y * (top.max - list.score[i]));
    }
    const double total = relevance.Total(), sum = masses.sum();
    if (total != 0) value.Add(total * Log1pScalar(masses.rest));
    for (size_t i = 0; i < list.count; ++i) {
      const double y = list.relevance[i];
      const double others = mass[i] == 1 ? masses.rest : sum - mass[i];
      if (list.wants_slope()) list.SetSlope(i, ((total - y) * mass[i] - y * others) / sum);
      if (list.wants_curvature()) list.SetCurvature(i, total * (mass[i] / sum) * (others / sum));
    }
    return value.Total();
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_RANKING_RANKING_SOFTMAX_INL_H_
