// Sums and products that keep their rounding: a number in two doubles.

#if defined(LOSSD_CORE_SIMD_TWOFOLD_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_TWOFOLD_INL_H_
#undef LOSSD_CORE_SIMD_TWOFOLD_INL_H_
#else
#define LOSSD_CORE_SIMD_TWOFOLD_INL_H_
#endif

#include "core/simd/kernel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// hi + lo, lo at most a rounding of hi.
template <class V>
struct Twofold {
  V hi, lo;
};

// lo where it means something: not behind an overflow.
template <class D, class V>
HWY_INLINE V Rest(D d, V lo) {
  return hn::IfThenElseZero(hn::Lt(hn::Abs(lo), hn::Inf(d)), lo);
}

// a - b exactly. Source: Knuth, The Art of Computer Programming, volume 2, section 4.2.2, theorem B.
template <class D, class V>
HWY_INLINE Twofold<V> Difference(D d, V a, V b) {
  const V hi = hn::Sub(a, b);
  const V b_part = hn::Sub(hi, a), a_part = hn::Sub(hi, b_part);
  return {hi, Rest(d, hn::Sub(hn::Sub(a, a_part), hn::Add(b, b_part)))};
}

// a b exactly. Source where there is no FMA: Dekker 1971, A Floating-Point Technique for Extending the Available
// Precision, Numer. Math. 18; halves of 26 bits.
template <class D, class V>
HWY_INLINE Twofold<V> Product(D d, V a, V b) {
  const V hi = hn::Mul(a, b);
#if HWY_NATIVE_FMA
  return {hi, Rest(d, hn::MulSub(a, b, hi))};
#else
  const V splitter = C(d, 0x1p27 + 1);
  const V a_scaled = hn::Mul(splitter, a), b_scaled = hn::Mul(splitter, b);
  const V a_top = hn::Sub(a_scaled, hn::Sub(a_scaled, a)), b_top = hn::Sub(b_scaled, hn::Sub(b_scaled, b));
  const V a_end = hn::Sub(a, a_top), b_end = hn::Sub(b, b_top);
  const V crossed = hn::Add(hn::Add(hn::Sub(hn::Mul(a_top, b_top), hi), hn::Mul(a_top, b_end)), hn::Mul(a_end, b_top));
  return {hi, Rest(d, hn::Add(crossed, hn::Mul(a_end, b_end)))};
#endif
}

// 1/b in two doubles.
template <class D, class V>
HWY_INLINE Twofold<V> Inverse(D d, V b) {
  const V hi = hn::Div(C(d, 1.0), b);
  const Twofold<V> back = Product(d, hi, b);
  const V missing = hn::Sub(hn::Sub(C(d, 1.0), back.hi), back.lo);
  return {hi, Rest(d, hn::Mul(missing, hi))};
}

// a - b for twofold a and b, to about 2^-100.
template <class D, class V>
HWY_INLINE Twofold<V> Difference(D d, Twofold<V> a, Twofold<V> b) {
  const Twofold<V> sum = Difference(d, a.hi, b.hi);
  return {sum.hi, hn::Add(sum.lo, hn::Sub(a.lo, b.lo))};
}
template <class D, class V>
HWY_INLINE Twofold<V> Scaled(D d, V factor, Twofold<V> a) {
  const Twofold<V> product = Product(d, factor, a.hi);
  return {product.hi, hn::Add(product.lo, Rest(d, hn::Mul(factor, a.lo)))};
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_TWOFOLD_INL_H_
