// WIoU v1: the overlap, weighted by the distance of the centres.
//
//   value = R (1 - IoU), R = exp(rho^2 / c^2)        c held fixed
//
// Source: Tong et al. 2023, Wise-IoU: Bounding Box Regression Loss with Dynamic Focusing Mechanism, arXiv 2301.10051,
// equations 5 and 6.

#if defined(LOSSD_CORE_LOSSES_BOXES_WIOU_V1_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_BOXES_WIOU_V1_INL_H_
#undef LOSSD_CORE_LOSSES_BOXES_WIOU_V1_INL_H_
#else
#define LOSSD_CORE_LOSSES_BOXES_WIOU_V1_INL_H_
#endif

#include "core/losses/boxes/box-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct WiouV1 {
  static constexpr Contract kContract = {
      .name = "wiou_v1",
      .family = Family::kRow,
      .aliases = {{"wise_iou"}},
      .summary = "the overlap, weighted by the distance of the centres",
      .use = "Detection on data whose labels are not exact: it punishes geometry less than ciou.",
      .formula = "exp(rho^2 / c^2) (1 - IoU)",
      .gradient = "R (d(rho^2) / c^2 (1 - IoU) - dIoU): c is held fixed",
      .tex = R"(\exp\left(\frac{\rho^2}{(c^2)^*}\right) (1 - \mathrm{IoU}))",
      .source =
          "Tong et al. 2023, Wise-IoU: Bounding Box Regression Loss with Dynamic Focusing Mechanism, arXiv 2301.10051, "
          "equations 5 and 6",
      .notes = kBoxSymbols,
      .peers = "As the authors' code, without its epsilon.",
      .kinks_note = kBoxKinks,
      .params = {kBoxFormat, kInvalidBox},
      .inputs = kBoxInputs,
      .examples = {{.origin = "catalogue of closed forms, checked against PyTorch autograd",
                    .target = {1, 1, 3, 4},
                    .prediction = {0, 0, 4, 2},
                    .value = .894036160,
                    .gradient = {-.029801, -.10151, .029801, -.190914},
                    .digits = 6},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd; gradient by mpmath",
                    .target = {2, 3, 4, 5},
                    .prediction = {0, 0, 1, 1},
                    .value = 1.570225928,
                    .gradient = {-.095745483, -.134043677, -.095745483, -.134043677},
                    .digits = 6},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd; gradient by mpmath",
                    .target = {0, 0, 4, 4},
                    .prediction = {1, 1, 3, 2},
                    .value = .881862710,
                    .gradient = {.062990194, .112201282, -.062990194, -.139759492},
                    .digits = 6}},
      .f32 = kBoxToleranceF32,
      .f64 = kBoxTolerance,
      .tolerance_note = kBoxToleranceNote,
      .curvature = true,
      .detached = true,
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
    const Term<kCurved> apart = boxes.SquaredShift() / Term<kCurved>(boxes.Diagonal().v);
    const Real r = Exp(apart.v);
    return Chain(r, r, r, apart) * boxes.gap;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_BOXES_WIOU_V1_INL_H_
