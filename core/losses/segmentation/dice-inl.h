// Dice: one minus twice the overlap of two masks over their sizes.
//
//   value = 1 - (2 sum p t + sn)/(sum t + sum p + sd)      square: sum t^2 + sum p^2
//         = (D + sd - sn)/Q, D = sum (t (1 - p) + p (1 - t)), square: sum (p - t)^2
//   slope = ((1 - value)(1 - 2 t) - 2 value t)/Q           square: 2 ((1 - value) p - t)/Q
//   curvature = -2 slope/Q                                 square: (2 (1 - value) - 4 p slope)/Q
//
// The second form of the value does not cancel where the masks agree.
// Source: Milletari, Navab and Ahmadi 2016, V-Net, 3DV (the squared form); Sudre et al. 2017.

#if defined(LOSSD_CORE_LOSSES_SEGMENTATION_DICE_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_SEGMENTATION_DICE_INL_H_
#undef LOSSD_CORE_LOSSES_SEGMENTATION_DICE_INL_H_
#else
#define LOSSD_CORE_LOSSES_SEGMENTATION_DICE_INL_H_
#endif

#include "core/simd/overlap-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Dice {
  static constexpr Contract kContract = {
      .name = "dice",
      .family = Family::kRegion,
      .aliases = {{"dice_loss"}, {"binary_dice"}, {"binary_dice_loss"}, {"soft_dice"}},
      .summary = "one minus twice the overlap of two masks over their sizes",
      .use =
          "Segmentation where the object is small: the loss of a whole mask, untouched by the size of the background.",
      .formula = "1 - (2 sum p t + smooth_numerator)/(sum t + sum p + smooth_denominator); square: sum t^2 + sum p^2",
      .gradient = "(1 - value - 2 t)/(sum t + sum p + smooth_denominator); square: 2 ((1 - value) p - t)/(...)",
      .tex = R"(1 - \frac{2 \sum p\,t + s_n}{\sum t + \sum p + s_d})",
      .source = "Milletari, Navab and Ahmadi 2016, V-Net, 3DV",
      .notes =
          "An item is everything but the first axis unless item_axes says otherwise. Two empty masks give 1 with the "
          "default terms, 0 with equal terms above 0; where even the denominator is 0 the value is 1 and the slope 0.",
      .peers =
          "Keras makes one item of the whole batch and adds 1e-7 to the denominator alone. optax dice_loss has smooth "
          "= 1 over half the sizes, here 2 in both; it takes logits by default. MONAI: 1e-5 in both. Segmentation "
          "models: 1e-7 in the denominator.",
      .params = {{"smooth_numerator", 0, kNonNegative, "added to the overlap"},
                 {"smooth_denominator", 1e-7, kNonNegative, "added to the sizes"},
                 Flag("square", false, "sizes as sums of squares")},
      .inputs = {{.name = "y_pred", .shape = "... R", .differentiable = true, .summary = "probabilities"},
                 {.name = "y_true", .shape = "... R", .summary = "mask"}},
      .target = kUnit,
      .examples = {{.origin = "by hand: 1 - 2 0.5/(1 + 1)",
                    .target = {1, 0},
                    .prediction = {.5, .5},
                    .value = .5,
                    .gradient = {-.75, .25},
                    .digits = 6,
                    .shape = {1, 2}},
                   {.origin = "by hand: 1 - (2 1.5 + 1)/(2 + 2 + 1)",
                    .target = {1, 1, 0},
                    .prediction = {1, .5, .5},
                    .value = .2,
                    .gradient = {-.24, -.24, .16},
                    .params = {1, 1, 0},
                    .shape = {1, 3}}},
      .f64 = {4, 8},
      .tolerance_note = "a quotient of sums over the region",
      .soft_targets_cancel = true,
      .conventions = {{.convention = Convention::kKeras, .whole_batch_item = true},
                      {.convention = Convention::kOptax,
                       .params = {{"smooth_numerator", 2}, {"smooth_denominator", 2}}}},
      .curvature = true,
  };
  double smooth_numerator, smooth_denominator, square;

  HWY_INLINE double operator()(const Item& x) const {
    const double *const p = x.in(0), *const t = x.in(1);
    const size_t n = x.width();
    double *const slope = x.slope(0), *const curvature = x.curvature();
    if (square == 0) {
      const TverskyRatio ratio{.5, .5, .5 * smooth_numerator, .5 * smooth_denominator};
      const Overlap overlap = ratio(p, t, n);
      if (slope != nullptr) ratio.Slopes(p, t, n, overlap, 1, slope);
      if (curvature != nullptr) ratio.Curvature(p, t, n, overlap, 1, 0, curvature);
      return overlap.loss;
    }
    LaneSum common, apart;
    Walk(p, 0.0, t, n, nullptr, [&](size_t at, auto vp, auto vt) HWY_ATTR {
      const auto gap = hn::Sub(vp, vt);
      common.Add(at, hn::Mul(vp, vt));
      apart.Add(at, hn::Mul(gap, gap));
    });
    const Overlap overlap = Overlap::Of(2 * common.Total(), apart.Total(), smooth_numerator, smooth_denominator);
    const Tag<double> d;
    const auto share = C(d, overlap.share), loss = C(d, overlap.loss);
    const auto scale = C(d, overlap.size == 0 ? 0 : 2 / overlap.size);
    // share p - t as a sum of two terms of one sign where t = 0 or 1 and p is between
    const auto off = [&](auto vp, auto vt)
                         HWY_ATTR { return hn::Sub(hn::Mul(hn::Sub(vp, vt), share), hn::Mul(loss, vt)); };
    if (slope != nullptr) {
      Walk(p, 0.0, t, n, slope, [&](size_t, auto vp, auto vt) HWY_ATTR { return hn::Mul(scale, off(vp, vt)); });
    }
    if (curvature != nullptr) {
      const auto twice = hn::Add(scale, scale);
      Walk(p, 0.0, t, n, curvature, [&](size_t, auto vp, auto vt) HWY_ATTR {
        return hn::Mul(scale, hn::NegMulAdd(hn::Mul(twice, vp), off(vp, vt), share));
      });
    }
    return overlap.loss;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_SEGMENTATION_DICE_INL_H_
