// Cosine similarity: the angle between two vectors, whatever their lengths.
//
//   u           = p / max(|p|, epsilon), v = t / max(|t|, epsilon)
//   cos         = u.v
//   value       = -cos, 1 - cos or cos
//   d cos / d p = (v - cos u) / |p|, below the floor v / epsilon; and the same with p and t exchanged
//
// core/simd/cosine_common-inl.h keeps its digits where the vectors are parallel.
// Source: Salton and McGill 1983, Introduction to Modern Information Retrieval, section 4.1.

#if defined(LOSSD_CORE_LOSSES_DIVERGENCE_COSINE_SIMILARITY_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_DIVERGENCE_COSINE_SIMILARITY_INL_H_
#undef LOSSD_CORE_LOSSES_DIVERGENCE_COSINE_SIMILARITY_INL_H_
#else
#define LOSSD_CORE_LOSSES_DIVERGENCE_COSINE_SIMILARITY_INL_H_
#endif

#include "core/simd/cosine_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct CosineSimilarity {
  static constexpr Contract kContract = {
      .name = "cosine_similarity",
      .family = Family::kRow,
      .aliases = {{"cosine_similarity_loss"}},
      .summary = "the angle between two vectors, whatever their lengths",
      .use = "Embeddings and features whose direction matters and whose length does not.",
      .formula = "-cos, 1 - cos or cos; cos = p.t / (max(|p|, epsilon) max(|t|, epsilon))",
      .gradient = "of cos: (v - cos u)/|p|, u = p/|p|, v = t/|t|; below the floor v/epsilon; y_true: exchanged",
      .tex = "-\\frac{p \\cdot t}{\\max(\\|p\\|,\\epsilon)\\,\\max(\\|t\\|,\\epsilon)}",
      .source = "Salton and McGill 1983, Introduction to Modern Information Retrieval, section 4.1",
      .notes =
          "The default sign is negative, so that less is better, as in Keras. A vector shorter than epsilon is divided "
          "by epsilon: a zero vector has value 0, and its slope is finite but "
          "large, the other's direction over epsilon. epsilon = 0 leaves the zero vector without direction: value 0, "
          "slope "
          "0.",
      .peers =
          "Keras CosineSimilarity is -cos with epsilon 1e-7, whose slope at a zero vector was NaN before 2026. "
          "PyTorch's "
          "function is +cos with epsilon 1e-8 along axis 1; optax's is +cos with epsilon 0, NaN at a zero vector, and "
          "an epsilon above 0 floors the squared norm.",
      .kinks_note = "|p| = epsilon, where the slope jumps; at the edge it is that of the outside",
      .params = {Choice("sign", {"negative", "one_minus", "positive"}, 0, "-cos, 1 - cos or cos"),
                 {"epsilon", 1e-7, kNonNegative, "floor of each norm"}},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true", .shape = "... C", .differentiable = true}},
      .examples = {{.origin = "Keras docstring of CosineSimilarity, first row",
                    .target = {0, 1},
                    .prediction = {1, 0},
                    .value = 0,
                    .gradient = {0, -1}},
                   {.origin = "Keras docstring of CosineSimilarity, third row",
                    .target = {1, 1},
                    .prediction = {-1, -1},
                    .value = 1,
                    .gradient = {0, 0}},
                   {.origin = "by hand: a zero vector, -v/epsilon",
                    .target = {3, 4},
                    .prediction = {0, 0},
                    .value = 0,
                    .gradient = {-.6, -.8},
                    .params = {0, 1}}},
      .f64 = {.value_ulp = 4, .slope_ulp = 4},
      .tolerance_note = "two norms are rounded",
      .conventions = {{.convention = Convention::kKeras},
                      {.convention = Convention::kTorch,
                       .reduction = Reduction::kNone,
                       .axis = 1,
                       .params = {{"sign", 2}, {"epsilon", 1e-8}}},
                      {.convention = Convention::kOptax, .params = {{"sign", 2}, {"epsilon", 0}}}},
      .curvature = true,
  };
  static constexpr bool kReadsFloats = true;
  double sign, epsilon;

  template <class T>
  HWY_INLINE double operator()(const ItemOf<T>& x) const {
    const CosineOf<T> cosine(x.in(0), x.in(1), x.width(), epsilon);
    const double factor = sign == 2 ? 1 : -1;
    cosine.SetCurvature(factor, x.curvature());
    for (size_t i = 0; i < 2; ++i) cosine.SetSlope(i, factor, x.slope(i));
    return sign == 0 ? -cosine.value() : sign == 1 ? cosine.OneMinus() : cosine.value();
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_DIVERGENCE_COSINE_SIMILARITY_INL_H_
