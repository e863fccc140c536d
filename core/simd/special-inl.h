// Special functions of the likelihoods, in double: each with its domain, its source and the form that does not cancel.
// Errors in units of the last place were measured through the golden files of core/losses/likelihood.

#if defined(LOSSD_CORE_SIMD_SPECIAL_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_SPECIAL_INL_H_
#undef LOSSD_CORE_SIMD_SPECIAL_INL_H_
#else
#define LOSSD_CORE_SIMD_SPECIAL_INL_H_
#endif

#include <cstddef>

#include "core/simd/exp-inl.h"
#include "core/simd/twofold-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

inline constexpr double kLog2 = 0.693147180559945309417;
inline constexpr double kHalfLog2Pi = 0.918938533204672741780;
inline constexpr double kInverseSqrtPi = 0.564189583547756286948;
inline constexpr double kSqrtHalf = 0.707106781186547524401;

// e^x over the whole line: 0 far below, inf above 709.78. hn::Exp is defined to 706 and exact enough to its overflow.
template <class D, class V>
HWY_INLINE V ExpOf(D d, V x) {
  return hn::Exp(d, hn::Min(x, C(d, 710.0)));
}

// e^(a x) without the error that rounding a x would bring, |a x| units in the last place.
template <class D, class V>
HWY_INLINE V ExpOfProduct(D d, V a, V x) {
  const Twofold<V> product = Product(d, a, x);
  const V power = ExpOf(d, product.hi);
  const V rest = hn::IfThenElseZero(hn::Gt(power, hn::Zero(d)), product.lo);
  return hn::IfThenElse(hn::Eq(power, hn::Inf(d)), power, hn::MulAdd(power, rest, power));
}

// ln x: -inf at 0, NaN below, inf at inf, where hn::Log is anything.
template <class D, class V>
HWY_INLINE V Ln(D d, V x) {
  const V inside = hn::IfThenElse(hn::Eq(x, hn::Inf(d)), x, hn::Log(d, x));
  const V edge = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Neg(hn::Inf(d)), hn::NaN(d));
  return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), inside, edge);
}

// x where x > 0, else NaN: what a scale does to everything computed from it.
template <class D, class V>
HWY_INLINE V PositiveOrNan(D d, V x) {
  return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::NaN(d));
}

// (v - ln(1 + v)) / v^2 for v > -1: 1/2 at 0. `log` is ln(1 + v) from what v was computed from, used away from 0.
//   |v| small   s = v/(2 + v), ln(1 + v) = 2 artanh(s) = 2 (s + s^3/3 + s^5/5 + ...); here |s| <= 1/3
//   else        from the logarithm: at most two bits cancel
template <class D, class V>
HWY_INLINE V LogDefect(D d, V v, V log) {
  static constexpr double kOdd[] = {1. / 3,  1. / 5,  1. / 7,  1. / 9,  1. / 11, 1. / 13, 1. / 15, 1. / 17,
                                    1. / 19, 1. / 21, 1. / 23, 1. / 25, 1. / 27, 1. / 29, 1. / 31, 1. / 33};
  const V one = C(d, 1.0);
  const V q = hn::Div(one, hn::Add(C(d, 2.0), v));
  const V s = hn::Mul(v, q);
  const V tail = hn::Mul(hn::Mul(C(d, 2.0), hn::Mul(s, q)), Polynomial(d, hn::Mul(s, s), kOdd));
  const V near = hn::NegMulAdd(tail, q, q);
  const V far = hn::Div(hn::Sub(one, hn::Div(log, v)), v);
  return hn::IfThenElse(hn::And(hn::Ge(v, C(d, -0.5)), hn::Le(v, one)), near, far);
}

// Half the Poisson deviance, t ln(t/m) + m - t for t > 0, m >= 0, without cancellation where m is near t.
// `log_ratio` is ln(m/t), used where it is not. Source: Loader 2000, Fast and Accurate Computation of Binomial
// Probabilities, section 2 (bd0).
template <class D, class V>
HWY_INLINE V HalfDeviance(D d, V t, V m, V log_ratio) {
  const V gap = hn::Sub(m, t);
  const V v = hn::Div(gap, t);
  const auto near = hn::And(hn::Ge(v, C(d, -0.5)), hn::Le(v, C(d, 1.0)));
  const V small = hn::IfThenElseZero(near, v);
  const V close = hn::Mul(gap, hn::Mul(small, LogDefect(d, small, small)));
  return hn::IfThenElse(near, close, hn::NegMulAdd(t, log_ratio, gap));
}

// What Stirling's formula leaves of ln Gamma: lnGamma(x) = (x - 1/2) ln x - x + ln(2 pi)/2 + StirlingRest(1/x), for
// x >= 10 to 1e-17. Source: Abramowitz and Stegun 1964, 6.1.41; B_2k / (2k (2k - 1)).
template <class D, class V>
HWY_INLINE V StirlingRest(D d, V y) {
  static constexpr double kBernoulli[] = {1. / 12,   -1. / 360,      1. / 1260, -1. / 1680,
                                          1. / 1188, -691. / 360360, 1. / 156,  -3617. / 122400};
  return hn::Mul(y, Polynomial(d, hn::Mul(y, y), kBernoulli));
}

