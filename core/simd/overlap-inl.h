// What the overlap losses share: Tversky's ratio of two soft masks, and its derivative.
//
//   I = sum p t, FP = sum p (1 - t), FN = sum (1 - p) t
//   loss  = (a FP + b FN + sd - sn)/size       1 - share without its cancellation where the masks agree
//   share = (I + sn)/size
//   size  = I + a FP + b FN + sd
//   slope of loss = (share (a (1 - t) - b t) - loss t)/size
//
// Dice is a = b = 1/2, Jaccard a = b = 1.

#if defined(LOSSD_CORE_SIMD_OVERLAP_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_OVERLAP_INL_H_
#undef LOSSD_CORE_SIMD_OVERLAP_INL_H_
#else
#define LOSSD_CORE_SIMD_OVERLAP_INL_H_
#endif

#include "core/simd/item-inl.h"
#include "core/simd/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Overlap {
  double loss, share, size;

  // 0/0 of two empty masks counts as a share of 0 that nothing changes.
  static HWY_INLINE Overlap Of(double common, double apart, double numerator, double denominator) {
    const double size = common + apart + denominator;
    if (size == 0) return {1, 0, 0};
    return {(apart + (denominator - numerator)) / size, (common + numerator) / size, size};
  }
};

struct TverskyRatio {
  double alpha, beta, smooth_numerator, smooth_denominator;

  HWY_INLINE Overlap operator()(const double* p, const double* t, size_t n) const {
    LaneSum common, positive, negative;
    Walk(p, 0.0, t, n, nullptr, [&](size_t at, auto vp, auto vt) HWY_ATTR {
      const auto one = C(Tag<double>(), 1.0);
      common.Add(at, hn::Mul(vp, vt));
      positive.Add(at, hn::Mul(vp, hn::Sub(one, vt)));
      negative.Add(at, hn::Mul(hn::Sub(one, vp), vt));
    });
    return Overlap::Of(common.Total(), alpha * positive.Total() + beta * negative.Total(), smooth_numerator,
                       smooth_denominator);
  }

  // factor times the slope of the loss.
  HWY_INLINE void Slopes(const double* p, const double* t, size_t n, const Overlap& overlap, double factor,
                         double* slope) const {
    const Tag<double> d;
    const auto one = C(d, 1.0), a = C(d, alpha), b = C(d, beta);
    const auto share = C(d, overlap.share), loss = C(d, overlap.loss);
    const auto scale = C(d, overlap.size == 0 ? 0 : factor / overlap.size);
    Walk(p, 0.0, t, n, slope, [&](size_t, auto, auto vt) HWY_ATTR {
      const auto apart = hn::Sub(hn::Mul(a, hn::Sub(one, vt)), hn::Mul(b, vt));
      return hn::Mul(scale, hn::Sub(hn::Mul(share, apart), hn::Mul(loss, vt)));
    });
  }

  // Its curvature L'' = -2 q / Q L' with the slope L' and q the derivative of the denominator Q:
  // first * L'' + second * L'^2.
  HWY_INLINE void Curvature(const double* p, const double* t, size_t n, const Overlap& overlap, double first,
                            double second, double* out) const {
    const Tag<double> d;
    const auto one = C(d, 1.0), a = C(d, alpha), b = C(d, beta), bends = C(d, -2 * first), turns = C(d, second);
    const auto share = C(d, overlap.share), loss = C(d, overlap.loss);
    const auto scale = C(d, overlap.size == 0 ? 0 : 1 / overlap.size);
    Walk(p, 0.0, t, n, out, [&](size_t, auto, auto vt) HWY_ATTR {
      const auto over = hn::Mul(a, hn::Sub(one, vt)), apart = hn::Sub(over, hn::Mul(b, vt));
      const auto whole = hn::Add(over, hn::Mul(vt, hn::Sub(one, b)));
      const auto slope = hn::Mul(scale, hn::Sub(hn::Mul(share, apart), hn::Mul(loss, vt)));
      return hn::Mul(slope, hn::MulAdd(hn::Mul(bends, whole), scale, hn::Mul(turns, slope)));
    });
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_OVERLAP_INL_H_
