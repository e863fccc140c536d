// Stores that leave the caches to what is read.

#if defined(LOSSD_CORE_SIMD_PAST_CACHES_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_PAST_CACHES_INL_H_
#undef LOSSD_CORE_SIMD_PAST_CACHES_INL_H_
#else
#define LOSSD_CORE_SIMD_PAST_CACHES_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/simd/lane_sum-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// from[0, n) to `to`, at any alignment of its elements. Other threads see it after hwy::FlushStream on this one.
template <class T>
HWY_INLINE void CopyPastCaches(const T* from, size_t n, T* to) {
  const Tag<T> d;
  constexpr size_t kLine = 64 / sizeof(T);  // what the processor writes out at once
  const size_t off = reinterpret_cast<uintptr_t>(to) % 64 / sizeof(T);
  size_t i = std::min(n, (kLine - off) % kLine);
  std::memcpy(to, from, i * sizeof(T));
  for (; i + kLine <= n; i += kLine) {
    for (size_t k = 0; k < kLine; k += kLanes<T>) hn::Stream(hn::LoadU(d, from + i + k), d, to + i + k);
  }
  std::memcpy(to + i, from + i, (n - i) * sizeof(T));
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_PAST_CACHES_INL_H_
