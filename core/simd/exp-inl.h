// Exponentials and logarithms of the hot loops, where Highway's take longer than the loss around them. In float by
// polynomials of our own; in double they are Highway's.
//
// Polynomials: Remez exchange in 40 digits, for the relative error of the function that is named.

#if defined(LOSSD_CORE_SIMD_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_EXP_INL_H_
#undef LOSSD_CORE_SIMD_EXP_INL_H_
#else
#define LOSSD_CORE_SIMD_EXP_INL_H_
#endif

#include "core/simd/kernel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

template <class D>
inline constexpr bool kIsFloat = sizeof(hn::TFromD<D>) == sizeof(float);

// c[0] + c[1] x + c[2] x^2 + ... by Horner's rule. Estrin's scheme was no faster: the loops are bound by how many
// multiplications there are, not by how long each waits for the last.
template <class D, class V, size_t n>
HWY_INLINE V Polynomial(D d, V x, const double (&c)[n]) {
  V sum = C(d, c[n - 1]);
  for (size_t k = n - 1; k-- > 0;) sum = hn::MulAdd(sum, x, C(d, c[k]));
  return sum;
}

// 2^n and e^r - 1 with x = n ln 2 + r, |r| <= ln(2) / 2, for x in [-104, 0] and float: what exp and expm1 are made of.
// `scale` is 2^(n + kLift), a normal number where 2^n is none.
template <class V>
struct ExpParts {
  V scale, expm1;
};
inline constexpr int kLift = 32;

// ln 2 in two parts, of which the first times any exponent of float is exact. Source: Cody and Waite 1980, Software
// Manual for the Elementary Functions, chapter 6.
inline constexpr double kLn2High = 0x1.62e4p-1, kLn2Low = 1.42860682030941723212e-6;

// `rest`: what x lacks of the argument that is meant, a few of its last bits.
template <class D, class V>
HWY_INLINE ExpParts<V> SplitExp(D d, V x, V rest) {
  const hn::RebindToSigned<D> di;
  // Adding 1.5 * 2^23 rounds to an integer, and leaves it in the low bits.
  const V magic = C(d, 0x1.8p23), log2_e = C(d, 1.44269504088896341);
  const V shifted = hn::MulAdd(x, log2_e, magic);
  const V n = hn::Sub(shifted, magic);
  V r = hn::NegMulAdd(n, C(d, kLn2High), x);
  r = hn::Add(hn::NegMulAdd(n, C(d, kLn2Low), r), rest);
  // e^r - 1 = r + r^2 P(r) to 2^-26.
  static constexpr double kP[] = {0.500000006567, 0.166665380735, 0.041666266725, 0.00836723912415, 0.00139475845477};
  const V p = Polynomial(d, r, kP);
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(di, shifted));  // n; the magic's own bits fall off the end
  const auto one = hn::Set(di, (127 + kLift) << 23);
  return {hn::BitCast(d, hn::Add(exponent, one)), hn::MulAdd(hn::Mul(r, r), p, r)};
}

// e^(x + rest) for x <= 0, or x = -inf and any rest. Float: within 1.1 units in the last place.
template <class D, class V>
HWY_INLINE V ExpOfNegative(D d, V x, V rest) {
  if constexpr (kIsFloat<D>) {
    const V least = C(d, -104.0);  // whose exponential is below half of the smallest float
    const ExpParts<V> e = SplitExp(d, hn::Max(x, least), hn::IfThenElseZero(hn::Gt(x, least), rest));
    return hn::Mul(hn::MulAdd(e.scale, e.expm1, e.scale), C(d, 0x1p-32));
  } else {
    const V e = hn::Exp(d, x);
    return hn::IfThenElseZero(hn::Gt(e, hn::Zero(d)), hn::MulAdd(e, rest, e));
  }
}
template <class D, class V>
HWY_INLINE V ExpOfNegative(D d, V x) {
  if constexpr (kIsFloat<D>) {
    return ExpOfNegative(d, x, hn::Zero(d));
  } else {
    return hn::Exp(d, x);
  }
}

