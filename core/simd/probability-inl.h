// Logarithms of probabilities, and the edges of ClipPolicy::kKeras.

#if defined(LOSSD_CORE_SIMD_PROBABILITY_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_PROBABILITY_INL_H_
#undef LOSSD_CORE_SIMD_PROBABILITY_INL_H_
#else
#define LOSSD_CORE_SIMD_PROBABILITY_INL_H_
#endif

#include "core/simd/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// keras.backend.epsilon(), the same for every dtype; the edges are rounded to the dtype, as Keras does.
inline constexpr double kKerasEpsilon = 1e-7;

template <class D>
HWY_INLINE hn::Vec<D> ClipLow(D d) {
  return C(d, kKerasEpsilon);
}
template <class D>
HWY_INLINE hn::Vec<D> ClipHigh(D d) {
  return C(d, 1.0 - kKerasEpsilon);
}

// log p for p >= 0; -inf at 0, where hn::Log is a large finite number.
template <class D, class V>
HWY_INLINE V LogOf(D d, V p) {
  return hn::IfThenElse(hn::Eq(p, hn::Zero(d)), hn::Neg(hn::Inf(d)), LogOfPositive(d, p));
}

// log(1 - p) for p <= 1; -inf at 1.
template <class D, class V>
HWY_INLINE V LogOfComplement(D d, V p) {
  return hn::IfThenElse(hn::Eq(p, C(d, 1.0)), hn::Neg(hn::Inf(d)), LogOfOneLess(d, p));
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_PROBABILITY_INL_H_
