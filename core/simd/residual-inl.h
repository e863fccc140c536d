// What losses of a residual r = prediction - target share: r in units of a scale, and functions of it that keep their
// digits at both ends.

#if defined(LOSSD_CORE_SIMD_RESIDUAL_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_RESIDUAL_INL_H_
#undef LOSSD_CORE_SIMD_RESIDUAL_INL_H_
#else
#define LOSSD_CORE_SIMD_RESIDUAL_INL_H_
#endif

#include "core/simd/elementwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// (prediction - target) / scale. A difference beyond the largest number is halved first, which is exact there.
template <class D, class V>
HWY_INLINE V ScaledResidual(D d, V prediction, V target, V scale) {
  const V half = C(d, 0.5);
  const V r = hn::Sub(prediction, target);
  const auto beyond = hn::IsInf(r);
  const V halved = hn::Sub(hn::Mul(half, prediction), hn::Mul(half, target));
  return hn::Div(hn::IfThenElse(beyond, halved, r), hn::IfThenElse(beyond, hn::Mul(half, scale), scale));
}

// a b - product, where product is a b rounded. Dekker 1971, A floating-point technique for extending the available
// precision: the same on targets with and without FMA.
template <class D, class V>
HWY_INLINE V ProductRest(D d, V a, V b, V product) {
  const V splitter = C(d, 134217729.0);  // 2^27 + 1
  const V up_a = hn::Mul(splitter, a), up_b = hn::Mul(splitter, b);
  const V high_a = hn::Sub(up_a, hn::Sub(up_a, a)), high_b = hn::Sub(up_b, hn::Sub(up_b, b));
  const V low_a = hn::Sub(a, high_a), low_b = hn::Sub(b, high_b);
  const V cross = hn::Add(hn::Mul(high_a, low_b), hn::Mul(low_a, high_b));
  return hn::Add(hn::Add(hn::Sub(hn::Mul(high_a, high_b), product), cross), hn::Mul(low_a, low_b));
}

// What the roundings of z = ScaledResidual(prediction, target, scale) left out; 0 where that is beyond the numbers.
template <class D, class V>
HWY_INLINE V ScaledResidualRest(D d, V prediction, V target, V scale, V z) {
  const V r = hn::Sub(prediction, target);
  const V back = hn::Sub(r, prediction);
  const V left = hn::Sub(hn::Sub(prediction, hn::Sub(r, back)), hn::Add(target, back));
  const V product = hn::Mul(z, scale);
  const V missing = hn::Add(hn::Sub(hn::Sub(r, product), ProductRest(d, z, scale, product)), left);
  const V rest = hn::Div(missing, scale);
  return hn::IfThenElseZero(hn::IsFinite(rest), rest);
}

// What the roundings of z^2/2 left out, where z itself lacks `rest`. For exp, which makes a relative error of it.
template <class D, class V>
HWY_INLINE V HalfSquareRest(D d, V z, V rest) {
  const V low = hn::MulAdd(C(d, 0.5), ProductRest(d, z, z, hn::Mul(z, z)), hn::Mul(z, rest));
  return hn::IfThenElseZero(hn::IsFinite(low), low);
}

// factor x; 0 where the factor is, so that a term that is switched off takes no part even at infinity.
template <class D, class V>
HWY_INLINE V Share(D d, double factor, V x) {
  return factor == 0 ? hn::Zero(d) : hn::Mul(C(d, factor), x);
}

// |x|, at most `limit`: for functions that are flat from there on, where an infinity would meet a 0.
template <class D, class V>
HWY_INLINE V Magnitude(D d, V x, double limit) {
  return hn::Min(hn::Abs(x), C(d, limit));
}

// The answer, or NaN where the residual is: infinity less infinity, which Min and Max would swallow.
template <class V>
HWY_INLINE ValueSlope<V> Defined(V r, const ValueSlope<V>& answer) {
  const auto undefined = hn::IsNaN(r);
  return {hn::IfThenElse(undefined, r, answer.value),
          {hn::IfThenElse(undefined, r, answer.slope[0])},
          hn::IfThenElse(undefined, r, answer.curvature)};
}

// A loss of z = r / scale as a loss of r.
template <class D, class V>
HWY_INLINE ValueSlope<V> OfResidual(D d, const ValueSlope<V>& of_z, double scale) {
  const V c = C(d, scale);
  return {of_z.value, {hn::Div(of_z.slope[0], c)}, hn::Div(hn::Div(of_z.curvature, c), c)};
}

// exp(x) in double for any x: hn::Exp ends at 706.
template <class D, class V>
HWY_INLINE V ExpOf(D d, V x) {
  const V end = C(d, 700.0);
  const V inside = hn::Exp(d, hn::Min(x, end));
  const auto beyond = hn::Gt(x, end);
  if (hn::AllFalse(d, beyond)) return inside;
  const V rest = hn::Exp(d, hn::Clamp(hn::Sub(x, end), hn::Zero(d), C(d, 100.0)));
  return hn::IfThenElse(beyond, hn::Mul(inside, rest), inside);
}

// exp(x) - 1, the same.
template <class D, class V>
HWY_INLINE V Expm1Of(D d, V x) {
  return hn::IfThenElse(hn::Gt(x, C(d, 700.0)), ExpOf(d, x), hn::Expm1(d, hn::Min(x, C(d, 700.0))));
}

// log(1 + z^2 / b) for z >= 0, finite, where z^2 may be beyond the largest double; log_b = log(b).
template <class D, class V>
HWY_INLINE V Log1pSquare(D d, V z, double b, double log_b) {
  const V edge = C(d, 1e140);
  const V near = hn::Min(z, edge);
  const V inside = hn::Log1p(d, hn::Div(hn::Mul(near, near), C(d, b)));
  const auto beyond = hn::Gt(z, edge);
  if (hn::AllFalse(d, beyond)) return inside;
  const V log = hn::Log(d, hn::Max(z, edge));
  return hn::IfThenElse(beyond, hn::Sub(hn::Add(log, log), C(d, log_b)), inside);
}

// atanh(s) / s^3 - 1 / s^2 = 1/3 + s^2/5 + s^4/7 + ..., square = s^2 <= 1/9. The first term left out is 2^-57 of the
// sum.
template <class D, class V>
HWY_INLINE V AtanhTail(D d, V square) {
  constexpr int kTerms = 18;
  V sum = C(d, 1.0 / (2 * kTerms + 1));
  for (int k = kTerms - 1; k >= 1; --k) sum = hn::MulAdd(sum, square, C(d, 1.0 / (2 * k + 1)));
  return sum;
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_RESIDUAL_INL_H_
