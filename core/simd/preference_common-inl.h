// What the preference losses share: the logistic function of a difference of log-probabilities.
//
// Log-probabilities of whole completions are large (-100 and below), their differences small, and exp(-z) of a clear
// preference loses |z| units in the last place to the rounding of z. So z is carried in two doubles.

#if defined(LOSSD_CORE_SIMD_PREFERENCE_COMMON_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_PREFERENCE_COMMON_INL_H_
#undef LOSSD_CORE_SIMD_PREFERENCE_COMMON_INL_H_
#else
#define LOSSD_CORE_SIMD_PREFERENCE_COMMON_INL_H_
#endif

#include "core/simd/elementwise-inl.h"
#include "core/simd/twofold-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// The logistic function about z, without overflow and without a difference.
template <class V>
struct Logistic {
  V distance;    // |z|
  V decay;       // exp(-|z|)
  V log_one_up;  // ln(1 + exp(-|z|))
  V larger;      // sigmoid(|z|)
  V smaller;     // sigmoid(-|z|)
};
template <class D, class V>
HWY_INLINE Logistic<V> LogisticOf(D d, Twofold<V> z) {
  const V one = C(d, 1.0);
  const V distance = hn::Abs(z.hi);
  // |z| beyond its first double; only where exp(-|z|) is not 0 anyway.
  const V rest = hn::IfThenElseZero(hn::Lt(distance, C(d, 800.0)), hn::CopySignToAbs(one, z.hi));
  const V first = hn::Exp(d, hn::Neg(distance));
  const V decay = hn::NegMulAdd(first, hn::Mul(rest, z.lo), first);
  const V larger = hn::Div(one, hn::Add(one, decay));
  return {hn::MulAdd(rest, z.lo, distance), decay, hn::Log1p(d, decay), larger, hn::Mul(decay, larger)};
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_PREFERENCE_COMMON_INL_H_
