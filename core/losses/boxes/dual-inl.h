// Numbers of several boxes at a time that carry their derivatives, so that the losses of this topic read as formulas.

#if defined(LOSSD_CORE_LOSSES_BOXES_DUAL_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_BOXES_DUAL_INL_H_
#undef LOSSD_CORE_LOSSES_BOXES_DUAL_INL_H_
#else
#define LOSSD_CORE_LOSSES_BOXES_DUAL_INL_H_
#endif

#include <cstddef>

#include "core/simd/kernel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// A coordinate of several boxes, one in each lane of a vector, and what is computed from it.
using Mask = hn::Mask<Tag<double>>;
struct Real {
  using V = hn::Vec<Tag<double>>;
  HWY_INLINE Real() : v(hn::Zero(Tag<double>())) {}
  HWY_INLINE Real(double x) : v(hn::Set(Tag<double>(), x)) {}  // NOLINT: a constant
  HWY_INLINE explicit Real(V x) : v(x) {}
  V v;
};
HWY_INLINE Real operator+(Real a, Real b) { return Real(hn::Add(a.v, b.v)); }
HWY_INLINE Real operator-(Real a, Real b) { return Real(hn::Sub(a.v, b.v)); }
HWY_INLINE Real operator-(Real a) { return Real(hn::Neg(a.v)); }
HWY_INLINE Real operator*(Real a, Real b) { return Real(hn::Mul(a.v, b.v)); }
HWY_INLINE Real operator/(Real a, Real b) { return Real(hn::Div(a.v, b.v)); }
HWY_INLINE Mask operator<(Real a, Real b) { return hn::Lt(a.v, b.v); }
HWY_INLINE Mask operator>(Real a, Real b) { return hn::Gt(a.v, b.v); }
HWY_INLINE Mask operator<=(Real a, Real b) { return hn::Le(a.v, b.v); }
HWY_INLINE Mask operator==(Real a, Real b) { return hn::Eq(a.v, b.v); }
HWY_INLINE Mask Both(Mask a, Mask b) { return hn::And(a, b); }
HWY_INLINE Mask Either(Mask a, Mask b) { return hn::Or(a, b); }
HWY_INLINE Real Select(Mask m, Real yes, Real no) { return Real(hn::IfThenElse(m, yes.v, no.v)); }
HWY_INLINE Real Min(Real a, Real b) { return Real(hn::Min(a.v, b.v)); }
HWY_INLINE Real Max(Real a, Real b) { return Real(hn::Max(a.v, b.v)); }
HWY_INLINE Real Abs(Real a) { return Real(hn::Abs(a.v)); }
HWY_INLINE Real Exp(Real a) { return Real(hn::Exp(Tag<double>(), a.v)); }
HWY_INLINE Real Expm1(Real a) { return Real(hn::Expm1(Tag<double>(), a.v)); }
HWY_INLINE Real Log(Real a) { return Real(hn::Log(Tag<double>(), a.v)); }
HWY_INLINE Real Log1p(Real a) { return Real(hn::Log1p(Tag<double>(), a.v)); }

// A number and its derivatives with respect to the coordinates kFirst, kFirst + kStep, ... of x1, y1, x2, y2 of the
// predicted box; where kCurved also the second ones. Those of a coordinate of each axis are not among them: no box
// format mixes axes.
template <size_t kFirst, size_t kStep, bool kCurved>
struct Dual {
  static constexpr size_t kCount = 4 / kStep;
  // Second derivatives: for each axis those of lo lo, lo hi, hi hi.
  static constexpr size_t kPairs = kCurved ? 3 * kCount / 2 : 0;
  HWY_INLINE Dual() {}
  HWY_INLINE explicit Dual(Real value) : v(value) {}
  // The two of pair m.
  static constexpr size_t One(size_t m) { return m / 3 + (m % 3 == 2 ? kCount / 2 : 0); }
  static constexpr size_t Other(size_t m) { return m / 3 + (m % 3 != 0 ? kCount / 2 : 0); }
  Real v;
  Real d[kCount];
  Real dd[kCurved ? kPairs : 1];  // one that nobody reads
};
template <bool kCurved>
using Term = Dual<0, 1, kCurved>;
template <size_t kAxis, bool kCurved>
using Along = Dual<kAxis, 2, kCurved>;  // of x1 and x2, or of y1 and y2, alone

