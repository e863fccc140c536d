// EIoU: the overlap, the distance of the centres, and the differences of the sides.
//
//   value = 1 - IoU + rho^2 / c^2 + (w - W)^2 / cw^2 + (h - H)^2 / ch^2        cw, ch: sides of the box around both
//
// Source: Zhang et al. 2022, Focal and Efficient IOU Loss for Accurate Bounding Box Regression, Neurocomputing 506,
// equation 9.

#if defined(LOSSD_CORE_LOSSES_BOXES_EIOU_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_BOXES_EIOU_INL_H_
#undef LOSSD_CORE_LOSSES_BOXES_EIOU_INL_H_
#else
#define LOSSD_CORE_LOSSES_BOXES_EIOU_INL_H_
#endif

#include "core/losses/boxes/box-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Eiou {
  static constexpr Contract kContract = {
      .name = "eiou",
      .family = Family::kRow,
      .aliases = {{"efficient_iou"}},
      .summary = "the overlap, the distance of the centres, and the differences of the sides",
      .use = "Detection, where width and height are to be drawn to the truth each by itself.",
      .formula =
          "1 - IoU + rho^2 / c^2 + (w - W)^2 / cw^2 + (h - H)^2 / ch^2, cw and ch the sides of the box around both",
      .gradient = "that of diou, and for each side 2 (w - W) dw / cw^2 - 2 (w - W)^2 d(cw) / cw^3",
      .tex = R"(1 - \mathrm{IoU} + \frac{\rho^2}{c^2} + \frac{(w - W)^2}{c_w^2} + \frac{(h - H)^2}{c_h^2})",
      .source =
          "Zhang et al. 2022, Focal and Efficient IOU Loss for Accurate Bounding Box Regression, Neurocomputing 506, "
          "equation 9",
      .notes = kBoxSymbols,
      .peers = "mmdetection's EIoULoss is another loss: extended_iou. PyTorch, Keras and optax have none.",
      .kinks_note = kBoxKinks,
      .params = {kBoxFormat, kInvalidBox},
      .inputs = kBoxInputs,
      .examples = {{.origin = "catalogue of closed forms, checked against PyTorch autograd",
                    .target = {1, 1, 3, 4},
                    .prediction = {0, 0, 4, 2},
                    .value = 1.216145833,
                    .gradient = {-.1352, .071398, .1352, -.310764},
                    .digits = 6},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd; gradient by mpmath",
                    .target = {2, 3, 4, 5},
                    .prediction = {0, 0, 1, 1},
                    .value = 1.553719512,
                    .gradient = {.183317222, .120687686, -.18597561, -.165365854},
                    .digits = 6},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd; gradient by mpmath",
                    .target = {0, 0, 4, 4},
                    .prediction = {1, 1, 3, 2},
                    .value = 1.6953125,
                    .gradient = {.3125, .484375, -.3125, -.515625},
                    .digits = 6}},
      .f32 = kBoxToleranceF32,
      .f64 = kBoxTolerance,
      .tolerance_note = kBoxToleranceNote,
      .curvature = true,
  };
  double box_format, invalid_box;

  template <class L, Form kForm>
  using Loop = BoxItems<L, kForm>;

  template <bool kCurved>
  HWY_INLINE Term<kCurved> operator()(const Boxes<kCurved>& boxes) const {
    return Of(boxes);
  }

  template <bool kCurved>
  static HWY_INLINE Term<kCurved> Of(const Boxes<kCurved>& boxes) {
    const Term<kCurved> sides = Square(boxes.x.growth / boxes.x.around) + Square(boxes.y.growth / boxes.y.around);
    return boxes.gap + boxes.Distance() + sides;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_BOXES_EIOU_INL_H_
