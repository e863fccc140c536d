// Rows of logits, from the bytes of one tensor to the bytes of another, in two sweeps: masses and their sum, then
// slopes.
//
// A row is cut into stretches. The first sweep takes the maximum of a stretch and its masses while it is in L1; the
// second multiplies the masses by what a stretch has in common,
//   e^(max of the stretch - max of the row) / S times the factor of the row's slopes,
// and writes them as they are sent. In between masses wait in a scratch; where slopes are of the arithmetic, those of
// more than a stretch in the memory of the slopes, if that is not the logits' own. In a row that no cache holds, and in
// one of doubles whose slopes take the place of the logits, they are computed twice instead, to the same bits.
//
// Stretches are merged in their order. So it does not matter who computed them, and a wide row is shared by threads.

#if defined(LOSSD_CORE_SIMD_LOGITS_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_LOGITS_INL_H_
#undef LOSSD_CORE_SIMD_LOGITS_INL_H_
#else
#define LOSSD_CORE_SIMD_LOGITS_INL_H_
#endif

#include "core/simd/stretch-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// Doubles that the sums of the stretches take; a multiple of a cache line, so that vectors of masses behind it lie in
// one.
constexpr size_t SumsScratch(size_t width) {
  return (StretchesIn(width) * (sizeof(StretchSums) / sizeof(double)) + 7) / 8 * 8;
}
// Doubles that a LogitRow takes: the sums of its stretches, and room for masses in float, whole cache lines.
constexpr size_t LogitRowScratch(size_t width) {
  const size_t masses = width > kWidestAlone ? 0 : (width + 15) / 16 * 8;
  return SumsScratch(width) + masses;
}

// Rows that are summed one after the other before the first of them is written: none waits for its maximum, nor for
// what is made of its sum. Two rows of 1,000 elements; four in 16 bits took 1.1 times as long, for then L1 does not
// hold their masses beside logits and slopes that are on their way. Shorter ones of floats that go past the caches: two
// of 1,000 read at once and written at once took 1.1 times as long as one by one, four 1.2 times.
inline constexpr size_t kMostRowsTogether = 8;
template <class S>
constexpr size_t RowsTogether(size_t width, bool streams) {
  const size_t elements = std::is_same_v<S, float> && streams ? kStretch / 4 : kStretch;
  return std::clamp<size_t>(elements / std::max<size_t>(1, width), 1, kMostRowsTogether);
}
inline size_t LogitRowsScratch(const Dims&, size_t width) {
  return RowsTogether<float>(width, false) * LogitRowScratch(width);
}

// x = fn(x), a vector at a time.
template <class Fn>
HWY_INLINE void Replace(double (&x)[kMostRowsTogether], const Fn& fn) {
  const hn::CappedTag<double, kMostRowsTogether> d;
  for (size_t i = 0; i < kMostRowsTogether; i += hn::MaxLanes(d)) hn::StoreU(fn(d, hn::LoadU(d, x + i)), d, x + i);
}

// What a loss of a row of logits is: fixed + times log(S / e^max).
struct LogitValue {
  double fixed, times;
};

template <class S>
class LogitRow {
 public:
  using T = Arithmetic<S>;

  // x [width], or its stretches; slope [width], null where no slopes are wanted, or x; t [width], targets in the
  // arithmetic, or null. `streams`: slopes are written past the caches where that gains: floats in rows of one stretch
  // (0.74 to 0.9 of the time), 16 bits in longer ones (0.8 to 0.9). Floats of longer rows have their masses in the
  // memory of the slopes, and took as long by way of a scratch; rows of one stretch in 16 bits took up to 1.3 times as
  // long.
  HWY_INLINE void Begin(const S* x, const std::byte* const* stretches, const T* t, size_t width, S* slope, bool streams,
                        double* scratch, const Crew* crew) {
    x_ = x, stretches_ = stretches, t_ = t, width_ = width, slope_ = slope, crew_ = crew;
    sums_ = reinterpret_cast<StretchSums*>(scratch);
    masses_ = nullptr, streams_ = false, instead_ = {};
    if (slope == nullptr) return;
    const bool gains = std::is_same_v<S, float> ? width <= kStretch : sizeof(S) == 2 && width > kStretch;
    const bool over = slope == x;  // a logit stays until the slope takes its place
    streams_ = streams && gains && !over && reinterpret_cast<uintptr_t>(slope) % sizeof(S) == 0;
    if (width > kWidestAlone) return;
    if (!std::is_same_v<S, T> || (sizeof(T) == sizeof(float) && (width <= kStretch || over))) {
      masses_ = reinterpret_cast<T*>(scratch + SumsScratch(width));
    } else if constexpr (std::is_same_v<S, T>) {
      if (!over) masses_ = slope;
    }
  }

