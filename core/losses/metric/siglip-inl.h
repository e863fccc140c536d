// SigLIP: every pair of rows of two batches is a binary classification, partners or not; no softmax over the batch.
//
//   z_ij    = temperature cos(x_i, y_j) + bias
//   value_i = softplus(-z_ii) + sum_{j != i} softplus(z_ij)
//   d z_ij  = sigmoid(z_ij) - [i = j]                      -sigmoid(-z_ii) without cancellation
//
// Source: Zhai et al. 2023, Sigmoid Loss for Language Image Pre-Training.

#if defined(LOSSD_CORE_LOSSES_METRIC_SIGLIP_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_METRIC_SIGLIP_INL_H_
#undef LOSSD_CORE_LOSSES_METRIC_SIGLIP_INL_H_
#else
#define LOSSD_CORE_LOSSES_METRIC_SIGLIP_INL_H_
#endif

#include <limits>

#include "core/simd/pairs_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Siglip {
  static constexpr Contract kContract = {
      .name = "siglip",
      .family = Family::kBatch,
      .aliases = {{"SigLIPLoss"}, {"sigmoid_contrastive"}},
      .summary = "every pair of rows of two batches is judged alone: partners or not",
      .use = "Images and captions with large batches: no sum couples the rows.",
      .formula = "value_i = -sum_j ln sigmoid(s_ij (temperature cos(x_i, y_j) + bias)), s_ij = 1 where i = j, else -1",
      .gradient = "d z_ij = sigmoid(z_ij) - [i = j], through the normalisation of both embeddings",
      .tex = "-\\sum_j \\ln \\sigma\\bigl(s_{ij} (t \\cos(x_i, y_j) + b)\\bigr)",
      .source = "Zhai et al. 2023, Sigmoid Loss for Language Image Pre-Training",
      .notes =
          "temperature multiplies here, as in the paper: 10 and -10 are its initial values. The mean over rows is the "
          "paper's loss. Embeddings are normalised here. A zero vector has similarity 0 with all others, and slope 0.",
      .peers = "Not in Keras, PyTorch or optax.",
      .params = {{"temperature", 10, kPositive, "multiplies the similarities"},
                 {"bias", -10, kReal, "added to the products"}},
      .inputs =
          {{.name = "y_pred", .shape = "N D", .differentiable = true},
           {.name = "other", .shape = "N D", .differentiable = true, .summary = "partners: row i belongs to row i"}},
      .examples = {{.origin = "by hand: 2 ln(1 + 1/e) + 2 ln 2",
                    .target = {},
                    .prediction = {1, 0, 0, 1},
                    .value = 2.0128177,
                    .gradient = {0, .5, .5, 0},
                    .params = {1, 0},
                    .others = {{2, 0, 0, 3}},
                    .shape = {2, 2}}},
      .f64 = {.value_ulp = 64, .slope_ulp = 4096},
      .tolerance_note =
          "similarities are multiplied by the temperature and exponentiated; a slope is what a sum of pulls leaves "
          "beside the embedding's own direction, which may be little",
  };
  double temperature, bias;

  static size_t Scratch(const Dims& dims, size_t) {
    const size_t n = dims['N'], dim = dims['D'];
    return Arena::Doubles(2 * Embeddings::Doubles(n, dim) + Pairs::Doubles(n, dim, 0), 3);
  }

  HWY_INLINE void operator()(const Item& x) const {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    const size_t n = x.dim('N'), dim = x.dim('D');
    Arena arena(x.scratch());
    Embeddings ours(n, dim, arena.Take(Embeddings::Doubles(n, dim)));
    Embeddings theirs(n, dim, arena.Take(Embeddings::Doubles(n, dim)));
    ours.Load(x.in(0), true, dim);
    theirs.Load(x.in(1), true, dim);
    Pairs pairs(x, n, dim, 0, arena.Take(Pairs::Doubles(n, dim, 0)));
    const V factor = C(d, temperature), offset = C(d, bias);
    pairs.ForEachRow(
        ours, theirs, [&](V dot) HWY_ATTR { return hn::Add(hn::Mul(factor, dot), offset); },
        [&](size_t i, double* z, double*) HWY_ATTR -> double {
          z[i] = -z[i];
          LaneSum value;
          EachVector<1, 1>(n, {z}, {-std::numeric_limits<double>::infinity()}, {z},
                           [&](size_t at, const std::array<V, 1>& in) HWY_ATTR -> std::array<V, 1> {
                             const auto step = SoftPlus(d, in[0]);
                             value.Add(at, step.value);
                             return {step.slope};
                           });
          x.value()[i] = value.Total();
          z[i] = -z[i];
          return x.wants_slopes() ? x.upstream()[i] * temperature : 0;
        });
    if (x.slope(0) != nullptr) ours.Slopes(true, x.slope(0), dim);
    if (x.slope(1) != nullptr) theirs.Slopes(true, x.slope(1), dim);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_METRIC_SIGLIP_INL_H_
