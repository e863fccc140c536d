// WIoU v2: WIoU v1, weighted by how poor the box is for its time.
//
//   value = (L / iou_mean)^gamma R L, L = 1 - IoU, R = exp(rho^2 / c^2)        the weight and c held fixed
//
// Source: Tong et al. 2023, Wise-IoU: Bounding Box Regression Loss with Dynamic Focusing Mechanism, arXiv 2301.10051,
// equation 8.

#if defined(LOSSD_CORE_LOSSES_BOXES_WIOU_V2_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_BOXES_WIOU_V2_INL_H_
#undef LOSSD_CORE_LOSSES_BOXES_WIOU_V2_INL_H_
#else
#define LOSSD_CORE_LOSSES_BOXES_WIOU_V2_INL_H_
#endif

#include "core/losses/boxes/wiou_v1-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct WiouV2 {
  static constexpr Contract kContract = {
      .name = "wiou_v2",
      .family = Family::kRow,
      .summary = "WIoU v1, weighted by how poor the box is for its time",
      .use =
          "Detection, to keep attention on the poor boxes as training goes on. Send iou_mean back with the next call.",
      .formula = "((1 - IoU) / iou_mean)^gamma exp(rho^2 / c^2) (1 - IoU)",
      .gradient = "that of wiou_v1 times the weight, which is held fixed",
      .tex =
          R"(\left(\frac{\mathcal{L}^*}{\overline{\mathcal{L}}}\right)^\gamma \exp\left(\frac{\rho^2}{(c^2)^*}\right) \mathcal{L})",
      .source =
          "Tong et al. 2023, Wise-IoU: Bounding Box Regression Loss with Dynamic Focusing Mechanism, arXiv 2301.10051, "
          "equation 8",
      .notes = kBoxSymbols,
      .peers =
          "The authors' code keeps the running mean inside, starting from 1 with momentum 0.01; here the call says it, "
          "and the response returns its next value as iou_mean.",
      .kinks_note = kBoxKinks,
      .params = {{"gamma", .5, kNonNegative, "power of the weight"},
                 {"iou_mean", 1, kPositive, "running mean of 1 - IoU, from the response before"},
                 kBoxFormat,
                 kInvalidBox},
      .inputs = kBoxInputs,
      .examples = {{.origin = "catalogue of closed forms, checked against PyTorch autograd; gradient by mpmath",
                    .target = {1, 1, 3, 4},
                    .prediction = {0, 0, 4, 2},
                    .value = 1.154195720,
                    .gradient = {-.038473191, -.131049306, .038473191, -.246468878},
                    .digits = 6,
                    .params = {.5, .5, 0, 0}},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd; gradient by mpmath",
                    .target = {2, 3, 4, 5},
                    .prediction = {0, 0, 1, 1},
                    .value = 2.220634803,
                    .gradient = {-.135404561, -.189566386, -.135404561, -.189566386},
                    .digits = 6,
                    .params = {.5, .5, 0, 0}},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd; gradient by mpmath",
                    .target = {0, 0, 4, 4},
                    .prediction = {1, 1, 3, 2},
                    .value = 1.166594711,
                    .gradient = {.083328194, .148428345, -.083328194, -.18488443},
                    .digits = 6,
                    .params = {.5, .5, 0, 0}}},
      .f32 = kBoxToleranceF32,
      .f64 = kBoxTolerance,
      .tolerance_note = kBoxToleranceNote,
      .curvature = true,
      .extra = Extra::kMean,
      .extra_name = "iou_mean",
      .detached = true,
  };
  double gamma, iou_mean, box_format, invalid_box;

  template <class L, Form kForm>
  using Loop = BoxItems<L, kForm>;

  template <bool kCurved>
  HWY_INLINE Term<kCurved> operator()(const Boxes<kCurved>& boxes) const {
    const Real weight = gamma == 0 ? Real(1) : Power(Term<kCurved>(boxes.gap.v / iou_mean), gamma).v;
    return weight * WiouV1::Of(boxes);
  }

  // The next running mean, from the mean of 1 - IoU over the items.
  static double Finish(std::span<const double> params, double mean) {
    return params[1] + kWiouMomentum * (mean - params[1]);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_BOXES_WIOU_V2_INL_H_
