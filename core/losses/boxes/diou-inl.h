// DIoU: the overlap, and the distance of the centres.
//
//   value = 1 - IoU + rho^2 / c^2
//
// Source: Zheng et al. 2020, Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression, AAAI,
// equation 6.

#if defined(LOSSD_CORE_LOSSES_BOXES_DIOU_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_BOXES_DIOU_INL_H_
#undef LOSSD_CORE_LOSSES_BOXES_DIOU_INL_H_
#else
#define LOSSD_CORE_LOSSES_BOXES_DIOU_INL_H_
#endif

#include "core/losses/boxes/box-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Diou {
  static constexpr Contract kContract = {
      .name = "diou",
      .family = Family::kRow,
      .aliases = {{"DIoULoss"}, {"distance_box_iou_loss"}, {"distance_iou"}},
      .summary = "the overlap, and the distance of the centres",
      .use = "Detection. It moves boxes that do not meet straight at each other.",
      .formula = "1 - IoU + rho^2 / c^2",
      .gradient = "-dIoU + d(rho^2) / c^2 - rho^2 d(c^2) / c^4",
      .tex = R"(1 - \frac{|P \cap T|}{|P \cup T|} + \frac{\rho^2}{c^2})",
      .source =
          "Zheng et al. 2020, Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression, AAAI, "
          "equation 6",
      .notes = kBoxSymbols,
      .peers =
          "torchvision's distance_box_iou_loss and mmdetection's DIoULoss add 1e-7 or 1e-6 to the denominators, "
          "PaddleDetection 1e-10 also to the numerator.",
      .kinks_note = kBoxKinks,
      .params = {kBoxFormat, kInvalidBox},
      .inputs = kBoxInputs,
      .examples = {{.origin = "catalogue of closed forms, checked against PyTorch autograd",
                    .target = {1, 1, 3, 4},
                    .prediction = {0, 0, 4, 2},
                    .value = .903645833,
                    .gradient = {-.0102, -.084852, .0102, -.185764},
                    .digits = 6},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd",
                    .target = {2, 3, 4, 5},
                    .prediction = {0, 0, 1, 1},
                    .value = 1.451219512,
                    .gradient = {.027067, .024688, -.060976, -.085366},
                    .digits = 6},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd; gradient by mpmath",
                    .target = {0, 0, 4, 4},
                    .prediction = {1, 1, 3, 2},
                    .value = .8828125,
                    .gradient = {.0625, .109375, -.0625, -.140625},
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
    return boxes.gap + boxes.Distance();
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_BOXES_DIOU_INL_H_
