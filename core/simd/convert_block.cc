// The conversions of convert_block.h, once per instruction set.
//
// A double becomes a 16-bit float by way of float without a second rounding to nearest: the first one rounds to odd
// (cut off, and the last bit set if anything was lost), which remembers on which side of a tie the number lay.
// Source: Boldo and Melquiond 2008, Emulation of a FMA and Correctly Rounded Sums, section 3.
#include "core/convert_block.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "core/simd/targets.h"
#include "core/tensor/convert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/simd/convert_block.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/simd/widen-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using Shorts = hn::Rebind<uint16_t, Doubles>;
inline constexpr size_t kStep = kLanes<double>;

// Instructions for F16, without which Highway's own conversions lose NaN and infinity.
inline constexpr bool kConvertsF16 = (HWY_TARGET & (HWY_AVX2 | HWY_AVX3 | HWY_NEON)) != 0;

// --- Bytes to numbers: LoadAs<T>(S, bytes), as many elements as a vector of T has ------------------------------------

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
  const hn::Rebind<hwy::float16_t, D> d16;
  return hn::PromoteTo(d, hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(p)));
}

template <class S>
HWY_INLINE hn::Vec<Tag<float>> LoadAs(Tag<float> d, const S* p) {
  return LoadFloats(d, p);
}
template <class S>
HWY_INLINE hn::Vec<Doubles> LoadAs(Doubles d, const S* p) {
  return hn::PromoteTo(d, LoadFloats(Floats(), p));
}

template <class T, class S>
void ConvertT(const std::byte* bytes, size_t count, T* out) {
  const Tag<T> d;
  const auto* const from = reinterpret_cast<const S*>(bytes);  // at any alignment: unaligned loads only
  size_t i = 0;
  for (; i + kLanes<T> <= count; i += kLanes<T>) hn::StoreU(LoadAs(d, from + i), d, out + i);
  if (i == count) return;
  S left[kLanes<T>] = {};
  T numbers[kLanes<T>];
  std::memcpy(left, bytes + i * sizeof(S), (count - i) * sizeof(S));
  hn::StoreU(LoadAs(d, left), d, numbers);
  std::memcpy(out + i, numbers, (count - i) * sizeof(T));
}

// --- Numbers to bytes ------------------------------------------------------------------------------------------------

