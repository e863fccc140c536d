// The geometry of two boxes, with its derivatives for the predicted one.
//
// Along each axis the boxes are intervals p and t. With i = min(p_hi, t_hi) - max(p_lo, t_lo), their overlap or minus
// the gap between them, everything here is a sum of lengths >= 0 that are differences of the coordinates themselves:
//   p_rest = p - i, t_rest = t - i                     what of each lies outside the other
//   1 - IoU    = (p_rest_x h + i_x p_rest_y + t_rest_x H + i_x t_rest_y) / U
//   A_c - U    = t_rest_x p_rest_y + p_rest_x t_rest_y     two corners of the box around both, where they overlap
// so that boxes that all but agree keep the digits that 1 - I/U and A_c - U lose.
//
// Where two coordinates tie, each has half of the slope; a side of length 0, and boxes that only touch, have none. Two
// equal boxes, of whatever area, are the minimum of every loss: value 0, slope 0.

#if defined(LOSSD_CORE_LOSSES_BOXES_GEOMETRY_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_BOXES_GEOMETRY_INL_H_
#undef LOSSD_CORE_LOSSES_BOXES_GEOMETRY_INL_H_
#else
#define LOSSD_CORE_LOSSES_BOXES_GEOMETRY_INL_H_
#endif

#include "core/losses/boxes/dual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// Corners x1, y1, x2, y2, or what else the four numbers of boxes are.
struct Numbers {
  HWY_INLINE Numbers() {}
  HWY_INLINE Numbers(Real a, Real b, Real c, Real d) : x{a, b, c, d} {}
  HWY_INLINE Real& operator[](size_t k) { return x[k]; }
  HWY_INLINE const Real& operator[](size_t k) const { return x[k]; }
  Real x[4];
};

// Two boxes along one axis: 0 for x, 1 for y.
template <size_t kAxis, bool kCurved>
struct Span {
  using Length = Along<kAxis, kCurved>;
  HWY_INLINE Span(const Numbers& p, const Numbers& t) {
    const Real p_lo = p[kAxis], p_hi = p[kAxis + 2], t_lo = t[kAxis], t_hi = t[kAxis + 2];
    const Real hi_inside = Less(p_hi, t_hi), lo_inside = Less(t_lo, p_lo);
    const Real top = Min(p_hi, t_hi), bottom = Max(p_lo, t_lo);
    const auto with = [](Real v, Real lo, Real hi) HWY_ATTR { return MakeAlong<kAxis, kCurved>(v, lo, hi); };
    const Length none;
    pred = Select(p_hi > p_lo, with(p_hi - p_lo, -1, 1), none);
    truth = Max(0, t_hi - t_lo);
    proper = Both(pred.v > 0, truth > 0);
    overlap = with(top - bottom, -lo_inside, hi_inside);
    pred_rest = with((p_hi - top) + (bottom - p_lo), lo_inside - 1, 1.0 - hi_inside);
    truth_rest = with((t_hi - top) + (bottom - t_lo), lo_inside, -hi_inside);
    const Real extent = Max(p_hi, t_hi) - Min(p_lo, t_lo);
    around = Select(extent > 0, with(extent, lo_inside - 1, 1.0 - hi_inside), none);
    offset = with(p_lo - t_lo, 1, 0);
    shift = with(((p_lo - t_lo) + (p_hi - t_hi)) * .5, .5, .5);
    Length minus_truth = pred;
    minus_truth.v = pred.v - truth;
    growth = Select(proper, with((p_hi - t_hi) - (p_lo - t_lo), -1, 1), minus_truth);
  }
  // 1, or 1/2 at a tie: the slope of min(a, b) for a.
  static HWY_INLINE Real Less(Real a, Real b) { return Select(a < b, 1, Select(a == b, .5, 0)); }

  Mask proper;     // both boxes have a length > 0
  Length pred;     // length of the predicted box
  Real truth;      // of the true one
  Length overlap;  // of their intersection; minus the gap where there is none
  Length pred_rest, truth_rest;
  Length around;  // of the box around both
  Length offset;  // from the lower end of the true one to that of the predicted one
  Length shift;   // from the true centre to the predicted one
  Length growth;  // pred - truth
};

template <bool kCurved>
struct Boxes {
  using Term = Dual<0, 1, kCurved>;
  HWY_INLINE Boxes(const Numbers& p, const Numbers& t)
      : x(p, t), y(p, t), meet(Both(x.overlap.v > 0, y.overlap.v > 0)) {
    const Real w = x.overlap.v, h = y.overlap.v, both = w * h, truth_area = x.truth * y.truth;
    const Real pred_only = x.pred_rest.v * y.pred.v + w * y.pred_rest.v;
    const Real truth_only = x.truth_rest.v * y.truth + w * y.truth_rest.v;
    const Real all = pred_only + truth_only + both;
    iou.v = Select(meet, both / all, 0);
    gap.v = Select(meet, (pred_only + truth_only) / all, 1);
    // (dI U - I dU) / U^2 with U = pred + truth - I, free of differences
    Real growth[4];  // dU
    const auto slopes = [&](const auto& along, const auto& across, size_t axis) HWY_ATTR {
      for (size_t k = 0; k < 2; ++k) {
        const Real sign = along.pred.d[k], inside = sign * along.overlap.d[k];
        const Real gain = inside * (along.pred_rest.v * across.pred.v + truth_area);
        const Real cost = (1.0 - inside) * along.overlap.v * across.pred.v;
        // Where the two may cancel.
        const Real others = along.pred_rest.v * across.pred.v + truth_only;
        const Real at_tie = .5 * (others - along.overlap.v * across.pred_rest.v);
        const Real net = Select(inside == Real(.5), at_tie, gain - cost);
        iou.d[axis + 2 * k] = Select(meet, sign * (across.overlap.v / all) * (net / all), 0);
        growth[axis + 2 * k] = sign * (inside * across.pred_rest.v + (1.0 - inside) * across.pred.v);
      }
    };
    slopes(x, y, 0);
    slopes(y, x, 1);
    SetCurvatureOfQuotient(growth, Select(meet, all, 1), iou);
    for (size_t k = 0; k < 4; ++k) gap.d[k] = -iou.d[k];
    for (size_t m = 0; m < gap.kPairs; ++m) gap.dd[m] = -iou.dd[m];
  }

