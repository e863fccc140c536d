// Jaccard: one minus the intersection of two masks over their union.
//
//   Q     = sum t + sum p - sum p t + sd
//   value = 1 - (sum p t + sn)/Q
//   slope = ((1 - value)(1 - t) - t)/Q
//   curvature = -2 slope (1 - t)/Q
//
// Source: Rahman and Wang 2016, Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation,
// ISVC.

#if defined(LOSSD_CORE_LOSSES_SEGMENTATION_JACCARD_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_SEGMENTATION_JACCARD_INL_H_
#undef LOSSD_CORE_LOSSES_SEGMENTATION_JACCARD_INL_H_
#else
#define LOSSD_CORE_LOSSES_SEGMENTATION_JACCARD_INL_H_
#endif

#include "core/simd/overlap-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Jaccard {
  static constexpr Contract kContract = {
      .name = "jaccard",
      .family = Family::kRegion,
      .aliases = {{"jaccard_loss"}, {"soft_iou"}, {"soft_jaccard"}},
      .summary = "one minus the intersection of two masks over their union",
      .use = "Segmentation that is judged by intersection over union.",
      .formula = "1 - (sum p t + smooth_numerator)/(sum t + sum p - sum p t + smooth_denominator)",
      .gradient = "((1 - value)(1 - t) - t)/(sum t + sum p - sum p t + smooth_denominator)",
      .tex = R"(1 - \frac{\sum p\,t + s_n}{\sum t + \sum p - \sum p\,t + s_d})",
      .source =
          "Rahman and Wang 2016, Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation, "
          "ISVC",
      .notes = "tversky with alpha = beta = 1. Items and empty masks as for dice.",
      .peers =
          "Keras, PyTorch and optax do not have it; segmentation models and MONAI do, with terms of 1e-7 and 1e-5.",
      .params = {{"smooth_numerator", 0, kNonNegative, "added to the intersection"},
                 {"smooth_denominator", 1e-7, kNonNegative, "added to the union"}},
      .inputs = {{.name = "y_pred", .shape = "... R", .differentiable = true, .summary = "probabilities"},
                 {.name = "y_true", .shape = "... R", .summary = "mask"}},
      .target = kUnit,
      .examples = {{.origin = "by hand: 1 - 0.5/1.5",
                    .target = {1, 0},
                    .prediction = {.5, .5},
                    .value = .6666667,
                    .gradient = {-.6666667, .2222222},
                    .shape = {1, 2}}},
      .f64 = {4, 8},
      .tolerance_note = "a quotient of sums over the region",
      .soft_targets_cancel = true,
      .curvature = true,
  };
  double smooth_numerator, smooth_denominator;

  HWY_INLINE double operator()(const Item& x) const {
    const TverskyRatio ratio{1, 1, smooth_numerator, smooth_denominator};
    const Overlap overlap = ratio(x.in(0), x.in(1), x.width());
    if (x.slope(0) != nullptr) ratio.Slopes(x.in(0), x.in(1), x.width(), overlap, 1, x.slope(0));
    if (x.curvature() != nullptr) ratio.Curvature(x.in(0), x.in(1), x.width(), overlap, 1, 0, x.curvature());
    return overlap.loss;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_SEGMENTATION_JACCARD_INL_H_
