// NT-Xent: of an anchor's positives each must win a softmax against the anchor's negatives.
//
//   z_ij    = cos(x_i, x_j) / temperature
//   n_i     = ln sum_{k: label_k != label_i} exp(z_ik)
//   value_i = sum_{j != i: label_j = label_i} softplus(n_i - z_ij)        -ln(exp z_ij / (exp z_ij + sum over
//   negatives)) d z_ij  = -sigmoid(n_i - z_ij) for a positive, exp(z_ik - n_i) sum_j sigmoid(n_i - z_ij) for a negative
//
// Source: Chen et al. 2020, A Simple Framework for Contrastive Learning of Visual Representations.

#if defined(LOSSD_CORE_LOSSES_METRIC_NTXENT_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_METRIC_NTXENT_INL_H_
#undef LOSSD_CORE_LOSSES_METRIC_NTXENT_INL_H_
#else
#define LOSSD_CORE_LOSSES_METRIC_NTXENT_INL_H_
#endif

#include <algorithm>
#include <limits>

#include "core/simd/pairs_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Ntxent {
  static constexpr Contract kContract = {
      .name = "ntxent",
      .family = Family::kBatch,
      .aliases = {{"NTXentLoss"}, {"simclr"}},
      .summary = "each positive of an anchor must win a softmax against the anchor's negatives",
      .use = "Self-supervised and supervised embeddings: views of one image share a label.",
      .formula =
          "value_i = sum over positives j of -ln(e^{z_ij} / (e^{z_ij} + sum over negatives k of e^{z_ik})), "
          "z = cos/temperature",
      .gradient =
          "d z_ij = -sigmoid(n_i - z_ij) for positives, e^{z_ik - n_i} sum_j sigmoid(n_i - z_ij) for negatives, "
          "through the normalisation of both embeddings",
      .tex = "\\sum_{j \\in P(i)} -\\ln \\frac{e^{z_{ij}}}{e^{z_{ij}} + \\sum_{k \\in N(i)} e^{z_{ik}}}",
      .source = "Chen et al. 2020, A Simple Framework for Contrastive Learning of Visual Representations",
      .notes =
          "Embeddings are normalised here. Other positives are not in the denominator. The value of an anchor is the "
          "sum "
          "over its positives; divisor TERMS makes the mean over all pairs. An anchor without positives has value 0. A "
          "zero vector has similarity 0 with all others, and slope 0.",
      .peers =
          "optax ntxent is the mean over positive pairs (divisor TERMS) and NaN with a zero vector or without a pair. "
          "pytorch-metric-learning adds a small number inside the logarithm. supcon has all others in the denominator.",
      .params = {{"temperature", .07, kPositive, "divides the similarities"}},
      .inputs =
          {{.name = "y_pred", .shape = "N D", .differentiable = true},
           {.name = "y_true", .shape = "N", .content = Content::kIndex, .summary = "labels: equal numbers, one class"}},
      .examples = {{.origin = "optax ntxent test: 14.01032, the mean of 4 pairs",
                    .target = {0, 0, 1, 1},
                    .prediction = {-1.9540, 1.0780, .2380, -.5703, 1.8745, -.0195, -.6719, -1.9210},
                    .value = 56.04128,
                    .gradient = {.798262, 1.446943, 17.85627, 7.451853, .0768633, 7.38873, -10.26007, 3.588621},
                    .digits = 5,
                    .shape = {4, 2}}},
      .f64 = {.value_ulp = 64, .slope_ulp = 4096},
      .tolerance_note =
          "similarities are divided by the temperature and exponentiated; a slope is what a sum of pulls leaves "
          "beside the embedding's own direction, which may be little",
      .conventions = {{.convention = Convention::kOptax, .divisor = Divisor::kTerms, .reduction = Reduction::kMean}},
      .extra = Extra::kTerms,
  };
  double temperature;

  static size_t Scratch(const Dims& dims, size_t) {
    const size_t n = dims['N'], dim = dims['D'];
    return Arena::Doubles(Embeddings::Doubles(n, dim) + n + Pairs::Doubles(n, dim, 0), 3);
  }

  HWY_INLINE void operator()(const Item& x) const {
    const Tag<double> d;
    const size_t n = x.dim('N'), dim = x.dim('D');
    Arena arena(x.scratch());
    double* const labels = arena.Take(n);
    std::copy_n(x.index(1), n, labels);
    Embeddings embeddings(n, dim, arena.Take(Embeddings::Doubles(n, dim)));
    embeddings.Load(x.in(0), true, dim);
    Pairs pairs(x, n, dim, 0, arena.Take(Pairs::Doubles(n, dim, 0)));
    const auto divisor = C(d, temperature);
    pairs.ForEachRow(
        embeddings, embeddings, [&](auto dot) HWY_ATTR { return hn::Div(dot, divisor); },
        [&](size_t i, double* z, double*) HWY_ATTR { return Anchor(x, labels, n, i, z); });
    if (x.wants_slopes()) embeddings.Slopes(true, x.slope(0), dim);
  }

 private:
  // The value of row i, and its derivatives in z.
  HWY_INLINE double Anchor(const Item& x, const double* labels, size_t n, size_t i, double* z) const {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    const double nothing = -std::numeric_limits<double>::infinity();
    z[i] = nothing;
    const V mine = C(d, labels[i]), absent = C(d, nothing), one = C(d, 1.0);
    const auto walk = [&](const auto& fn, double* out) HWY_ATTR {
      EachVector<2, 1>(n, {z, labels}, {nothing, 0.0}, {out},
                       [&](size_t at, const std::array<V, 2>& in) HWY_ATTR -> std::array<V, 1> {
                         const auto same = hn::Eq(in[1], mine);
                         return {fn(at, in[0], hn::And(same, hn::Gt(in[0], absent)), hn::Not(same))};
                       });
    };
    V largest = absent;
    walk(
        [&](size_t, V v, auto, auto negative) HWY_ATTR {
          largest = hn::Max(largest, hn::IfThenElse(negative, v, absent));
          return v;
        },
        nullptr);
    const double max = hn::GetLane(hn::MaxOfLanes(d, largest));
    const bool any = max > nothing;
    const V top = C(d, any ? max : 0);
    LaneSum masses;
    walk(
        [&](size_t at, V v, auto, auto negative) HWY_ATTR {
          masses.Add(at, hn::IfThenElseZero(negative, hn::Exp(d, hn::Sub(v, top))));
          return v;
        },
        nullptr);
    const double rivals = any ? max + LogScalar1(masses.Total()) : nothing;
    const V against = C(d, rivals);
    LaneSum value, pull, terms;
    walk(
        [&](size_t at, V v, auto positive, auto) HWY_ATTR {
          if (hn::AllFalse(d, positive)) return v;  // most vectors: there are few of a class
          const auto step = SoftPlus(d, hn::Sub(against, v));
          value.Add(at, hn::IfThenElseZero(positive, step.value));
          pull.Add(at, hn::IfThenElseZero(positive, step.slope));
          terms.Add(at, hn::IfThenElseZero(positive, one));
          return v;
        },
        nullptr);
    x.value()[i] = value.Total();
    if (x.extra() != nullptr) x.extra()[i] = terms.Total();
    if (!x.wants_slopes() || x.upstream()[i] == 0) return 0;
    const V total = C(d, pull.Total());
    walk(
        [&](size_t, V v, auto positive, auto negative) HWY_ATTR {
          const V lost = hn::IfThenElseZero(negative, hn::Mul(total, hn::Exp(d, hn::Sub(v, against))));
          if (hn::AllFalse(d, positive)) return lost;
          return hn::IfThenElse(positive, hn::Neg(SoftPlus(d, hn::Sub(against, v)).slope), lost);
        },
        z);
    return x.upstream()[i] / temperature;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_METRIC_NTXENT_INL_H_