// A number that is linear in the coordinates.
template <size_t kAxis, bool kCurved>
HWY_INLINE Along<kAxis, kCurved> MakeAlong(Real v, Real lo, Real hi) {
  Along<kAxis, kCurved> a(v);
  a.d[0] = lo;
  a.d[1] = hi;
  return a;
}
template <size_t F, bool C>
HWY_INLINE Term<C> Whole(const Along<F, C>& a) {
  Term<C> t(a.v);
  for (size_t k = 0; k < 2; ++k) t.d[F + 2 * k] = a.d[k];
  for (size_t m = 0; m < a.kPairs; ++m) t.dd[3 * F + m] = a.dd[m];
  return t;
}

// f(x) from its value and its first two derivatives at x.
template <size_t F, size_t S, bool C>
HWY_INLINE Dual<F, S, C> Chain(Real value, Real slope, Real curvature, const Dual<F, S, C>& x) {
  Dual<F, S, C> y(value);
  for (size_t k = 0; k < y.kCount; ++k) y.d[k] = slope * x.d[k];
  for (size_t m = 0; m < y.kPairs; ++m) y.dd[m] = slope * x.dd[m] + curvature * x.d[x.One(m)] * x.d[x.Other(m)];
  return y;
}
// The same where the second derivative is factor / x times the first: powers and logarithms, with nothing that
// overflows near x = 0.
template <size_t F, size_t S, bool C>
HWY_INLINE Dual<F, S, C> ChainOfPower(Real value, Real slope, double factor, const Dual<F, S, C>& x) {
  Dual<F, S, C> y(value);
  for (size_t k = 0; k < y.kCount; ++k) y.d[k] = slope * x.d[k];
  for (size_t m = 0; m < y.kPairs; ++m) {
    y.dd[m] = slope * (x.dd[m] + factor * (x.d[x.One(m)] / x.v) * x.d[x.Other(m)]);
  }
  return y;
}
// What a quotient y = a / b of numbers that are linear in each coordinate, and in the two of an axis together, has for
// second derivatives; a' is not needed.
template <size_t F, size_t S, bool C>
HWY_INLINE void SetCurvatureOfQuotient(const Real* b_d, Real b, Dual<F, S, C>& y) {
  for (size_t m = 0; m < y.kPairs; ++m) {
    y.dd[m] = -(y.d[y.One(m)] * (b_d[y.Other(m)] / b) + y.d[y.Other(m)] * (b_d[y.One(m)] / b));
  }
}
template <size_t F, size_t S, bool C>
HWY_INLINE Dual<F, S, C> Select(Mask m, const Dual<F, S, C>& yes, const Dual<F, S, C>& no) {
  Dual<F, S, C> y(Select(m, yes.v, no.v));
  for (size_t k = 0; k < y.kCount; ++k) y.d[k] = Select(m, yes.d[k], no.d[k]);
  for (size_t k = 0; k < y.kPairs; ++k) y.dd[k] = Select(m, yes.dd[k], no.dd[k]);
  return y;
}
template <size_t F, size_t S, bool C>
HWY_INLINE Dual<F, S, C> operator+(const Dual<F, S, C>& a, const Dual<F, S, C>& b) {
  Dual<F, S, C> y(a.v + b.v);
  for (size_t k = 0; k < y.kCount; ++k) y.d[k] = a.d[k] + b.d[k];
  for (size_t m = 0; m < y.kPairs; ++m) y.dd[m] = a.dd[m] + b.dd[m];
  return y;
}
template <size_t F, size_t S, bool C>
HWY_INLINE Dual<F, S, C> operator*(Real a, const Dual<F, S, C>& b) {
  Dual<F, S, C> y(a * b.v);
  for (size_t k = 0; k < y.kCount; ++k) y.d[k] = a * b.d[k];
  for (size_t m = 0; m < y.kPairs; ++m) y.dd[m] = a * b.dd[m];
  return y;
}
template <size_t F, size_t S, bool C>
HWY_INLINE Dual<F, S, C> operator-(const Dual<F, S, C>& a) {
  Dual<F, S, C> y(-a.v);
  for (size_t k = 0; k < y.kCount; ++k) y.d[k] = -a.d[k];
  for (size_t m = 0; m < y.kPairs; ++m) y.dd[m] = -a.dd[m];
  return y;
}
template <size_t F, size_t S, bool C>
HWY_INLINE Dual<F, S, C> operator-(const Dual<F, S, C>& a, const Dual<F, S, C>& b) {
  return a + -b;
}
template <size_t F, size_t S, bool C>
HWY_INLINE Dual<F, S, C> operator*(const Dual<F, S, C>& a, const Dual<F, S, C>& b) {
  Dual<F, S, C> y(a.v * b.v);
  for (size_t k = 0; k < y.kCount; ++k) y.d[k] = a.d[k] * b.v + a.v * b.d[k];
  for (size_t m = 0; m < y.kPairs; ++m) {
    const size_t i = y.One(m), j = y.Other(m);
    y.dd[m] = (a.dd[m] * b.v + a.v * b.dd[m]) + (a.d[i] * b.d[j] + a.d[j] * b.d[i]);
  }
  return y;
}
// a / b; 0 with no slope where b is 0.
template <size_t F, size_t S, bool C>
HWY_INLINE Dual<F, S, C> operator/(const Dual<F, S, C>& a, const Dual<F, S, C>& b) {
  const Mask nothing = b.v == Real(0);
  Dual<F, S, C> y(Select(nothing, 0, a.v / b.v));
  for (size_t k = 0; k < y.kCount; ++k) y.d[k] = Select(nothing, 0, (a.d[k] - y.v * b.d[k]) / b.v);
  for (size_t m = 0; m < y.kPairs; ++m) {
    const size_t i = y.One(m), j = y.Other(m);
    const Real rest = (a.dd[m] - y.v * b.dd[m]) - (y.d[i] * b.d[j] + y.d[j] * b.d[i]);
    y.dd[m] = Select(nothing, 0, rest / b.v);
  }
  return y;
}
// Of one axis and the other.
template <bool C>
HWY_INLINE Term<C> operator+(const Along<0, C>& x, const Along<1, C>& y) {
  Term<C> t(x.v + y.v);
  for (size_t k = 0; k < 2; ++k) t.d[2 * k] = x.d[k], t.d[2 * k + 1] = y.d[k];
  for (size_t m = 0; m < x.kPairs; ++m) t.dd[m] = x.dd[m], t.dd[3 + m] = y.dd[m];
  return t;
}
template <bool C>
HWY_INLINE Term<C> operator*(const Along<0, C>& x, const Along<1, C>& y) {
  Term<C> t(x.v * y.v);
  for (size_t k = 0; k < 2; ++k) t.d[2 * k] = x.d[k] * y.v, t.d[2 * k + 1] = x.v * y.d[k];
  for (size_t m = 0; m < x.kPairs; ++m) t.dd[m] = x.dd[m] * y.v, t.dd[3 + m] = x.v * y.dd[m];
  return t;
}

