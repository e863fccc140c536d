// Focal EIoU: EIoU, weighted by the overlap already reached.
//
//   value = IoU^gamma EIoU        IoU^gamma held fixed unless detach = false
//
// Source: Zhang et al. 2022, Focal and Efficient IOU Loss for Accurate Bounding Box Regression, Neurocomputing 506,
// equation 13.

#if defined(LOSSD_CORE_LOSSES_BOXES_FOCAL_EIOU_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_BOXES_FOCAL_EIOU_INL_H_
#undef LOSSD_CORE_LOSSES_BOXES_FOCAL_EIOU_INL_H_
#else
#define LOSSD_CORE_LOSSES_BOXES_FOCAL_EIOU_INL_H_
#endif

#include "core/losses/boxes/eiou-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct FocalEiou {
  static constexpr Contract kContract = {
      .name = "focal_eiou",
      .family = Family::kRow,
      .summary = "EIoU, weighted by the overlap already reached",
      .use = "Detection with many poor candidate boxes: those that fit well weigh more.",
      .formula = "IoU^gamma (1 - IoU + rho^2 / c^2 + (w - W)^2 / cw^2 + (h - H)^2 / ch^2)",
      .gradient =
          "IoU^gamma dEIoU; detach = false: + gamma IoU^(gamma - 1) EIoU dIoU. 0 for boxes that do not overlap (gamma "
          "> 0)",
      .tex = R"(\mathrm{IoU}^\gamma \mathcal{L}_{\mathrm{EIoU}})",
      .source =
          "Zhang et al. 2022, Focal and Efficient IOU Loss for Accurate Bounding Box Regression, Neurocomputing 506, "
          "equation 13",
      .notes = kBoxSymbols,
      .peers =
          "The code in use (YOLO forks) detaches IoU^gamma, which the paper does not say. Undetached, the gradient may "
          "point away from the truth, and theirs is NaN for boxes that do not overlap.",
      .kinks_note = kBoxKinks,
      .params = {{"gamma", .5, kNonNegative, "power of the weight"},
                 {.name = "detach",
                  .fallback = 1,
                  .summary = "hold IoU^gamma fixed in the gradient",
                  .choices = {"false", "true"},
                  .detached = {"true"}},
                 kBoxFormat,
                 kInvalidBox},
      .inputs = kBoxInputs,
      .examples = {{.origin = "catalogue of closed forms, checked against PyTorch autograd",
                    .target = {1, 1, 3, 4},
                    .prediction = {0, 0, 4, 2},
                    .value = .496489457,
                    .gradient = {-.055195, .029148, .055195, -.126869},
                    .digits = 6},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd",
                    .target = {2, 3, 4, 5},
                    .prediction = {0, 0, 1, 1},
                    .value = 0,
                    .gradient = {0, 0, 0, 0},
                    .digits = 6},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd; gradient by mpmath",
                    .target = {0, 0, 4, 4},
                    .prediction = {1, 1, 3, 2},
                    .value = .599383482,
                    .gradient = {.110485435, .171252424, -.110485435, -.182300967},
                    .digits = 6}},
      .f32 = kBoxToleranceF32,
      .f64 = kBoxTolerance,
      .tolerance_note = kBoxToleranceNote,
      .curvature = true,
  };
  double gamma, detach, box_format, invalid_box;

  template <class L, Form kForm>
  using Loop = BoxItems<L, kForm>;

  template <bool kCurved>
  HWY_INLINE Term<kCurved> operator()(const Boxes<kCurved>& boxes) const {
    const Term<kCurved> loss = Eiou::Of(boxes);
    if (gamma == 0) return loss;
    const Term<kCurved> weight = PowerOfIou(boxes, gamma);
    return detach > 0 ? weight.v * loss : weight * loss;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_BOXES_FOCAL_EIOU_INL_H_
