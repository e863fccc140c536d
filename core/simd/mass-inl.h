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
// kShallow: in fewer operations, to the same bits, where is_shallow(the smallest of the logits).
// kCoarse: for logits that come in 16 bits.
template <class T, bool kCoarse>
class MassOf;

// Masses of float carry a factor of 2^kMassLift: those that are not 0 are normal numbers, down to the smallest that a
// share may be, 151 powers of 2 below the largest.
inline constexpr int kMassLift = 24;
inline constexpr double kMassUnit = 0x1p24;
inline constexpr double kLog2E = 1.44269504088896341, kLn2 = 0.693147180559945309;

// The larger of v and least, NaN where v is. Of x86's maximum that is true of the second operand.
template <class V>
HWY_INLINE V AtLeast(V least, V v) {
#if HWY_TARGET <= HWY_SSE4 && HWY_ARCH_X86
  return hn::Max(least, v);
#else
  return hn::IfThenElse(hn::Lt(v, least), least, v);
#endif
}

// The nearest integer, of a magnitude below 2^51.
HWY_INLINE double Nearest(double x) { return (x + 0x1.8p52) - 0x1.8p52; }

// 2^n of the integers that `field` was rounded to by adding 1.5 * 2^23 and the bias of exponents: those are its low
// bits, and the others fall off.
template <class V>
HWY_INLINE V PowerOf2(V field) {
  const Tag<float> d;
  const hn::RebindToSigned<Tag<float>> di;
  return hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, field)));
}

// v 2^n, a normal number like v, of the integers that `field` was rounded to by adding 1.5 * 2^23.
template <class V>
HWY_INLINE V TimesPowerOf2(V v, V field) {
  const Tag<float> d;
  const hn::RebindToSigned<Tag<float>> di;
  return hn::BitCast(d, hn::Add(hn::BitCast(di, v), hn::ShiftLeft<23>(hn::BitCast(di, field))));
}
// How far shallow logits stay above the first whose mass is no normal number.
inline constexpr double kShallowMargin = 2;

// e^x = 2^n (1 + expm1 r), x = n ln 2 + r. Not e^(x - max): the subtraction rounds, which costs 16 units in the last
// place at x - max = -50, and an exact one costs six more operations. So x is taken as it is, and 2^-N, N ln 2 close to
// max, goes into the exponent. From |max| = kFar on x - max is exact wherever its exponential is not 0 (Sterbenz: the
// two are within a factor of 2), and is taken instead, N = 0.
//
// Within 1.1 units in the last place.
template <>
class MassOf<float, false> {
 public:
  explicit HWY_INLINE MassOf(float max) {
    const float origin = std::abs(max) < kFar ? 0.0f : max;
    const float near = max - origin;
    const double n = Nearest(near * kLog2E);
    origin_ = hn::Set(d_, origin);
    // Exponents are biased, so that 2^(n - N + kMassLift) has the field n + bias, and the field of `least` is 0: that
    // is the mass 0.
    const double bias = 127 + kMassLift - n;
    least_ = C(d_, -bias * kLn2);
    magic_ = C(d_, 0x1.8p23 + bias);
    unbiased_ = C(d_, 0x1.8p23 + bias - 127);
    shallowest_ = origin == 0 ? -bias * kLn2 + kShallowMargin : std::numeric_limits<double>::infinity();
    remainder_ = near - n * kLn2;
  }

  bool is_shallow(double min) const { return min >= shallowest_; }
  double top() const {
    return Scalar(remainder_, [](auto d, auto v) HWY_ATTR { return hn::Exp(d, v); }) * kMassUnit;
  }

  // Step by step for all vectors: each waits four cycles for its last, and what waits fills the scheduler.
  template <bool kShallow, size_t kVectors>
  HWY_INLINE void Of(const hn::Vec<Tag<float>> (&x)[kVectors], hn::Vec<Tag<float>> (&e)[kVectors]) const {
    using V = hn::Vec<Tag<float>>;
    const Tag<float> d;
    const V magic = kShallow ? unbiased_ : magic_, one = C(d, 1.0);
    // e^r = 1 + r + r^2 P(r) to 2^-28.2.
    static constexpr double kP[] = {0.499999934321, 0.16666520399, 0.0416683907835, 0.00836874510894, 0.00138145401768};
    V field[kVectors], r[kVectors], n[kVectors], p[kVectors];
    for (size_t u = 0; u < kVectors; ++u) r[u] = kShallow ? x[u] : AtLeast(least_, hn::Sub(x[u], origin_));
    for (size_t u = 0; u < kVectors; ++u) field[u] = hn::MulAdd(r[u], C(d, kLog2E), magic);
    for (size_t u = 0; u < kVectors; ++u) n[u] = hn::Sub(field[u], magic);
    for (size_t u = 0; u < kVectors; ++u) r[u] = hn::NegMulAdd(n[u], C(d, kLn2High), r[u]);
    for (size_t u = 0; u < kVectors; ++u) r[u] = hn::NegMulAdd(n[u], C(d, kLn2Low), r[u]);
    for (size_t u = 0; u < kVectors; ++u) p[u] = hn::MulAdd(C(d, kP[4]), r[u], C(d, kP[3]));
    for (size_t k = 3; k-- > 0;) {
      for (size_t u = 0; u < kVectors; ++u) p[u] = hn::MulAdd(p[u], r[u], C(d, kP[k]));
    }
    for (size_t u = 0; u < kVectors; ++u) e[u] = hn::MulAdd(hn::Mul(r[u], r[u]), p[u], r[u]);
    for (size_t u = 0; u < kVectors; ++u) {
      if constexpr (kShallow) {
        e[u] = TimesPowerOf2(hn::Add(one, e[u]), field[u]);
      } else {
        const V scale = PowerOf2(field[u]);
        e[u] = hn::MulAdd(scale, e[u], scale);
      }
    }
  }

