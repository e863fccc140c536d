// What the losses of two boxes share: their geometry, with its derivatives for the predicted box.
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

#if defined(LOSSD_CORE_LOSSES_BOXES_BOX_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_BOXES_BOX_INL_H_
#undef LOSSD_CORE_LOSSES_BOXES_BOX_INL_H_
#else
#define LOSSD_CORE_LOSSES_BOXES_BOX_INL_H_
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

#include "core/simd/categorical-inl.h"
#include "core/simd/item-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// A number and its derivatives with respect to x1, y1, x2, y2 of the predicted box.
struct Term {
  double v = 0;
  std::array<double, 4> d = {};
};
// f(x) from its value and its derivative at x.
HWY_INLINE Term Chain(double value, double slope, const Term& x) {
  Term y{value, {}};
  for (size_t k = 0; k < 4; ++k) y.d[k] = slope * x.d[k];
  return y;
}
HWY_INLINE Term operator+(const Term& a, const Term& b) {
  Term y{a.v + b.v, {}};
  for (size_t k = 0; k < 4; ++k) y.d[k] = a.d[k] + b.d[k];
  return y;
}
HWY_INLINE Term operator*(double a, const Term& b) { return Chain(a * b.v, a, b); }
HWY_INLINE Term operator-(const Term& a) { return -1.0 * a; }
HWY_INLINE Term operator-(const Term& a, const Term& b) { return a + -b; }
HWY_INLINE Term operator*(const Term& a, const Term& b) {
  Term y{a.v * b.v, {}};
  for (size_t k = 0; k < 4; ++k) y.d[k] = a.d[k] * b.v + a.v * b.d[k];
  return y;
}
// a / b; 0 with no slope where b is 0.
HWY_INLINE Term operator/(const Term& a, const Term& b) {
  if (b.v == 0) return {};
  Term y{a.v / b.v, {}};
  for (size_t k = 0; k < 4; ++k) y.d[k] = (a.d[k] - y.v * b.d[k]) / b.v;
  return y;
}
HWY_INLINE Term Square(const Term& a) { return Chain(a.v * a.v, 2 * a.v, a); }
// |a|, slope 0 at 0.
HWY_INLINE Term Absolute(const Term& a) { return Chain(std::abs(a.v), (a.v > 0) - (a.v < 0), a); }

HWY_INLINE double ExpScalar(double x) {
  return Scalar(x, [](auto d, auto v) HWY_ATTR { return hn::Exp(d, v); });
}
// 1 - exp(-a), a >= 0.
HWY_INLINE Term Saturate(const Term& a) {
  const double e = Scalar(-a.v, [](auto d, auto v) HWY_ATTR { return hn::Expm1(d, v); });
  return Chain(-e, 1 + e, a);
}
// a^power for a >= 0 and power > 0; no slope at a = 0 unless power is 1.
HWY_INLINE Term Power(const Term& a, double power) {
  if (power == 1) return a;
  if (a.v <= 0) return {};
  const double y = ExpScalar(power * LogScalar(a.v));
  return Chain(y, power * y / a.v, a);
}

// Share of a new mean in the running mean of the wiou losses.
inline constexpr double kWiouMomentum = 0.01;

// What every contract of this topic has. BoxFormat: the choices of box_format.
enum BoxFormat { kXyxy, kXywh, kCxcywh, kYxyx };
inline constexpr Param kBoxFormat =
    Choice("box_format", {"xyxy", "xywh", "cxcywh", "yxyx"}, kXyxy,
           "of both boxes: two corners, corner and sides, centre and sides, two corners with y first");
inline constexpr Param kInvalidBox =
    Choice("invalid_box", {"clamp", "zero"}, 0,
           "a side of 0 or less: clamp takes it for 0; zero gives the item value and gradient 0");
inline constexpr List<Input, kMaxInputs> kBoxInputs = {
    {.name = "y_pred", .shape = "... 4", .differentiable = true, .summary = "predicted box"},
    {.name = "y_true", .shape = "... 4", .summary = "true box"}};
inline constexpr std::string_view kBoxSymbols =
    "w h, W H are the sides of the predicted and the true box, U the area of their union, c the diagonal and A_c the "
    "area of the box around both, rho the distance of the centres. Two equal boxes have value and gradient 0, also "
    "where their area is 0; IoU is 0 where both areas are 0 otherwise. Boxes may lie anywhere at any scale.";
inline constexpr std::string_view kBoxKinks =
    "Where coordinates of the two boxes tie, each has half of the slope, as with PyTorch's minimum and maximum; boxes "
    "that touch, and sides of length 0, have no slope.";
// A slope adds up terms of either sign, and in double nothing is left over to hide what cancels. Measured on the golden
// files: 6 and 58.
inline constexpr Tolerance kBoxTolerance = {16, 64, true};
inline constexpr std::string_view kBoxToleranceNote =
    "F64: the parts of a slope may cancel; its bound is in units of the largest slope of the item.";

