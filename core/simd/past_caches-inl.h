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

// from[0, n) to `to`, at any alignment of its elements, in steps between which others compute: stores past the caches
// wait for memory. Other threads see it after hwy::FlushStream on this one.
template <class T>
class PastCaches {
 public:
  static constexpr size_t kLine = 64 / sizeof(T);  // what the processor writes out at once

  PastCaches() = default;
  // `from` stays as it is until Rest has returned.
  HWY_INLINE PastCaches(const T* from, size_t n, T* to) {
    const size_t off = reinterpret_cast<uintptr_t>(to) % 64 / sizeof(T);
    const size_t head = std::min(n, (kLine - off) % kLine), tail = (n - head) % kLine;
    std::memcpy(to, from, head * sizeof(T));
    std::memcpy(to + n - tail, from + n - tail, tail * sizeof(T));
    from_ = from + head;
    to_ = to + head;
    end_ = to + n - tail;
  }
  // One line, if any is left.
  HWY_INLINE void Step() {
    if (to_ == end_) return;
    Line(from_, to_);
    from_ += kLine;
    to_ += kLine;
  }
  HWY_INLINE void Rest() {
    const T* from = from_;
    for (T* to = to_; to != end_; to += kLine, from += kLine) Line(from, to);
    to_ = end_;
  }

 private:
  static HWY_INLINE void Line(const T* from, T* to) {
    const Tag<T> d;
    for (size_t k = 0; k < kLine; k += kLanes<T>) hn::Stream(hn::LoadU(d, from + k), d, to + k);
  }

  const T* from_ = nullptr;
  T *to_ = nullptr, *end_ = nullptr;
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_PAST_CACHES_INL_H_
