// What losses of a logit x share: e^-|x| and log(1 + e^-|x|), of which softplus and the logistic function are made.

#if defined(LOSSD_CORE_SIMD_SOFTPLUS_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_SOFTPLUS_INL_H_
#undef LOSSD_CORE_SIMD_SOFTPLUS_INL_H_
#else
#define LOSSD_CORE_SIMD_SOFTPLUS_INL_H_
#endif

#include "core/simd/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// e^-a for a >= 0, infinity among them; NaN of NaN, which ExpOfNegative may swallow. Float: within 1.1 units in the
// last place.
template <class D, class V>
HWY_INLINE V Decay(D d, V a) {
  if constexpr (kIsFloat<D>) {
    // 2^(n + kLift) e^r by adding to the exponent of e^r.
    const hn::RebindToSigned<D> di;
    const V size = AtMost(C(d, 104.0), a);  // e^-104 is below half of the smallest float
    const V magic = C(d, 0x1.8p23 + kLift);
    const V shifted = hn::NegMulAdd(size, C(d, 1.44269504088896341), magic);
    const V n = hn::Sub(shifted, magic);
    const V s = hn::MulAdd(n, C(d, kLn2Low), hn::MulAdd(n, C(d, kLn2High), size));  // -r
    const V exp = hn::Add(Expm1OfMinus(d, s), C(d, 1.0));
    const auto exponent = hn::ShiftLeft<23>(hn::BitCast(di, shifted));
    const V lifted = hn::BitCast(d, hn::Add(hn::BitCast(di, exp), exponent));
    return hn::Mul(lifted, AtMost(C(d, 0x1p-32), exp));  // whose minimum is the first, or NaN of NaN
  } else {
    return hn::IfThenElse(hn::IsNaN(a), a, hn::Exp(d, hn::Neg(a)));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_SOFTPLUS_INL_H_
