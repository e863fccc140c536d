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
#include <limits>
#include <string_view>

#include "core/losses/boxes/dual-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

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

// Corners x1, y1, x2, y2, or what else the four numbers of boxes are.
struct Numbers {
  HWY_INLINE Numbers() {}
  HWY_INLINE Numbers(Real a, Real b, Real c, Real d) : x{a, b, c, d} {}
  HWY_INLINE Real& operator[](size_t k) { return x[k]; }
  HWY_INLINE const Real& operator[](size_t k) const { return x[k]; }
  Real x[4];
};

// Corners of four numbers, each times scale.
HWY_INLINE Numbers Corners(const Numbers& box, int format, Real scale) {
  const Real a = box[0] * scale, b = box[1] * scale, c = box[2] * scale, d = box[3] * scale;
  switch (format) {
    case kXywh:
      return Numbers(a, b, a + c, b + d);
    case kCxcywh:
      return Numbers(a - c * .5, b - d * .5, a + c * .5, b + d * .5);
    case kYxyx:
      return Numbers(b, a, d, c);
    default:
      return Numbers(a, b, c, d);
  }
}
// The transpose: from the slope for the corners to that for the four numbers.
HWY_INLINE Numbers FromCorners(const Real* d, int format, Real scale) {
  Numbers out(d[0], d[1], d[2], d[3]);
  if (format == kXywh) out = Numbers(d[0] + d[2], d[1] + d[3], d[2], d[3]);
  if (format == kCxcywh) out = Numbers(d[0] + d[2], d[1] + d[3], (d[2] - d[0]) * .5, (d[3] - d[1]) * .5);
  if (format == kYxyx) out = Numbers(d[1], d[0], d[3], d[2]);
  for (size_t k = 0; k < 4; ++k) out[k] = out[k] * scale;
  return out;
}

// Two boxes along one axis: 0 for x, 1 for y.
template <size_t kAxis>
struct Span {
  HWY_INLINE Span(const Numbers& p, const Numbers& t) {
    const Real p_lo = p[kAxis], p_hi = p[kAxis + 2], t_lo = t[kAxis], t_hi = t[kAxis + 2];
    const Real hi_inside = Less(p_hi, t_hi), lo_inside = Less(t_lo, p_lo);
    const Real top = Min(p_hi, t_hi), bottom = Max(p_lo, t_lo);
    const auto with = [](Real v, Real lo, Real hi) HWY_ATTR { return MakeAlong<kAxis>(v, lo, hi); };
    const Along<kAxis> none;
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
    Along<kAxis> minus_truth = pred;
    minus_truth.v = pred.v - truth;
    growth = Select(proper, with((p_hi - t_hi) - (p_lo - t_lo), -1, 1), minus_truth);
  }
  // 1, or 1/2 at a tie: the slope of min(a, b) for a.
  static HWY_INLINE Real Less(Real a, Real b) { return Select(a < b, 1, Select(a == b, .5, 0)); }

  Mask proper;           // both boxes have a length > 0
  Along<kAxis> pred;     // length of the predicted box
  Real truth;            // of the true one
  Along<kAxis> overlap;  // of their intersection; minus the gap where there is none
  Along<kAxis> pred_rest, truth_rest;
  Along<kAxis> around;  // of the box around both
  Along<kAxis> offset;  // from the lower end of the true one to that of the predicted one
  Along<kAxis> shift;   // from the true centre to the predicted one
  Along<kAxis> growth;  // pred - truth
};

struct Boxes {
  HWY_INLINE Boxes(const Numbers& p, const Numbers& t)
      : x(p, t), y(p, t), meet(Both(x.overlap.v > 0, y.overlap.v > 0)) {
    const Real w = x.overlap.v, h = y.overlap.v, both = w * h, truth_area = x.truth * y.truth;
    const Real pred_only = x.pred_rest.v * y.pred.v + w * y.pred_rest.v;
    const Real truth_only = x.truth_rest.v * y.truth + w * y.truth_rest.v;
    const Real all = pred_only + truth_only + both;
    iou.v = Select(meet, both / all, 0);
    gap.v = Select(meet, (pred_only + truth_only) / all, 1);
    // (dI U - I dU) / U^2 with U = pred + truth - I, free of differences
    const auto slopes = [&](const auto& along, Real across_overlap, Real across_pred, size_t axis) HWY_ATTR {
      for (size_t k = 0; k < 2; ++k) {
        const Real sign = along.pred.d[k], inside = sign * along.overlap.d[k];
        const Real gain = inside * (along.pred_rest.v * across_pred + truth_area);
        const Real cost = (1.0 - inside) * along.overlap.v * across_pred;
        iou.d[axis + 2 * k] = Select(meet, sign * (across_overlap / all) * ((gain - cost) / all), 0);
      }
    };
    slopes(x, h, y.pred.v, 0);
    slopes(y, w, x.pred.v, 1);
    for (size_t k = 0; k < 4; ++k) gap.d[k] = -iou.d[k];
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
    const Along<0> x_truth(x.truth);
    const Along<1> y_truth(y.truth);
    const Term x_only = x.truth_rest * y.pred + x.pred_rest * y_truth - x.around * y.overlap;
    const Term y_only = x.pred * y.truth_rest + x_truth * y.pred_rest - x.overlap * y.around;
    Along<0> lengths = x.pred;
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
    const Along<0> of_w = -(2 * factor * angle * (h / square)) * x.pred;
    const Along<1> of_h = (2 * factor * angle * (w / square)) * y.pred;
    Term v = of_w + of_h;
    v.v = factor * angle * angle;
    return Select(Either(square == Real(0), x.truth + y.truth == Real(0)), Term(), v);
  }

