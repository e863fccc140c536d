// CIoU: the overlap, the distance of the centres, and the difference of the aspects.
//
//   v     = 4/pi^2 (atan(W/H) - atan(w/h))^2
//   a     = v / (1 - IoU + v)
//   value = 1 - IoU + rho^2 / c^2 + a v
//
// Source: Zheng et al. 2020, Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression, AAAI, equations
// 8 to 12.

#if defined(LOSSD_CORE_LOSSES_BOXES_CIOU_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_BOXES_CIOU_INL_H_
#undef LOSSD_CORE_LOSSES_BOXES_CIOU_INL_H_
#else
#define LOSSD_CORE_LOSSES_BOXES_CIOU_INL_H_
#endif

#include "core/losses/boxes/box-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Ciou {
  static constexpr Contract kContract = {
      .name = "ciou",
      .family = Family::kRow,
      .aliases = {{"CIoULoss"}, {"complete_box_iou_loss"}, {"complete_iou"}},
      .summary = "the overlap, the distance of the centres, and the difference of the aspects",
      .use = "Detection; the usual choice of the YOLO family.",
      .formula = "1 - IoU + rho^2 / c^2 + a v, v = 4/pi^2 (atan(W/H) - atan(w/h))^2, a = v / (1 - IoU + v)",
      .gradient =
          "that of diou + a dv, dv/dw = 8/pi^2 (atan(W/H) - atan(w/h)) (-h / (w^2 + h^2)), dv/dh = 8/pi^2 (...) w / "
          "(w^2 + h^2); variant = full: + v da",
      .tex = R"(1 - \mathrm{IoU} + \frac{\rho^2}{c^2} + \alpha v)",
      .source =
          "Zheng et al. 2020, Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression, AAAI, "
          "equations 8 to 12",
      .notes = kBoxSymbols,
      .peers =
          "a is detached by the authors, torchvision, PaddleDetection and ultralytics; older mmdetection "
          "differentiates it (full), newer drops it where IoU <= 1/2 (gated; its clamp of the value to [0, 2] never "
          "binds). The authors replace 1 / (w^2 + h^2) by 1. They have NaN, or an epsilon, at boxes of height 0.",
      .kinks_note = kBoxKinks,
      .params = {{.name = "variant",
                  .summary = "a: held fixed; differentiated; held fixed, and 0 unless IoU > 1/2",
                  .choices = {"detached", "full", "gated"},
                  .detached = {"detached", "gated"}},
                 kBoxFormat,
                 kInvalidBox},
      .inputs = kBoxInputs,
      .examples = {{.origin = "catalogue of closed forms, checked against PyTorch autograd",
                    .target = {1, 1, 3, 4},
                    .prediction = {0, 0, 4, 2},
                    .value = .916303936,
                    .gradient = {-.015076, -.075099, .015076, -.195517},
                    .digits = 6},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd",
                    .target = {1, 1, 3, 4},
                    .prediction = {0, 0, 4, 2},
                    .value = .916303936,
                    .gradient = {-.019015, -.065731, .019015, -.202274},
                    .digits = 6,
                    .params = {1, 0, 0}},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd",
                    .target = {2, 3, 4, 5},
                    .prediction = {0, 0, 1, 1},
                    .value = 1.451219512,
                    .gradient = {.027067, .024688, -.060976, -.085366},
                    .digits = 6},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd; gradient by mpmath",
                    .target = {0, 0, 4, 4},
                    .prediction = {1, 1, 3, 2},
                    .value = .884732269,
                    .gradient = {.060113345, .11414831, -.060113345, -.14539831},
                    .digits = 6}},
      .f32 = kBoxToleranceF32,
      .f64 = kBoxTolerance,
      .tolerance_note = kBoxToleranceNote,
      .conventions = {{.convention = Convention::kTorch, .reduction = Reduction::kNone}},
      .curvature = true,
  };
  double variant, box_format, invalid_box;

  template <class L, Form kForm>
  using Loop = BoxItems<L, kForm>;

  template <bool kCurved>
  HWY_INLINE Term<kCurved> operator()(const Boxes<kCurved>& boxes) const {
    const Term<kCurved> v = boxes.Aspect(), base = boxes.gap + boxes.Distance();
    if (variant == kFull) return base + Square(v) / (boxes.gap + v);
    Mask counts = v.v > 0;
    if (variant == kGated) counts = Both(counts, boxes.iou.v > .5);
    return base + Select(counts, v.v / (boxes.gap.v + v.v), 0) * v;
  }

 private:
  static constexpr double kFull = 1, kGated = 2;  // choices of variant
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_BOXES_CIOU_INL_H_
