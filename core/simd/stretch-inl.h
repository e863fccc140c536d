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

#include "core/simd/batches-inl.h"
#include "core/simd/mass-inl.h"
#include "core/wide_rows.h"
#include "hwy/cache_control.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

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

// The first sweep of a stretch x [n] of a known extent, with its targets t [n] where kTargets; writes its masses where
// kKeeps. `soon`: what is written next of the same size as x, or null. The sums are written one by one: as an answer
// they would be copied by vectors, which wait for what is stored in smaller parts.
template <class S, bool kTargets, bool kKeeps>
HWY_NOINLINE void SumStretch(const S* x, const Arithmetic<S>* t, size_t n, Extent<Arithmetic<S>> extent,
                             Arithmetic<S>* masses, const S* soon, StretchSums* sums) {
  using T = Arithmetic<S>;
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  const Tag<T> d;
  const Batches<S> row(x, n, -kInfinity);
  [[maybe_unused]] const Batches<T> targets(t, kTargets ? n : 0, 0);
  const T origin = extent.max == -kInfinity ? T{0} : extent.max;
  const MassesOf<S> mass(origin);
  sums->max = extent.max;
  sums->scale = 1 / mass.top();  // here, where it need not be waited for
  const auto top = hn::Set(d, origin), zero = hn::Zero(d);
  std::conditional_t<sizeof(S) == 2, FloatLaneSum, LaneSum> others;
  LaneSum of_targets, spread;
  constexpr size_t kVectors = Batches<S>::kVectors, kStep = kLanes<T>, kInChunk = kChunk / kStep;
  hn::Vec<Tag<T>> by_two[kInChunk], by_four[kInChunk];
  size_t ties = 0;
  const auto sum = [&]<bool kShallow>(std::bool_constant<kShallow>, auto part, size_t i) HWY_ATTR {
    hn::Vec<Tag<T>> v[kVectors], e[kVectors];
    // The processor does not read ahead by itself where every stretch is read twice.
    for (size_t k = 0; k < row.kElements; k += 64 / sizeof(S)) hwy::Prefetch(x + i + kStretch + k);
    if (soon != nullptr) {
      for (size_t k = 0; k < row.kElements; k += 64 / sizeof(S)) hwy::Prefetch(soon + i + k);
    }
    for (size_t u = 0; u < kVectors; ++u) v[u] = LoadAs(d, row.At(part, i) + u * kStep);
    mass.template Of<kShallow>(v, e);
    if constexpr (kKeeps) row.template Store<true>(part, i, e, masses);
    for (size_t u = 0; u < kVectors; ++u) e[u] = row.Own(part, i, u, e[u], zero);
    if (HWY_UNLIKELY(row.Holds(part, i, v, extent.max))) {
      for (size_t u = 0; u < kVectors; ++u) {
        const auto tie = hn::Eq(row.Own(part, i, u, v[u], hn::Set(d, -kInfinity)), top);
        ties += hn::CountTrue(d, tie);
        e[u] = hn::IfThenZeroElse(tie, e[u]);
      }
    }
    // Chunks by fours: a quarter of the promotions to double, for a unit each at most.
    for (size_t u = 0; u < kVectors; ++u) {
      const size_t chunk = (part.kFirst + u) / kInChunk, lane = (part.kFirst + u) % kInChunk;
      if (chunk == 0) by_two[lane] = e[u];
      if (chunk == 1) by_four[lane] = hn::Add(by_two[lane], e[u]);
      if (chunk == 2) by_two[lane] = e[u];
      if (chunk == 3) others.Add(lane * kStep, hn::Add(by_four[lane], hn::Add(by_two[lane], e[u])));
    }
    if constexpr (kTargets) {
      for (size_t u = 0; u < kVectors; ++u) {
        const auto vt = row.Own(part, i, u, hn::LoadU(d, targets.At(part, i) + u * kStep), zero);
        const size_t at = (part.kFirst + u) % kInChunk * kStep;
        of_targets.Add(at, vt);
        spread.Add(at, hn::IfThenZeroElse(hn::Eq(vt, zero), hn::Mul(vt, hn::Sub(top, v[u]))));
      }
    }
  };
  if (HWY_LIKELY(mass.is_shallow(extent.min))) {
    row.Each([&](auto part, size_t i) HWY_ATTR { sum(std::true_type(), part, i); });
  } else {
    row.Each([&](auto part, size_t i) HWY_ATTR { sum(std::false_type(), part, i); });
  }
  sums->ties = static_cast<double>(ties);
  sums->rest = others.Total();
  if constexpr (kTargets) sums->targets = of_targets.Total(), sums->spread = spread.Total();
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

// The slope of one class, which is computed apart.
template <class S>
struct Instead {
  size_t at = ~size_t{0};
  S slope{};
};

// Below this there would be little between the ends that are not whole lines.
inline constexpr size_t kFewestStreamed = 2 * kBatch;

// The second sweep of a stretch: x, or its masses where kKept, which may lie in the memory of the slopes. With
// s = e^(x - max of the row)
//   to = s factor, or where kTargets to unit = fn(unit)(s unit, t, x is the maximum of the row) factor.
// kWide: scale and factor may be any numbers. Otherwise they and their product have a magnitude in [2^-100, 2^100], or
// are 0; but scale is at least 2^-60 where kTargets.
// kStreams: whole lines are written past the caches; n >= kFewestStreamed, `to` is aligned as S is, and not x.
template <class S, bool kTargets, bool kKept, bool kWide, bool kStreams, class Fn>
HWY_NOINLINE void WriteStretch(const std::conditional_t<kKept, Arithmetic<S>, S>* x, const Arithmetic<S>* t, size_t n,
                               const StretchSlopes& slopes, const Fn& fn, const Instead<S>& instead, S* to) {
  using T = Arithmetic<S>;
  using X = std::conditional_t<kKept, T, S>;
  constexpr size_t kVectors = Batches<X>::kVectors, kStep = kLanes<T>;
  using V = hn::Vec<Tag<T>>;
  const Tag<T> d;
  [[maybe_unused]] const MassesOf<S> mass(static_cast<T>(slopes.max));
  [[maybe_unused]] V top[1] = {hn::Set(d, T{-1})};  // no mass is
  if constexpr (kTargets) {
    const V of_max[1] = {hn::Set(d, static_cast<T>(slopes.max))};
    if (slopes.holds_max) mass.template Of<false>(of_max, top);
  }
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
  const auto compute = [&](const X* from, [[maybe_unused]] const T* targets, V(&e)[kVectors]) HWY_ATTR {
    V v[kVectors];
    for (size_t u = 0; u < kVectors; ++u) v[u] = LoadAs(d, from + u * kStep);
    if constexpr (kKept) {
      for (size_t u = 0; u < kVectors; ++u) e[u] = v[u];
    } else {
      mass.template Of<false>(v, e);
    }
    for (size_t u = 0; u < kVectors; ++u) {
      if constexpr (kTargets) {
        const auto vt = hn::LoadU(d, targets + u * kStep);
        const auto is_max = hn::Eq(e[u], top[0]);
        if constexpr (kWide) e[u] = TimesWide(d, e[u], slopes.scale * unit);
        e[u] = slope_of(e[u], vt, is_max);
        if constexpr (kWide) e[u] = TimesWide(d, e[u], slopes.factor / unit);
      } else if constexpr (kWide) {
        e[u] = TimesWide(d, e[u], slopes.scale * slopes.factor);
      }
      if constexpr (!kWide) e[u] = hn::Mul(e[u], factor);
    }
  };
  constexpr bool kMayBeNan = kWide || kTargets;
  if constexpr (kStreams) {
    constexpr size_t kElements = Batches<X>::kElements, kLine = 64;
    // Elements [begin, end) of the part at i the usual way: what lies before the first whole line and behind the last.
    const auto put = [&](size_t i, size_t begin, size_t end) HWY_ATTR {
      V e[kVectors];
      S room[kElements];
      compute(x + i, kTargets ? t + i : nullptr, e);
      PutAll<kMayBeNan>(e, room);
      if (instead.at - i < kElements) room[instead.at - i] = instead.slope;
      std::memcpy(to + i + begin, room + begin, (end - begin) * sizeof(S));
    };
    const size_t first = (kLine - reinterpret_cast<uintptr_t>(to) % kLine) % kLine / sizeof(S);
    const size_t last = first + (n - first) / kElements * kElements;
    for (size_t i = 0; i < first; i += kElements) put(i, 0, std::min(first - i, kElements));
    for (size_t i = first; i < last; i += kElements) {
      V e[kVectors];
      compute(x + i, kTargets ? t + i : nullptr, e);
      if (HWY_UNLIKELY(instead.at - i < kElements)) {
        HWY_ALIGN S room[kElements];
        PutAll<kMayBeNan>(e, room);
        room[instead.at - i] = instead.slope;
        StreamBytes(room, kElements * sizeof(S), to + i);
      } else {
        PutAll<kMayBeNan, true>(e, to + i);
      }
    }
    if (last < n) put(n - kElements, kElements - (n - last), kElements);
  } else {
    const bool overlap = static_cast<const void*>(x) != static_cast<const void*>(to);  // or it would multiply twice
    const Batches<X> row(x, n, 0, overlap);
    [[maybe_unused]] const Batches<T> targets(t, kTargets ? n : 0, 0, overlap);
    row.Each([&](auto part, size_t i) HWY_ATTR {
      V e[kVectors];
      const T* of_targets = nullptr;
      if constexpr (kTargets) of_targets = targets.At(part, i);
      compute(row.At(part, i), of_targets, e);
      row.template Store<kMayBeNan>(part, i, e, to);
    });
    if (instead.at < n) std::memcpy(to + instead.at, &instead.slope, sizeof(S));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_STRETCH_INL_H_