  static constexpr double kPi = 3.14159265358979323846;
  Span<0> x;
  Span<1> y;
  Mask meet;      // they overlap
  Term iou, gap;  // I / U and 1 - I / U
};

// ln IoU, also near 1. REQUIRES: IoU > 0.
HWY_INLINE Real LogIou(const Boxes& boxes) { return Select(boxes.gap.v < .5, Log1p(-boxes.gap.v), Log(boxes.iou.v)); }
// IoU^power, and 1 - IoU^power without cancellation, for power > 0; no slope where IoU = 0 unless power is 1.
HWY_INLINE Term PowerOfIou(const Boxes& boxes, double power) {
  if (power == 1) return boxes.iou;
  const Real y = Exp(power * LogIou(boxes));
  return Select(boxes.iou.v > 0, Chain(y, power * y / boxes.iou.v, boxes.iou), Term());
}
HWY_INLINE Term OneMinusPowerOfIou(const Boxes& boxes, double power) {
  const Term y = PowerOfIou(boxes, power);
  Term rest = -y;
  rest.v = Select(boxes.iou.v > 0, -Expm1(power * LogIou(boxes)), 1.0 - y.v);
  return rest;
}

// The loop of the losses of two boxes: as many items at a time as a vector has lanes. loss(boxes) gives the loss as a
// Term, loss.box_format and loss.invalid_box say how to read the inputs; what Extra::kMean averages is 1 - IoU. All
// these losses are free of scale, so that the boxes are brought to coordinates of at most 1, by a power of two, and no
// product over- or underflows.
template <class L, Form>
struct BoxItems {
  template <class T>
  static void Run(const KernelCall& call, const Block<T>& block) {
    constexpr size_t kAtOnce = kLanes<double>;
    const L loss = Bind<L>(call);
    size_t at = 0;
    for (; at + kAtOnce <= block.items; at += kAtOnce) {
      Vector(loss, block.in[0] + 4 * at, block.in[1] + 4 * at, block.value + at, Shift(block.slope[0], 4 * at),
             Shift(block.extra, at));
    }
    if (const size_t left = block.items - at; left > 0) {
      double pred[4 * kAtOnce] = {}, truth[4 * kAtOnce] = {}, slope[4 * kAtOnce], value[kAtOnce], extra[kAtOnce];
      std::copy_n(block.in[0] + 4 * at, 4 * left, pred);
      std::copy_n(block.in[1] + 4 * at, 4 * left, truth);
      Vector(loss, pred, truth, value, slope, extra);
      std::copy_n(value, left, block.value + at);
      if (block.slope[0] != nullptr) std::copy_n(slope, 4 * left, block.slope[0] + 4 * at);
      if (block.extra != nullptr) std::copy_n(extra, left, block.extra + at);
    }
  }

 private:
  static double* Shift(double* p, size_t by) { return p == nullptr ? nullptr : p + by; }

  // slope and extra: null where not wanted.
  static HWY_INLINE void Vector(const L& loss, const double* pred, const double* truth, double* value, double* slope,
                                double* extra) {
    const Tag<double> d;
    Numbers p, t;
    hn::LoadInterleaved4(d, pred, p[0].v, p[1].v, p[2].v, p[3].v);
    hn::LoadInterleaved4(d, truth, t[0].v, t[1].v, t[2].v, t[3].v);
    Real largest;
    Mask sound = hn::Eq(largest.v, largest.v), equal = sound;
    for (size_t k = 0; k < 4; ++k) {
      largest = Max(largest, Max(Abs(p[k]), Abs(t[k])));
      for (const Real& x : {p[k], t[k]}) sound = Both(sound, Abs(x) <= std::numeric_limits<double>::max());
      equal = Both(equal, p[k] == t[k]);
    }
    const hn::RebindToSigned<Tag<double>> di;
    const auto exponent = hn::ShiftRight<52>(hn::BitCast(di, largest.v));
    const auto inverse = hn::Max(hn::Sub(hn::Set(di, 2045), exponent), hn::Set(di, 1));
    const Real scale(hn::BitCast(d, hn::ShiftLeft<52>(inverse)));
    const int format = static_cast<int>(loss.box_format);
    const Numbers a = Corners(p, format, scale), b = Corners(t, format, scale);
    Mask counts = hn::Not(equal);
    if (loss.invalid_box != 0) {
      for (size_t k = 0; k < 2; ++k) counts = Both(counts, Both(a[k] < a[k + 2], b[k] < b[k + 2]));
    }
    const Boxes boxes(a, b);
    const Term term = Select(counts, loss(boxes), Term());
    const Real nan(std::numeric_limits<double>::quiet_NaN());
    hn::StoreU(Select(sound, term.v, nan).v, d, value);
    if (extra != nullptr) hn::StoreU(Select(Both(sound, counts), boxes.gap.v, 0).v, d, extra);
    if (slope == nullptr) return;
    const Numbers out = FromCorners(term.d, format, scale);
    hn::StoreInterleaved4(Select(sound, out[0], nan).v, Select(sound, out[1], nan).v, Select(sound, out[2], nan).v,
                          Select(sound, out[3], nan).v, d, slope);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_BOXES_BOX_INL_H_
