// Extended IoU: an overlap that goes on below 0 where boxes do not meet, smoothed near 1.
//
//   X1    = |x1 - X1|, X2 = X1 + overlap along x; the same in y        both from the corner of the box around both
//   I     = X2 Y2 + min(X1, X2) min(Y1, Y2) - X1 max(Y1, Y2) - max(X1, X2) Y1        i_x i_y where the boxes overlap
//   u     = 1 - I/U, U = w h + W H - I
//   value = u^2 / (2 s) where u < s, else u - s/2        s = smooth_point
//
// Source: Peng and Yu 2021, A Systematic IoU-Related Method: Beyond Simplified Regression for Better Localization, IEEE
// TIP 30.

#if defined(LOSSD_CORE_LOSSES_BOXES_EXTENDED_IOU_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_BOXES_EXTENDED_IOU_INL_H_
#undef LOSSD_CORE_LOSSES_BOXES_EXTENDED_IOU_INL_H_
#else
#define LOSSD_CORE_LOSSES_BOXES_EXTENDED_IOU_INL_H_
#endif

#include "core/losses/boxes/box-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct ExtendedIou {
  static constexpr Contract kContract = {
      .name = "extended_iou",
      .family = Family::kRow,
      .summary = "an overlap that goes on below 0 where boxes do not meet, smoothed near 1",
      .use = "Detection, where boxes that do not meet are to get their gradient from the overlap itself.",
      .formula =
          "u^2 / (2 s) where u < s = smooth_point, else u - s/2; u = 1 - I / (w h + W H - I); I = i_x i_y where the "
          "boxes overlap, i_x (2 m_y + i_y) where i_x < 0 <= i_y, 2 ((m_x + i_x) i_y + m_y i_x) where both are below "
          "0, with i the overlap along an axis, minus the gap, and m the distance of the two lower edges",
      .gradient = "min(u / s, 1) du, du = -(dI U - I dU) / U^2",
      .tex = R"(\begin{cases} u^2 / (2 s) & u < s \\ u - s / 2 & u \ge s \end{cases})",
      .source =
          "Peng and Yu 2021, A Systematic IoU-Related Method: Beyond Simplified Regression for Better Localization, "
          "IEEE TIP 30",
      .notes = kBoxSymbols,
      .peers = "This is mmdetection's EIoULoss, without the epsilon in its union; elsewhere that name means eiou.",
      .kinks_note = kBoxKinks,
      .params = {{"smooth_point", .1, kPositive, "u below which the loss is quadratic"}, kBoxFormat, kInvalidBox},
      .inputs = kBoxInputs,
      .examples = {{.origin = "by hand: 1 - 1/6 - 0.05",
                    .target = {1, 1, 3, 4},
                    .prediction = {0, 0, 4, 2},
                    .value = .783333333,
                    .gradient = {-.027778, -.055556, .027778, -.138889},
                    .digits = 6},
                   {.origin = "by hand: I = -10, U = 15",
                    .target = {2, 3, 4, 5},
                    .prediction = {0, 0, 1, 1},
                    .value = 1.616666667,
                    .gradient = {-.044444444, 0, -.088888889, -.088888889},
                    .digits = 6}},
      .f32 = kBoxToleranceF32,
      .f64 = kBoxTolerance,
      .tolerance_note = kBoxToleranceNote,
      .curvature = true,
  };
  double smooth_point, box_format, invalid_box;

  template <class L, Form kForm>
  using Loop = BoxItems<L, kForm>;

  template <bool kCurved>
  HWY_INLINE Term<kCurved> operator()(const Boxes<kCurved>& boxes) const {
    const Term<kCurved> u = Select(boxes.meet, boxes.gap, Apart(boxes));
    return Select(u.v < smooth_point, Chain(u.v * u.v / (2 * smooth_point), u.v / smooth_point, 1 / smooth_point, u),
                  Chain(u.v - smooth_point / 2, 1, 0, u));
  }

 private:
  template <bool kCurved>
  static HWY_INLINE Term<kCurved> Apart(const Boxes<kCurved>& boxes) {
    const Span<0, kCurved>& x = boxes.x;
    const Span<1, kCurved>& y = boxes.y;
    const Along<0, kCurved> x1 = Absolute(x.offset), x2 = x1 + x.overlap;
    const Along<1, kCurved> y1 = Absolute(y.offset), y2 = y1 + y.overlap;
    const Term<kCurved> overlap =
        x2 * y2 + Lesser(x1, x2) * Lesser(y1, y2) - x1 * -Lesser(-y1, -y2) + Lesser(-x1, -x2) * y1;
    // 1 - I / (S - I), S the sum of both areas. Far apart I / U is nearly -1, where its quotient rule would cancel.
    Term<kCurved> areas = x.pred * y.pred;
    areas.v = areas.v + x.truth * y.truth;
    const Real all = areas.v - overlap.v;
    Term<kCurved> u(1.0 - overlap.v / all);
    for (size_t k = 0; k < 4; ++k) u.d[k] = (overlap.v / all * areas.d[k] - areas.v / all * overlap.d[k]) / all;
    Real growth[4];
    for (size_t k = 0; k < 4; ++k) growth[k] = areas.d[k] - overlap.d[k];
    SetCurvatureOfQuotient(growth, all, u);
    return Select(all == Real(0), Term<kCurved>(1), u);
  }
  template <size_t kAxis, bool kCurved>
  static HWY_INLINE Along<kAxis, kCurved> Lesser(const Along<kAxis, kCurved>& a, const Along<kAxis, kCurved>& b) {
    const Real share = Span<kAxis, kCurved>::Less(a.v, b.v);
    Along<kAxis, kCurved> y(Min(a.v, b.v));
    for (size_t k = 0; k < 2; ++k) y.d[k] = share * a.d[k] + (1.0 - share) * b.d[k];
    return y;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_BOXES_EXTENDED_IOU_INL_H_
