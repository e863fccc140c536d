// The edges of ClipPolicy::kKeras.

#if defined(LOSSD_CORE_SIMD_CLIP_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_CLIP_INL_H_
#undef LOSSD_CORE_SIMD_CLIP_INL_H_
#else
#define LOSSD_CORE_SIMD_CLIP_INL_H_
#endif

#include "core/simd/kernel-inl.h"

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

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_CLIP_INL_H_
