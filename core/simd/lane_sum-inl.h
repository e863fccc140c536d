// Sums that have the same bits on every instruction set.

#if defined(LOSSD_CORE_SIMD_LANE_SUM_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_LANE_SUM_INL_H_
#undef LOSSD_CORE_SIMD_LANE_SUM_INL_H_
#else
#define LOSSD_CORE_SIMD_LANE_SUM_INL_H_
#endif

#include <algorithm>
#include <cstddef>

#include "core/simd/targets.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Data is walked in chunks of this many elements whatever the width of a vector: element i belongs to virtual lane
// i % kChunk. 16 floats are one AVX-512 vector; wider vectors are capped.
inline constexpr size_t kChunk = 16;

template <class T>
using Tag = hn::CappedTag<T, kChunk>;

// Lanes of a vector of T; a divisor of kChunk on every target that targets.h leaves enabled.
template <class T>
inline constexpr size_t kLanes = hn::MaxLanes(Tag<T>());

// Accumulates in double, whatever the element type: float inputs keep 29 spare bits, so that the sum of a block of 4096
// is exact to about 2^-50 of its largest partial sum.
class LaneSum {
 public:
  HWY_INLINE LaneSum() {
    for (V& lane : lanes_) lane = hn::Zero(Tag<double>());
  }

  // From memory, and there: kChunk doubles.
  HWY_INLINE void Load(const double* from) {
    for (size_t i = 0; i < kChunk / kLanes<double>; ++i)
      lanes_[i] = hn::LoadU(Tag<double>(), from + i * kLanes<double>);
  }
  HWY_INLINE void Store(double* to) const {
    for (size_t i = 0; i < kChunk / kLanes<double>; ++i) hn::StoreU(lanes_[i], Tag<double>(), to + i * kLanes<double>);
  }

  // Adds the vector whose first element has index `at` in its chunk. REQUIRES: at % kLanes<T> == 0; unrolled loops
  // only.
  HWY_INLINE void Add(size_t at, hn::Vec<Tag<double>> v) {
    V& lane = lanes_[at / kLanes<double>];
    lane = hn::Add(lane, v);
  }
  HWY_INLINE void Add(size_t at, hn::Vec<Tag<float>> v) {
    const Tag<double> dd;
#if HWY_TARGET == HWY_SCALAR  // one lane of either type, no halves
    Add(at, hn::PromoteTo(dd, v));
#else
    const hn::Rebind<float, Tag<double>> half;
    Add(at, hn::PromoteTo(dd, hn::LowerHalf(half, v)));
    Add(at + kLanes<double>, hn::PromoteTo(dd, hn::UpperHalf(half, v)));
#endif
  }

  // Adds the first `count` lanes of another sum: of one chunk, its first `count` elements.
  HWY_INLINE void AddFirst(size_t count, const LaneSum& from) {
    const Tag<double> d;
    for (size_t at = 0; at < count; at += kLanes<double>) {
      Add(at, hn::IfThenElseZero(hn::FirstN(d, count - at), from.lanes_[at / kLanes<double>]));
    }
  }

  // The lanes added pairwise: (0 + 8) + (4 + 12) + ...
  HWY_INLINE double Total() const {
    constexpr size_t kVectors = kChunk / kLanes<double>;
    V sums[kVectors];
    std::copy_n(lanes_, kVectors, sums);
    for (size_t half = kVectors / 2; half > 0; half /= 2) {
      for (size_t i = 0; i < half; ++i) sums[i] = hn::Add(sums[i], sums[i + half]);
    }
    return TotalOf(Tag<double>(), sums[0]);
  }

 private:
  using V = hn::Vec<Tag<double>>;

  template <class D>
  static HWY_INLINE double TotalOf([[maybe_unused]] D d, hn::Vec<D> v) {
#if HWY_TARGET != HWY_SCALAR  // whose vectors have no halves
    if constexpr (hn::MaxLanes(D()) > 1) {
      const hn::Half<D> half;
      return TotalOf(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
    }
#endif
    return hn::GetLane(v);
  }

  V lanes_[kChunk / kLanes<double>];
};

// The same in float, for what ends in 16 bits: positive numbers, of a few thousand elements.
class FloatLaneSum {
  using V = hn::Vec<Tag<float>>;

 public:
  HWY_INLINE FloatLaneSum() {
    for (V& lane : lanes_) lane = hn::Zero(Tag<float>());
  }
  HWY_INLINE void Add(size_t at, V v) {
    V& lane = lanes_[at / kLanes<float>];
    lane = hn::Add(lane, v);
  }
  HWY_INLINE double Total() const {
    LaneSum sum;
    for (size_t i = 0; i < kChunk / kLanes<float>; ++i) sum.Add(i * kLanes<float>, lanes_[i]);
    return sum.Total();
  }

 private:
  V lanes_[kChunk / kLanes<float>];
};

// Calls chunk(i) for each whole chunk [i, i + kChunk) of [0, n), then tail(i, n - i) for what is left, if anything.
template <class ChunkFn, class TailFn>
HWY_INLINE void EachChunk(size_t n, const ChunkFn& chunk, const TailFn& tail) {
  size_t i = 0;
  for (; i + kChunk <= n; i += kChunk) chunk(i);
  if (i < n) tail(i, n - i);
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_LANE_SUM_INL_H_
