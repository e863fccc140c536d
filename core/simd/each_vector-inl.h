// A walk over rows in double, whatever they are stored as.

#if defined(LOSSD_CORE_SIMD_EACH_VECTOR_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_EACH_VECTOR_INL_H_
#undef LOSSD_CORE_SIMD_EACH_VECTOR_INL_H_
#else
#define LOSSD_CORE_SIMD_EACH_VECTOR_INL_H_
#endif

#include <algorithm>
#include <array>
#include <cstring>

#include "core/simd/widen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// Calls fn(at, v) with a vector of each input as doubles, and stores the vectors that it returns to those outputs that
// are not null. `at` is the index of the first element in its chunk, for LaneSum. The last chunk is padded with `pad`.
template <size_t kIn, size_t kOut, class T = double, class Fn>
HWY_INLINE void EachVector(size_t n, const std::array<const T*, kIn>& in, const std::array<double, kIn>& pad,
                           const std::array<T*, kOut>& out, const Fn& fn) {
  using V = hn::Vec<Tag<double>>;
  const auto chunk = [&](const std::array<const T*, kIn>& from, const std::array<T*, kOut>& to) HWY_ATTR {
    for (size_t at = 0; at < kChunk; at += kLanes<double>) {
      std::array<V, kIn> v;
      for (size_t k = 0; k < kIn; ++k) v[k] = Widen(from[k] + at);
      const std::array<V, kOut> result = fn(at, v);
      for (size_t k = 0; k < kOut; ++k) {
        if (to[k] != nullptr) PutAs(result[k], to[k] + at);
      }
    }
  };
  EachChunk(
      n,
      [&](size_t i) HWY_ATTR {
        std::array<const T*, kIn> from;
        std::array<T*, kOut> to;
        for (size_t k = 0; k < kIn; ++k) from[k] = in[k] + i;
        for (size_t k = 0; k < kOut; ++k) to[k] = out[k] == nullptr ? nullptr : out[k] + i;
        chunk(from, to);
      },
      [&](size_t i, size_t left) HWY_ATTR {
        T padded[kIn][kChunk], results[kOut + 1][kChunk];
        std::array<const T*, kIn> from;
        std::array<T*, kOut> to;
        for (size_t k = 0; k < kIn; ++k) {
          std::fill_n(padded[k], kChunk, static_cast<T>(pad[k]));
          std::memcpy(padded[k], in[k] + i, left * sizeof(T));
          from[k] = padded[k];
        }
        for (size_t k = 0; k < kOut; ++k) to[k] = out[k] == nullptr ? nullptr : results[k];
        chunk(from, to);
        for (size_t k = 0; k < kOut; ++k) {
          if (out[k] != nullptr) std::memcpy(out[k] + i, results[k], left * sizeof(T));
        }
      });
}

// One number at any alignment.
template <class T>
HWY_INLINE double Read(const T* from) {
  T x;
  std::memcpy(&x, from, sizeof x);
  return x;
}
template <class T>
HWY_INLINE void Write(double x, T* to) {
  const auto rounded = static_cast<T>(x);
  std::memcpy(to, &rounded, sizeof rounded);
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_EACH_VECTOR_INL_H_
