// Elements of a row of logits in batches, and what is known of them before their masses: between what they lie.

#if defined(LOSSD_CORE_SIMD_BATCHES_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_BATCHES_INL_H_
#undef LOSSD_CORE_SIMD_BATCHES_INL_H_
#else
#define LOSSD_CORE_SIMD_BATCHES_INL_H_
#endif

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "core/simd/elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// What elements of type S are computed in.
template <class S>
using Arithmetic = std::conditional_t<std::is_same_v<S, double>, double, float>;

// Elements whose masses are added up before their sum becomes a double.
inline constexpr size_t kBatch = 4 * kChunk;

// n elements in batches, of which each is computed in parts of four vectors, enough to keep the processor busy. What is
// left behind the whole batches comes first: in a batch that ends with the last element and has some in common with its
// neighbour, or, where it must not or there are too few, in a padded copy.
template <class S>
class Batches {
  static constexpr size_t kStep = kLanes<Arithmetic<S>>;

 public:
  static constexpr size_t kVectors = std::min<size_t>(4, kBatch / kStep), kElements = kVectors * kStep;

  HWY_INLINE Batches(const S* x, size_t n, double pad, bool may_overlap = true)
      : x_(x), n_(n), whole_(n / kBatch * kBatch), copies_(n < kBatch || !may_overlap) {
    if (whole_ == n || !copies_) return;
    std::fill_n(copy_, kBatch, From<S>(pad));
    std::memcpy(copy_, x + whole_, (n - whole_) * sizeof(S));
  }
  // A part begins with the vector kFirst of its batch.
  template <bool rest, size_t first>
  struct Part {
    static constexpr bool kRest = rest;
    static constexpr size_t kFirst = first;
  };
  // Calls fn(Part<...>(), i) for the parts; element i + k is at At(part, i)[k].
  template <class Fn>
  HWY_INLINE void Each(const Fn& fn) const {
    if (whole_ != n_) EachPart<true>(copies_ ? whole_ : n_ - kBatch, fn);
    for (size_t i = 0; i < whole_; i += kBatch) EachPart<false>(i, fn);
  }
  template <class P>
  HWY_INLINE const S* At(P, size_t i) const {
    return P::kRest && copies_ ? copy_ + (i - whole_) : x_ + i;
  }
  // Vector u of a part with `other` for the elements that another batch has too.
  template <class P, class V>
  HWY_INLINE V Own(P, size_t i, size_t u, V v, V other) const {
    const size_t first = i + u * kStep;
    if (!P::kRest || first >= whole_) return v;
    return hn::IfThenElse(hn::FirstN(Tag<Arithmetic<S>>(), std::min(kStep, whole_ - first)), other, v);
  }
  // Whether some element of a part, `v` in the arithmetic, is max, the largest of all, which is not NaN.
  template <class P, class V>
  HWY_INLINE bool Holds(P part, size_t i, const V (&v)[kVectors], Arithmetic<S> max) const {
    if constexpr (std::is_same_v<S,
                                 BFloat16>) {  // of the bits, half as many vectors; zeros of two signs are two numbers
      const hn::CappedTag<uint16_t, 2 * kChunk> d;
      const auto of_max = hn::Set(d, static_cast<uint16_t>(std::bit_cast<uint32_t>(max) >> 16));
      const auto* const bits = reinterpret_cast<const uint16_t*>(At(part, i));
      auto some = hn::Eq(hn::LoadU(d, bits), of_max);
      for (size_t k = hn::MaxLanes(d); k < kElements; k += hn::MaxLanes(d)) {
        some = hn::Or(some, hn::Eq(hn::LoadU(d, bits + k), of_max));
      }
      return !hn::AllFalse(d, some);
    } else {
      const Tag<Arithmetic<S>> d;
      V largest = v[0];
      for (size_t u = 1; u < kVectors; ++u) largest = hn::Max(largest, v[u]);
      return !hn::AllFalse(d, hn::Eq(largest, hn::Set(d, max)));
    }
  }
  // Stores a part to the elements of `to` from i on.
  template <bool kMayBeNan, class P, class V, class Out>
  HWY_INLINE void Store(P, size_t i, const V (&v)[kVectors], Out* to) const {
    if (P::kRest && copies_) {
      if (i >= n_) return;
      Out room[kElements];
      PutAll<kMayBeNan>(v, room);
      std::memcpy(to + i, room, std::min(n_ - i, kElements) * sizeof(Out));
    } else {
      PutAll<kMayBeNan>(v, to + i);
    }
  }

 private:
  template <bool kRest, class Fn>
  HWY_INLINE static void EachPart(size_t i, const Fn& fn) {
    [&]<size_t... k>(std::index_sequence<k...>) HWY_ATTR { (fn(Part<kRest, k * kVectors>(), i + k * kElements), ...); }
    (std::make_index_sequence<kBatch / kElements>());
  }

