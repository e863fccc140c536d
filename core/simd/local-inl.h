// What the arithmetic of an elementwise loss works with and returns, a vector at a time.

#if defined(LOSSD_CORE_SIMD_LOCAL_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_LOCAL_INL_H_
#undef LOSSD_CORE_SIMD_LOCAL_INL_H_
#else
#define LOSSD_CORE_SIMD_LOCAL_INL_H_
#endif

#include <array>
#include <cmath>
#include <cstddef>

#include "core/simd/kernel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// A value and its derivatives, lane by lane: slope[i] with respect to input i of the contract, and the second
// derivative with respect to the first. What a contract does not promise may be left out.
template <class V, size_t kInputs = 1>
struct Local {
  V value;
  std::array<V, kInputs> slope;
  V curvature = {};
};
template <class V>
using ValueSlope = Local<V, 1>;

// -1, 0 or 1: the subgradient of |x| of least norm. NaN of NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Sign(D d, V x) {
  const V zero = hn::Zero(d);
  return hn::IfThenElse(hn::Gt(hn::Abs(x), zero), hn::CopySign(C(d, 1.0), x), hn::Add(x, zero));  // not -0
}

// max(z, 0), and NaN of NaN: Max may swallow it.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Positive(D d, V z) {
  return hn::IfThenZeroElse(hn::Le(z, hn::Zero(d)), z);
}

// Its derivative: 0, 1, or at z = 0 what the kink policy says. NaN of NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Step(D d, V z, double kink) {
  const V zero = hn::Zero(d);
  const V up_to_zero = hn::IfThenZeroElse(hn::Lt(z, zero), hn::Add(z, C(d, kink)));
  return hn::IfThenElse(hn::Gt(z, zero), C(d, 1.0), up_to_zero);
}

// Lanes that are NaN or outside an interval. Closed ends only: an open end is an infinity, which the arithmetic
// handles.
template <class D, class V = hn::Vec<D>>
HWY_INLINE hn::Mask<D> Outside(D d, const Interval& domain, V x) {
  const V lo = C(d, domain.lo), hi = C(d, domain.hi);
  if (domain.open_lo && domain.open_hi) return hn::IsNaN(x);
  if (domain.open_lo) return hn::Not(hn::Le(x, hi));
  if (domain.open_hi) return hn::Not(hn::Ge(x, lo));
  return hn::Not(hn::And(hn::Ge(x, lo), hn::Le(x, hi)));
}

// A number that vectors are multiplied by. In float as a sum of two, of which the first is cut off towards zero, so
// that both have its sign and times an infinity they do not meet as NaN: the product is that of the number and not of
// the nearest float. A branch that spares a number that is a float the second product cost squared error a tenth.
template <class T>
class Factor;
template <>
class Factor<double> {
 public:
  explicit Factor(double factor) : factor_(factor) {}
  template <class V>
  HWY_INLINE V Times(Tag<double> d, V v) const {
    return hn::Mul(v, hn::Set(d, factor_));
  }

 private:
  double factor_;
};
template <>
class Factor<float> {
 public:
  // REQUIRES: a magnitude from kLeastFloatFactor to kMostFloatFactor.
  explicit Factor(double factor) : high_(static_cast<float>(factor)) {
#if HWY_NATIVE_FMA
    if (std::abs(double{high_}) >= std::abs(factor)) high_ = std::nextafter(high_, 0.0f);
    low_ = static_cast<float>(factor - double{high_});
#endif
  }
  template <class V>
  HWY_INLINE V Times(Tag<float> d, V v) const {
#if HWY_NATIVE_FMA
    return hn::MulAdd(v, hn::Set(d, high_), hn::Mul(v, hn::Set(d, low_)));
#else
    return hn::Mul(v, hn::Set(d, high_));
#endif
  }

 private:
  float high_;
  [[maybe_unused]] float low_ = 0;
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_LOCAL_INL_H_
