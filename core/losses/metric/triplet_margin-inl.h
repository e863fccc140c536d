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
#include <array>
#include <cmath>
#include <type_traits>

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
  static constexpr bool kReadsFloats = true;
  static constexpr bool kPassesNan = true;
  double margin, p, epsilon, swap, distance;
  double kink;

  static size_t Scratch(const Dims&, size_t width) { return 7 * width; }

  template <class T>
  HWY_INLINE double operator()(const ItemOf<T>& x) const {
    const size_t n = x.width();
    const auto refuses = [&]() HWY_ATTR {
      return !Sound(x.in(0), n, kReal) || !Sound(x.in(1), n, kReal) || !Sound(x.in(2), n, kReal);
    };
    if constexpr (std::is_same_v<T, double>) {
      if (refuses()) return Refuse(x);
      return Of({{x.in(0), x.in(1), x.in(2)}, {x.slope(0), x.slope(1), x.slope(2)}, x.curvature(), n});
    } else {
      if (distance == 0 && p == 2 && swap == 0 && x.curvature() == nullptr) {
        const double value = Euclidean(x);
        return value != value && refuses() ? Refuse(x) : value;
      }
      if (refuses()) return Refuse(x);
      Rows rows{{}, {}, x.curvature() == nullptr ? nullptr : x.scratch() + 6 * n, n};
      for (size_t i = 0; i < 3; ++i) {
        double* const in = x.scratch() + i * n;
        Copy(x.in(i), n, in);
        rows.in[i] = in;
        rows.slope[i] = x.slope(i) == nullptr ? nullptr : x.scratch() + (3 + i) * n;
      }
      const double value = Of(rows);
      for (size_t i = 0; i < 3; ++i) Copy(rows.slope[i], n, x.slope(i));
      Copy(rows.curvature, n, x.curvature());
      return value;
    }
  }

 private:
  struct Rows {  // as ItemOf
    std::array<const double*, 3> in;
    std::array<double*, 3> slope;
    double* curvature;
    size_t n;
  };

  template <class From, class To>
  static HWY_INLINE void Copy(const From* from, size_t n, To* to) {
    if (to == nullptr) return;
    for (size_t i = 0; i < n; ++i) Write(Read(from + i), to + i);
  }

  HWY_NOINLINE double Of(const Rows& x) const {
    const Distance to_positive = Between(x, 0, 1), to_negative = Between(x, 0, 2);
    const Distance across = swap != 0 ? Between(x, 1, 2) : to_negative;
    const double nearest = std::min(to_negative.value(), across.value());
    const double z = to_positive.value() - nearest + margin;
    for (double* const out : {x.slope[0], x.slope[1], x.slope[2], x.curvature}) {
      if (out != nullptr) std::fill_n(out, x.n, 0.0);
    }
    const double active = StepOf(z, kink);
    const double from_anchor = swap == 0                               ? 1
                               : to_negative.value() == across.value() ? .5
                               : to_negative.value() < across.value()  ? 1
                                                                       : 0;
    to_positive.AddSlopes(active, x.slope[0], x.slope[1]);
    to_negative.AddSlopes(-active * from_anchor, x.slope[0], x.slope[2]);
    across.AddSlopes(-active * (1 - from_anchor), x.slope[1], x.slope[2]);
    to_positive.AddCurvature(active, 0, x.curvature);
    to_negative.AddCurvature(-active * from_anchor, 0, x.curvature);
    return z > 0 ? z : z * 0;  // NaN stays
  }
  HWY_INLINE Distance Between(const Rows& x, size_t i, size_t j) const {
    const auto kind = static_cast<Distance::Kind>(static_cast<int>(distance));
    return Distance(kind, p, epsilon, x.in[i], x.in[j], x.n);
  }

  // The default. The squares of differences of floats are in the range of double: nothing is scaled, and one sweep does
  // for both distances, one for all slopes.
  HWY_NOINLINE double Euclidean(const ItemOf<float>& x) const {
    const Tag<double> d;
    using V = hn::Vec<Tag<double>>;
    const V shift = C(d, epsilon);
    const auto minus = [&](V a, V b) HWY_ATTR { return hn::Add(hn::Sub(a, b), shift); };
    LaneSum near, far;
    const auto add = [&](size_t at, const std::array<V, 3>& in) HWY_ATTR -> std::array<V, 0> {
      const V to_positive = minus(in[0], in[1]), to_negative = minus(in[0], in[2]);
      near.Add(at, hn::Mul(to_positive, to_positive));
      far.Add(at, hn::Mul(to_negative, to_negative));
      return {};
    };
    const size_t n = x.width(), whole = n - n % kChunk;
    EachVector<3, 0, float>(whole, {x.in(0), x.in(1), x.in(2)}, {}, {}, add);
    double last[3][kChunk];  // in double its padding can be epsilon
    for (size_t i = 0; i < 3; ++i) Copy(x.in(i) + whole, n - whole, last[i]);
    EachVector<3, 0>(n - whole, {last[0], last[1], last[2]}, {0, epsilon, epsilon}, {}, add);

    const double to_positive = std::sqrt(near.Total()), to_negative = std::sqrt(far.Total());
    const double z = to_positive - to_negative + margin;
    const double active = StepOf(z, kink);
    if (active == 0) {
      Fill(x, 0);
      return z > 0 ? z : z * 0;  // NaN stays
    }
    const V over_positive = C(d, to_positive == 0 ? 0 : active / to_positive);
    const V over_negative = C(d, to_negative == 0 ? 0 : active / to_negative);
    EachVector<3, 3, float>(n, {x.in(0), x.in(1), x.in(2)}, {}, {x.slope(0), x.slope(1), x.slope(2)},
                            [&](size_t, const std::array<V, 3>& in) HWY_ATTR -> std::array<V, 3> {
                              const V away = hn::Mul(minus(in[0], in[2]), over_negative);
                              const V towards = hn::Mul(minus(in[0], in[1]), over_positive);
                              return {hn::Sub(towards, away), hn::Neg(towards), away};
                            });
    return z;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_METRIC_TRIPLET_MARGIN_INL_H_
