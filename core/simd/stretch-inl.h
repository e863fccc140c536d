// A stretch of a row of logits: its masses and their sums, and the slopes that are made of them.

#if defined(LOSSD_CORE_SIMD_STRETCH_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_STRETCH_INL_H_
#undef LOSSD_CORE_SIMD_STRETCH_INL_H_
#else
#define LOSSD_CORE_SIMD_STRETCH_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "core/simd/elements-inl.h"
#include "core/simd/mass-inl.h"
#include "core/wide_rows.h"
#include "hwy/cache_control.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// What elements of type S are computed in, and their masses.
template <class S>
using Arithmetic = std::conditional_t<std::is_same_v<S, double>, double, float>;
template <class S>
using MassesOf = MassOf<Arithmetic<S>, sizeof(S) == 2>;

// What is known of a stretch after the first sweep.
struct StretchSums {
  double max;      // its largest logit; -inf: there is no mass in it; NaN: it is not sound
  double scale;    // mass times scale = e^(x - max); when all stretches are known, e^(x - max of the row)
  double ties;     // elements equal to max
  double rest;     // masses of the others
  double targets;  // sum t
  double spread;   // sum t (max - x); where max is -inf, sum t (0 - x)
};

// Elements that are computed at a time.
inline constexpr size_t kBatch = 4 * kChunk;

// n elements in batches of some vectors, as many as keep the processor busy. What is left behind the whole ones comes
// first: in a batch that ends with the last element and has some in common with its neighbour, or, where it must not or
// there are too few, in a padded copy.
template <class S>
class Batches {
  static constexpr size_t kStep = kLanes<Arithmetic<S>>;
  static constexpr size_t kHalf = 2 * kChunk / kStep;  // vectors

 public:
  HWY_INLINE Batches(const S* x, size_t n, double pad, bool may_overlap = true)
      : x_(x), n_(n), whole_(n / kBatch * kBatch), copies_(n < kBatch || !may_overlap) {
    if (whole_ == n || !copies_) return;
    std::fill_n(copy_, kBatch, From<S>(pad));
    std::memcpy(copy_, x + whole_, (n - whole_) * sizeof(S));
  }
  // Calls batch(Part<...>(), i) for the batches; element i + k is at At(part, i)[k].
  template <size_t vectors, bool rest>
  struct Part {
    static constexpr size_t kVectors = vectors, kElements = vectors * kStep;
    static constexpr bool kRest = rest;
  };
  template <class Fn>
  HWY_INLINE void Each(const Fn& batch) const {
    using Whole = Part<std::max<size_t>(kHalf, 4), false>;
    if (whole_ != n_) {
      const size_t begin = copies_ ? whole_ : n_ - kBatch;
      for (size_t i = begin; i < n_; i += 2 * kChunk) batch(Part<kHalf, true>(), i);
    }
    for (size_t i = 0; i < whole_; i += Whole::kElements) batch(Whole(), i);
  }
  template <class P>
  HWY_INLINE const S* At(P, size_t i) const {
    return P::kRest && copies_ ? copy_ + (i - whole_) : x_ + i;
  }
  // Vector u of a batch with `other` for the elements that another batch has too.
  template <class P, class V>
  HWY_INLINE V Own(P, size_t i, size_t u, V v, V other) const {
    const size_t first = i + u * kStep;
    if (!P::kRest || first >= whole_) return v;
    return hn::IfThenElse(hn::FirstN(Tag<Arithmetic<S>>(), std::min(kStep, whole_ - first)), other, v);
  }
  // Stores a batch to the elements of `to` from i on; past the caches (PutAll) where kStreams and it is a whole one.
  template <bool kMayBeNan, bool kStreams = false, class P, class V, class Out>
  HWY_INLINE void Store(P, size_t i, const V (&v)[P::kVectors], Out* to) const {
    if (P::kRest && copies_) {
      Out room[P::kElements];
      PutAll<kMayBeNan>(v, room);
      std::memcpy(to + i, room, std::min(n_ - i, P::kElements) * sizeof(Out));
    } else {
      PutAll<kMayBeNan, kStreams && !P::kRest>(v, to + i);
    }
  }

 private:
  const S* x_;
  size_t n_, whole_;
  bool copies_;
  S copy_[kBatch];
};

// Where there is a NaN in the stretch, NaN or whatever.
template <class S>
HWY_INLINE Arithmetic<S> MaxOfStretch(const Batches<S>& x) {
  using T = Arithmetic<S>;
  const Tag<T> d;
  constexpr size_t kMost = kBatch / kLanes<T>;
  hn::Vec<Tag<T>> max[kMost];
  for (auto& m : max) m = hn::Set(d, -std::numeric_limits<T>::infinity());
  x.Each([&](auto part, size_t i) HWY_ATTR {
    const S* const from = x.At(part, i);
    for (size_t u = 0; u < part.kVectors; ++u) max[u] = hn::Max(LoadAs(d, from + u * kLanes<T>), max[u]);
  });
  for (size_t u = 1; u < kMost; ++u) max[0] = hn::Max(max[0], max[u]);
  return hn::GetLane(hn::MaxOfLanes(d, max[0]));
}

