// Exponentials in double for the hot loops: half of the operations of Highway's, for numbers whose exponentials
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

// The bits of 2^(j/8), of which 2^49 j is taken off: adding 2^49 k makes 2^(k/8) of them for any k = 8n + j.
alignas(64) inline constexpr int64_t kEighths[] = {0x3FF0000000000000, 0x3FEF72B83C7D517B, 0x3FEF06FE0A31B715,
                                                   0x3FEEBFDAD5362A27, 0x3FEEA09E667F3BCD, 0x3FEEACE5422AA0DB,
                                                   0x3FEEE89F995AD3AD, 0x3FEF5818DCFBA487};

// kEighths[k % 8]. One permutation where they fit in a vector.
template <class D, class VI>
HWY_INLINE VI Eighth(D di, VI k) {
  const VI j = hn::And(k, hn::Set(di, int64_t{7}));
#if HWY_TARGET != HWY_SCALAR
  if constexpr (hn::MaxLanes(D()) == 8) {
    const hn::RebindToFloat<D> d;
    return hn::BitCast(di, hn::TableLookupLanes(hn::BitCast(d, hn::Load(di, kEighths)), hn::IndicesFromVec(d, j)));
  }
#endif
  return hn::GatherIndex(di, kEighths, j);
}

// e^x as 2^(k/8) and e^r - 1, x = k ln(2)/8 + r, |r| <= ln(2)/16: scale + scale expm1, within 1.6 units in the last
// place. Scale is 1 where k is 0.
// REQUIRES: |x| <= kNormalExpEnd; other lanes are anything.
template <class D, class V>
HWY_INLINE ExpParts<V> NormalExp(D d, V x) {
  const hn::RebindToSigned<D> di;
  // Adding 1.5 * 2^52 rounds to an integer, and leaves it in the low bits.
  const V magic = C(d, 0x1.8p52);
  const V shifted = hn::MulAdd(x, C(d, 8 * 1.44269504088896341), magic);
  const V k = hn::Sub(shifted, magic);
  // ln(2)/8 in two parts, of which the first times k is exact.
  V r = hn::NegMulAdd(k, C(d, 0x1.62e42fefap-4), x);
  r = hn::NegMulAdd(k, C(d, 0x1.cf79abc9e3b3ap-43), r);
  // e^r - 1 = r + r^2 P(r) to 2^-56 of e^r.
  static constexpr double kP[] = {0.5000000000000051,   0.16666666666666724,   0.0416666666175068,
                                  0.008333333327871156, 0.0013889587247893672, 0.0001984204579240919};
  const V expm1 = hn::MulAdd(hn::Mul(r, r), Polynomial(d, r, kP), r);
  const auto bits = hn::BitCast(di, shifted);  // k; the magic's own bits fall off the end
  return {hn::BitCast(d, hn::Add(hn::ShiftLeft<49>(bits), Eighth(di, bits))), expm1};
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
