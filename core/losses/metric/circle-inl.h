// Circle: similarities within and between classes, each pulled the harder the farther it is from its optimum.
//
//   d_ij    = max(1 - x_i.x_j, 0)
//   a_ij    = gamma max(margin + d_ij, 0) (d_ij - margin)           for j of the anchor's class
//   b_ij    = gamma max(1 + margin - d_ij, 0) (1 - margin - d_ij)   for j of another
//   value_i = softplus(ln sum_j exp a_ij + ln sum_j exp b_ij)       0 without a positive or a negative
//   d d_ij  = sigmoid(..) softmax_j times the derivative of a or b; detach: the first factor of each is held fixed
//
// Source: Sun et al. 2020, Circle Loss: A Unified Perspective of Pair Similarity Optimization.

#if defined(LOSSD_CORE_LOSSES_METRIC_CIRCLE_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_METRIC_CIRCLE_INL_H_
#undef LOSSD_CORE_LOSSES_METRIC_CIRCLE_INL_H_
#else
#define LOSSD_CORE_LOSSES_METRIC_CIRCLE_INL_H_
#endif

#include <algorithm>
#include <limits>

#include "core/simd/pairs_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Circle {
  static constexpr Contract kContract = {
      .name = "circle",
      .family = Family::kBatch,
      .aliases = {{"CircleLoss"}},
      .summary = "pairs are pulled the harder the farther they are from their optimum",
      .use = "Embeddings learned from labels: re-identification, faces, retrieval.",
      .formula =
          "softplus(logsumexp_{j of the class} gamma [m + d_ij]+ (d_ij - m) + logsumexp_{j of others} "
          "gamma [1 + m - d_ij]+ (1 - m - d_ij)), d = max(1 - x_i.x_j, 0)",
      .gradient =
          "sigmoid of the sum times both softmaxes times gamma (2 d) and gamma (2 d - 2) inside; detach: gamma "
          "[m + d]+ and -gamma [1 + m - d]+",
      .tex =
          "\\ln\\Bigl(1 + \\sum_{j \\in P} e^{\\gamma [m + d_{ij}]_+ (d_{ij} - m)} \\sum_{j \\in N} "
          "e^{\\gamma [1 + m - d_{ij}]_+ (1 - m - d_{ij})}\\Bigr)",
      .source = "Sun et al. 2020, Circle Loss: A Unified Perspective of Pair Similarity Optimization",
      .notes =
          "The caller normalises the embeddings: the slope is that of the dot products. An anchor without a positive "
          "or "
          "without a negative has value 0; divisor NONZERO leaves it out of the mean. remove_diagonal: an embedding is "
          "not "
          "its own positive. The paper holds the weights fixed (detach).",
      .peers =
          "Keras's Circle does not detach and averages over the losses above 0 (divisor NONZERO). Not in PyTorch or "
          "optax; pytorch-metric-learning detaches.",
      .kinks_note = "x_i.x_j = 1, and where a weight reaches 0: the kink policy",
      .params = {{"gamma", 80, kPositive, "scale"},
                 {"margin", .4, kReal, "relaxation"},
                 Flag("detach", false, "the weights are constants in the gradient", {"true"}),
                 Flag("remove_diagonal", true, "an embedding is not its own positive")},
      .inputs =
          {{.name = "y_pred", .shape = "N D", .differentiable = true},
           {.name = "y_true", .shape = "N", .content = Content::kIndex, .summary = "labels: equal numbers, one class"}},
      .examples = {{.origin = "mpmath, from the formula",
                    .target = {0, 0, 1, 1},
                    .prediction = {1, 0, .6, .8, 0, 1, -.6, .8},
                    .value = 5.0498570,
                    .gradient = {-.69692304, -.92923072, -1.3695763, 1.8258718, 1.2666799, .78867401, .20803793,
                                 -.28526146},
                    .params = {1, .2, 0, 1},
                    .shape = {4, 2}}},
      .f64 = {.value_ulp = 64, .slope_ulp = 4096},
      .tolerance_note = "gamma multiplies the rounding of the similarities before they are exponentiated",
      .conventions = {{.convention = Convention::kKeras, .divisor = Divisor::kNonZero}},
      .has_kinks = true,
  };
  double gamma, margin, detach, remove_diagonal;
  double kink;

  static size_t Scratch(const Dims& dims, size_t) {
    const size_t n = dims['N'], dim = dims['D'];
    return Arena::Doubles(Embeddings::Doubles(n, dim) + Pairs::Doubles(n, dim, 2), 2);
  }

  HWY_INLINE void operator()(const Item& x) const {
    const size_t n = x.dim('N'), dim = x.dim('D');
    Arena arena(x.scratch());
    Embeddings embeddings(n, dim, arena.Take(Embeddings::Doubles(n, dim)));
    embeddings.Load(x.in(0), false, dim);
    Pairs pairs(x, n, dim, 2, arena.Take(Pairs::Doubles(n, dim, 2)));
    pairs.ForEachRow(
        embeddings, embeddings, [](auto dot) HWY_ATTR { return dot; },
        [&](size_t i, double* z, double* spare) HWY_ATTR { return Anchor(x, n, i, z, spare, spare + n); });
    if (x.wants_slopes()) embeddings.Slopes(false, x.slope(0), dim);
  }

 private:
  // The value of row i; z, its similarities, becomes their derivatives.
  HWY_INLINE double Anchor(const Item& x, size_t n, size_t i, double* z, double* a, double* b) const {
    const double nothing = -std::numeric_limits<double>::infinity();
    for (size_t j = 0; j < n; ++j) {
      const double d = std::max(1 - z[j], 0.0);
      const bool same = x.index(1)[j] == x.index(1)[i];
      const bool positive = same && !(j == i && remove_diagonal != 0);
      a[j] = positive ? gamma * std::max(margin + d, 0.0) * (d - margin) : nothing;
      b[j] = same ? nothing : gamma * std::max(1 + margin - d, 0.0) * (1 - margin - d);
    }
    const double of_a = Soften(a, n), of_b = Soften(b, n);
    const bool paired = of_a > nothing && of_b > nothing;
    double share = 0;
    x.value()[i] = paired ? Plus1(of_a + of_b, share) : 0;
    if (!x.wants_slopes() || !paired) return 0;
    for (size_t j = 0; j < n; ++j) {
      const double gap = 1 - z[j], d = std::max(gap, 0.0);
      const double above = std::max(margin + d, 0.0), below = std::max(1 + margin - d, 0.0);
      double of_d = a[j] * above - b[j] * below;
      if (detach == 0) {
        of_d += a[j] * StepOf(margin + d, kink) * (d - margin);
        of_d -= b[j] * StepOf(1 + margin - d, kink) * (1 - margin - d);
      }
      z[j] = -share * gamma * of_d * StepOf(gap, kink);
    }
    return x.upstream()[i];
  }

  // The logarithm of the sum of exp(z); z becomes its softmax. -inf and zeros where every z is -inf.
  static HWY_INLINE double Soften(double* z, size_t n) {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    const double max = LargestElement(z, n), nothing = -std::numeric_limits<double>::infinity();
    if (max == nothing) {
      std::fill_n(z, n, 0.0);
      return nothing;
    }
    const Masses masses = LogitMasses(z, max, nullptr, n, z, [](size_t, auto, auto) HWY_ATTR {});
    const V share = C(d, 1 / masses.sum());
    EachVector<1, 1>(n, {z}, {0.0}, {z}, [&](size_t, const std::array<V, 1>& in) HWY_ATTR -> std::array<V, 1> {
      return {hn::Mul(in[0], share)};
    });
    return max + Log1pScalar(masses.rest);
  }

  // softplus(x) and its derivative.
  static HWY_INLINE double Plus1(double x, double& slope) {
    const hn::CappedTag<double, 1> d;
    const auto step = SoftPlus(d, hn::Set(d, x));
    slope = hn::GetLane(step.slope);
    return hn::GetLane(step.value);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_METRIC_CIRCLE_INL_H_