// Corners x1, y1, x2, y2 of four numbers, each times scale.
HWY_INLINE std::array<double, 4> Corners(const double* box, int format, double scale) {
  const double a = box[0] * scale, b = box[1] * scale, c = box[2] * scale, d = box[3] * scale;
  switch (format) {
    case kXywh:
      return {a, b, a + c, b + d};
    case kCxcywh:
      return {a - c / 2, b - d / 2, a + c / 2, b + d / 2};
    case kYxyx:
      return {b, a, d, c};
    default:
      return {a, b, c, d};
  }
}
// The transpose: from the slope for the corners to that for the four numbers.
HWY_INLINE void StoreSlope(const std::array<double, 4>& d, int format, double scale, double* slope) {
  std::array<double, 4> out = d;
  if (format == kXywh) out = {d[0] + d[2], d[1] + d[3], d[2], d[3]};
  if (format == kCxcywh) out = {d[0] + d[2], d[1] + d[3], (d[2] - d[0]) / 2, (d[3] - d[1]) / 2};
  if (format == kYxyx) out = {d[1], d[0], d[3], d[2]};
  for (size_t k = 0; k < 4; ++k) slope[k] = out[k] * scale;
}

// Two boxes along one axis.
struct Span {
  // axis: 0 for x, 1 for y.
  HWY_INLINE Span(const std::array<double, 4>& p, const std::array<double, 4>& t, size_t axis) {
    const size_t lo = axis, hi = axis + 2;
    const double hi_inside = Less(p[hi], t[hi]), lo_inside = Less(t[lo], p[lo]);
    const double top = std::min(p[hi], t[hi]), bottom = std::max(p[lo], t[lo]);
    const auto with = [&](double v, double at_lo, double at_hi) {
      Term term{v, {}};
      term.d[lo] = at_lo;
      term.d[hi] = at_hi;
      return term;
    };
    pred = p[hi] > p[lo] ? with(p[hi] - p[lo], -1, 1) : Term{};
    truth = std::max(0.0, t[hi] - t[lo]);
    proper = pred.v > 0 && truth > 0;
    overlap = with(top - bottom, -lo_inside, hi_inside);
    pred_rest = with((p[hi] - top) + (bottom - p[lo]), lo_inside - 1, 1 - hi_inside);
    truth_rest = with((t[hi] - top) + (bottom - t[lo]), lo_inside, -hi_inside);
    around = with(std::max(p[hi], t[hi]) - std::min(p[lo], t[lo]), lo_inside - 1, 1 - hi_inside);
    if (around.v <= 0) around = {};
    offset = with(p[lo] - t[lo], 1, 0);
    shift = with(((p[lo] - t[lo]) + (p[hi] - t[hi])) / 2, .5, .5);
    growth = proper ? with((p[hi] - t[hi]) - (p[lo] - t[lo]), -1, 1) : pred;
    if (!proper) growth.v -= truth;
  }
  // 1, or 1/2 at a tie: the slope of min(a, b) for a.
  static HWY_INLINE double Less(double a, double b) { return a < b ? 1.0 : a == b ? 0.5 : 0.0; }

  bool proper;   // both boxes have a length > 0
  Term pred;     // length of the predicted box
  double truth;  // of the true one
  Term overlap;  // of their intersection; minus the gap where there is none
  Term pred_rest, truth_rest;
  Term around;  // of the box around both
  Term offset;  // from the lower end of the true one to that of the predicted one
  Term shift;   // from the true centre to the predicted one
  Term growth;  // pred - truth
};

struct Boxes {
  HWY_INLINE Boxes(const std::array<double, 4>& p, const std::array<double, 4>& t) : x(p, t, 0), y(p, t, 1) {
    const double truth_area = x.truth * y.truth;
    if (x.overlap.v > 0 && y.overlap.v > 0) {
      const double w = x.overlap.v, h = y.overlap.v, both = w * h;
      const double pred_only = x.pred_rest.v * y.pred.v + w * y.pred_rest.v;
      const double truth_only = x.truth_rest.v * y.truth + w * y.truth_rest.v;
      const double all = pred_only + truth_only + both;
      iou.v = both / all;
      gap.v = (pred_only + truth_only) / all;
      for (size_t k = 0; k < 4; ++k) {
        const Span &along = k % 2 == 0 ? x : y, &across = k % 2 == 0 ? y : x;
        const double sign = along.pred.d[k], inside = sign * along.overlap.d[k];
        // (dI U - I dU) / U^2 with U = pred + truth - I, free of differences
        const double gain = inside * (along.pred_rest.v * across.pred.v + truth_area);
        const double cost = (1 - inside) * along.overlap.v * across.pred.v;
        iou.d[k] = sign * (across.overlap.v / all) * ((gain - cost) / all);
      }
    } else {
      gap.v = 1;
    }
    for (size_t k = 0; k < 4; ++k) gap.d[k] = -iou.d[k];
    distance = (Square(x.shift) + Square(y.shift)) / diagonal();
  }

  // c^2 of the box around both.
  HWY_INLINE Term diagonal() const { return Square(x.around) + Square(y.around); }

