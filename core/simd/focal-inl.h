// Powers of probabilities, and the focal term of an outcome that is yes or no.

#if defined(LOSSD_CORE_SIMD_FOCAL_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_FOCAL_INL_H_
#undef LOSSD_CORE_SIMD_FOCAL_INL_H_
#else
#define LOSSD_CORE_SIMD_FOCAL_INL_H_
#endif

#include "core/simd/elementwise-inl.h"
#include "core/simd/probability-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// a b - product exactly, product = fl(a b).
template <class D, class V>
HWY_INLINE V ProductError([[maybe_unused]] D d, V a, V b, V product) {
#if HWY_NATIVE_FMA
  return hn::MulSub(a, b, product);
#else
  // Dekker 1971, A floating-point technique for extending the available precision: halves of 26 bits.
  const V split = C(d, 134217729.0);  // 2^27 + 1
  const V big_a = hn::Mul(split, a), big_b = hn::Mul(split, b);
  const V a_hi = hn::Sub(big_a, hn::Sub(big_a, a)), b_hi = hn::Sub(big_b, hn::Sub(big_b, b));
  const V a_lo = hn::Sub(a, a_hi), b_lo = hn::Sub(b, b_hi);
  const V rest = hn::Add(hn::Mul(a_hi, b_lo), hn::Mul(a_lo, b_hi));
  return hn::Add(hn::Mul(a_lo, b_lo), hn::Add(rest, hn::Sub(hn::Mul(a_hi, b_hi), product)));
#endif
}

// exp(a b) with the rounding error of the product made good, which alone would cost |a b|/2 units in the last place.
// Doubles only.
template <class D, class V>
HWY_INLINE V ExpOfProduct(D d, V a, V b) {
  const V bounded = hn::Max(a, C(d, -1e290));  // beyond it the result is 0 all the same, and the error would overflow
  const V product = hn::Mul(bounded, b);
  const V e = hn::Exp(d, product);
  const auto finite = hn::And(hn::Gt(e, hn::Zero(d)), hn::Lt(e, hn::Inf(d)));
  return hn::IfThenElse(finite, hn::MulAdd(e, ProductError(d, bounded, b, product), e), e);
}

// m^exponent for 0 <= m; 0^0 = 1. The logarithm is corrected by what exp makes of it: its error would otherwise be
// multiplied by the exponent and by log m. Doubles only.
template <class D, class V>
HWY_INLINE V Power(D d, V m, double exponent) {
  if (exponent == 0) return C(d, 1.0);
  const V to = C(d, exponent);
  const V log = hn::Log(d, m), back = hn::Exp(d, log);
  const auto normal = hn::Ge(m, C(d, 0x1p-1022));  // exp answers subnormal numbers less exactly
  const V error = hn::IfThenElseZero(normal, hn::Div(hn::Sub(m, back), back));
  const V raised = ExpOfProduct(d, log, to);
  const V power = hn::IfThenElse(hn::Lt(raised, hn::Inf(d)), hn::MulAdd(hn::Mul(raised, to), error, raised), raised);
  return hn::IfThenElse(hn::Eq(m, hn::Zero(d)), C(d, exponent > 0 ? 0.0 : kInf), power);
}

// The focal term of what happened, z its logit: w B with w = s(-z)^gamma and B = -log s(z), at most `cap`. Slope and
// curvature are with respect to z; where `detached`, w is held constant.
//   slope     = -w (gamma s(z) B + s(-z))
//   curvature = w (gamma s(z) B (gamma s(z) - s(-z)) + (2 gamma + 1) s(z) s(-z))
template <class D, class V>
HWY_INLINE Local<V> FocalTerm(D d, V z, double gamma, double cap, bool detached) {
  const V one = C(d, 1.0), zero = hn::Zero(d);
  const V decay = hn::Exp(d, hn::Neg(hn::Abs(z)));
  const V log1p = hn::Log1p(d, decay);
  const V sure = hn::Div(one, hn::Add(one, decay)), unsure = hn::Mul(decay, sure);
  const auto right = hn::Ge(z, zero);
  const V p = hn::IfThenElse(right, sure, unsure), q = hn::IfThenElse(right, unsure, sure);  // s(z), s(-z)
  const V exact = hn::Add(hn::Max(hn::Neg(z), zero), log1p);
  const auto capped = hn::Gt(exact, C(d, cap));
  const V b = hn::Min(exact, C(d, cap));
  const V q_live = hn::IfThenZeroElse(capped, q);  // -B'
  const V g = C(d, gamma);
  const V w = hn::Mul(ExpOfProduct(d, hn::Min(hn::Neg(z), zero), g), hn::Exp(d, hn::Neg(hn::Mul(g, log1p))));
  const V value = hn::Mul(w, b);
  if (detached) return {value, {hn::Neg(hn::Mul(w, q_live))}, hn::Mul(w, hn::Mul(p, q_live))};
  const V pull = hn::Mul(g, hn::Mul(p, b));
  const V bend = hn::Mul(p, hn::MulAdd(C(d, 2 * gamma), q_live, q_live));
  return {value,
          {hn::Neg(hn::Mul(w, hn::Add(pull, q_live)))},
          hn::Mul(w, hn::MulAdd(pull, hn::Sub(hn::Mul(g, p), q), bend))};
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_FOCAL_INL_H_