// The same of BF16, whose bits are in the order of their numbers where these are positive, and against it where
// negative.
HWY_INLINE float MaxOfStretch(const Batches<BFloat16>& x) {
  const hn::CappedTag<int16_t, 2 * kChunk> d;
  constexpr size_t kLanesOf16 = hn::MaxLanes(d);
  auto max = hn::Set(d, std::numeric_limits<int16_t>::min()), min = hn::Set(d, std::numeric_limits<int16_t>::max());
  x.Each([&](auto part, size_t i) HWY_ATTR {
    const auto* const bits = reinterpret_cast<const int16_t*>(x.At(part, i));
    for (size_t k = 0; k < part.kElements; k += kLanesOf16) {
      const auto v = hn::LoadU(d, bits + k);
      max = hn::Max(max, v);
      min = hn::Min(min, v);
    }
  });
  int16_t most[kLanesOf16], least[kLanesOf16];
  hn::StoreU(max, d, most);
  hn::StoreU(min, d, least);
  const int16_t largest = *std::max_element(most, most + kLanesOf16);
  const int16_t bits = largest >= 0 ? largest : *std::min_element(least, least + kLanesOf16);
  return static_cast<float>(ToDouble(BFloat16{static_cast<uint16_t>(bits)}));
}

template <class S>
HWY_INLINE bool HoldsNan(const Batches<S>& x) {
  using T = Arithmetic<S>;
  const Tag<T> d;
  auto sound = hn::Eq(hn::Zero(d), hn::Zero(d));
  x.Each([&](auto part, size_t i) HWY_ATTR {
    const S* const from = x.At(part, i);
    for (size_t u = 0; u < part.kVectors; ++u) {
      const auto v = LoadAs(d, from + u * kLanes<T>);
      sound = hn::And(sound, hn::Eq(v, v));
    }
  });
  return !hn::AllTrue(d, sound);
}

// The first sweep of a stretch x [n], with its targets t [n] where kTargets; writes its masses where kKeeps. `soon`:
// what is written next of the same size as x, or null.
template <class S, bool kTargets, bool kKeeps>
HWY_NOINLINE StretchSums SumStretch(const S* x, const Arithmetic<S>* t, size_t n, Arithmetic<S>* masses,
                                    const S* soon) {
  using T = Arithmetic<S>;
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  const Tag<T> d;
  const Batches<S> row(x, n, -kInfinity);
  [[maybe_unused]] const Batches<T> targets(t, kTargets ? n : 0, 0);
  const T max = MaxOfStretch(row);
  // In float a NaN among masses comes out in their sum.
  if (!(max < kInfinity) || ((max == -kInfinity || sizeof(T) == 8) && HoldsNan(row))) {
    return {std::numeric_limits<double>::quiet_NaN(), 0, 0, 0, 0, 0};
  }
  const T origin = max == -kInfinity ? T{0} : max;
  const MassesOf<S> mass(origin);
  const double scale = 1 / mass.top();  // here, where it need not be waited for
  const auto top = hn::Set(d, origin), zero = hn::Zero(d);
  LaneSum others, of_targets, spread;
  size_t ties = 0;
  row.Each([&](auto part, size_t i) HWY_ATTR {
    constexpr size_t kVectors = part.kVectors;
    hn::Vec<Tag<T>> v[kVectors], e[kVectors];
    // The processor does not read ahead by itself where every stretch is read twice.
    const auto* const ahead = reinterpret_cast<const std::byte*>(x) + (i + kStretch) * sizeof(S);
    for (size_t b = 0; b < part.kElements * sizeof(S); b += 64) hwy::Prefetch(ahead + b);
    if (soon != nullptr) {
      for (size_t b = 0; b < part.kElements; b += 64 / sizeof(S)) hwy::Prefetch(soon + i + b);
    }
    for (size_t u = 0; u < kVectors; ++u) {
      v[u] = row.Own(part, i, u, LoadAs(d, row.At(part, i) + u * kLanes<T>), hn::Set(d, -kInfinity));
    }
    mass.template Of<kVectors>(v, e);
    if constexpr (kKeeps) row.template Store<true>(part, i, e, masses);
    auto largest = v[0];
    for (size_t u = 1; u < kVectors; ++u) largest = hn::Max(largest, v[u]);
    if (HWY_UNLIKELY(!hn::AllFalse(d, hn::Eq(largest, top)))) {
      for (size_t u = 0; u < kVectors; ++u) {
        const auto tie = hn::Eq(v[u], top);
        ties += hn::CountTrue(d, tie);
        e[u] = hn::IfThenZeroElse(tie, e[u]);
      }
    }
    constexpr size_t kChunkVectors = kChunk / kLanes<T>;
    for (size_t u = 0; u < kVectors; ++u) {  // chunks by twos: half of the promotions to double, for half a unit each
      if (u / kChunkVectors % 2 == 0) others.Add(u % kChunkVectors * kLanes<T>, hn::Add(e[u], e[u + kChunkVectors]));
    }
    if constexpr (kTargets) {
      for (size_t u = 0; u < kVectors; ++u) {
        const auto vt = row.Own(part, i, u, hn::LoadU(d, targets.At(part, i) + u * kLanes<T>), zero);
        const size_t at = u % kChunkVectors * kLanes<T>;
        of_targets.Add(at, vt);
        spread.Add(at, hn::IfThenZeroElse(hn::Eq(vt, zero), hn::Mul(vt, hn::Sub(top, v[u]))));
      }
    }
  });
  const double rest = others.Total();
  StretchSums sums{std::isnan(rest) ? rest : double{max}, scale, static_cast<double>(ties), rest, 0, 0};
  if constexpr (kTargets) sums.targets = of_targets.Total(), sums.spread = spread.Total();
  return sums;
}