 private:
  static constexpr float kFar = 208;  // twice the depth at which float has no smaller exponential

  Tag<float> d_;
  hn::Vec<Tag<float>> origin_, least_, magic_, unbiased_;
  double shallowest_;
  double remainder_;  // e^remainder 2^kMassLift is the mass of max
};

// For logits of 11 bits or less, whose answers end in 16 bits: e^x = 2^n 2^f, x log2 e = n + f, in two thirds of the
// operations. Within 2^-18.
//
// From |max| = kFar on, where the neighbours of max have no share beside it, log2 e is replaced by a power of 2 that
// leaves them none either and keeps n where float has all integers.
template <>
class MassOf<float, true> {
 public:
  explicit HWY_INLINE MassOf(float max) {
    const Tag<float> d;
    double log2_e = static_cast<float>(kLog2E), ln2 = kLn2;
    if (HWY_UNLIKELY(std::abs(max) >= kFar)) {
      ln2 = std::ldexp(1.0, std::ilogb(max) - 17);
      log2_e = 1 / ln2;
    }
    const double n = Nearest(max * log2_e);
    const double bias = 127 + kMassLift - n;  // as above
    log2_e_ = C(d, log2_e);
    least_ = C(d, -bias * ln2);
    magic_ = C(d, 0x1.8p23 + bias);
    unbiased_ = C(d, 0x1.8p23 + bias - 127);
    shallowest_ = std::abs(max) < kFar ? -bias * ln2 + kShallowMargin : std::numeric_limits<double>::infinity();
    remainder_ = max * log2_e - n;
  }

  bool is_shallow(double min) const { return min >= shallowest_; }
  double top() const {
    return Scalar(remainder_ * kLn2, [](auto d, auto v) HWY_ATTR { return hn::Exp(d, v); }) * kMassUnit;
  }

  template <bool kShallow, size_t kVectors>
  HWY_INLINE void Of(const hn::Vec<Tag<float>> (&x)[kVectors], hn::Vec<Tag<float>> (&e)[kVectors]) const {
    using V = hn::Vec<Tag<float>>;
    const Tag<float> d;
    const V magic = kShallow ? unbiased_ : magic_;
    // 2^f to 2^-18.5.
    static constexpr double kP[] = {0.999999261442, 0.693121814743, 0.240247448315, 0.0559178603406, 0.0095701018633};
    V field[kVectors], f[kVectors];
    for (size_t u = 0; u < kVectors; ++u) f[u] = kShallow ? x[u] : AtLeast(least_, x[u]);
    for (size_t u = 0; u < kVectors; ++u) field[u] = hn::MulAdd(f[u], log2_e_, magic);
    for (size_t u = 0; u < kVectors; ++u) f[u] = Fraction(f[u], hn::Sub(field[u], magic));
    for (size_t u = 0; u < kVectors; ++u) e[u] = hn::MulAdd(C(d, kP[4]), f[u], C(d, kP[3]));
    for (size_t k = 3; k-- > 0;) {
      for (size_t u = 0; u < kVectors; ++u) e[u] = hn::MulAdd(e[u], f[u], C(d, kP[k]));
    }
    for (size_t u = 0; u < kVectors; ++u) {
      e[u] = kShallow ? TimesPowerOf2(e[u], field[u]) : hn::Mul(e[u], PowerOf2(field[u]));
    }
  }

 private:
  static constexpr float kFar = 0x1p20;  // where BF16 is 2^13 from number to number, and F16 has none

  // x log2 e - n.
  HWY_INLINE hn::Vec<Tag<float>> Fraction(hn::Vec<Tag<float>> x, hn::Vec<Tag<float>> n) const {
#if HWY_NATIVE_FMA
    return hn::MulSub(x, log2_e_, n);
#else  // by 12 bits, times which x is exact, and the others
    const Tag<float> d;
    const auto high = hn::And(log2_e_, hn::BitCast(d, hn::Set(hn::RebindToUnsigned<Tag<float>>(), 0xFFFFF000)));
    return hn::MulAdd(x, hn::Sub(log2_e_, high), hn::MulSub(x, high, n));
#endif
  }

  hn::Vec<Tag<float>> log2_e_, least_, magic_, unbiased_;
  double shallowest_;
  double remainder_;  // 2^remainder 2^kMassLift is the mass of max
};

template <>
class MassOf<double, false> {
 public:
  explicit HWY_INLINE MassOf(double max) : max_(hn::Set(Tag<double>(), max)) {}
  bool is_shallow(double) const { return false; }
  double top() const { return 1; }
  template <bool, size_t kVectors>
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
