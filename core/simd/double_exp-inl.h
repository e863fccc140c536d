// Exponentials in double for the hot loops: two thirds of the operations of Highway's, for numbers whose exponentials
// are normal.
//
// Polynomial: interpolation at the Chebyshev nodes, in 60 digits.

#if defined(LOSSD_CORE_SIMD_DOUBLE_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_DOUBLE_EXP_INL_H_
#undef LOSSD_CORE_SIMD_DOUBLE_EXP_INL_H_
#else
#define LOSSD_CORE_SIMD_DOUBLE_EXP_INL_H_
#endif

#include "core/simd/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// Largest |x| of NormalExp.
inline constexpr double kNormalExpEnd = 708;

// e^x as 2^n and e^r - 1, x = n ln 2 + r, |r| <= ln(2) / 2: scale + scale expm1, within 1.1 units in the last place.
// REQUIRES: |x| <= kNormalExpEnd; other lanes are anything.
template <class D, class V>
HWY_INLINE ExpParts<V> NormalExp(D d, V x) {
  const hn::RebindToSigned<D> di;
  // Adding 1.5 * 2^52 rounds to an integer, and leaves it in the low bits.
  const V magic = C(d, 0x1.8p52);
  const V shifted = hn::MulAdd(x, C(d, 1.44269504088896341), magic);
  const V n = hn::Sub(shifted, magic);
  // ln 2 in two parts, of which the first times n is exact.
  V r = hn::NegMulAdd(n, C(d, 0x1.62e42fefap-1), x);
  r = hn::NegMulAdd(n, C(d, 0x1.cf79abc9e3b3ap-40), r);
  // e^r - 1 = r + r^2 P(r) to 2^-55.
  static constexpr double kP[] = {0.5000000000000001,     0.16666666666666669,    0.04166666666662413,
                                  0.008333333333330062,   0.0013888888917213717,  0.00019841269863053618,
                                  2.4801521295954376e-05, 2.7557268459997064e-06, 2.7620088445409746e-07,
                                  2.510038549551032e-08};
  const V expm1 = hn::MulAdd(hn::Mul(r, r), Polynomial(d, r, kP), r);
  const auto exponent = hn::ShiftLeft<52>(hn::BitCast(di, shifted));  // n; the magic's own bits fall off the end
  return {hn::BitCast(d, hn::Add(exponent, hn::Set(di, int64_t{1023} << 52))), expm1};
}

// e^x for x <= 0: hn::Exp, faster where x is usual.
template <class D, class V>
HWY_INLINE V DoubleExpOfNegative(D d, V x) {
  const auto usual = hn::Ge(x, C(d, -kNormalExpEnd));
  const auto [scale, expm1] = NormalExp(d, x);
  const V e = hn::MulAdd(scale, expm1, scale);
  if (hn::AllTrue(d, usual)) return e;
  return hn::IfThenElse(usual, e, hn::Exp(d, x));
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_DOUBLE_EXP_INL_H_
