// e^x of logits whose largest is known, up to a power of 2: what a row of logits is summed and divided in.

#if defined(LOSSD_CORE_SIMD_MASS_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_MASS_INL_H_
#undef LOSSD_CORE_SIMD_MASS_INL_H_
#else
#define LOSSD_CORE_SIMD_MASS_INL_H_
#endif

#include <cmath>

#include "core/simd/categorical-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// Of(x, e): e[u] = the mass of x[u], for logits of which the largest is `max`, finite. Masses of one MassOf have the
// ratios of the exponentials; top() is that of max in double. -inf has the mass 0; NaN may have any in double.
template <class T, bool kCoarse>
class MassOf;

// e^x = 2^n (1 + expm1 r), x = n ln 2 + r. Not e^(x - max): the subtraction rounds, which costs 16 units in the last
// place at x - max = -50, and an exact one costs six more operations. So x is taken as it is, and 2^-N, N ln 2 close to
// max, goes into the exponent. From |max| = kFar on x - max is exact wherever its exponential is not 0 (Sterbenz: the
// two are within a factor of 2), and is taken instead, N = 0.
//
// Masses carry a factor of 2^kMassLift: those that are not 0 are normal numbers, down to the smallest that a share may
// be.
//
// Within 1.1 units in the last place of float; kCoarse, for what ends in 16 bits: within 2^-19.
template <bool kCoarse>
class MassOf<float, kCoarse> {
 public:
  explicit HWY_INLINE MassOf(float max) {
    const float origin = std::abs(max) < kFar ? 0.0f : max;
    const float near = max - origin;
    const double n = (near * kLog2E + 0x1.8p52) - 0x1.8p52;  // the nearest integer
    origin_ = hn::Set(d_, origin);
    // Exponents are biased, so that 2^(n - N + kMassLift) has the field n + bias, and the field of `least` is 0: that
    // is the mass 0.
    const double bias = 127 + kMassLift - n;
    least_ = C(d_, -bias * kLn2);
    magic_ = C(d_, 0x1.8p23 + bias);
    remainder_ = near - n * kLn2;
  }

  double top() const {
    return Scalar(remainder_, [](auto d, auto v) HWY_ATTR { return hn::Exp(d, v); }) * kMassUnit;
  }

  // Step by step for all vectors: each waits four cycles for its last, and what waits fills the scheduler.
  template <size_t kVectors>
  HWY_INLINE void Of(const hn::Vec<Tag<float>> (&x)[kVectors], hn::Vec<Tag<float>> (&e)[kVectors]) const {
    using V = hn::Vec<Tag<float>>;
    const Tag<float> d;
    const hn::RebindToSigned<Tag<float>> di;
    // e^r = 1 + r + r^2 P(r) to 2^-28.2; kCoarse to 2^-23.1.
    static constexpr double kFine[] = {0.499999934321, 0.16666520399, 0.0416683907835, 0.00836874510894,
                                       0.00138145401768};
    static constexpr double kRough[] = {0.499992303109, 0.166671153944, 0.0418903314201, 0.00831250081548};
    V field[kVectors], r[kVectors], n[kVectors];
    for (size_t u = 0; u < kVectors; ++u) r[u] = AtLeast(hn::Sub(x[u], origin_));
    for (size_t u = 0; u < kVectors; ++u) field[u] = hn::MulAdd(r[u], C(d, 1.44269504088896341), magic_);
    for (size_t u = 0; u < kVectors; ++u) n[u] = hn::Sub(field[u], magic_);
    if constexpr (kCoarse && kFuses) {
      for (size_t u = 0; u < kVectors; ++u) r[u] = hn::NegMulAdd(n[u], C(d, 0.693147180559945309), r[u]);
    } else {
      for (size_t u = 0; u < kVectors; ++u) r[u] = hn::NegMulAdd(n[u], C(d, kLn2High), r[u]);
      for (size_t u = 0; u < kVectors; ++u) r[u] = hn::NegMulAdd(n[u], C(d, kLn2Low), r[u]);
    }
    const auto expm1 = [&](const auto& c) HWY_ATTR {
      constexpr size_t kCount = sizeof(c) / sizeof(c[0]);
      V p[kVectors];
      for (size_t u = 0; u < kVectors; ++u) p[u] = hn::MulAdd(C(d, c[kCount - 1]), r[u], C(d, c[kCount - 2]));
      for (size_t k = kCount - 2; k-- > 0;) {
        for (size_t u = 0; u < kVectors; ++u) p[u] = hn::MulAdd(p[u], r[u], C(d, c[k]));
      }
      for (size_t u = 0; u < kVectors; ++u) e[u] = hn::MulAdd(hn::Mul(r[u], r[u]), p[u], r[u]);
    };
    if constexpr (kCoarse) {
      expm1(kRough);
    } else {
      expm1(kFine);
    }
    for (size_t u = 0; u < kVectors; ++u) {
      const V scale = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, field[u])));  // the magic's own bits fall off
      e[u] = hn::MulAdd(scale, e[u], scale);
    }
  }

 private:
  // The larger of v and least_, NaN where v is. Of x86's maximum that is true of the second operand.
  HWY_INLINE hn::Vec<Tag<float>> AtLeast(hn::Vec<Tag<float>> v) const {
#if HWY_TARGET <= HWY_SSE4 && HWY_ARCH_X86
    return hn::Max(least_, v);
#else
    return hn::IfThenElse(hn::Lt(v, least_), least_, v);
#endif
  }

#if HWY_NATIVE_FMA
  static constexpr bool kFuses = true;  // n ln 2 is not rounded before it is subtracted
#else
  static constexpr bool kFuses = false;
#endif
  static constexpr float kFar = 208;    // twice the depth at which float has no smaller exponential
  static constexpr int kMassLift = 24;  // 151 powers of 2 lie between the largest mass and the smallest
  static constexpr double kMassUnit = 0x1p24;
  static constexpr double kLog2E = 1.44269504088896341, kLn2 = 0.693147180559945309;

  Tag<float> d_;
  hn::Vec<Tag<float>> origin_, least_, magic_;
  double remainder_;  // e^remainder 2^kMassLift is the mass of max
};

template <>
class MassOf<double, false> {
 public:
  explicit HWY_INLINE MassOf(double max) : max_(hn::Set(Tag<double>(), max)) {}
  double top() const { return 1; }
  template <size_t kVectors>
  HWY_INLINE void Of(const hn::Vec<Tag<double>> (&x)[kVectors], hn::Vec<Tag<double>> (&e)[kVectors]) const {
    for (size_t u = 0; u < kVectors; ++u) e[u] = ExpBelow(Tag<double>(), x[u], max_);
  }

 private:
  hn::Vec<Tag<double>> max_;
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_MASS_INL_H_
