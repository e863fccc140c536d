// Supervised contrastive: an anchor's positives share a softmax over all others.
//
//   z_ij    = cos(x_i, x_j) / temperature
//   value_i = ln sum_{a != i} exp(z_ia) - mean over positives p of z_ip         core/simd/pairs_common-inl.h
//   d z_ia  = softmax_a - [a positive] / |P(i)|
//
// Source: Khosla et al. 2020, Supervised Contrastive Learning, equation 2 (L_out).

#if defined(LOSSD_CORE_LOSSES_METRIC_SUPCON_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_METRIC_SUPCON_INL_H_
#undef LOSSD_CORE_LOSSES_METRIC_SUPCON_INL_H_
#else
#define LOSSD_CORE_LOSSES_METRIC_SUPCON_INL_H_
#endif

#include <limits>

#include "core/simd/pairs_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Supcon {
  static constexpr Contract kContract = {
      .name = "supcon",
      .family = Family::kBatch,
      .aliases = {{"SupConLoss"}, {"supervised_contrastive"}},
      .summary = "an anchor's positives share a softmax over all other embeddings",
      .use = "Embeddings learned from labels; a pretraining for classifiers.",
      .formula =
          "value_i = -1/|P(i)| sum over positives p of ln(e^{z_ip} / sum_{a != i} e^{z_ia}), z = cos/temperature",
      .gradient = "d z_ia = softmax_a - [a positive]/|P(i)|, through the normalisation of both embeddings",
      .tex = "-\\frac{1}{|P(i)|} \\sum_{p \\in P(i)} \\ln \\frac{e^{z_{ip}}}{\\sum_{a \\ne i} e^{z_{ia}}}",
      .source = "Khosla et al. 2020, Supervised Contrastive Learning, equation 2",
      .notes =
          "Embeddings are normalised here. An anchor without positives has value 0 and takes part only as somebody's "
          "negative. A zero vector has similarity 0 with all others, and slope 0.",
      .peers =
          "Not in Keras, PyTorch or optax. The authors' code multiplies by temperature/0.07; others average only over "
          "the anchors that have positives (divisor NONZERO).",
      .params = {{"temperature", .1, kPositive, "divides the similarities"}},
      .inputs =
          {{.name = "y_pred", .shape = "N D", .differentiable = true},
           {.name = "y_true", .shape = "N", .content = Content::kIndex, .summary = "labels: equal numbers, one class"}},
      .examples = {{.origin = "by hand: two pairs at right angles, each ln(1 + 2/e)",
                    .target = {0, 0, 1, 1},
                    .prediction = {1, 0, 2, 0, 0, 1, 0, 3},
                    .value = 2.2057789,
                    .gradient = {0, .84776623, 0, .42388312, .84776623, 0, .28258874, 0},
                    .params = {1},
                    .shape = {4, 2}}},
      .f64 = {.value_ulp = 64, .slope_ulp = 4096},
      .tolerance_note =
          "similarities are divided by the temperature and exponentiated; a slope is what a sum of pulls leaves "
          "beside the embedding's own direction, which may be little",
  };
  double temperature;

  static size_t Scratch(const Dims& dims, size_t) {
    const size_t n = dims['N'], dim = dims['D'];
    return Arena::Doubles(Embeddings::Doubles(n, dim) + Pairs::Doubles(n, dim, 1), 2);
  }

  HWY_INLINE void operator()(const Item& x) const {
    const size_t n = x.dim('N'), dim = x.dim('D');
    Arena arena(x.scratch());
    Embeddings embeddings(n, dim, arena.Take(Embeddings::Doubles(n, dim)));
    embeddings.Load(x.in(0), true, dim);
    Pairs pairs(x, n, dim, 1, arena.Take(Pairs::Doubles(n, dim, 1)));
    const auto divisor = C(Tag<double>(), temperature);
    pairs.ForEachRow(
        embeddings, embeddings, [&](auto dot) HWY_ATTR { return hn::Div(dot, divisor); },
        [&](size_t i, double* z, double* chosen) HWY_ATTR -> double {
          size_t count = 0;
          z[i] = -std::numeric_limits<double>::infinity();
          for (size_t j = 0; j < n; ++j) {
            const bool positive = j != i && x.index(1)[j] == x.index(1)[i];
            chosen[j] = positive;
            count += positive;
          }
          x.value()[i] = SpreadCrossEntropy(z, chosen, n, static_cast<double>(count));
          return x.wants_slopes() ? x.upstream()[i] / temperature : 0;
        });
    if (x.wants_slopes()) embeddings.Slopes(true, x.slope(0), dim);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_METRIC_SUPCON_INL_H_
