// How a row is walked.

#if defined(LOSSD_CORE_SIMD_ROW_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_ROW_INL_H_
#undef LOSSD_CORE_SIMD_ROW_INL_H_
#else
#define LOSSD_CORE_SIMD_ROW_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "core/simd/kernel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// Walks a row in chunks: v = fn(at, x, t) for each vector, stored to out where out is not nullptr. `at` is the index of
// the vector's first element in its chunk, for LaneSum. t may be nullptr: fn then gets zeros. The last chunk is padded
// with pad_x and zeros; nothing is read or written behind the end. out may be x or t.
template <class T, class Target, class Out, class Fn>
HWY_INLINE void Walk(const T* x, T pad_x, Target t, size_t n, Out out, const Fn& fn) {
  constexpr bool kHasTarget = !std::is_null_pointer_v<Target>;
  constexpr bool kStores = !std::is_null_pointer_v<Out>;
  const Tag<T> d;
  const auto chunk = [&](const T* px, [[maybe_unused]] const T* pt, [[maybe_unused]] T* to) HWY_ATTR {
    for (size_t at = 0; at < kChunk; at += kLanes<T>) {
      auto vt = hn::Zero(d);
      if constexpr (kHasTarget) vt = hn::LoadU(d, pt + at);
      if constexpr (kStores) {
        hn::StoreU(fn(at, hn::LoadU(d, px + at), vt), d, to + at);
      } else {
        fn(at, hn::LoadU(d, px + at), vt);
      }
    }
  };
  const auto advance = [](auto pointer, size_t i) -> T* {
    if constexpr (std::is_null_pointer_v<decltype(pointer)>) {
      return nullptr;
    } else {
      return const_cast<T*>(pointer) + i;
    }
  };
  EachChunk(
      n, [&](size_t i) HWY_ATTR { chunk(x + i, advance(t, i), advance(out, i)); },
      [&](size_t i, size_t left) HWY_ATTR {
        T padded_x[kChunk], padded_t[kChunk] = {}, to[kChunk];
        std::fill_n(padded_x, kChunk, pad_x);
        std::memcpy(padded_x, x + i, left * sizeof(T));
        if constexpr (kHasTarget) std::memcpy(padded_t, t + i, left * sizeof(T));
        chunk(padded_x, padded_t, to);
        if constexpr (kStores) std::memcpy(out + i, to, left * sizeof(T));
      });
}

template <class T>
HWY_INLINE void FillRow(T value, size_t n, T* out) {
  for (size_t i = 0; i < n; ++i) std::memcpy(out + i, &value, sizeof value);  // out may be at any alignment
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_ROW_INL_H_