// From float, rounded to nearest, ties to even.
HWY_INLINE void PutFloats(hn::Vec<Floats> v, BFloat16* to) {
  const hn::Rebind<uint32_t, Doubles> d32;
  const auto bits = hn::BitCast(d32, v);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d32, 1));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(d32, 0x7FFF)));
  const auto nan = hn::Or(bits, hn::Set(d32, 0x400000));  // quiet, and not rounded to infinity
  const auto kept = hn::IfThenElse(hn::RebindMask(d32, hn::IsNaN(v)), nan, rounded);
  const auto high = hn::TruncateTo(Shorts(), hn::ShiftRight<16>(kept));
  hn::StoreU(high, Shorts(), reinterpret_cast<uint16_t*>(to));
}
HWY_INLINE void PutFloats(hn::Vec<Floats> v, Half* to) {
  const hn::Rebind<hwy::float16_t, Doubles> d16;
  const auto half = hn::BitCast(Shorts(), hn::DemoteTo(d16, v));
  hn::StoreU(half, Shorts(), reinterpret_cast<uint16_t*>(to));
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
HWY_INLINE void PutAs(hn::Vec<Doubles> v, BFloat16* to) { PutFloats(RoundToOdd(v, 0x1p-133), to); }
HWY_INLINE void PutAs(hn::Vec<Doubles> v, Half* to) { PutFloats(RoundToOdd(v, 0x1p-24), to); }

// One vector of products.
template <class T, class S>
HWY_INLINE void PutProduct(const T* numbers, hn::Vec<Doubles> factors, S* to) {
  const auto product = hn::Mul(Widen(numbers), factors);
  if constexpr (std::is_same_v<T, float> && sizeof(S) == 2) {
    PutFloats(Narrow(product), to);
  } else {
    PutAs(product, to);
  }
}
template <class S>
HWY_INLINE void PutProduct(const float* numbers, hn::Vec<Floats> factors, S* to) {
  PutFloats(hn::Mul(hn::LoadU(Floats(), numbers), factors), to);
}

// Factors of a run of elements: one for all, or one for each.
struct OneFactor {
  hn::Vec<Doubles> factor;
  HWY_INLINE hn::Vec<Doubles> At(size_t) const { return factor; }
  HWY_INLINE hn::Vec<Doubles> Padded(size_t, size_t) const { return factor; }
};
struct FloatFactor {
  hn::Vec<Floats> factor;
  HWY_INLINE hn::Vec<Floats> At(size_t) const { return factor; }
  HWY_INLINE hn::Vec<Floats> Padded(size_t, size_t) const { return factor; }
};
struct OwnFactors {
  const double* factors;
  hn::Vec<Doubles> factor;
  HWY_INLINE hn::Vec<Doubles> At(size_t i) const { return hn::Mul(hn::LoadU(Doubles(), factors + i), factor); }
  HWY_INLINE hn::Vec<Doubles> Padded(size_t i, size_t count) const {
    double padded[kStep] = {};
    std::memcpy(padded, factors + i, count * sizeof(double));
    return hn::Mul(hn::LoadU(Doubles(), padded), factor);
  }
};

template <class T, class S, class F>
HWY_INLINE void StoreSome(const T* numbers, const F& factors, size_t i, size_t count, std::byte* to) {
  T padded[kStep] = {};
  S out[kStep];
  std::memcpy(padded, numbers + i, count * sizeof(T));
  PutProduct(padded, factors.Padded(i, count), out);
  std::memcpy(to + i * sizeof(S), out, count * sizeof(S));
}

template <class T, class S, class F>
HWY_INLINE void StoreRun(const T* numbers, const F& factors, size_t n, std::byte* to) {
  size_t i = 0;
  auto* const out = reinterpret_cast<S*>(to);
  for (; i + kStep <= n; i += kStep) PutProduct(numbers + i, factors.At(i), out + i);
  if (i < n) StoreSome<T, S>(numbers, factors, i, n - i, to);
}

// A product of floats is exact enough for what 16 bits keep of it, unless the factor leaves their range.
template <class T, class S>
bool UsesFloats(double factor) {
  return std::is_same_v<T, float> && sizeof(S) == 2 && std::abs(factor) > 0x1p-100 && std::abs(factor) < 0x1p100;
}

template <class T, class S>
HWY_INLINE void StoreTimes(const T* numbers, double factor, size_t n, std::byte* to) {
  if constexpr (std::is_same_v<T, float> && sizeof(S) == 2) {
    if (UsesFloats<T, S>(factor)) {
      return StoreRun<T, S>(numbers, FloatFactor{hn::Set(Floats(), static_cast<float>(factor))}, n, to);
    }
  }
  StoreRun<T, S>(numbers, OneFactor{hn::Set(Doubles(), factor)}, n, to);
}

template <class T, class S>
void StoreT(const T* numbers, const double* factors, double factor, size_t items, size_t width, std::byte* to) {
  if (factors == nullptr) {
    StoreTimes<T, S>(numbers, factor, items * width, to);
  } else if (width == 1) {
    StoreRun<T, S>(numbers, OwnFactors{factors, hn::Set(Doubles(), factor)}, items, to);
  } else {
    for (size_t item = 0; item < items; ++item) {
      StoreTimes<T, S>(numbers + item * width, factors[item] * factor, width, to + item * width * sizeof(S));
    }
  }
}

// --- By dtype --------------------------------------------------------------------------------------------------------

template <class T>
void ConvertByDType(DType dtype, const std::byte* bytes, size_t count, T* out) {
  if (dtype == DType::kF32) return ConvertT<T, float>(bytes, count, out);
  if (dtype == DType::kBF16) return ConvertT<T, BFloat16>(bytes, count, out);
  if constexpr (kConvertsF16) {
    if (dtype == DType::kF16) return ConvertT<T, Half>(bytes, count, out);
  }
  ConvertElements(dtype, bytes, count, out);
}

template <class T>
void StoreByDType(const T* numbers, const double* factors, double factor, size_t items, size_t width, DType dtype,
                  std::byte* to) {
  const auto store = [&]<class S>(S) { StoreT<T, S>(numbers, factors, factor, items, width, to); };
  if (dtype == DType::kF32) return store(float{});
  if (dtype == DType::kF64) return store(double{});
  if (dtype == DType::kBF16) return store(BFloat16{});
  if constexpr (kConvertsF16) {
    if (dtype == DType::kF16) return store(Half{});
  }
  for (size_t k = 0; k < items * width; ++k) {
    const double f = factors == nullptr ? factor : factors[k / width] * factor;
    const bool of_floats = UsesFloats<T, Half>(f) && (factors == nullptr || width > 1);
    const T product = of_floats ? numbers[k] * static_cast<T>(f) : static_cast<T>(numbers[k] * f);
    const Half half = ToHalf(product);
    std::memcpy(to + k * sizeof half, &half, sizeof half);
  }
}

// HWY_EXPORT takes plain functions.
void ConvertF32(DType dtype, const std::byte* bytes, size_t count, float* out) {
  ConvertByDType(dtype, bytes, count, out);
}
void ConvertF64(DType dtype, const std::byte* bytes, size_t count, double* out) {
  ConvertByDType(dtype, bytes, count, out);
}
void StoreF32(const float* x, const double* f, double c, size_t n, size_t k, DType dtype, std::byte* to) {
  StoreByDType(x, f, c, n, k, dtype, to);
}
void StoreF64(const double* x, const double* f, double c, size_t n, size_t k, DType dtype, std::byte* to) {
  StoreByDType(x, f, c, n, k, dtype, to);
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(ConvertF32);
HWY_EXPORT(ConvertF64);
HWY_EXPORT(StoreF32);
HWY_EXPORT(StoreF64);

template <>
void ConvertBlock(DType dtype, const std::byte* bytes, size_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(ConvertF32)(dtype, bytes, count, out);
}
template <>
void ConvertBlock(DType dtype, const std::byte* bytes, size_t count, double* out) {
  HWY_DYNAMIC_DISPATCH(ConvertF64)(dtype, bytes, count, out);
}
template <>
void StoreBlock(const float* numbers, const double* factors, double factor, size_t items, size_t width, DType dtype,
                std::byte* to) {
  HWY_DYNAMIC_DISPATCH(StoreF32)(numbers, factors, factor, items, width, dtype, to);
}
template <>
void StoreBlock(const double* numbers, const double* factors, double factor, size_t items, size_t width, DType dtype,
                std::byte* to) {
  HWY_DYNAMIC_DISPATCH(StoreF64)(numbers, factors, factor, items, width, dtype, to);
}

}  // namespace lossd
#endif  // HWY_ONCE
