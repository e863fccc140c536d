// GIoU: the overlap, and how much of the box around both is empty.
//
//   value = 1 - IoU + (A_c - U) / A_c
//
// Source: Rezatofighi et al. 2019, Generalized Intersection over Union, CVPR, algorithm 1.

#if defined(LOSSD_CORE_LOSSES_BOXES_GIOU_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_BOXES_GIOU_INL_H_
#undef LOSSD_CORE_LOSSES_BOXES_GIOU_INL_H_
#else
#define LOSSD_CORE_LOSSES_BOXES_GIOU_INL_H_
#endif

#include "core/losses/boxes/box-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Giou {
  static constexpr Contract kContract = {
      .name = "giou",
      .family = Family::kRow,
      .aliases = {{"GIoULoss"}, {"generalized_box_iou_loss"}, {"generalized_iou"}},
      .summary = "the overlap, and how much of the box around both is empty",
      .use = "Detection. Unlike iou it draws boxes together that do not meet.",
      .formula = "1 - IoU + (A_c - U) / A_c",
      .gradient = "-dIoU - dU / A_c + U dA_c / A_c^2",
      .tex = R"(1 - \frac{|P \cap T|}{|P \cup T|} + \frac{A_c - |P \cup T|}{A_c})",
      .source = "Rezatofighi et al. 2019, Generalized Intersection over Union, CVPR, algorithm 1",
      .notes = kBoxSymbols,
      .peers =
          "torchvision's generalized_box_iou_loss adds 1e-7 to both denominators and answers two equal boxes of area 0 "
          "with 1; TensorFlow Addons divides without NaN as here.",
      .kinks_note = kBoxKinks,
      .params = {kBoxFormat, kInvalidBox},
      .inputs = kBoxInputs,
      .examples = {{.origin = "catalogue of closed forms, checked against PyTorch autograd",
                    .target = {1, 1, 3, 4},
                    .prediction = {0, 0, 4, 2},
                    .value = 1.083333333,
                    .gradient = {-.090278, .006944, .090278, -.263889},
                    .digits = 6},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd",
                    .target = {2, 3, 4, 5},
                    .prediction = {0, 0, 1, 1},
                    .value = 1.75,
                    .gradient = {-.0125, 0, -.05, -.05},
                    .digits = 6},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd; gradient by mpmath",
                    .target = {0, 0, 4, 4},
                    .prediction = {1, 1, 3, 2},
                    .value = .875,
                    .gradient = {.0625, .125, -.0625, -.125},
                    .digits = 6}},
      .f32 = kBoxToleranceF32,
      .f64 = kBoxTolerance,
      .tolerance_note = kBoxToleranceNote,
      .conventions = {{.convention = Convention::kTorch, .reduction = Reduction::kNone}},
      .curvature = true,
  };
  double box_format, invalid_box;

  template <class L, Form kForm>
  using Loop = BoxItems<L, kForm>;

  template <bool kCurved>
  HWY_INLINE Term<kCurved> operator()(const Boxes<kCurved>& boxes) const {
    return boxes.gap + boxes.Uncovered();
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_BOXES_GIOU_INL_H_
