// What the divergences share: sums without rounding errors, and the two terms
//   deviance  = x ln(x/y) - x + y >= 0        log_ratio = ln(x/y)
// A divergence between rows that nearly agree is the small rest of large terms that cancel. Summed as deviances it has
// no such terms: sum x ln(x/y) = sum deviance + (sum x - sum y), and the masses are summed exactly.

#if defined(LOSSD_CORE_SIMD_DIVERGENCE_COMMON_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_DIVERGENCE_COMMON_INL_H_
#undef LOSSD_CORE_SIMD_DIVERGENCE_COMMON_INL_H_
#else
#define LOSSD_CORE_SIMD_DIVERGENCE_COMMON_INL_H_
#endif

#include <algorithm>
#include <array>
#include <limits>

#include "core/simd/answer-inl.h"
#include "core/simd/each_vector-inl.h"
#include "core/simd/item-inl.h"
#include "core/simd/probability-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// An unevaluated sum of two doubles, hi the nearest to it.
struct Pair {
  double hi = 0, lo = 0;
  double value() const { return hi + lo; }
};

// x + y = s + error exactly. Knuth 1997, The Art of Computer Programming 2, 4.2.2 theorem B.
HWY_INLINE Pair TwoSum(double x, double y) {
  const double s = x + y;
  const double part = s - x;
  return {s, (x - (s - part)) + (y - part)};
}
HWY_INLINE Pair Plus(Pair x, Pair y) {
  const Pair s = TwoSum(x.hi, y.hi);
  return TwoSum(s.hi, s.lo + (x.lo + y.lo));
}

// LaneSum with twice the digits.
class ExactLaneSum {
 public:
  using V = hn::Vec<Tag<double>>;
  HWY_INLINE ExactLaneSum() {
    for (V& v : hi_) v = hn::Zero(Tag<double>());
    for (V& v : lo_) v = hn::Zero(Tag<double>());
  }
  HWY_INLINE void Add(size_t at, V v) {
    V& hi = hi_[at / kLanes<double>];
    V& lo = lo_[at / kLanes<double>];
    const V s = hn::Add(hi, v);
    const V part = hn::Sub(s, hi);
    lo = hn::Add(lo, hn::Add(hn::Sub(hi, hn::Sub(s, part)), hn::Sub(v, part)));
    hi = s;
  }
  // Adds v + small.
  HWY_INLINE void Add(size_t at, V v, V small) {
    Add(at, v);
    V& lo = lo_[at / kLanes<double>];
    lo = hn::Add(lo, small);
  }
  HWY_INLINE Pair Total() const {
    double hi[kChunk], lo[kChunk];
    for (size_t i = 0; i < kChunk / kLanes<double>; ++i) {
      hn::StoreU(hi_[i], Tag<double>(), hi + i * kLanes<double>);
      hn::StoreU(lo_[i], Tag<double>(), lo + i * kLanes<double>);
    }
    Pair total;
    for (size_t i = 0; i < kChunk; ++i) total = Plus(total, TwoSum(hi[i], lo[i]));
    return total;
  }

 private:
  V hi_[kChunk / kLanes<double>], lo_[kChunk / kLanes<double>];
};

// ln(x/y) where the two are not close; -inf at x = 0, inf at y = 0.
template <class D, class V>
HWY_INLINE V FarLogRatio(D d, V x, V y) {
  const V ratio = hn::Div(x, y);
  const auto usual = hn::And(hn::Ge(ratio, C(d, 1e-300)), hn::Le(ratio, C(d, 1e300)));
  const V log = hn::Log(d, ratio);
  if (hn::AllTrue(d, usual)) return log;
  return hn::IfThenElse(usual, log, hn::Sub(LogOf(d, x), LogOf(d, y)));
}

template <class V>
struct Divergent {
  V deviance;   // x ln(x/y) - x + y; y at x = 0
  V log_ratio;  // ln(x/y); 0 at x = y = 0
};

// difference = x - y, far_log_ratio = ln(x/y) to double precision of its own, which is not enough where x/y is near 1:
// there, with v = (x - y)/(x + y), |v| < 1/3,
//   ln(x/y) = 2 artanh v = 2v (1 + q),  q = v^2/3 + v^4/5 + ...       deviance = v (x - y) + 2xv q
// Loader 2000, Fast and Accurate Computation of Binomial Probabilities.
template <class D, class V>
HWY_INLINE Divergent<V> Compare(D d, V x, V y, V difference, V far_log_ratio) {
  const V v = hn::Div(difference, hn::Add(x, y));
  const V z = hn::Mul(v, v);
  V q = C(d, 1.0 / 35);
  for (double k = 33; k >= 3; k -= 2) q = hn::MulAdd(q, z, C(d, 1.0 / k));  // the next is 9^-18 / 37
  q = hn::Mul(q, z);
  const V twice = hn::Add(v, v);
  const auto near = hn::Lt(hn::Abs(v), C(d, 1.0 / 3));  // false for 0/0
  const V deviance = hn::IfThenElse(near, hn::MulAdd(v, difference, hn::Mul(hn::Mul(twice, x), q)),
                                    hn::Sub(hn::Mul(x, far_log_ratio), difference));
  const V log_ratio = hn::IfThenElse(near, hn::MulAdd(twice, q, twice), far_log_ratio);
  const auto nothing = hn::Eq(x, hn::Zero(d));
  return {hn::IfThenElse(nothing, y, deviance),
          hn::IfThenZeroElse(hn::And(nothing, hn::Eq(y, hn::Zero(d))), log_ratio)};
}
template <class D, class V>
HWY_INLINE Divergent<V> Compare(D d, V x, V y) {
  return Compare(d, x, y, hn::Sub(x, y), FarLogRatio(d, x, y));
}

// t x with 0 times anything = 0.
template <class D, class V>
HWY_INLINE V Times(D d, V t, V x) {
  return hn::IfThenZeroElse(hn::Eq(t, hn::Zero(d)), hn::Mul(t, x));
}

HWY_INLINE double LogScalar1(double x) {
  return Scalar(x, [](auto d, auto v) HWY_ATTR { return LogOf(d, v); });
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_DIVERGENCE_COMMON_INL_H_