template <size_t F, size_t S, bool C>
HWY_INLINE Dual<F, S, C> Square(const Dual<F, S, C>& a) {
  return Chain(a.v * a.v, 2.0 * a.v, 2, a);
}
// |a|, slope 0 at 0.
template <size_t F, size_t S, bool C>
HWY_INLINE Dual<F, S, C> Absolute(const Dual<F, S, C>& a) {
  return Chain(Abs(a.v), Select(a.v > 0, 1, Select(a.v < 0, -1, 0)), 0, a);
}
// 1 - exp(-a), a >= 0.
template <size_t F, size_t S, bool C>
HWY_INLINE Dual<F, S, C> Saturate(const Dual<F, S, C>& a) {
  const Real e = Expm1(-a.v);
  return Chain(-e, 1.0 + e, -1.0 - e, a);
}
// a^power for a >= 0 and power > 0; no slope at a = 0 unless power is 1.
template <size_t F, size_t S, bool C>
HWY_INLINE Dual<F, S, C> Power(const Dual<F, S, C>& a, double power) {
  if (power == 1) return a;
  const Real y = Exp(power * Log(a.v));
  return Select(a.v > 0, ChainOfPower(y, power * y / a.v, power - 1, a), Dual<F, S, C>());
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_BOXES_DUAL_INL_H_
