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

#include <limits>

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
    return Arena::Doubles(2 * Embeddings::Doubles(n, dim) + Pairs::Doubles(n, dim, 0) + 3 * n, 6);
  }

  HWY_INLINE void operator()(const Item& x) const {
    const size_t n = x.dim('N'), dim = x.dim('D');
    Arena arena(x.scratch());
    Embeddings ours(n, dim, arena.Take(Embeddings::Doubles(n, dim)));
    Embeddings theirs(n, dim, arena.Take(Embeddings::Doubles(n, dim)));
    ours.Load(x.in(0), true, dim);
    theirs.Load(x.in(1), true, dim);
    Pairs pairs(x, n, dim, 0, arena.Take(Pairs::Doubles(n, dim, 0)));
    const auto divisor = C(Tag<double>(), temperature);
    const auto similarity = [&](auto dot) HWY_ATTR { return hn::Div(dot, divisor); };
    const bool slopes = x.wants_slopes();
    if (symmetric == 0) {
      pairs.ForEachRow(ours, theirs, similarity, [&](size_t i, double* z, double*) HWY_ATTR -> double {
        const Softmax row(z, n, i);
        x.value()[i] = row.value;
        if (!slopes) return 0;
        row.ToShares(x.upstream()[i], z, n);
        z[i] = -x.upstream()[i] * row.left;
        return 1 / temperature;
      });
    } else {
      // The columns come first, as the rows of the transpose: with what they leave behind, the rows are pulled for both
      // directions at once.
      double *const max = arena.Take(n), *const by = arena.Take(n), *const left = arena.Take(n);
      pairs.ForEachRow(theirs, ours, similarity, [&](size_t j, double* z, double*) HWY_ATTR -> double {
        const Softmax column(z, n, j);
        x.value()[j] = .5 * column.value;
        max[j] = column.max;
        left[j] = column.left;
        by[j] = slopes ? x.upstream()[j] / column.sum : 0;
        return 0;
      });
      pairs.ForEachRow(ours, theirs, similarity, [&](size_t i, double* z, double*) HWY_ATTR -> double {
        const Softmax row(z, n, i);
        x.value()[i] += .5 * row.value;
        if (!slopes) return 0;
        row.ToShares(x.upstream()[i], z, n, max, by);
        z[i] = -x.upstream()[i] * (row.left + left[i]);
        return .5 / temperature;
      });
    }
    if (x.slope(0) != nullptr) ours.Slopes(true, x.slope(0), dim);
    if (x.slope(1) != nullptr) theirs.Slopes(true, x.slope(1), dim);
  }

 private:
  using V = hn::Vec<Tag<double>>;

  // The softmax of a row z [n] whose target is element i.
  struct Softmax {
    HWY_INLINE Softmax(const double* z, size_t n, size_t i) : max(LargestElement(z, n)) {
      const Masses masses = LogitMasses(z, max, nullptr, n, nullptr, [](size_t, auto, auto) HWY_ATTR {});
      const double target = Scalar(z[i], [&](auto d, auto v) HWY_ATTR { return ExpBelow(d, v, C(d, max)); });
      sum = masses.sum();
      left = (target == 1 ? masses.rest : sum - target) / sum;
      value = Log1pScalar(masses.rest) + (max - z[i]);
    }
    // z becomes upstream softmax(z).
    HWY_INLINE void ToShares(double upstream, double* z, size_t n) const {
      const Tag<double> d;
      const V top = C(d, max), share = C(d, upstream / sum);
      EachVector<1, 1>(n, {z}, {-std::numeric_limits<double>::infinity()}, {z},
                       [&](size_t, const std::array<V, 1>& in)
                           HWY_ATTR -> std::array<V, 1> { return {hn::Mul(share, ExpBelow(d, in[0], top))}; });
    }
    // The same plus by[j] exp(z[j] - column_max[j]).
    HWY_INLINE void ToShares(double upstream, double* z, size_t n, const double* column_max, const double* by) const {
      const Tag<double> d;
      const V top = C(d, max), share = C(d, upstream / sum);
      EachVector<3, 1>(n, {z, column_max, by}, {-std::numeric_limits<double>::infinity(), 0, 0}, {z},
                       [&](size_t, const std::array<V, 3>& in) HWY_ATTR -> std::array<V, 1> {
                         const V of_row = hn::Mul(share, ExpBelow(d, in[0], top));
                         return {hn::MulAdd(in[2], ExpBelow(d, in[0], in[1]), of_row)};
                       });
    }

    double max, sum;
    double left;   // of 1, beside the share of the target
    double value;  // -log of that share
  };
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_METRIC_INFO_NCE_INL_H_
