// Cosine proximity: the negative cosine of two vectors divided by their number of elements, as in old Keras.
//
//   value   = -cos / D
//   slope   = -(v - cos u) / (|p| D)                   u = p/|p|, v = t/|t|; cosine_similarity has the floor of the
//   norms
//
// Source: Keras 2.0, cosine_proximity (a mean where its successor has a sum, keras#6677).

#if defined(LOSSD_CORE_LOSSES_DIVERGENCE_COSINE_PROXIMITY_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_DIVERGENCE_COSINE_PROXIMITY_INL_H_
#undef LOSSD_CORE_LOSSES_DIVERGENCE_COSINE_PROXIMITY_INL_H_
#else
#define LOSSD_CORE_LOSSES_DIVERGENCE_COSINE_PROXIMITY_INL_H_
#endif

#include "core/simd/cosine_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct CosineProximity {
  static constexpr Contract kContract = {
      .name = "cosine_proximity",
      .family = Family::kRow,
      .aliases = {{"legacy_cosine_proximity"}},
      .summary = "the negative cosine divided by the number of elements, as in old Keras",
      .use = "Only to reproduce models trained with Keras 2.0; cosine_similarity is the loss to use.",
      .formula = "-cos/D, cos = p.t / (max(|p|, epsilon) max(|t|, epsilon)), D elements in a row",
      .gradient = "-(v - cos u)/(|p| D), u = p/|p|, v = t/|t|; below the floor -v/(epsilon D); y_true: exchanged",
      .tex = "-\\frac1D \\frac{p \\cdot t}{\\max(\\|p\\|,\\epsilon)\\,\\max(\\|t\\|,\\epsilon)}",
      .source = "Keras 2.0, cosine_proximity (a mean where its successor has a sum, keras#6677)",
      .notes =
          "A vector shorter than epsilon is divided by epsilon: a zero vector has value 0, and its slope is finite but "
          "large, the other's direction over epsilon. epsilon = 0 leaves the zero vector without direction: value 0, "
          "slope "
          "0.",
      .peers = "Keras 2.0 only; later versions gave the name to cosine_similarity.",
      .kinks_note = "|p| = epsilon, where the slope jumps; at the edge it is that of the outside",
      .params = {{"epsilon", 1e-7, kNonNegative, "floor of each norm"}},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true", .shape = "... C", .differentiable = true}},
      .examples = {{.origin = "by hand: -0.6 / 2",
                    .target = {1, 0},
                    .prediction = {3, 4},
                    .value = -.3,
                    .gradient = {-.064, .048}}},
      .f64 = {.value_ulp = 4, .slope_ulp = 4},
      .tolerance_note = "two norms are rounded",
      .conventions = {{.convention = Convention::kKeras}},
      .curvature = true,
  };
  static constexpr bool kReadsFloats = true;
  double epsilon;

  template <class T>
  HWY_INLINE double operator()(const ItemOf<T>& x) const {
    const CosineOf<T> cosine(x.in(0), x.in(1), x.width(), epsilon);
    const double count = static_cast<double>(x.width());
    cosine.SetCurvature(-1 / count, x.curvature());
    for (size_t i = 0; i < 2; ++i) cosine.SetSlope(i, -1 / count, x.slope(i));
    return -cosine.value() / count;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_DIVERGENCE_COSINE_PROXIMITY_INL_H_