  // Looks at a row of one stretch: once, before Sum, and better long before.
  HWY_INLINE void Look() {
    if (width_ <= kStretch) extent_ = ExtentOf(Batches<S>(X(0), width_, -kInfinity));
  }

  // The first sweep. False: the row has no class probabilities, or nobody waits for them any more.
  template <bool kTargets>
  HWY_INLINE bool Sum() {
    // Of one stretch the slopes are written next, while its masses are in L1.
    const S* const soon = width_ > kStretch || streams_ || slope_ == nullptr ? nullptr : Slope(0);
    EachStretch([&](size_t i, size_t begin, size_t n) HWY_ATTR {
      const Extent<T> extent = width_ <= kStretch ? extent_ : ExtentOf(Batches<S>(X(i), n, -kInfinity));
      if (!extent.sound) {
        sums_[i].max = std::numeric_limits<double>::quiet_NaN();
        return;
      }
      const T* const t = kTargets ? t_ + begin : nullptr;
      if (masses_ == nullptr) {
        SumStretch<S, kTargets, false>(X(i), t, n, extent, nullptr, nullptr, sums_ + i);
      } else {
        SumStretch<S, kTargets, true>(X(i), t, n, extent, masses_ + begin, soon, sums_ + i);
      }
    });
    return (crew_ == nullptr || !crew_->cancelled()) && Merge();
  }

  // The same slope for all classes. REQUIRES: has_slope().
  void Fill(double slope) const {
    EachStretch([&](size_t i, size_t, size_t n) HWY_ATTR { FillRow(From<S>(slope), n, Slope(i)); });
  }

  bool has_slope() const { return slope_ != nullptr; }
  double max() const { return max_; }
  const Masses& masses() const { return masses_sum_; }
  double targets() const { return targets_; }
  double spread() const { return spread_; }  // sum t (max - x)

  double x(size_t c) const { return Read(X(c / kStretch) + c % kStretch); }
  // The slope of one class instead of what Write would write. REQUIRES: before Write.
  void Put(size_t c, double slope) { instead_ = {c, From<S>(slope)}; }

  // S - e^(x_c - max) of one class. REQUIRES: before Write.
  double Others(size_t c) const {
    if (x(c) == max_) return masses_sum_.rest;
    double mass;
    if (masses_ != nullptr) {
      mass = Read(masses_ + c) * sums_[c / kStretch].scale;
    } else {
      mass = Scalar(x(c) - max_, [](auto d, auto v) HWY_ATTR { return hn::Exp(d, v); });
    }
    return masses_sum_.sum() - mass;
  }

  // The second sweep: slope = e^(x - max) factor, or where kTargets
  //   slope unit = fn(unit)(e^(x - max) unit, t, x is the maximum) factor.
  template <bool kTargets, class Fn>
  HWY_INLINE void Write(double factor, const Fn& fn) {
    EachStretch([&](size_t i, size_t begin, size_t n) HWY_ATTR {
      const StretchSums& of = sums_[i];
      const double max = of.max == -kInfinity ? 0 : of.max;
      const StretchSlopes slopes{max, of.scale, factor, of.max == max_};
      const T* const t = kTargets ? t_ + begin : nullptr;
      S* const to = Slope(i);
      const Instead<S> instead{instead_.at - begin, instead_.slope};
      if ((kTargets && of.scale < 0x1p-60) || !InRange(of.scale) || !InRange(factor) || !InRange(of.scale * factor)) {
        WriteStretch<S, kTargets, false, true, false>(X(i), t, n, slopes, fn, instead, to);
      } else if (masses_ != nullptr) {
        WriteFrom<kTargets, true>(masses_ + begin, t, n, slopes, fn, instead, to);
      } else {
        WriteFrom<kTargets, false>(X(i), t, n, slopes, fn, instead, to);
      }
    });
  }