// log(1 + u) for 0 <= u <= 1. Float: within 1.3 units in the last place.
template <class D, class V>
HWY_INLINE V Log1pOfUnit(D d, V u) {
  if constexpr (kIsFloat<D>) {
    // u + u^2 Q(u) to 2^-30.
    static constexpr double kQ[] = {-0.499999872903,  0.333326897627,  -0.249885788677,  0.198979312162,
                                    -0.161293333862,  0.124671184479,  -0.0830740294806, 0.0419813388495,
                                    -0.0136314741955, 0.00207294711762};
    const V q = Polynomial(d, u, kQ);
    return hn::MulAdd(hn::Mul(u, u), q, u);
  } else {
    return hn::Log1p(d, u);
  }
}

// log x for 0 < x < inf. Float: within 1 unit in the last place.
template <class D, class V>
HWY_INLINE V LogOfPositive(D d, V x) {
  if constexpr (kIsFloat<D>) {
    const hn::RebindToSigned<D> di;
    const auto tiny = hn::Lt(x, C(d, 0x1p-126));
    const V normal = hn::IfThenElse(tiny, hn::Mul(x, C(d, 0x1p32)), x);
    // x = 2^n m, sqrt(1/2) <= m < sqrt(2), from the bits: log x = n ln 2 + log(1 + f), f = m - 1.
    const auto root = hn::Set(di, 0x3F3504F3);
    const auto bits = hn::Sub(hn::BitCast(di, normal), root);
    const V m = hn::BitCast(d, hn::Add(hn::And(bits, hn::Set(di, 0x7FFFFF)), root));
    const V lifted = hn::ConvertTo(d, hn::ShiftRight<23>(bits));
    const V n = hn::IfThenElse(tiny, hn::Sub(lifted, C(d, 32.0)), lifted);
    const V f = hn::Sub(m, C(d, 1.0));
    // log(1 + f) = f + f^2 Q(f) to 2^-27.
    static constexpr double kQ[] = {-0.499999883439, 0.333333257023, -0.250015832578, 0.200019734349,  -0.166090739093,
                                    0.141818296775,  -0.13243072434, 0.129044410574,  -0.0762156600556};
    const V q = Polynomial(d, f, kQ);
    const V low = hn::MulAdd(n, C(d, kLn2Low), hn::Mul(hn::Mul(f, f), q));
    return hn::MulAdd(n, C(d, kLn2High), hn::Add(f, low));
  } else {
    return hn::Log(d, x);
  }
}

// log(1 - p) for 0 <= p < 1. Float: within 1.5 units in the last place.
template <class D, class V>
HWY_INLINE V LogOfOneLess(D d, V p) {
  if constexpr (kIsFloat<D>) {
    const V one = C(d, 1.0), q = hn::Sub(one, p);
    const V rest = hn::Sub(hn::Sub(one, q), p);  // what q lacks, exactly, for p >= 0
    return hn::MulAdd(rest, hn::Div(one, q), LogOfPositive(d, q));
  } else {
    return hn::Log1p(d, hn::Neg(p));
  }
}

// e^-2a and tanh(a) for a >= 0, infinity among them. Float: the latter within 2.6 units in the last place.
template <class V>
struct TanhParts {
  V decay, tanh;
};
template <class D, class V>
HWY_INLINE TanhParts<V> TanhOfPositive(D d, V a) {
  const V doubled = hn::Neg(hn::Add(a, a));
  if constexpr (kIsFloat<D>) {
    const V x = hn::Max(doubled, C(d, -104.0)), lift = C(d, 0x1p-32);
    const ExpParts<V> e = SplitExp(d, x, hn::Zero(d));
    const V decay = hn::Mul(hn::MulAdd(e.scale, e.expm1, e.scale), lift);
    const V scale = hn::Mul(e.scale, lift);
    const V expm1 = hn::MulAdd(scale, e.expm1, hn::Sub(scale, C(d, 1.0)));
    return {decay, hn::Div(hn::Neg(expm1), hn::Add(C(d, 2.0), expm1))};
  } else {
    return {hn::Exp(d, doubled), hn::Tanh(d, a)};
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_EXP_INL_H_
