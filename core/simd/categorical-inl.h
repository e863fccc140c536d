// What the categorical losses share: a row of masses e_c >= 0 whose shares e_c / S are the class probabilities.
//
// From logits e_c = exp(x_c - max x), from probabilities e_c = p_c. Everything accurate about these losses comes from
// one habit: the largest mass is kept out of the sum,
//   rest = S - max e,
// so that a confident row, where S is all but equal to its largest mass, still knows how far it is from certain:
//   -log(max e / S) = log1p(rest / max e)      and      1 - max e / S = rest / S.
// The peers' log-softmax rounds both to 0 at margins above 17 in float (pytorch#113708).

#if defined(LOSSD_CORE_SIMD_CATEGORICAL_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_CATEGORICAL_INL_H_
#undef LOSSD_CORE_SIMD_CATEGORICAL_INL_H_
#else
#define LOSSD_CORE_SIMD_CATEGORICAL_INL_H_
#endif

#include <limits>

#include "core/simd/exp-inl.h"
#include "core/simd/probability-inl.h"
#include "core/simd/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// The largest element of a row. `sound` is false where the row holds a NaN or an element below `lowest`, or where
// nothing in it is above `lowest` and finite: then it has no class probabilities.
template <class T>
struct RowMax {
  T max;
  bool sound;
};

template <class T>
HWY_INLINE RowMax<T> MaxOf(const T* x, size_t n, T lowest) {
  const Tag<T> d;
  auto max = hn::Set(d, lowest);
  auto sound = hn::Eq(max, max);
  Walk(x, lowest, nullptr, n, nullptr, [&](size_t, auto v, auto) HWY_ATTR {
    max = hn::Max(max, v);
    sound = hn::And(sound, hn::Ge(v, hn::Set(d, lowest)));  // false for a NaN
    return v;
  });
  const T largest = hn::GetLane(hn::MaxOfLanes(d, max));
  return {largest, hn::AllTrue(d, sound) && largest > lowest && largest <= std::numeric_limits<T>::max()};
}

// exp(x - max) with the rounding error of the subtraction made good: for x - max near -50 that error alone would cost
// 16 units in the last place. REQUIRES: max finite, x <= max; x may be -inf.
template <class D, class V>
HWY_INLINE V ExpBelow(D d, V x, V max) {
  const V difference = hn::Sub(x, max);
  // Knuth 1997, The Art of Computer Programming 2, 4.2.2 theorem B: difference + error = x - max exactly.
  const V part = hn::Sub(difference, x);
  const V error = hn::Sub(hn::Sub(x, hn::Sub(difference, part)), hn::Add(max, part));
  return ExpOfNegative(d, difference, error);
}

// The sum of a row of masses, taken apart.
struct Masses {
  double max;   // the largest mass
  double rest;  // of all others
  double sum() const { return max + rest; }
};

// The masses of a row of logits with maximum `max`: written to e where e is not nullptr, and summed.
// each(at, x, t): called for every vector, for the sums that a loss needs beside.
template <class T, class Target, class Out, class Each>
HWY_INLINE Masses LogitMasses(const T* x, T max, Target t, size_t n, Out e, const Each& each) {
  const Tag<T> d;
  const auto top = hn::Set(d, max);
  LaneSum others;
  size_t ties = 0;
  Walk(x, -std::numeric_limits<T>::infinity(), t, n, e, [&](size_t at, auto v, auto vt) HWY_ATTR {
    const auto mass = ExpBelow(d, v, top);
    const auto tie = hn::Eq(v, top);
    ties += hn::CountTrue(d, tie);
    others.Add(at, hn::IfThenZeroElse(tie, mass));
    each(at, v, vt);
    return mass;
  });
  return {1.0, others.Total() + static_cast<double>(ties - 1)};
}

// The masses of a row of probabilities with maximum `max`. REQUIRES: max > 0.
template <class T>
HWY_INLINE Masses ProbabilityMasses(const T* p, T max, size_t n) {
  const Tag<T> d;
  const auto top = hn::Set(d, max);
  LaneSum others;
  size_t ties = 0;
  Walk(p, T{0}, nullptr, n, nullptr, [&](size_t at, auto v, auto) HWY_ATTR {
    const auto tie = hn::Eq(v, top);
    ties += hn::CountTrue(d, tie);
    others.Add(at, hn::IfThenZeroElse(tie, v));
    return v;
  });
  return {max, others.Total() + static_cast<double>(ties - 1) * max};
}

// Masses of logits in e to the diagonal of the Hessian, total s_c (1 - s_c), in place.
template <class T>
HWY_INLINE void CurveLogits(const Masses& masses, double total, size_t n, T* e) {
  const Tag<T> d;
  const auto one = C(d, 1.0), sum = C(d, masses.sum()), rest = C(d, masses.rest), factor = C(d, total / masses.sum());
  Walk(static_cast<const T*>(e), T{0}, nullptr, n, e, [&](size_t, auto mass, auto) HWY_ATTR {
    const auto others = hn::IfThenElse(hn::Eq(mass, one), rest, hn::Sub(sum, mass));  // S - e_c
    return hn::Mul(hn::Mul(mass, factor), hn::Div(others, sum));
  });
}

HWY_INLINE double Log1pScalar(double x) {
  return Scalar(x, [](auto d, auto v) HWY_ATTR { return hn::Log1p(d, v); });
}
HWY_INLINE double LogScalar(double x) {
  return Scalar(x, [](auto d, auto v) HWY_ATTR { return hn::Log(d, v); });
}

// -log(p / S) for one probability of the row, in double.
HWY_INLINE double NegLogShare(double p, const Masses& masses) {
  if (p == masses.max) return Log1pScalar(masses.rest / masses.max);
  if (p == 0) return std::numeric_limits<double>::infinity();
  const double ratio = masses.sum() / p;
  if (ratio <= std::numeric_limits<double>::max()) return LogScalar(ratio);
  return LogScalar(masses.sum()) - LogScalar(p);  // p is tiny enough for the ratio to overflow
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_CATEGORICAL_INL_H_
