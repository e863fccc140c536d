// Elements of tensors, as their bytes lie there, to vectors of the arithmetic and back.
//
// A double becomes a 16-bit float by way of float without a second rounding to nearest: the first one rounds to odd
// (cut off, and the last bit set if anything was lost), which remembers on which side of a tie the number lay.
// Source: Boldo and Melquiond 2008, Emulation of a FMA and Correctly Rounded Sums, section 3.

#if defined(LOSSD_CORE_SIMD_ELEMENTS_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_ELEMENTS_INL_H_
#undef LOSSD_CORE_SIMD_ELEMENTS_INL_H_
#else
#define LOSSD_CORE_SIMD_ELEMENTS_INL_H_
#endif

#include <type_traits>

#include "core/simd/widen-inl.h"
#include "core/tensor/convert.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// Instructions for F16, without which Highway's own conversions lose NaN and infinity.
inline constexpr bool kConvertsF16 = (HWY_TARGET & (HWY_AVX2 | HWY_AVX3 | HWY_NEON)) != 0;

// --- Bytes to numbers: LoadAs(d, p), as many elements as a vector of d has, at any alignment ------------------------

template <class D>
HWY_INLINE hn::Vec<D> LoadFloats(D d, const float* p) {
  return hn::LoadU(d, p);
}
template <class D>
HWY_INLINE hn::Vec<D> LoadFloats(D d, const BFloat16* p) {
  const hn::Rebind<uint16_t, D> d16;
  const hn::Rebind<uint32_t, D> d32;
  const auto bits = hn::LoadU(d16, reinterpret_cast<const uint16_t*>(p));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(d32, bits)));
}
template <class D>
HWY_INLINE hn::Vec<D> LoadFloats(D d, const Half* p) {
  if constexpr (kConvertsF16) {
    const hn::Rebind<hwy::float16_t, D> d16;
    return hn::PromoteTo(d, hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(p)));
  } else {
    constexpr size_t kCount = hn::MaxLanes(D());
    float numbers[kCount];
    ConvertElements(DType::kF16, reinterpret_cast<const std::byte*>(p), kCount, numbers);
    return hn::LoadU(d, numbers);
  }
}

template <class S>
HWY_INLINE hn::Vec<Tag<float>> LoadAs(Tag<float> d, const S* p) {
  return LoadFloats(d, p);
}
template <class S>
HWY_INLINE hn::Vec<Doubles> LoadAs(Doubles d, const S* p) {
  return hn::PromoteTo(d, LoadFloats(Floats(), p));
}
HWY_INLINE hn::Vec<Doubles> LoadAs(Doubles d, const double* p) { return hn::LoadU(d, p); }

// --- Numbers to bytes ------------------------------------------------------------------------------------------------

// The bits of numbers, of which the upper half is the BF16 that they are rounded to. Where kMayBeNan is false ties go
// away from zero, in a third of the operations: for products that float has rounded before, of which a tie says
// nothing.
template <bool kMayBeNan, class D>
HWY_INLINE auto RoundedToBFloat16([[maybe_unused]] D d, hn::Vec<D> v) {
  const hn::RebindToUnsigned<D> d32;
  const auto bits = hn::BitCast(d32, v);
  if constexpr (!kMayBeNan) return hn::Add(bits, hn::Set(d32, 0x8000));
  // Half a unit, but for what lies in the middle above an even number.
  const auto odd = hn::TestBit(bits, hn::Set(d32, 0x10000));
  const auto rounded = hn::Add(bits, hn::IfThenElse(odd, hn::Set(d32, 0x8000), hn::Set(d32, 0x7FFF)));
  const auto nan = hn::Or(bits, hn::Set(d32, 0x400000));  // quiet, and not rounded to infinity
  return hn::IfThenElse(hn::RebindMask(d32, hn::IsNaN(v)), nan, rounded);
}

// From float, rounded to nearest, ties to even. Where kMayBeNan is false no element of v is NaN, and ties of BF16 go
// away from zero.
template <bool kMayBeNan = true, class D>
HWY_INLINE void PutFloats([[maybe_unused]] D d, hn::Vec<D> v, float* to) {
  hn::StoreU(v, d, to);
}
template <bool kMayBeNan = true, class D>
HWY_INLINE void PutFloats([[maybe_unused]] D d, hn::Vec<D> v, BFloat16* to) {
  const hn::Rebind<uint16_t, D> d16;
  const auto high = hn::TruncateTo(d16, hn::ShiftRight<16>(RoundedToBFloat16<kMayBeNan>(d, v)));
  hn::StoreU(high, d16, reinterpret_cast<uint16_t*>(to));
}
template <bool kMayBeNan = true, class D>
HWY_INLINE void PutFloats([[maybe_unused]] D d, hn::Vec<D> v, Half* to) {
  if constexpr (kConvertsF16) {
    const hn::Rebind<hwy::float16_t, D> d16;
    const hn::Rebind<uint16_t, D> bits;
    hn::StoreU(hn::BitCast(bits, hn::DemoteTo(d16, v)), bits, reinterpret_cast<uint16_t*>(to));
  } else {
    constexpr size_t kCount = hn::MaxLanes(D());
    float numbers[kCount];
    hn::StoreU(v, d, numbers);
    for (size_t i = 0; i < kCount; ++i) {
      const Half half = ToHalf(numbers[i]);
      std::memcpy(to + i, &half, sizeof half);
    }
  }
}

