// WIoU v3: WIoU v1, weighted most where a box is neither poor nor good for its time.
//
//   b     = (1 - IoU) / iou_mean
//   value = b / (delta alpha^(b - delta)) R (1 - IoU), R = exp(rho^2 / c^2)        b and c held fixed
//
// Source: Tong et al. 2023, Wise-IoU: Bounding Box Regression Loss with Dynamic Focusing Mechanism, arXiv 2301.10051,
// equation 11.

#if defined(LOSSD_CORE_LOSSES_BOXES_WIOU_V3_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_BOXES_WIOU_V3_INL_H_
#undef LOSSD_CORE_LOSSES_BOXES_WIOU_V3_INL_H_
#else
#define LOSSD_CORE_LOSSES_BOXES_WIOU_V3_INL_H_
#endif

#include "core/losses/boxes/wiou_v1-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct WiouV3 {
  static constexpr Contract kContract = {
      .name = "wiou_v3",
      .family = Family::kRow,
      .summary = "WIoU v1, weighted most where a box is neither poor nor good for its time",
      .use =
          "Detection on data whose labels are not exact: outliers get little gradient. Send iou_mean back with the "
          "next call.",
      .formula = "b / (delta alpha^(b - delta)) exp(rho^2 / c^2) (1 - IoU), b = (1 - IoU) / iou_mean",
      .gradient = "that of wiou_v1 times the weight, which is held fixed",
      .tex =
          R"(\frac{\beta}{\delta \alpha^{\beta - \delta}} \exp\left(\frac{\rho^2}{(c^2)^*}\right) \mathcal{L}, \quad \beta = \frac{\mathcal{L}^*}{\overline{\mathcal{L}}})",
      .source =
          "Tong et al. 2023, Wise-IoU: Bounding Box Regression Loss with Dynamic Focusing Mechanism, arXiv 2301.10051, "
          "equation 11",
      .notes = kBoxSymbols,
      .peers =
          "alpha = 1.9 and delta = 3 are those of the paper; the code of its authors now has 1.7 and 2.7. It keeps the "
          "running mean inside, starting from 1 with momentum 0.01; here the call says it, and the response returns "
          "its next value as iou_mean.",
      .kinks_note = kBoxKinks,
      .params = {{"alpha", 1.9, kPositive, "how fast the weight falls beyond its peak"},
                 {"delta", 3, kPositive, "b at which the weight is 1"},
                 {"iou_mean", 1, kPositive, "running mean of 1 - IoU, from the response before"},
                 kBoxFormat,
                 kInvalidBox},
      .inputs = kBoxInputs,
      .examples = {{.origin = "catalogue of closed forms, checked against PyTorch autograd; gradient by mpmath",
                    .target = {1, 1, 3, 4},
                    .prediction = {0, 0, 4, 2},
                    .value = 1.168837260,
                    .gradient = {-.038961242, -.132711731, .038961242, -.249595457},
                    .digits = 6,
                    .params = {1.9, 3, .5, 0, 0}},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd; gradient by mpmath",
                    .target = {2, 3, 4, 5},
                    .prediction = {0, 0, 1, 1},
                    .value = 1.988952842,
                    .gradient = {-.121277612, -.169788657, -.121277612, -.169788657},
                    .digits = 6,
                    .params = {1.9, 3, .5, 0, 0}},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd; gradient by mpmath",
                    .target = {0, 0, 4, 4},
                    .prediction = {1, 1, 3, 2},
                    .value = 1.147518706,
                    .gradient = {.081965622, .146001264, -.081965622, -.181861223},
                    .digits = 6,
                    .params = {1.9, 3, .5, 0, 0}}},
      .f32 = kBoxToleranceF32,
      .f64 = {256, 256, true},
      .tolerance_note =
          "F64: the weight is the exponential of (delta - b) ln alpha, which may be large; derivatives in units of the "
          "largest of the item.",
      .curvature = true,
      .extra = Extra::kMean,
      .extra_name = "iou_mean",
      .detached = true,
  };
  double alpha, delta, iou_mean, box_format, invalid_box;

  template <class L, Form kForm>
  using Loop = BoxItems<L, kForm>;

  template <bool kCurved>
  HWY_INLINE Term<kCurved> operator()(const Boxes<kCurved>& boxes) const {
    const Real b = boxes.gap.v / iou_mean;
    const Real weight = b / delta * Exp((delta - b) * Log(alpha));
    return weight * WiouV1::Of(boxes);
  }

  // The next running mean, from the mean of 1 - IoU over the items.
  static double Finish(std::span<const double> params, double mean) {
    return params[2] + kWiouMomentum * (mean - params[2]);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_BOXES_WIOU_V3_INL_H_
