// Cosine distance: 1 minus the cosine of the angle between two vectors.
//
//   value   = 1 - cos                                  0 for the same direction, 2 for the opposite one
//   slope   = -(v - cos u) / |p|                       u = p/|p|, v = t/|t|; cosine_similarity has the floor of the
//   norms
//
// Source: Salton and McGill 1983, Introduction to Modern Information Retrieval, section 4.1.

#if defined(LOSSD_CORE_LOSSES_DIVERGENCE_COSINE_DISTANCE_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_DIVERGENCE_COSINE_DISTANCE_INL_H_
#undef LOSSD_CORE_LOSSES_DIVERGENCE_COSINE_DISTANCE_INL_H_
#else
#define LOSSD_CORE_LOSSES_DIVERGENCE_COSINE_DISTANCE_INL_H_
#endif

#include "core/simd/cosine_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct CosineDistance {
  static constexpr Contract kContract = {
      .name = "cosine_distance",
      .family = Family::kRow,
      .aliases = {{"cosine_dissimilarity"}},
      .summary = "1 minus the cosine of the angle between two vectors",
      .use = "Embeddings and features whose direction matters; never negative, accurate for nearly parallel vectors.",
      .formula = "1 - p.t / (max(|p|, epsilon) max(|t|, epsilon))",
      .gradient = "-(v - cos u)/|p|, u = p/|p|, v = t/|t|; below the floor -v/epsilon; y_true: exchanged",
      .tex = "1 - \\frac{p \\cdot t}{\\max(\\|p\\|,\\epsilon)\\,\\max(\\|t\\|,\\epsilon)}",
      .source = "Salton and McGill 1983, Introduction to Modern Information Retrieval, section 4.1",
      .notes =
          "A vector shorter than epsilon is divided by epsilon: a zero vector has value 1, and its slope is finite but "
          "large, the other's direction over epsilon. epsilon = 0 leaves the zero vector without direction: value 1, "
          "slope "
          "0.",
      .peers = "optax cosine_distance has epsilon 0 and is NaN at a zero vector. Keras has only the negative cosine.",
      .kinks_note = "|p| = epsilon, where the slope jumps; at the edge it is that of the outside",
      .params = {{"epsilon", 1e-7, kNonNegative, "floor of each norm"}},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true", .shape = "... C", .differentiable = true}},
      .examples = {{.origin = "by hand: 1 - 0.6",
                    .target = {1, 0},
                    .prediction = {3, 4},
                    .value = .4,
                    .gradient = {-.128, .096}}},
      .f64 = {.value_ulp = 4, .slope_ulp = 4},
      .tolerance_note = "two norms are rounded",
      .conventions = {{.convention = Convention::kOptax, .params = {{"epsilon", 0}}}},
      .curvature = true,
  };
  static constexpr bool kReadsFloats = true;
  double epsilon;

  template <class T>
  HWY_INLINE double operator()(const ItemOf<T>& x) const {
    const CosineOf<T> cosine(x.in(0), x.in(1), x.width(), epsilon);
    cosine.SetCurvature(-1, x.curvature());
    for (size_t i = 0; i < 2; ++i) cosine.SetSlope(i, -1, x.slope(i));
    return cosine.OneMinus();
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_DIVERGENCE_COSINE_DISTANCE_INL_H_
