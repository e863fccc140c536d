// InfoNCE between two batches: row i of one must find row i of the other among all rows, and back.
//
//   z_ij    = cos(x_i, y_j) / temperature
//   value_i = 1/2 (ln sum_j exp z_ij - z_ii) + 1/2 (ln sum_j exp z_ji - z_ii)       symmetric; else the first, whole
//   d z_ij  = 1/2 (softmax_j z_i. - [i = j]) of row i, 1/2 (softmax_j z_.i - [i = j]) of column i
//
// Source: van den Oord, Li and Vinyals 2018, Representation Learning with Contrastive Predictive Coding; Radford et al.
// 2021, Learning Transferable Visual Models From Natural Language Supervision (symmetric).

#if defined(LOSSD_CORE_LOSSES_METRIC_INFO_NCE_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_METRIC_INFO_NCE_INL_H_
#undef LOSSD_CORE_LOSSES_METRIC_INFO_NCE_INL_H_
#else
#define LOSSD_CORE_LOSSES_METRIC_INFO_NCE_INL_H_
#endif

#include <algorithm>

#include "core/simd/pairs_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct InfoNce {
  static constexpr Contract kContract = {
      .name = "info_nce",
      .family = Family::kBatch,
      .aliases = {{"clip"}, {"CLIPLoss"}, {"MultipleNegativesRankingLoss"}},
      .summary = "row i of one batch must find row i of the other among all rows, and back",
      .use = "Images and captions, queries and passages: every other row of the batch serves as a negative.",
      .formula =
          "value_i = 1/2 (CE of row i with i) + 1/2 (CE of column i with i) of z = cos/temperature; "
          "symmetric = false: the row alone",
      .gradient = "d z_ij = softmax - [i = j], halved, through the normalisation of both embeddings",
      .tex =
          "-\\tfrac12 \\ln \\frac{e^{z_{ii}}}{\\sum_j e^{z_{ij}}} - \\tfrac12 \\ln \\frac{e^{z_{ii}}}{\\sum_j "
          "e^{z_{ji}}}",
      .source = "Radford et al. 2021, Learning Transferable Visual Models From Natural Language Supervision",
      .notes =
          "Embeddings are normalised here. The mean over rows is CLIP's loss. A zero vector has similarity 0 with all "
          "others, and slope 0.",
      .peers =
          "Not in Keras, PyTorch or optax. CLIP learns 1/temperature; sentence-transformers has the scale 20, a "
          "temperature of 0.05, and rows alone.",
      .params = {{"temperature", .07, kPositive, "divides the similarities"},
                 Flag("symmetric", true, "both directions, each half")},
      .inputs =
          {{.name = "y_pred", .shape = "N D", .differentiable = true},
           {.name = "other", .shape = "N D", .differentiable = true, .summary = "partners: row i belongs to row i"}},
      .examples = {{.origin = "by hand: 2 ln(1 + 1/e)",
                    .target = {},
                    .prediction = {1, 0, 0, 1},
                    .value = .62652338,
                    .gradient = {0, .26894142, .26894142, 0},
                    .params = {1, 1},
                    .others = {{2, 0, 0, 3}},
                    .shape = {2, 2}}},
      .f64 = {.value_ulp = 64, .slope_ulp = 16384},
      .tolerance_note =
          "similarities are divided by the temperature and exponentiated; a slope is what a sum of pulls leaves "
          "beside the embedding's own direction, which may be little",
  };
  double temperature, symmetric;

  static size_t Scratch(const Dims& dims, size_t) {
    const size_t n = dims['N'], dim = dims['D'];
    return Arena::Doubles(2 * Embeddings::Doubles(n, dim) + Pairs::Doubles(n, dim, 1), 3);
  }

  HWY_INLINE void operator()(const Item& x) const {
    const size_t n = x.dim('N'), dim = x.dim('D');
    Arena arena(x.scratch());
    Embeddings ours(n, dim, arena.Take(Embeddings::Doubles(n, dim)));
    Embeddings theirs(n, dim, arena.Take(Embeddings::Doubles(n, dim)));
    ours.Load(x.in(0), true, dim);
    theirs.Load(x.in(1), true, dim);
    Pairs pairs(x, n, dim, 1, arena.Take(Pairs::Doubles(n, dim, 1)));
    std::fill_n(x.value(), n, 0.0);
    const double share = symmetric != 0 ? .5 : 1;
    const auto divisor = C(Tag<double>(), temperature);
    for (int direction = 0; direction < (symmetric != 0 ? 2 : 1); ++direction) {
      pairs.ForEachRow(
          direction == 0 ? ours : theirs, direction == 0 ? theirs : ours,
          [&](auto dot) HWY_ATTR { return hn::Div(dot, divisor); },
          [&](size_t i, double* z, double* chosen) HWY_ATTR -> double {
            std::fill_n(chosen, n, 0.0);
            chosen[i] = 1;
            x.value()[i] += share * SpreadCrossEntropy(z, chosen, n, 1);
            return x.wants_slopes() ? share * x.upstream()[i] / temperature : 0;
          });
    }
    if (x.slope(0) != nullptr) ours.Slopes(true, x.slope(0), dim);
    if (x.slope(1) != nullptr) theirs.Slopes(true, x.slope(1), dim);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_METRIC_INFO_NCE_INL_H_