// psi(x) = ln x - y/2 - y^2 DigammaRest(y^2) with y = 1/x, for x >= 10 to 1e-16 of ln x - psi(x).
// Source: Abramowitz and Stegun 1964, 6.3.18; B_2k / 2k.
template <class D, class V>
HWY_INLINE V DigammaRest(D d, V y_squared) {
  static constexpr double kBernoulli[] = {1. / 12,        -1. / 120, 1. / 252,      -1. / 240,     1. / 132,
                                          -691. / 32760., 1. / 12,   -3617. / 8160, 43867. / 14364};
  return Polynomial(d, y_squared, kBernoulli);
}

// ln x! - x ln x + x for x >= 0: 0 at 0, near ln(2 pi x)/2 soon. Below 10 from x + 10 by Gamma(x + 1) = x Gamma(x),
// to 4e-15.
template <class D, class V>
HWY_INLINE V FactorialRest(D d, V x) {
  const V ten = C(d, 10.0);
  const auto large = hn::Ge(x, ten);
  const V shifted = hn::IfThenElse(large, x, hn::Add(x, ten));
  // ln of 1 (large), or of X^9.5 / ((x + 1) ... (x + 9)).
  V ratio = hn::Sqrt(shifted);
  for (int k = 1; k < 10; ++k) ratio = hn::Mul(ratio, hn::Div(shifted, hn::Add(x, C(d, k))));
  const V rest = hn::Add(C(d, kHalfLog2Pi), StirlingRest(d, hn::Div(C(d, 1.0), shifted)));
  const V log = Ln(d, hn::IfThenElse(large, hn::Sqrt(x), ratio));
  const V positive = hn::Max(x, C(d, 1e-300));
  const V moved = hn::MulSub(positive, Ln(d, hn::Div(shifted, positive)), ten);
  const V sum = hn::Add(hn::IfThenElse(large, log, hn::Add(moved, log)), rest);
  return hn::IfThenZeroElse(hn::Eq(x, hn::Zero(d)), sum);
}

// ln(sqrt(x) Gamma(x) / Gamma(x + 1/2)), x > 0: falls from inf to 0 as 1/(8x). Below 10 from x + 10.
// Source of the series: Tricomi and Erdelyi 1951, The Asymptotic Expansion of a Ratio of Gamma Functions.
template <class D, class V>
HWY_INLINE V HalfStepRest(D d, V x) {
  static constexpr double kSeries[] = {1. / 8,       -1. / 192,      1. / 640,       -17. / 14336,
                                       31. / 18432., -691. / 180224, 5461. / 425984, -929569. / 15728640};
  const auto large = hn::Ge(x, C(d, 10.0));
  const V shifted = hn::IfThenElse(large, x, hn::Add(x, C(d, 10.0)));
  V ratio = hn::Sqrt(hn::Div(x, shifted));
  for (int k = 0; k < 10; ++k) ratio = hn::Mul(ratio, hn::Div(hn::Add(x, C(d, k + 0.5)), hn::Add(x, C(d, k))));
  const V y = hn::Div(C(d, 1.0), shifted);
  const V series = hn::Mul(y, Polynomial(d, hn::Mul(y, y), kSeries));
  return hn::IfThenElse(large, series, hn::Add(series, Ln(d, ratio)));
}

// erf. Source: Cody 1969, Rational Chebyshev Approximations for the Error Function, Math. Comp. 23; the coefficients
// of degree 4 for |x| <= 0.46875 and of degree 8 for erfc. The latter, published for |x| <= 4, are within 1e-12 of erfc
// up to 6, where erf is 1.
template <class D, class V>
HWY_INLINE V Erf(D d, V x) {
  static constexpr double kP[] = {3.20937758913846947e03, 3.77485237685302021e02, 1.13864154151050156e02,
                                  3.16112374387056560e00, 1.85777706184603153e-1};
  static constexpr double kQ[] = {2.84423683343917062e03, 1.28261652607737228e03, 2.44024637934444173e02,
                                  2.36012909523441209e01, 1.0};
  static constexpr double kC[] = {1.23033935479799725e03, 2.05107837782607147e03, 1.71204761263407058e03,
                                  8.81952221241769090e02, 2.98635138197400131e02, 6.61191906371416295e01,
                                  8.88314979438837594e00, 5.64188496988670089e-1, 2.15311535474403846e-8};
  static constexpr double kD[] = {1.23033935480374942e03, 3.43936767414372164e03, 4.36261909014324716e03,
                                  3.29079923573345963e03, 1.62138957456669019e03, 5.37181101862009858e02,
                                  1.17693950891312499e02, 1.57449261107098347e01, 1.0};
  const V a = hn::Min(hn::Abs(x), C(d, 6.0));
  const V square = hn::Mul(a, a);
  const auto near = hn::Le(a, C(d, 0.46875));
  const V small = hn::IfThenElseZero(near, square);
  const V inner = hn::Mul(x, hn::Div(Polynomial(d, small, kP), Polynomial(d, small, kQ)));
  const V tail = hn::Mul(hn::Exp(d, hn::Neg(square)), hn::Div(Polynomial(d, a, kC), Polynomial(d, a, kD)));
  return hn::IfThenElse(near, inner, hn::CopySign(hn::Sub(C(d, 1.0), tail), x));
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_SPECIAL_INL_H_
