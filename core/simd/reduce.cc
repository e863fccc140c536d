// The arithmetic of reduce.h, once per instruction set.
#include "core/reduce.h"

#include <algorithm>

#include "core/registry.h"
#include "core/simd/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/reduce.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/simd/widen-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// Chunks take turns between two sums, so that an addition need not wait for the one before it. add(sum, i, left) adds
// the chunk at i, of which `left` elements are there.
template <class Add>
HWY_INLINE double SumInTurns(size_t n, const Add& add) {
  LaneSum even, odd;
  size_t i = 0;
  for (; i + 2 * kChunk <= n; i += 2 * kChunk) {
    add(even, i, kChunk);
    add(odd, i + kChunk, kChunk);
  }
  if (i < n) add(even, i, std::min(kChunk, n - i));
  if (i + kChunk < n) add(odd, i + kChunk, n - i - kChunk);
  return even.Total() + odd.Total();
}

// A whole chunk where it lies, or what is left of one with zeros behind it.
template <class T>
HWY_INLINE const T* Padded(const T* from, size_t left, T (&room)[kChunk]) {
  if (left == kChunk) return from;
  std::fill_n(std::copy_n(from, left, room), kChunk - left, T{0});
  return room;
}

template <class T>
double SumT(const T* values, size_t n) {
  return SumInTurns(n, [&](LaneSum& sum, size_t i, size_t left) HWY_ATTR {
    T room[kChunk];
    const T* const v = Padded(values + i, left, room);
    for (size_t at = 0; at < kChunk; at += kLanes<double>) sum.Add(at, Widen(v + at));
  });
}

template <class T>
double WeightedSumT(const T* values, const double* weights, size_t n) {
  return SumInTurns(n, [&](LaneSum& sum, size_t i, size_t left) HWY_ATTR {
    T room[kChunk];
    double weights_room[kChunk];
    const T* const v = Padded(values + i, left, room);
    const double* const w = Padded(weights + i, left, weights_room);
    for (size_t at = 0; at < kChunk; at += kLanes<double>) {
      sum.Add(at, hn::Mul(Widen(v + at), hn::LoadU(Tag<double>(), w + at)));
    }
  });
}

std::string_view InstructionSetT() { return hwy::TargetName(HWY_TARGET); }

// HWY_EXPORT takes plain functions.
double SumF32(const float* v, size_t n) { return SumT(v, n); }
double SumF64(const double* v, size_t n) { return SumT(v, n); }
double WeightedSumF32(const float* v, const double* w, size_t n) { return WeightedSumT(v, w, n); }
double WeightedSumF64(const double* v, const double* w, size_t n) { return WeightedSumT(v, w, n); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(InstructionSetT);
HWY_EXPORT(SumF32);
HWY_EXPORT(SumF64);
HWY_EXPORT(WeightedSumF32);
HWY_EXPORT(WeightedSumF64);

std::string_view InstructionSet() { return HWY_DYNAMIC_DISPATCH(InstructionSetT)(); }

template <>
double Sum(const float* v, size_t n) {
  return HWY_DYNAMIC_DISPATCH(SumF32)(v, n);
}
template <>
double Sum(const double* v, size_t n) {
  return HWY_DYNAMIC_DISPATCH(SumF64)(v, n);
}
template <>
double WeightedSum(const float* v, const double* w, size_t n) {
  return HWY_DYNAMIC_DISPATCH(WeightedSumF32)(v, w, n);
}
template <>
double WeightedSum(const double* v, const double* w, size_t n) {
  return HWY_DYNAMIC_DISPATCH(WeightedSumF64)(v, w, n);
}

}  // namespace lossd
#endif  // HWY_ONCE