  // (A_c - U) / A_c: the share of the box around both that neither covers.
  HWY_INLINE Term Uncovered() const {
    const Term area = x.around * y.around;
    Term rest;
    if (!x.proper || !y.proper) {
      rest = area - x.pred * y.pred;
      rest.v -= x.truth * y.truth;
    } else if (x.overlap.v > 0 && y.overlap.v > 0) {
      rest = x.truth_rest * y.pred_rest + x.pred_rest * y.truth_rest;
    } else if (x.overlap.v > 0) {
      rest = y.pred * x.truth_rest + y.truth * x.pred_rest - y.overlap * x.around;
    } else if (y.overlap.v > 0) {
      rest = x.pred * y.truth_rest + x.truth * y.pred_rest - x.overlap * y.around;
    } else {
      rest = y.truth * x.pred + x.truth * y.pred - x.overlap * y.around;
      Term both = x.pred;
      both.v += x.truth;
      rest = rest - both * y.overlap;
    }
    Term share = rest / area;
    if (iou.v == 0 && 2 * rest.v > area.v) {  // mostly empty: the slope of 1 - U / A_c has the smaller terms
      Term covered = x.pred * y.pred;
      covered.v += x.truth * y.truth;
      share.d = (-(covered / area)).d;
    }
    return share;
  }

  // v = 4/pi^2 (atan(W/H) - atan(w/h))^2, the difference of the aspects; 0 where a box is a point.
  HWY_INLINE Term Aspect() const {
    const double w = x.pred.v, h = y.pred.v, square = w * w + h * h;
    const double cross = w * y.growth.v - x.growth.v * h;  // W h - w H
    const double dot = x.truth * w + y.truth * h;
    if (square == 0 || x.truth + y.truth == 0) return {};
    const auto atan = [](auto d, auto v) HWY_ATTR { return hn::Atan(d, v); };
    const double ratio = std::min(std::abs(cross), dot) / std::max(std::abs(cross), dot);
    double angle = Scalar(ratio, atan);
    if (std::abs(cross) > dot) angle = kPi / 2 - angle;
    angle = std::copysign(angle, cross);
    const double factor = 4 / (kPi * kPi);
    Term v{factor * angle * angle, {}};
    for (size_t k = 0; k < 4; ++k) {
      v.d[k] = 2 * factor * angle * ((w / square) * y.pred.d[k] - (h / square) * x.pred.d[k]);
    }
    return v;
  }

  static constexpr double kPi = 3.14159265358979323846;
  Span x, y;
  Term iou, gap;  // I / U and 1 - I / U
  Term distance;  // squared distance of the centres by c^2
};

// ln IoU, also near 1. REQUIRES: IoU > 0.
HWY_INLINE double LogIou(const Boxes& boxes) {
  return boxes.gap.v < .5 ? Log1pScalar(-boxes.gap.v) : LogScalar(boxes.iou.v);
}
// IoU^power, and 1 - IoU^power without cancellation, for power > 0; no slope where IoU = 0 unless power is 1.
HWY_INLINE Term PowerOfIou(const Boxes& boxes, double power) {
  if (boxes.iou.v == 0) return power == 1 ? boxes.iou : Term{};
  const double y = ExpScalar(power * LogIou(boxes));
  return Chain(y, power * y / boxes.iou.v, boxes.iou);
}
HWY_INLINE Term OneMinusPowerOfIou(const Boxes& boxes, double power) {
  const Term y = PowerOfIou(boxes, power);
  if (boxes.iou.v == 0) return Term{1, {}} - y;
  const double minus = Scalar(power * LogIou(boxes), [](auto d, auto v) HWY_ATTR { return hn::Expm1(d, v); });
  return {-minus, (-y).d};
}

// Value and slope of one item: fn(boxes) gives the loss as a Term. All these losses are free of scale, so that the
// boxes are brought to coordinates of at most 1, by a power of two, and no product over- or underflows.
template <class Fn>
HWY_INLINE double BoxLoss(const Item& item, double box_format, double invalid_box, const Fn& fn) {
  const double* const pred = item.in(0);
  const double* const truth = item.in(1);
  double* const slope = item.slope(0);
  const int format = static_cast<int>(box_format);
  double largest = 0;
  for (size_t k = 0; k < 4; ++k) largest = std::max({largest, std::abs(pred[k]), std::abs(truth[k])});
  if (largest > std::numeric_limits<double>::max()) {
    if (slope != nullptr) std::fill_n(slope, 4, std::numeric_limits<double>::quiet_NaN());
    return std::numeric_limits<double>::quiet_NaN();
  }
  const int64_t exponent = static_cast<int64_t>(std::bit_cast<uint64_t>(largest) >> 52);
  const double scale = std::bit_cast<double>(static_cast<uint64_t>(std::max<int64_t>(2045 - exponent, 1)) << 52);
  const std::array<double, 4> p = Corners(pred, format, scale), t = Corners(truth, format, scale);
  bool valid = true;
  for (size_t k = 0; k < 2; ++k) valid &= p[k] < p[k + 2] && t[k] < t[k + 2];
  Term loss;
  if (!std::equal(pred, pred + 4, truth) && (valid || invalid_box == 0)) loss = fn(Boxes(p, t));
  if (slope != nullptr) StoreSlope(loss.d, format, scale, slope);
  return loss.v;
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_BOXES_BOX_INL_H_