// Past the caches, a vector's worth at a time, to a multiple of 64 bytes; other threads see them after hwy::FlushStream
// on this one. `bytes`: a multiple of a vector.
template <class S>
HWY_INLINE void StreamBytes(const S* from, size_t bytes, S* to) {
  const hn::CappedTag<uint8_t, 64> d;
  for (size_t i = 0; i < bytes; i += hn::MaxLanes(d)) {
    const auto v = hn::LoadU(d, reinterpret_cast<const uint8_t*>(from) + i);
    hn::Stream(v, d, reinterpret_cast<uint8_t*>(to) + i);
  }
}

// Vectors to `to`, one behind the other; kStreams: as StreamBytes.
template <bool kMayBeNan, bool kStreams = false, size_t kVectors, class S>
HWY_INLINE void PutAll(const hn::Vec<Tag<float>> (&v)[kVectors], S* to) {
  const Tag<float> d;
  constexpr size_t kStep = kLanes<float>;
#if HWY_TARGET != HWY_SCALAR                    // has no halves
  if constexpr (std::is_same_v<S, BFloat16>) {  // two vectors at a time: one shuffle instead of two narrowings
    const hn::Repartition<uint16_t, Tag<float>> d16;
    for (size_t u = 0; u < kVectors; u += 2) {
      const auto low = hn::BitCast(d16, RoundedToBFloat16<kMayBeNan>(d, v[u]));
      const auto high = hn::BitCast(d16, RoundedToBFloat16<kMayBeNan>(d, v[u + 1]));
      const auto both = hn::ConcatOdd(d16, high, low);
      auto* const here = reinterpret_cast<uint16_t*>(to + u * kStep);
      if constexpr (kStreams) {
        hn::Stream(both, d16, here);
      } else {
        hn::StoreU(both, d16, here);
      }
    }
    return;
  }
#endif
  if constexpr (kStreams && std::is_same_v<S, float>) {
    for (size_t u = 0; u < kVectors; ++u) hn::Stream(v[u], d, to + u * kStep);
  } else if constexpr (kStreams) {
    HWY_ALIGN S room[kVectors * kStep];
    PutAll<kMayBeNan>(v, room);
    StreamBytes(room, sizeof room, to);
  } else {
    for (size_t u = 0; u < kVectors; ++u) PutFloats<kMayBeNan>(d, v[u], to + u * kStep);
  }
}
template <bool kMayBeNan, size_t kVectors>
HWY_INLINE void PutAll(const hn::Vec<Doubles> (&v)[kVectors], double* to) {
  for (size_t u = 0; u < kVectors; ++u) hn::StoreU(v[u], Doubles(), to + u * kLanes<double>);
}

// To float, cut off, with the last bit set where anything was lost. Below the normal floats, where float has fewer
// bits, first to the multiples of `least`, the smallest number of the 16-bit format.
HWY_INLINE hn::Vec<Floats> RoundToOdd(hn::Vec<Doubles> v, double least) {
  const Doubles d;
  const hn::RebindToUnsigned<Doubles> du;
  const auto magnitude = hn::Abs(v);
  const auto grid = hn::Set(d, least * 0x1p52);  // its last bit is worth `least`
  const auto tiny = hn::Lt(magnitude, hn::Set(d, 0x1p-126));
  const auto on_grid = hn::CopySign(hn::Sub(hn::Add(magnitude, grid), grid), v);
  const auto bits = hn::BitCast(du, hn::IfThenElse(tiny, on_grid, v));
  const auto lost = hn::Set(du, (uint64_t{1} << 29) - 1);
  const auto sticky = hn::Or(bits, hn::Add(hn::And(bits, lost), lost));  // bit 29: also set if anything below it is
  return Narrow(hn::BitCast(d, hn::AndNot(lost, sticky)));
}

HWY_INLINE void PutAs(hn::Vec<Doubles> v, BFloat16* to) { PutFloats(Floats(), RoundToOdd(v, 0x1p-133), to); }
HWY_INLINE void PutAs(hn::Vec<Doubles> v, Half* to) { PutFloats(Floats(), RoundToOdd(v, 0x1p-24), to); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_ELEMENTS_INL_H_
