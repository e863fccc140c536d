// Tversky: an overlap loss that weighs what is too much and what is missing apart.
//
//   I = sum p t, FP = sum p (1 - t), FN = sum (1 - p) t
//   Q     = I + alpha FP + beta FN + sd
//   value = 1 - (I + sn)/Q = (alpha FP + beta FN + sd - sn)/Q
//   slope = ((1 - value)(alpha (1 - t) - beta t) - value t)/Q
//   curvature = -2 slope (t + alpha (1 - t) - beta t)/Q
//
// Source: Salehi, Erdogmus and Gholipour 2017, Tversky Loss Function for Image Segmentation, MLMI.

#if defined(LOSSD_CORE_LOSSES_SEGMENTATION_TVERSKY_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_SEGMENTATION_TVERSKY_INL_H_
#undef LOSSD_CORE_LOSSES_SEGMENTATION_TVERSKY_INL_H_
#else
#define LOSSD_CORE_LOSSES_SEGMENTATION_TVERSKY_INL_H_
#endif

#include "core/simd/overlap-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Tversky {
  static constexpr Contract kContract = {
      .name = "tversky",
      .family = Family::kRegion,
      .aliases = {{"tversky_loss"}},
      .summary = "an overlap loss that weighs what is too much and what is missing apart",
      .use = "Segmentation where a missed pixel costs more (beta > alpha) or less than a false one.",
      .formula =
          "1 - (I + smooth_numerator)/(I + alpha FP + beta FN + smooth_denominator), I = sum p t, FP = sum p (1 - "
          "t), FN = sum (1 - p) t",
      .gradient = "((1 - value)(alpha (1 - t) - beta t) - value t)/(I + alpha FP + beta FN + smooth_denominator)",
      .tex = R"(1 - \frac{I + s_n}{I + \alpha\,FP + \beta\,FN + s_d})",
      .source = "Salehi, Erdogmus and Gholipour 2017, Tversky Loss Function for Image Segmentation, MLMI",
      .notes =
          "alpha weighs false positives, beta false negatives. alpha = beta = 1/2 is dice, 1 is jaccard. Items and "
          "empty "
          "masks as for dice.",
      .peers =
          "Keras: alpha and beta as here since 2026, before the other way round; one item of the whole batch, 1e-7 in "
          "the denominator alone. optax dice_loss(alpha, beta) adds smooth = 1 to both.",
      .params = {{"alpha", .5, kNonNegative, "weight of false positives"},
                 {"beta", .5, kNonNegative, "weight of false negatives"},
                 {"smooth_numerator", 0, kNonNegative, "added to the overlap"},
                 {"smooth_denominator", 1e-7, kNonNegative, "added to the denominator"}},
      .inputs = {{.name = "y_pred", .shape = "... R", .differentiable = true, .summary = "probabilities"},
                 {.name = "y_true", .shape = "... R", .summary = "mask"}},
      .target = kUnit,
      .examples = {{.origin = "by hand: 1 - 0.5/(0.5 + 0.3 0.5 + 0.7 0.5)",
                    .target = {1, 0},
                    .prediction = {.5, .5},
                    .value = .5,
                    .gradient = {-.85, .15},
                    .params = {.3, .7, 0, 0},
                    .shape = {1, 2}}},
      .f64 = {4, 8},
      .tolerance_note = "a quotient of sums over the region",
      .soft_targets_cancel = true,
      .conventions = {{.convention = Convention::kKeras, .whole_batch_item = true},
                      {.convention = Convention::kOptax,
                       .params = {{"smooth_numerator", 1}, {"smooth_denominator", 1}}}},
      .curvature = true,
  };
  double alpha, beta, smooth_numerator, smooth_denominator;

  HWY_INLINE double operator()(const Item& x) const {
    const TverskyRatio ratio{alpha, beta, smooth_numerator, smooth_denominator};
    const Overlap overlap = ratio(x.in(0), x.in(1), x.width());
    if (x.slope(0) != nullptr) ratio.Slopes(x.in(0), x.in(1), x.width(), overlap, 1, x.slope(0));
    if (x.curvature() != nullptr) ratio.Curvature(x.in(0), x.in(1), x.width(), overlap, 1, 0, x.curvature());
    return overlap.loss;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_SEGMENTATION_TVERSKY_INL_H_
