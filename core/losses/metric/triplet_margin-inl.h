// Triplet margin: an anchor must be nearer to its positive than to its negative, by a margin.
//
//   d+      = distance(a, p),  d- = distance(a, n), with swap the smaller of it and distance(p, n)
//   z       = d+ - d- + margin
//   value   = max(z, 0)
//   slope   = [z > 0] (d d+ - d d-)                     core/simd/distance_common-inl.h
//
// Source: Balntas et al. 2016, Learning Local Feature Descriptors with Triplets and Shallow Convolutional Neural
// Networks.

#if defined(LOSSD_CORE_LOSSES_METRIC_TRIPLET_MARGIN_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_METRIC_TRIPLET_MARGIN_INL_H_
#undef LOSSD_CORE_LOSSES_METRIC_TRIPLET_MARGIN_INL_H_
#else
#define LOSSD_CORE_LOSSES_METRIC_TRIPLET_MARGIN_INL_H_
#endif

#include <algorithm>

#include "core/simd/distance_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct TripletMargin {
  static constexpr Contract kContract = {
      .name = "triplet_margin",
      .family = Family::kRow,
      .aliases = {{"TripletMarginLoss"}, {"TripletMarginWithDistanceLoss"}, {"triplet"}, {"triplet_loss"}},
      .summary = "an anchor must be nearer to its positive than to its negative, by a margin",
      .use = "Embeddings for faces, products, sentences, learned from triplets.",
      .formula = "max(d(a, p) - d(a, n) + margin, 0); swap: min(d(a, n), d(p, n)) in place of d(a, n)",
      .gradient = "where positive: anchor u_ap - u_an, positive -u_ap, negative u_an; u_xy = d d(x, y)/d x",
      .tex = "\\max\\bigl(d(a, p) - d(a, n) + m,\\, 0\\bigr)",
      .source = "Balntas et al. 2016, Learning Local Feature Descriptors with Triplets and Shallow CNNs",
      .notes =
          "distance lp: (sum |x_i - y_i + epsilon|^p)^(1/p), epsilon added to every difference as in PyTorch; p = inf "
          "is "
          "the largest. squared: the Euclidean distance squared, without epsilon. cosine: 1 - cos, each norm at least "
          "epsilon. At distance 0 (possible with epsilon = 0) the slope is 0.",
      .peers =
          "PyTorch's gradient passes at the kink. optax adds eps under the root and raises differences, not their "
          "absolute "
          "values, to norm_degree: odd degrees differ. Keras has no triplet loss; other libraries average over the "
          "losses "
          "above 0 (divisor NONZERO).",
      .kinks_note =
          "d(a, p) + margin = the other distance: the kink policy; equal distances under swap: half of each; lp: a "
          "difference of 0 (p = 1) has slope 0, largest differences that tie (p = inf) share it",
      .params = {{"margin", 1, kReal, "by how much nearer"},
                 {"p", 2, {1, kInf}, "degree of the norm"},
                 {"epsilon", 1e-6, kNonNegative, "added to every difference; cosine: floor of the norms"},
                 Flag("swap", false, "the negative may be measured from the positive"),
                 Choice("distance", {"lp", "squared", "cosine"}, 0, "how far two embeddings are apart")},
      .inputs =
          {{.name = "anchor", .shape = "... C", .differentiable = true, .summary = "the embedding that is compared"},
           {.name = "positive", .shape = "... C", .differentiable = true, .summary = "of the anchor's class"},
           {.name = "negative", .shape = "... C", .differentiable = true, .summary = "of another class"}},
      .examples = {{.origin = "by hand: 5 - 1 + 1",
                    .target = {},
                    .prediction = {0, 0},
                    .value = 5,
                    .gradient = {-.6, .2},
                    .digits = 5,
                    .params = {1, 2, 0, 0, 0},
                    .others = {{3, 4}, {0, 1}}},
                   {.origin = "by hand: squared, 25 - 16 + 1",
                    .target = {},
                    .prediction = {0, 0},
                    .value = 10,
                    .gradient = {-6, 0},
                    .params = {1, 2, 0, 0, 1},
                    .others = {{3, 4}, {0, 4}}}},
      .f64 = {.value_ulp = 64, .slope_ulp = 64},
      .tolerance_note =
          "the value is a difference of distances, the anchor's slope one of directions; powers of general p",
      .conventions = {{.convention = Convention::kTorch, .kink_policy = KinkPolicy::kActive},
                      {.convention = Convention::kOptax}},
      .has_kinks = true,
      .curvature = true,
  };
  double margin, p, epsilon, swap, distance;
  double kink;

  HWY_INLINE double operator()(const Item& x) const {
    const Distance to_positive = Between(x, 0, 1), to_negative = Between(x, 0, 2);
    const Distance across = swap != 0 ? Between(x, 1, 2) : to_negative;
    const double nearest = std::min(to_negative.value(), across.value());
    const double z = to_positive.value() - nearest + margin;
    Fill(x, 0);
    if (x.wants_slopes() || x.curvature() != nullptr) {
      const double active = StepOf(z, kink);
      const double from_anchor = swap == 0                               ? 1
                                 : to_negative.value() == across.value() ? .5
                                 : to_negative.value() < across.value()  ? 1
                                                                         : 0;
      to_positive.AddSlopes(active, x.slope(0), x.slope(1));
      to_negative.AddSlopes(-active * from_anchor, x.slope(0), x.slope(2));
      across.AddSlopes(-active * (1 - from_anchor), x.slope(1), x.slope(2));
      to_positive.AddCurvature(active, 0, x.curvature());
      to_negative.AddCurvature(-active * from_anchor, 0, x.curvature());
    }
    return z > 0 ? z : z * 0;  // NaN stays
  }

 private:
  HWY_INLINE Distance Between(const Item& x, size_t i, size_t j) const {
    const auto kind = static_cast<Distance::Kind>(static_cast<int>(distance));
    return Distance(kind, p, epsilon, x.in(i), x.in(j), x.width());
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_METRIC_TRIPLET_MARGIN_INL_H_
