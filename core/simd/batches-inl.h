// Elements of a row of logits in batches, and what is known of them before their masses: the largest, and whether one
// is NaN.

#if defined(LOSSD_CORE_SIMD_BATCHES_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_BATCHES_INL_H_
#undef LOSSD_CORE_SIMD_BATCHES_INL_H_
#else
#define LOSSD_CORE_SIMD_BATCHES_INL_H_
#endif

#include <algorithm>
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

// The largest of n elements, -inf where there are none. Where one is NaN, NaN or whatever.
template <class S>
HWY_INLINE Arithmetic<S> MaxOfStretch(const Batches<S>& x) {
  using T = Arithmetic<S>;
  const Tag<T> d;
  hn::Vec<Tag<T>> max[Batches<S>::kVectors];
  for (auto& m : max) m = hn::Set(d, -std::numeric_limits<T>::infinity());
  x.Each([&](auto part, size_t i) HWY_ATTR {
    const S* const from = x.At(part, i);
    for (size_t u = 0; u < x.kVectors; ++u) max[u] = hn::Max(LoadAs(d, from + u * kLanes<T>), max[u]);
  });
  for (size_t u = 1; u < x.kVectors; ++u) max[0] = hn::Max(max[0], max[u]);
  return hn::GetLane(hn::MaxOfLanes(d, max[0]));
}

template <class D>
HWY_INLINE int16_t LargestLane([[maybe_unused]] D d, hn::Vec<D> v) {
#if HWY_TARGET != HWY_SCALAR  // has no halves
  if constexpr (hn::MaxLanes(D()) > 1) {
    const hn::Half<D> half;
    return LargestLane(half, hn::Max(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
#endif
  return hn::GetLane(v);
}

// The same of BF16, whose bits are in the order of their numbers where these are positive, and against it where
// negative.
HWY_INLINE float MaxOfStretch(const Batches<BFloat16>& x) {
  const hn::CappedTag<int16_t, 2 * kChunk> d;
  constexpr size_t kLanesOf16 = hn::MaxLanes(d);
  auto max = hn::Set(d, std::numeric_limits<int16_t>::min()), min = hn::Set(d, std::numeric_limits<int16_t>::max());
  x.Each([&](auto part, size_t i) HWY_ATTR {
    const auto* const bits = reinterpret_cast<const int16_t*>(x.At(part, i));
    for (size_t k = 0; k < x.kElements; k += kLanesOf16) {
      const auto v = hn::LoadU(d, bits + k);
      max = hn::Max(max, v);
      min = hn::Min(min, v);
    }
  });
  const int16_t largest = LargestLane(d, max);
  const int16_t bits = largest >= 0 ? largest : static_cast<int16_t>(~LargestLane(d, hn::Not(min)));
  return static_cast<float>(ToDouble(BFloat16{static_cast<uint16_t>(bits)}));
}

template <class S>
HWY_INLINE bool HoldsNan(const Batches<S>& x) {
  using T = Arithmetic<S>;
  const Tag<T> d;
  auto sound = hn::Eq(hn::Zero(d), hn::Zero(d));
  x.Each([&](auto part, size_t i) HWY_ATTR {
    const S* const from = x.At(part, i);
    for (size_t u = 0; u < x.kVectors; ++u) {
      const auto v = LoadAs(d, from + u * kLanes<T>);
      sound = hn::And(sound, hn::Eq(v, v));
    }
  });
  return !hn::AllTrue(d, sound);
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_BATCHES_INL_H_