  const S* x_;
  size_t n_, whole_;
  bool copies_;
  S copy_[kBatch];
};

// The largest of the elements of a stretch, -inf where there are none, and a number that none lies below. `sound`: none
// is NaN or +inf.
template <class T>
struct Extent {
  T max, min;
  bool sound;
};

// op of all lanes, pairwise.
template <class Op, class D>
HWY_INLINE hn::TFromD<D> ReduceLanes([[maybe_unused]] D d, hn::Vec<D> v, [[maybe_unused]] const Op& op) {
#if HWY_TARGET != HWY_SCALAR  // has no halves
  if constexpr (hn::MaxLanes(D()) > 1) {
    const hn::Half<D> half;
    return ReduceLanes(half, op(hn::LowerHalf(half, v), hn::UpperHalf(half, v)), op);
  }
#endif
  return hn::GetLane(v);
}

// By the order of bits, which is that of numbers where these are positive, and against it where negative: the largest
// of the signed is the largest of the positive, the largest of the unsigned the smallest of the negative, and what lies
// beyond infinity on either side is NaN. Two comparisons a vector, which take the time of one of floats.
template <class S>
HWY_INLINE Extent<float> ExtentOf(const Batches<S>& x) {
  using I = std::conditional_t<std::is_same_v<S, BFloat16>, int16_t, int32_t>;  // F16 as float
  using U = std::make_unsigned_t<I>;
  const hn::CappedTag<I, kChunk * sizeof(float) / sizeof(I)> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  constexpr size_t kStep = hn::MaxLanes(d);
  constexpr I kInfinite = static_cast<I>(sizeof(I) == 2 ? 0x7F80 : 0x7F800000);
  constexpr U kMinusInfinite = static_cast<U>(static_cast<U>(kInfinite) | U{1} << (sizeof(I) * 8 - 1));
  const auto load = [&](const S* from) HWY_ATTR {
    if constexpr (std::is_same_v<S, Half>) {
      return hn::BitCast(d, LoadAs(Tag<float>(), from));
    } else {
      return hn::LoadU(d, reinterpret_cast<const I*>(from));
    }
  };
  const auto number = [](U bits) { return std::bit_cast<float>(uint32_t{bits} << (32 - 8 * sizeof(U))); };
  auto of_signed = hn::Set(d, std::numeric_limits<I>::min());
  auto of_unsigned = hn::Zero(du);
  x.Each([&](auto part, size_t i) HWY_ATTR {
    const S* const from = x.At(part, i);
    for (size_t k = 0; k < x.kElements; k += kStep) {
      const auto v = load(from + k);
      of_signed = hn::Max(of_signed, v);
      of_unsigned = hn::Max(of_unsigned, hn::BitCast(du, v));
    }
  });
  const auto larger = [](auto a, auto b) HWY_ATTR { return hn::Max(a, b); };
  const I high = ReduceLanes(d, of_signed, larger);
  const U low = ReduceLanes(du, of_unsigned, larger);
  const bool sound = high < kInfinite && low <= kMinusInfinite;
  const float min = low > static_cast<U>(kInfinite) ? number(low) : 0.0f;
  if (HWY_LIKELY(high >= 0)) return {number(static_cast<U>(high)), min, sound};
  // None is positive: the largest has the smallest bits.
  auto least = hn::Set(du, std::numeric_limits<U>::max());
  x.Each([&](auto part, size_t i) HWY_ATTR {
    const S* const from = x.At(part, i);
    for (size_t k = 0; k < x.kElements; k += kStep) least = hn::Min(least, hn::BitCast(du, load(from + k)));
  });
  const auto smaller = [](auto a, auto b) HWY_ATTR { return hn::Min(a, b); };
  return {number(ReduceLanes(du, least, smaller)), min, sound};
}

HWY_INLINE Extent<double> ExtentOf(const Batches<double>& x) {
  const Tag<double> d;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  auto max = hn::Set(d, -kInfinity);
  auto sound = hn::Eq(max, max);
  x.Each([&](auto part, size_t i) HWY_ATTR {
    const double* const from = x.At(part, i);
    for (size_t u = 0; u < x.kVectors; ++u) {
      const auto v = hn::LoadU(d, from + u * kLanes<double>);
      max = hn::Max(v, max);
      sound = hn::And(sound, hn::Lt(v, hn::Set(d, kInfinity)));
    }
  });
  return {hn::GetLane(hn::MaxOfLanes(d, max)), -kInfinity, hn::AllTrue(d, sound)};
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_BATCHES_INL_H_
