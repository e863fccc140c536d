// Alpha-IoU: the parts of an IoU loss, each to a power.
//
//   value = 1 - IoU^alpha + g^alpha        g = 0                iou
//                                              (A_c - U) / A_c  giou
//                                              rho^2 / c^2      diou, and for ciou a further (a v)^alpha
//
// Source: He et al. 2021, Alpha-IoU: A Family of Power Intersection over Union Losses for Bounding Box Regression,
// NeurIPS.

#if defined(LOSSD_CORE_LOSSES_BOXES_ALPHA_IOU_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_BOXES_ALPHA_IOU_INL_H_
#undef LOSSD_CORE_LOSSES_BOXES_ALPHA_IOU_INL_H_
#else
#define LOSSD_CORE_LOSSES_BOXES_ALPHA_IOU_INL_H_
#endif

#include "core/losses/boxes/box-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct AlphaIou {
  static constexpr Contract kContract = {
      .name = "alpha_iou",
      .family = Family::kRow,
      .aliases = {{"power_iou"}},
      .summary = "the parts of an IoU loss, each to a power",
      .use = "Detection. alpha > 1 gives boxes that fit well the larger gradient.",
      .formula =
          "1 - IoU^alpha; kind = giou: + ((A_c - U) / A_c)^alpha; diou: + (rho^2 / c^2)^alpha; ciou: + (rho^2 / "
          "c^2)^alpha + (a v)^alpha, a and v as in ciou, a held fixed",
      .gradient = "-alpha IoU^(alpha - 1) dIoU + alpha g^(alpha - 1) dg; 0 for a part that is 0 unless alpha = 1",
      .tex = R"(1 - \mathrm{IoU}^\alpha + \mathcal{P}^\alpha)",
      .source =
          "He et al. 2021, Alpha-IoU: A Family of Power Intersection over Union Losses for Bounding Box Regression, "
          "NeurIPS",
      .notes = kBoxSymbols,
      .peers =
          "The authors' code adds 1e-9 inside the powers; its giou penalty is |A_c - U|^alpha / A_c^alpha, as here.",
      .kinks_note = kBoxKinks,
      .params = {{"alpha", 3, kPositive, "the power"},
                 {.name = "kind",
                  .summary = "what is added to 1 - IoU^alpha",
                  .choices = {"iou", "giou", "diou", "ciou"},
                  .detached = {"ciou"}},
                 kBoxFormat,
                 kInvalidBox},
      .inputs = kBoxInputs,
      .examples = {{.origin = "catalogue of closed forms, checked against PyTorch autograd; gradient by mpmath",
                    .target = {1, 1, 3, 4},
                    .prediction = {0, 0, 4, 2},
                    .value = .995370370,
                    .gradient = {-.002314815, -.00462963, .002314815, -.011574074},
                    .digits = 8,
                    .params = {3, 0, 0, 0}},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd",
                    .target = {2, 3, 4, 5},
                    .prediction = {0, 0, 1, 1},
                    .value = 1,
                    .gradient = {0, 0, 0, 0},
                    .digits = 6},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd; gradient by mpmath",
                    .target = {0, 0, 4, 4},
                    .prediction = {1, 1, 3, 2},
                    .value = .998046875,
                    .gradient = {.002929688, .005859375, -.002929688, -.005859375},
                    .digits = 6}},
      .f32 = kBoxToleranceF32,
      .f64 = kBoxTolerance,
      .tolerance_note = kBoxToleranceNote,
      .curvature = true,
  };
  double alpha, kind, box_format, invalid_box;

  template <class L, Form kForm>
  using Loop = BoxItems<L, kForm>;

  template <bool kCurved>
  HWY_INLINE Term<kCurved> operator()(const Boxes<kCurved>& boxes) const {
    const Term<kCurved> base = OneMinusPowerOfIou(boxes, alpha);
    if (kind == kGiou) return base + Power(boxes.Uncovered(), alpha);
    if (kind == kDiou) return base + Power(boxes.Distance(), alpha);
    if (kind != kCiou) return base;
    const Term<kCurved> v = boxes.Aspect();
    const Real a = Select(v.v > 0, v.v / (boxes.gap.v + v.v), 0);
    return base + Power(boxes.Distance(), alpha) + Power(a * v, alpha);
  }

 private:
  static constexpr double kGiou = 1, kDiou = 2, kCiou = 3;  // choices of kind
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_BOXES_ALPHA_IOU_INL_H_