  // c^2 of the box around both.
  HWY_INLINE Term Diagonal() const { return Square(x.around) + Square(y.around); }
  // Squared distance of the centres.
  HWY_INLINE Term SquaredShift() const { return Square(x.shift) + Square(y.shift); }
  // The same by c^2.
  HWY_INLINE Term Distance() const { return SquaredShift() / Diagonal(); }

  // (A_c - U) / A_c: the share of the box around both that neither covers.
  HWY_INLINE Term Uncovered() const {
    const Term area = x.around * y.around;
    const Along<0, kCurved> x_truth(x.truth);
    const Along<1, kCurved> y_truth(y.truth);
    const Term x_only = x.truth_rest * y.pred + x.pred_rest * y_truth - x.around * y.overlap;
    const Term y_only = x.pred * y.truth_rest + x_truth * y.pred_rest - x.overlap * y.around;
    Along<0, kCurved> lengths = x.pred;
    lengths.v = x.pred.v + x.truth;
    const Term apart = x.pred * y_truth + x_truth * y.pred - x.overlap * y.around - lengths * y.overlap;
    Term improper = area - x.pred * y.pred;
    improper.v = improper.v - x.truth * y.truth;
    const Mask along_x = x.overlap.v > 0, along_y = y.overlap.v > 0;
    Term rest = Select(along_x, x_only, Select(along_y, y_only, apart));
    rest = Select(meet, x.truth_rest * y.pred_rest + x.pred_rest * y.truth_rest, rest);
    rest = Select(Both(x.proper, y.proper), rest, improper);
    Term share = rest / area;
    // Mostly empty: the slope of 1 - U / A_c has the smaller terms.
    Term covered = x.pred * y.pred;
    covered.v = covered.v + x.truth * y.truth;
    const Term complement = -(covered / area);
    const Mask empty = Both(iou.v == Real(0), 2.0 * rest.v > area.v);
    for (size_t k = 0; k < 4; ++k) share.d[k] = Select(empty, complement.d[k], share.d[k]);
    SetCurvatureOfQuotient(area.d, Select(area.v == Real(0), 1, area.v), share);
    return share;
  }

  // v = 4/pi^2 (atan(W/H) - atan(w/h))^2, the difference of the aspects; 0 where a box is a point.
  HWY_INLINE Term Aspect() const {
    const Tag<double> d;
    const Real w = x.pred.v, h = y.pred.v, square = w * w + h * h;
    const Real cross = w * y.growth.v - x.growth.v * h;  // W h - w H
    const Real dot = x.truth * w + y.truth * h, size = Abs(cross);
    const Real near(hn::Atan(d, (Min(size, dot) / Max(size, dot)).v));
    const Real angle(hn::CopySign(Select(size > dot, kPi / 2 - near, near).v, cross.v));
    const double factor = 4 / (kPi * kPi);
    const Real by_w = -(h / square), by_h = w / square;  // of the angle
    const Real bend = 2.0 * angle * by_w * by_h;         // angle d^2 angle / dh^2, and minus that for w
    const Along<0, kCurved> of_w = Chain(0, 2 * factor * angle * by_w, 2 * factor * (by_w * by_w - bend), x.pred);
    const Along<1, kCurved> of_h = Chain(0, 2 * factor * angle * by_h, 2 * factor * (by_h * by_h + bend), y.pred);
    Term v = of_w + of_h;
    v.v = factor * angle * angle;
    return Select(Either(square == Real(0), x.truth + y.truth == Real(0)), Term(), v);
  }

  static constexpr double kPi = 3.14159265358979323846;
  Span<0, kCurved> x;
  Span<1, kCurved> y;
  Mask meet;      // they overlap
  Term iou, gap;  // I / U and 1 - I / U
};

// ln IoU, also near 1. REQUIRES: IoU > 0.
template <bool kCurved>
HWY_INLINE Real LogIou(const Boxes<kCurved>& boxes) {
  return Select(boxes.gap.v < .5, Log1p(-boxes.gap.v), Log(boxes.iou.v));
}
// IoU^power, and 1 - IoU^power without cancellation, for power > 0; no slope where IoU = 0 unless power is 1.
template <bool kCurved>
HWY_INLINE Term<kCurved> PowerOfIou(const Boxes<kCurved>& boxes, double power) {
  if (power == 1) return boxes.iou;
  const Real y = Exp(power * LogIou(boxes));
  return Select(boxes.iou.v > 0, ChainOfPower(y, power * y / boxes.iou.v, power - 1, boxes.iou), Term<kCurved>());
}
template <bool kCurved>
HWY_INLINE Term<kCurved> OneMinusPowerOfIou(const Boxes<kCurved>& boxes, double power) {
  const Term<kCurved> y = PowerOfIou(boxes, power);
  Term<kCurved> rest = -y;
  rest.v = Select(boxes.iou.v > 0, -Expm1(power * LogIou(boxes)), 1.0 - y.v);
  return rest;
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_BOXES_GEOMETRY_INL_H_
