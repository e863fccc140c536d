// States whose numbers are f 2^e, each with an exponent of its own, and how they flow into each other along the lattice
// of core/simd/ctc-inl.h.

#if defined(LOSSD_CORE_SIMD_CTC_FLOW_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_CTC_FLOW_INL_H_
#undef LOSSD_CORE_SIMD_CTC_FLOW_INL_H_
#else
#define LOSSD_CORE_SIMD_CTC_FLOW_INL_H_
#endif

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/simd/kernel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

inline constexpr double kImpossible = -std::numeric_limits<double>::infinity();

// 2^x of a whole number; 0 below the range of double, its largest power of two above.
HWY_INLINE double PowerOfTwo(double x) {
  if (x < -1022) return 0;
  return std::bit_cast<double>(static_cast<uint64_t>(1023 + static_cast<int64_t>(std::min(x, 1023.0))) << 52);
}
// The largest e with 2^e <= x. REQUIRES: x > 0, not below the normal range.
HWY_INLINE double ExponentOf(double x) {
  return static_cast<double>(static_cast<int64_t>(std::bit_cast<uint64_t>(x) >> 52) - 1023);
}

// exp(log) as f 2^exponent.
HWY_INLINE double Split(double log, double& exponent) {
  constexpr double kLog2 = 0x1.62e42fefa39efp-1, kLog2Rest = 0x1.abc9e3b39803fp-56;
  exponent = 0;
  if (log == kImpossible) return 0;
  exponent = std::floor(log / kLog2);
  return Scalar(log, [&](auto d, auto v) HWY_ATTR {
    const auto whole = hn::Set(d, exponent);
    const auto rest = hn::NegMulAdd(whole, C(d, kLog2Rest), hn::NegMulAdd(whole, C(d, kLog2), v));
    return hn::Exp(d, hn::Min(hn::Max(rest, C(d, -1)), C(d, 1)));  // a log beyond 2^53 has no fraction to keep
  });
}
// A number for every state: those of the n + 1 blanks and of the n labels. There is one more element on either side
// of each, and elements behind the last, all of which stay 0.
struct CtcRow {
  double *blank, *label;
};
// Whether all numbers that are not 0 are in the middle of the range.
class Extremes {
 public:
  using V = hn::Vec<Tag<double>>;
  HWY_INLINE Extremes() : high_(hn::Zero(Tag<double>())), low_(C(Tag<double>(), 1)) {}
  HWY_INLINE void Add(V f) {
    high_ = hn::Max(high_, f);
    low_ = hn::Min(low_, hn::IfThenElse(hn::Eq(f, hn::Zero(Tag<double>())), C(Tag<double>(), 1), f));
  }
  // f beyond 2^150, or below its inverse, brings new exponents: a step may add 2^152, a mass take away 2^200.
  static constexpr double kSafe = 0x1p150;
  HWY_INLINE bool InTheMiddle() const {
    const Tag<double> d;
    return hn::AllTrue(d, hn::And(hn::Le(high_, C(d, kSafe)), hn::Ge(low_, C(d, 1 / kSafe))));
  }

 private:
  V high_, low_;
};

// What the numbers of one step are multiplied by on their way into those of the next.
class CtcFlow {
 public:
  CtcFlow() = default;
  CtcFlow(const int32_t* labels, size_t n, CtcRow stay, CtcRow near, double* skip)
      : stay_(stay), near_(near), skip_(skip), labels_(labels), n_(n) {}

  const CtcRow& stay() const { return stay_; }  // from the state itself
  const CtcRow& near() const { return near_; }  // from the one before it, or on the way back behind it
  const double* skip() const { return skip_; }  // from the label before to a label, 0 where a blank must lie between
  bool steep() const { return steep_; }         // the next step must be followed by new exponents

  // Brings each f into [1, 2) by its exponent, and sets what it is multiplied by on its way into each state of the next
  // step, and e to the exponents of their sums. These are the exponents of the states themselves, unless much more
  // flows in, or will flow in a step later: then there are new ones after the next step (steep). An empty state has
  // the exponent of what may come.
  template <bool kForward>
  HWY_NOINLINE void Renormalise(CtcRow f, CtcRow e) {
    struct Source {
      double exponent = kImpossible;
      bool empty = true;
    };
    Source last, one_before;  // the two states before, in the order of the flow
    const size_t states = 2 * n_ + 1;
    steep_ = false;
    for (size_t k = 0; k < states; ++k) {
      const size_t s = kForward ? k : states - 1 - k, i = s / 2;
      const bool is_label = s % 2 == 1, skips = is_label && Skips(kForward ? i : i + 1);
      const auto at = [&](CtcRow row) -> double& { return is_label ? row.label[i] : row.blank[i]; };
      const bool empty = at(f) == 0;
      double inflow = last.empty ? kImpossible : last.exponent, possible = last.exponent;
      if (skips) {
        inflow = std::max(inflow, one_before.empty ? kImpossible : one_before.exponent);
        possible = std::max(possible, one_before.exponent);
      }
      const double own = empty ? possible : at(e) + ExponentOf(at(f));
      const bool follows = empty ? inflow > kImpossible && own - inflow > kFar : inflow - own > kFar;
      const double sum = follows ? inflow : own;
      const auto into = [&](double exponent) { return exponent > kImpossible ? PowerOfTwo(exponent - sum) : 0; };
      if (!empty) at(f) *= PowerOfTwo(at(e) - own);
      at(stay_) = into(own);
      at(near_) = into(last.exponent);
      if (is_label) skip_[i] = skips ? into(one_before.exponent) : 0;
      if (sum > kImpossible) at(e) = sum;
      steep_ |= follows || possible - sum > kFar;
      one_before = last;
      last = {own, empty};
    }
  }

 private:
  static constexpr double kFar = 150;  // how far exponents that are added may be apart from step to step

  // Label i may follow the one before without a blank.
  bool Skips(size_t i) const { return i > 0 && i < n_ && labels_[i] != labels_[i - 1]; }

  CtcRow stay_{}, near_{};
  double* skip_ = nullptr;
  const int32_t* labels_ = nullptr;
  size_t n_ = 0;
  bool steep_ = false;
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_CTC_FLOW_INL_H_
