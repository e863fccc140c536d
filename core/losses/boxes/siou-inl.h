// SIoU: the overlap, the distance of the centres told by its direction, and the differences of the sides.
//
//   L     = 2 |dx dy| / (dx^2 + dy^2)                         sin(2 asin(min(|dx|, |dy|) / rho))
//   D     = (1 - e^(-(2 - L) (dx/cw)^2)) + (1 - e^(-(2 - L) (dy/ch)^2))
//   S     = (1 - e^(-|w - W| / max(w, W)))^theta + (1 - e^(-|h - H| / max(h, H)))^theta
//   value = 1 - IoU + (D + S) / 2
//
// Source: Gevorgyan 2022, SIoU Loss: More Powerful Learning for Bounding Box Regression, arXiv 2205.12740.

#if defined(LOSSD_CORE_LOSSES_BOXES_SIOU_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_BOXES_SIOU_INL_H_
#undef LOSSD_CORE_LOSSES_BOXES_SIOU_INL_H_
#else
#define LOSSD_CORE_LOSSES_BOXES_SIOU_INL_H_
#endif

#include "core/losses/boxes/box-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Siou {
  static constexpr Contract kContract = {
      .name = "siou",
      .family = Family::kRow,
      .summary = "the overlap, the distance of the centres told by its direction, and the differences of the sides",
      .use = "Detection. It draws a box to the nearer axis of the truth first.",
      .formula =
          "1 - IoU + (D + S) / 2; D = sum over the axes of 1 - exp(-(2 - L) (d / c)^2), L = sin(2 asin(min(|dx|, |dy|) "
          "/ rho)) = 2 |dx dy| / rho^2, 0 where the centres agree; S = sum over the sides of (1 - exp(-|w - W| / "
          "max(w, W)))^theta",
      .gradient = "-dIoU + (dD + dS) / 2, through L as well; the slope of |dx|, |dy|, |w - W|, |h - H| at 0 is 0",
      .tex = R"(1 - \mathrm{IoU} + \tfrac12 (\Delta + \Omega))",
      .source = "Gevorgyan 2022, SIoU Loss: More Powerful Learning for Bounding Box Regression, arXiv 2205.12740",
      .notes = kBoxSymbols,
      .peers = "PaddleDetection has 0 / 0 = NaN where the centres agree, other code adds 1e-4 to rho.",
      .kinks_note = kBoxKinks,
      .params = {{"theta", 4, kPositive, "power of the differences of the sides"}, kBoxFormat, kInvalidBox},
      .inputs = kBoxInputs,
      .examples = {{.origin = "catalogue of closed forms, checked against PyTorch autograd",
                    .target = {1, 1, 3, 4},
                    .prediction = {0, 0, 4, 2},
                    .value = .971126280,
                    .gradient = {-.037015, -.062366, .037015, -.220536},
                    .digits = 6},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd; gradient by mpmath",
                    .target = {2, 3, 4, 5},
                    .prediction = {0, 0, 1, 1},
                    .value = 1.394413816,
                    .gradient = {.067494587, .042478367, -.074594544, -.093045219},
                    .digits = 6},
                   {.origin = "catalogue of closed forms, checked against PyTorch autograd; gradient by mpmath",
                    .target = {0, 0, 4, 4},
                    .prediction = {1, 1, 3, 2},
                    .value = .941120168,
                    .gradient = {.080973767, .1294048, -.080973767, -.189981877},
                    .digits = 6}},
      .f32 = kBoxToleranceF32,
      .f64 = kBoxTolerance,
      .tolerance_note = kBoxToleranceNote,
      .curvature = true,
  };
  double theta, box_format, invalid_box;

  template <class L, Form kForm>
  using Loop = BoxItems<L, kForm>;

  template <bool kCurved>
  HWY_INLINE Term<kCurved> operator()(const Boxes<kCurved>& boxes) const {
    const Span<0, kCurved>& x = boxes.x;
    const Span<1, kCurved>& y = boxes.y;
    const Term<kCurved> direction = 2.0 * (Absolute(x.shift) * Absolute(y.shift) / boxes.SquaredShift());
    const Term<kCurved> pull = Term<kCurved>(2) - direction;
    const Term<kCurved> centres =
        Saturate(pull * Whole(Square(x.shift / x.around))) + Saturate(pull * Whole(Square(y.shift / y.around)));
    return boxes.gap + Real(.5) * (centres + (Side(x) + Side(y)));
  }

 private:
  template <size_t kAxis, bool kCurved>
  HWY_INLINE Along<kAxis, kCurved> Side(const Span<kAxis, kCurved>& span) const {
    const Along<kAxis, kCurved> larger = Select(span.growth.v > 0, span.pred, Along<kAxis, kCurved>(span.truth));
    return Power(Saturate(Absolute(span.growth) / larger), theta);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_BOXES_SIOU_INL_H_
