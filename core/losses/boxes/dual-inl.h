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
// predicted box.
template <size_t kFirst, size_t kStep>
struct Dual {
  static constexpr size_t kCount = 4 / kStep;
  HWY_INLINE Dual() {}
  HWY_INLINE explicit Dual(Real value) : v(value) {}
  Real v;
  Real d[kCount];
};
using Term = Dual<0, 1>;
template <size_t kAxis>
using Along = Dual<kAxis, 2>;  // of x1 and x2, or of y1 and y2, alone

template <size_t kAxis>
HWY_INLINE Along<kAxis> MakeAlong(Real v, Real lo, Real hi) {
  Along<kAxis> a(v);
  a.d[0] = lo;
  a.d[1] = hi;
  return a;
}
template <size_t F>
HWY_INLINE Term Whole(const Along<F>& a) {
  Term t(a.v);
  for (size_t k = 0; k < 2; ++k) t.d[F + 2 * k] = a.d[k];
  return t;
}

// f(x) from its value and its derivative at x.
template <size_t F, size_t S>
HWY_INLINE Dual<F, S> Chain(Real value, Real slope, const Dual<F, S>& x) {
  Dual<F, S> y(value);
  for (size_t k = 0; k < y.kCount; ++k) y.d[k] = slope * x.d[k];
  return y;
}
template <size_t F, size_t S>
HWY_INLINE Dual<F, S> Select(Mask m, const Dual<F, S>& yes, const Dual<F, S>& no) {
  Dual<F, S> y(Select(m, yes.v, no.v));
  for (size_t k = 0; k < y.kCount; ++k) y.d[k] = Select(m, yes.d[k], no.d[k]);
  return y;
}
template <size_t F, size_t S>
HWY_INLINE Dual<F, S> operator+(const Dual<F, S>& a, const Dual<F, S>& b) {
  Dual<F, S> y(a.v + b.v);
  for (size_t k = 0; k < y.kCount; ++k) y.d[k] = a.d[k] + b.d[k];
  return y;
}
template <size_t F, size_t S>
HWY_INLINE Dual<F, S> operator*(Real a, const Dual<F, S>& b) {
  return Chain(a * b.v, a, b);
}
template <size_t F, size_t S>
HWY_INLINE Dual<F, S> operator-(const Dual<F, S>& a) {
  Dual<F, S> y(-a.v);
  for (size_t k = 0; k < y.kCount; ++k) y.d[k] = -a.d[k];
  return y;
}
template <size_t F, size_t S>
HWY_INLINE Dual<F, S> operator-(const Dual<F, S>& a, const Dual<F, S>& b) {
  return a + -b;
}
template <size_t F, size_t S>
HWY_INLINE Dual<F, S> operator*(const Dual<F, S>& a, const Dual<F, S>& b) {
  Dual<F, S> y(a.v * b.v);
  for (size_t k = 0; k < y.kCount; ++k) y.d[k] = a.d[k] * b.v + a.v * b.d[k];
  return y;
}
// a / b; 0 with no slope where b is 0.
template <size_t F, size_t S>
HWY_INLINE Dual<F, S> operator/(const Dual<F, S>& a, const Dual<F, S>& b) {
  const Mask nothing = b.v == Real(0);
  Dual<F, S> y(Select(nothing, 0, a.v / b.v));
  for (size_t k = 0; k < y.kCount; ++k) y.d[k] = Select(nothing, 0, (a.d[k] - y.v * b.d[k]) / b.v);
  return y;
}
// Of one axis and the other.
HWY_INLINE Term operator+(const Along<0>& x, const Along<1>& y) {
  Term t(x.v + y.v);
  for (size_t k = 0; k < 2; ++k) t.d[2 * k] = x.d[k], t.d[2 * k + 1] = y.d[k];
  return t;
}
HWY_INLINE Term operator*(const Along<0>& x, const Along<1>& y) {
  Term t(x.v * y.v);
  for (size_t k = 0; k < 2; ++k) t.d[2 * k] = x.d[k] * y.v, t.d[2 * k + 1] = x.v * y.d[k];
  return t;
}

template <size_t F, size_t S>
HWY_INLINE Dual<F, S> Square(const Dual<F, S>& a) {
  return Chain(a.v * a.v, 2.0 * a.v, a);
}
// |a|, slope 0 at 0.
template <size_t F, size_t S>
HWY_INLINE Dual<F, S> Absolute(const Dual<F, S>& a) {
  return Chain(Abs(a.v), Select(a.v > 0, 1, Select(a.v < 0, -1, 0)), a);
}
// 1 - exp(-a), a >= 0.
template <size_t F, size_t S>
HWY_INLINE Dual<F, S> Saturate(const Dual<F, S>& a) {
  const Real e = Expm1(-a.v);
  return Chain(-e, 1.0 + e, a);
}
// a^power for a >= 0 and power > 0; no slope at a = 0 unless power is 1.
template <size_t F, size_t S>
HWY_INLINE Dual<F, S> Power(const Dual<F, S>& a, double power) {
  if (power == 1) return a;
  const Real y = Exp(power * Log(a.v));
  return Select(a.v > 0, Chain(y, power * y / a.v, a), Dual<F, S>());
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_BOXES_DUAL_INL_H_