// v times a factor that may lie outside the range of T, rounded once.
template <class D>
HWY_INLINE hn::Vec<D> TimesWide(D d, hn::Vec<D> v, double factor) {
  if constexpr (sizeof(hn::TFromD<D>) == 8) {
    return hn::Mul(v, hn::Set(d, factor));
  } else {
    HWY_ALIGN float x[hn::MaxLanes(D())];
    hn::StoreU(v, d, x);
    const auto times = hn::Set(Doubles(), factor);
    for (size_t i = 0; i < hn::MaxLanes(D()); i += kLanes<double>) {
      hn::StoreU(Narrow(hn::Mul(Widen(x + i), times)), Floats(), x + i);
    }
    return hn::LoadU(d, x);
  }
}

// How the slopes of a stretch are made.
struct StretchSlopes {
  double max;      // of the stretch
  double scale;    // mass times scale = e^(x - max of the row)
  double factor;   // of the slopes
  bool holds_max;  // of the row
};

// The second sweep of a stretch: x, or its masses where kKept, which may lie in the memory of the slopes. With
// s = e^(x - max of the row)
//   to = s factor, or where kTargets to unit = fn(unit)(s unit, t, x is the maximum of the row) factor.
// kWide: scale and factor may be any numbers. Otherwise they and their product have a magnitude in [2^-100, 2^100], or
// are 0; but scale is at least 2^-60 where kTargets.
// kStreams: `to` is at a multiple of 64 bytes, and written past the caches.
template <class S, bool kTargets, bool kKept, bool kWide, bool kStreams, class Fn>
HWY_NOINLINE void WriteStretch(const std::conditional_t<kKept, Arithmetic<S>, S>* x, const Arithmetic<S>* t, size_t n,
                               const StretchSlopes& slopes, const Fn& fn, S* to) {
  using T = Arithmetic<S>;
  using V = hn::Vec<Tag<T>>;
  const Tag<T> d;
  // Not where it would multiply twice, nor write to a line that is on its way past the caches.
  const bool overlap = !kStreams && static_cast<const void*>(x) != static_cast<const void*>(to);
  const Batches<std::conditional_t<kKept, T, S>> row(x, n, 0, overlap);
  [[maybe_unused]] const Batches<T> targets(t, kTargets ? n : 0, 0, overlap);
  const MassesOf<S> mass(static_cast<T>(slopes.max));
  V of_max[1] = {hn::Set(d, static_cast<T>(slopes.max))}, top[1];
  mass.template Of<1>(of_max, top);
  if (!slopes.holds_max) top[0] = hn::Set(d, T{-1});  // no mass is
  // A share that is the smallest of floats keeps its digits in this unit; in that of the masses it needs no product.
  const double unit = kWide ? 0x1p24 : 1 / slopes.scale;
  [[maybe_unused]] const auto slope_of = [&]() HWY_ATTR {
    if constexpr (kTargets) {
      return fn(unit);
    } else {
      return nullptr;
    }
  }();
  const auto factor = C(d, slopes.scale * slopes.factor);
  row.Each([&](auto part, size_t i) HWY_ATTR {
    constexpr size_t kVectors = part.kVectors;
    V v[kVectors], e[kVectors];
    for (size_t u = 0; u < kVectors; ++u) v[u] = LoadAs(d, row.At(part, i) + u * kLanes<T>);
    if constexpr (kKept) {
      for (size_t u = 0; u < kVectors; ++u) e[u] = v[u];
    } else {
      mass.template Of<kVectors>(v, e);
    }
    for (size_t u = 0; u < kVectors; ++u) {
      if constexpr (kTargets) {
        const auto vt = hn::LoadU(d, targets.At(part, i) + u * kLanes<T>);
        const auto is_max = hn::Eq(e[u], top[0]);
        if constexpr (kWide) e[u] = TimesWide(d, e[u], slopes.scale * unit);
        e[u] = slope_of(e[u], vt, is_max);
        if constexpr (kWide) e[u] = TimesWide(d, e[u], slopes.factor / unit);
      } else if constexpr (kWide) {
        e[u] = TimesWide(d, e[u], slopes.scale * slopes.factor);
      }
      if constexpr (!kWide) e[u] = hn::Mul(e[u], factor);
    }
    row.template Store<kWide || kTargets, kStreams>(part, i, e, to);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_STRETCH_INL_H_