 private:
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();

  static bool InRange(double factor) {
    return factor == 0 || (std::abs(factor) > 0x1p-100 && std::abs(factor) < 0x1p100);
  }

  template <bool kTargets, bool kKept, class X, class Fn>
  HWY_INLINE void WriteFrom(const X* from, const T* t, size_t n, const StretchSlopes& slopes, const Fn& fn,
                            const Instead<S>& instead, S* to) const {
    if constexpr (sizeof(S) <= sizeof(float)) {
      if (streams_ && n >= kFewestStreamed) {
        return WriteStretch<S, kTargets, kKept, false, true>(from, t, n, slopes, fn, instead, to);
      }
    }
    WriteStretch<S, kTargets, kKept, false, false>(from, t, n, slopes, fn, instead, to);
  }

  // Where stretch i begins.
  const S* X(size_t i) const {
    return stretches_ == nullptr ? x_ + i * kStretch : reinterpret_cast<const S*>(stretches_[i]);
  }
  S* Slope(size_t i) const { return slope_ == x_ ? const_cast<S*>(X(i)) : slope_ + i * kStretch; }

  // One element at any alignment.
  template <class X>
  static double Read(const X* from) {
    X x;
    std::memcpy(&x, from, sizeof x);
    return To<double>(x);
  }

  // Calls work(i, begin, n) for the stretches, those of a wide row on many threads.
  template <class Fn>
  HWY_INLINE void EachStretch(const Fn& work) const {
    const size_t count = StretchesIn(width_);
    const auto one = [&](size_t i) HWY_ATTR { work(i, i * kStretch, std::min(kStretch, width_ - i * kStretch)); };
    if (crew_ == nullptr || width_ <= kWidestAlone) {
      for (size_t i = 0; i < count; ++i) one(i);
      return;
    }
    crew_->ForEachTile((count + kStretchesInTile - 1) / kStretchesInTile, [&](size_t tile) HWY_ATTR {
      const size_t end = std::min(count, (tile + 1) * kStretchesInTile);
      for (size_t i = tile * kStretchesInTile; i < end; ++i) one(i);
      if (streams_) hwy::FlushStream();
    });
  }

  // What the stretches make together; their scales become relative to the row's maximum.
  HWY_INLINE bool Merge() {
    const size_t count = StretchesIn(width_);
    max_ = -kInfinity;
    for (size_t i = 0; i < count; ++i) {
      if (std::isnan(sums_[i].max)) return false;
      max_ = std::max(max_, sums_[i].max);
    }
    if (max_ == -kInfinity) return false;
    double ties = 0, rest = 0;
    targets_ = spread_ = 0;
    for (size_t i = 0; i < count; ++i) {
      StretchSums& of = sums_[i];
      if (t_ != nullptr) targets_ += of.targets, spread_ += of.spread;
      if (of.max == max_) {
        ties += of.ties;
        rest += of.rest * of.scale;
      } else if (of.max > -kInfinity) {
        const double below = max_ - of.max;
        const double share = Scalar(-below, [](auto d, auto v) HWY_ATTR { return hn::Exp(d, v); });
        if (t_ != nullptr) spread_ += of.targets * below;
        rest += of.ties * share;
        of.scale *= share;
        rest += of.rest * of.scale;
      } else {
        of.scale = 0;
      }
    }
    masses_sum_ = {1.0, rest + (ties - 1)};
    return true;
  }

  // Begin sets what is asked for before Sum, Sum the rest: rows of an array would all be cleared for a few.
  const S* x_;
  const std::byte* const* stretches_;  // of x, where it is not contiguous
  const T* t_;
  size_t width_;
  S* slope_;
  StretchSums* sums_;
  const Crew* crew_;
  T* masses_;     // of the stretches; null: they are computed again
  bool streams_;  // slopes are written past the caches
  Extent<T> extent_;
  Instead<S> instead_;
  double max_;
  Masses masses_sum_;
  double targets_, spread_;
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_LOGITS_INL_H_
