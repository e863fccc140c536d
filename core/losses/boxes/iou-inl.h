// IoU: one minus the overlap of two boxes by their union, its square, or its logarithm.
//
//   value = 1 - IoU             linear
//           -ln max(IoU, e)     log
//           1 - IoU^2           square        computed as (1 - IoU) (1 + IoU)
//
// Source: Yu et al. 2016, UnitBox: An Advanced Object Detection Network, ACM Multimedia.

#if defined(LOSSD_CORE_LOSSES_BOXES_IOU_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_BOXES_IOU_INL_H_
#undef LOSSD_CORE_LOSSES_BOXES_IOU_INL_H_
#else
#define LOSSD_CORE_LOSSES_BOXES_IOU_INL_H_
#endif

#include "core/losses/boxes/box-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Iou {
  static constexpr Contract kContract = {
      .name = "iou",
      .family = Family::kRow,
      .aliases = {{"IoULoss"}},
      .summary = "one minus the overlap of two boxes by their union, its square, or its logarithm",
      .use =
          "Detection, where it is the measure the boxes are judged by. Boxes that do not meet have no gradient: start "
          "with giou or diou.",
      .formula = "mode = linear: 1 - IoU; log: -ln max(IoU, epsilon); square: 1 - IoU^2; IoU = intersection / U",
      .gradient = "linear: -dIoU; log: -dIoU / IoU, 0 below epsilon; square: -2 IoU dIoU, dIoU = (dI U - I dU) / U^2",
      .tex = R"(1 - \frac{|P \cap T|}{|P \cup T|})",
      .source = "Yu et al. 2016, UnitBox: An Advanced Object Detection Network, ACM Multimedia",
      .notes = kBoxSymbols,
      .peers =
          "Three losses share the name. mmdetection's default is log, PaddleDetection and KerasCV have all three; no "
          "epsilon is added to the union here.",
      .kinks_note = kBoxKinks,
      .params = {Choice("mode", {"linear", "log", "square"}, 0, "which of the three"),
                 {"epsilon", 1e-6, {0, 1}, "floor of IoU under the logarithm, which belongs to the inside"},
                 kBoxFormat,
                 kInvalidBox},
      .inputs = kBoxInputs,
      .examples = {{.origin = "catalogue of closed forms, checked against PyTorch autograd",
                    .target = {1, 1, 3, 4},
                    .prediction = {0, 0, 4, 2},
                    .value = .833333333,
                    .gradient = {-.027778, -.055556, .027778, -.138889},
                    .digits = 6},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd",
                    .target = {2, 3, 4, 5},
                    .prediction = {0, 0, 1, 1},
                    .value = 13.815510558,
                    .gradient = {0, 0, 0, 0},
                    .digits = 6,
                    .params = {1, 1e-6, 0, 0}},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd; gradient by mpmath",
                    .target = {1, 1, 3, 4},
                    .prediction = {0, 0, 4, 2},
                    .value = .972222222,
                    .gradient = {-.009259259, -.018518519, .009259259, -.046296296},
                    .digits = 6,
                    .params = {2, 1e-6, 0, 0}}},
      .f32 = kBoxToleranceF32,
      .f64 = kBoxTolerance,
      .tolerance_note = kBoxToleranceNote,
      .curvature = true,
  };
  double mode, epsilon, box_format, invalid_box;

  template <class L, Form kForm>
  using Loop = BoxItems<L, kForm>;

  template <bool kCurved>
  HWY_INLINE Term<kCurved> operator()(const Boxes<kCurved>& boxes) const {
    const Term<kCurved>&iou = boxes.iou, &gap = boxes.gap;
    if (mode == kLog) {
      const Real floor = epsilon > 0 ? -Log(epsilon) : Real(kInf);
      const Real value = Select(gap.v < .5, -Log1p(-gap.v), -Log(iou.v));
      return Select(Either(iou.v < epsilon, iou.v == Real(0)), Term<kCurved>(floor),
                    ChainOfPower(value, -1.0 / iou.v, -1, iou));
    }
    if (mode == kSquare) return Chain(gap.v * (1.0 + iou.v), 2.0 * iou.v, -2, gap);
    return gap;
  }

 private:
  static constexpr double kLog = 1, kSquare = 2;  // choices of mode
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_BOXES_IOU_INL_H_
