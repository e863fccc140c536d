// Contrastive: pairs of one kind are drawn together, others pushed apart up to a margin.
//
//   d       = |a - b|
//   value   = t d^2 + (1 - t) max(margin - d, 0)^2                          without squared: no squares
//   slope   = (2 t d - 2 (1 - t) max(margin - d, 0)) (a - b)/d              0 at d = 0
//   curvature = 2 t + 2 (1 - t) [d < margin] ((d d)^2 - (margin - d) d2 d)
//
// Source: Hadsell, Chopra and LeCun 2006, Dimensionality Reduction by Learning an Invariant Mapping (there with factors
// 1/2).

#if defined(LOSSD_CORE_LOSSES_METRIC_CONTRASTIVE_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_METRIC_CONTRASTIVE_INL_H_
#undef LOSSD_CORE_LOSSES_METRIC_CONTRASTIVE_INL_H_
#else
#define LOSSD_CORE_LOSSES_METRIC_CONTRASTIVE_INL_H_
#endif

#include <algorithm>

#include "core/simd/distance_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Contrastive {
  static constexpr Contract kContract = {
      .name = "contrastive",
      .family = Family::kRow,
      .aliases = {{"contrastive_loss"}, {"ContrastiveMarginLoss"}},
      .summary = "pairs of one kind are drawn together, others pushed apart up to a margin",
      .use = "Embeddings learned from pairs that are marked as similar or not: signatures, faces, duplicates.",
      .formula = "t d^2 + (1 - t) max(margin - d, 0)^2, d = |y_pred - other|; squared = false: without squares",
      .gradient = "(2 t d - 2 (1 - t) max(margin - d, 0)) (y_pred - other)/d; other: the negative",
      .tex = "t\\,d^2 + (1 - t) \\max(m - d,\\, 0)^2",
      .source = "Hadsell, Chopra and LeCun 2006, Dimensionality Reduction by Learning an Invariant Mapping",
      .notes =
          "The paper has a factor 1/2. y_true = 1 marks a similar pair; numbers between weigh both terms. Identical "
          "embeddings of a pair that is not similar have no direction to part in: slope 0.",
      .peers =
          "TensorFlow Addons takes the distance for y_pred; other libraries have the form without squares. Not in "
          "Keras, PyTorch or optax.",
      .kinks_note = "y_pred = other: 0; without squares d = margin too: the kink policy",
      .params = {{"margin", 1, kNonNegative, "distance at which others are left alone"},
                 Flag("squared", true, "distances are squared")},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "other", .shape = "... C", .differentiable = true, .summary = "second embedding of the pair"},
                 {.name = "y_true", .shape = "...", .domain = kUnit, .summary = "1: similar, 0: not"}},
      .target = kUnit,
      .examples = {{.origin = "by hand: 0.5^2",
                    .target = {1},
                    .prediction = {.3, .4},
                    .value = .25,
                    .gradient = {.6, .8},
                    .others = {{0, 0}}},
                   {.origin = "by hand: (1 - 0.5)^2",
                    .target = {0},
                    .prediction = {.3, .4},
                    .value = .25,
                    .gradient = {-.6, -.8},
                    .others = {{0, 0}}}},
      .f64 = {.value_ulp = 32, .slope_ulp = 32},
      .tolerance_note = "margin - d is a difference, and squared",
      .has_kinks = true,
      .curvature = true,
  };
  double margin, squared;
  double kink;

  HWY_INLINE double operator()(const Item& x) const {
    const double t = *x.in(2);
    const Distance distance(Distance::kLp, 2, 0, x.in(0), x.in(1), x.width());
    const double d = distance.value(), gap = std::max(margin - d, 0.0);
    const double linear = t - (1 - t) * StepOf(margin - d, kink);
    Fill(x, 0);
    distance.AddSlopes(squared != 0 ? 2 * t * d - 2 * (1 - t) * gap : linear, x.slope(0), x.slope(1));
    if (double* const curvature = x.curvature()) {
      if (squared == 0) {
        distance.AddCurvature(linear, 0, curvature);
      } else {
        std::fill_n(curvature, x.width(), 2 * t);
        distance.AddCurvature(-2 * (1 - t) * gap, gap > 0 ? 2 * (1 - t) : 0, curvature);
      }
    }
    return squared != 0 ? t * d * d + (1 - t) * gap * gap : t * d + (1 - t) * gap;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_METRIC_CONTRASTIVE_INL_H_
