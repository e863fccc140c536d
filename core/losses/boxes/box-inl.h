// What the losses of two boxes share: words of their contracts, the formats of boxes, the loop over items.

#if defined(LOSSD_CORE_LOSSES_BOXES_BOX_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_BOXES_BOX_INL_H_
#undef LOSSD_CORE_LOSSES_BOXES_BOX_INL_H_
#else
#define LOSSD_CORE_LOSSES_BOXES_BOX_INL_H_
#endif

#include <algorithm>
#include <limits>
#include <string_view>

#include "core/losses/boxes/geometry-inl.h"

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
// A derivative adds up terms of either sign, and in double nothing is left over to hide what cancels. Measured on the
// golden files: 6 and 58.
inline constexpr Tolerance kBoxTolerance = {16, 64, true};
// A second derivative that is 0 because its terms cancel has what rounding left of them.
inline constexpr Tolerance kBoxToleranceF32 = {2, 4, true};
inline constexpr std::string_view kBoxToleranceNote =
    "The parts of a derivative may cancel; its bound is in units of the largest of the item.";

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
// The same of the second derivatives, in pairs as a Dual has them, to their diagonal for the four numbers.
HWY_INLINE Numbers DiagonalFromCorners(const Real* dd, int format, Real scale) {
  Numbers out(dd[0], dd[3], dd[2], dd[5]);
  if (format == kXywh || format == kCxcywh) {
    const Real x = dd[0] + dd[2], y = dd[3] + dd[5];
    out[0] = x + 2.0 * dd[1];
    out[1] = y + 2.0 * dd[4];
    if (format == kCxcywh) out[2] = (x - 2.0 * dd[1]) * .25, out[3] = (y - 2.0 * dd[4]) * .25;
  }
  if (format == kYxyx) out = Numbers(dd[3], dd[0], dd[5], dd[2]);
  for (size_t k = 0; k < 4; ++k) out[k] = out[k] * scale * scale;
  return out;
}

// The loop of the losses of two boxes: as many items at a time as a vector has lanes. loss(boxes) gives the loss as a
// Term, loss.box_format and loss.invalid_box say how to read the inputs; what Extra::kMean averages is 1 - IoU. All
// these losses are free of scale, so that the boxes are brought to coordinates of at most 1, by a power of two, and no
// product over- or underflows.
template <class L, Form>
struct BoxItems {
  template <class T>
  static void Run(const KernelCall& call, const Block<T>& block) {
    const L loss = Bind<L>(call);
    if (block.curvature == nullptr) {
      RunWith<false>(loss, block);
    } else {
      RunWith<true>(loss, block);
    }
  }

 private:
  // Of some items; null where not wanted.
  struct Answers {
    Answers From(size_t item) const {
      const auto shift = [](double* p, size_t by) { return p == nullptr ? nullptr : p + by; };
      return {value + item, shift(slope, 4 * item), shift(curvature, 4 * item), shift(extra, item)};
    }
    void CopyTo(const Answers& to, size_t items) const {
      std::copy_n(value, items, to.value);
      if (to.slope != nullptr) std::copy_n(slope, 4 * items, to.slope);
      if (to.curvature != nullptr) std::copy_n(curvature, 4 * items, to.curvature);
      if (to.extra != nullptr) std::copy_n(extra, items, to.extra);
    }
    double *value, *slope, *curvature, *extra;
  };

  template <bool kCurved>
  static HWY_INLINE void RunWith(const L& loss, const Block<double>& block) {
    constexpr size_t kAtOnce = kLanes<double>;
    const Answers all{block.value, block.slope[0], block.curvature, block.extra};
    size_t at = 0;
    for (; at + kAtOnce <= block.items; at += kAtOnce) {
      Vector<kCurved>(loss, block.in[0] + 4 * at, block.in[1] + 4 * at, all.From(at));
    }
    if (const size_t left = block.items - at; left > 0) {
      double pred[4 * kAtOnce] = {}, truth[4 * kAtOnce] = {};
      double value[kAtOnce], slope[4 * kAtOnce], curvature[4 * kAtOnce], extra[kAtOnce];
      std::copy_n(block.in[0] + 4 * at, 4 * left, pred);
      std::copy_n(block.in[1] + 4 * at, 4 * left, truth);
      const Answers padded{value, slope, curvature, extra};
      Vector<kCurved>(loss, pred, truth, padded);
      padded.CopyTo(all.From(at), left);
    }
  }

  template <bool kCurved>
  static HWY_INLINE void Vector(const L& loss, const double* pred, const double* truth, const Answers& out) {
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
    const Boxes<kCurved> boxes(a, b);
    const Term<kCurved> answer = loss(boxes);
    Term<kCurved> term = Select(counts, answer, Term<kCurved>());
    const Mask at_minimum = Both(equal, Both(boxes.x.proper, boxes.y.proper));  // no slope, yet a curvature
    for (size_t m = 0; m < term.kPairs; ++m) term.dd[m] = Select(at_minimum, answer.dd[m], term.dd[m]);
    const Real nan(std::numeric_limits<double>::quiet_NaN());
    const auto store = [&](const Numbers& x, double* to) HWY_ATTR {
      hn::StoreInterleaved4(Select(sound, x[0], nan).v, Select(sound, x[1], nan).v, Select(sound, x[2], nan).v,
                            Select(sound, x[3], nan).v, d, to);
    };
    hn::StoreU(Select(sound, term.v, nan).v, d, out.value);
    if (out.extra != nullptr) hn::StoreU(Select(Both(sound, counts), boxes.gap.v, 0).v, d, out.extra);
    if (out.slope != nullptr) store(FromCorners(term.d, format, scale), out.slope);
    if constexpr (kCurved) store(DiagonalFromCorners(term.dd, format, scale), out.curvature);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_BOXES_BOX_INL_H_
