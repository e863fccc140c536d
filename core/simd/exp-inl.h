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

// min(most, x), and NaN of NaN: the scalar target's Min swallows it, the others return the second.
template <class V>
HWY_INLINE V AtMost(V most, V x) {
#if HWY_TARGET == HWY_SCALAR
  return hn::IfThenElse(hn::Gt(x, most), most, x);
#else
  return hn::Min(most, x);
#endif
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

// e^r - 1 = r + r^2 P(r) to 2^-26.
inline constexpr double kExpP[] = {0.500000006567, 0.166665380735, 0.041666266725, 0.00836723912415, 0.00139475845477};

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
  const V p = Polynomial(d, r, kExpP);
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(di, shifted));  // n; the magic's own bits fall off the end
  const auto one = hn::Set(di, (127 + kLift) << 23);
  return {hn::BitCast(d, hn::Add(exponent, one)), hn::MulAdd(hn::Mul(r, r), p, r)};
}

// e^r - 1 = r + r^2 P(r), from s = -r. Estrin's scheme: for whatever waits for the last of these operations.
template <class D, class V>
HWY_INLINE V Expm1OfMinus(D d, V s) {
  const V square = hn::Mul(s, s);
  const V low = hn::MulAdd(s, C(d, -kExpP[1]), C(d, kExpP[0]));
  const V high = hn::MulAdd(square, C(d, kExpP[4]), hn::MulAdd(s, C(d, -kExpP[3]), C(d, kExpP[2])));
  return hn::MulSub(square, hn::MulAdd(square, high, low), s);
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
    // log(1 + u) = 2 artanh(s) = 2 s + s z R(z), s = u / (2 + u), z = s^2, and 2 s = u - s u: to 2^-27. A polynomial in
    // u needs twice the multiplications; what a division has rounded weighs less the smaller u is.
    static constexpr double kR[] = {0.666664162888, 0.400215271751, 0.280018053393, 0.280119892831};
    const V s = hn::Div(u, hn::Add(C(d, 2.0), u));
    const V z = hn::Mul(s, s);
    return hn::NegMulAdd(s, hn::NegMulAdd(z, Polynomial(d, z, kR), u), u);
  } else {
    return hn::Log1p(d, u);
  }
}

// x = 2^n m of a normal float x > 0, sqrt(1/2) <= m < sqrt(2), from the bits.
template <class V>
struct NormalParts {
  V m, n;
};
template <class D, class V>
HWY_INLINE NormalParts<V> SplitNormal(D d, V x) {
  const hn::RebindToSigned<D> di;
  const auto root = hn::Set(di, 0x3F3504F3);
  const auto bits = hn::Sub(hn::BitCast(di, x), root);
  const V m = hn::BitCast(d, hn::Add(hn::And(bits, hn::Set(di, 0x7FFFFF)), root));
  return {m, hn::ConvertTo(d, hn::ShiftRight<23>(bits))};
}

// log x = n ln 2 + log(1 + f), f = m - 1.
template <class D, class V>
HWY_INLINE V LogOfParts(D d, const NormalParts<V>& x) {
  // log(1 + f) = 2 artanh(s), s = f / (2 + f), as in Log1pOfUnit: to 2^-30.
  static constexpr double kR[] = {0.666667760853, 0.399775740286, 0.298709370737};
  const V f = hn::Sub(x.m, C(d, 1.0));
  const V s = hn::Div(f, hn::Add(C(d, 2.0), f));
  const V z = hn::Mul(s, s);
  const V low = hn::NegMulAdd(s, hn::NegMulAdd(z, Polynomial(d, z, kR), f), hn::Mul(x.n, C(d, kLn2Low)));
  return hn::MulAdd(x.n, C(d, kLn2High), hn::Add(f, low));
}

// log x for normal x > 0. Float: within 1 unit in the last place.
template <class D, class V>
HWY_INLINE V LogOfNormal(D d, V x) {
  if constexpr (kIsFloat<D>) {
    return LogOfParts(d, SplitNormal(d, x));
  } else {
    return hn::Log(d, x);
  }
}

// log x for 0 < x < inf: the bits of LogOfNormal, and smaller numbers.
template <class D, class V>
HWY_INLINE V LogOfPositive(D d, V x) {
  if constexpr (kIsFloat<D>) {
    const auto tiny = hn::Lt(x, C(d, 0x1p-126));
    const NormalParts<V> lifted = SplitNormal(d, hn::IfThenElse(tiny, hn::Mul(x, C(d, 0x1p32)), x));
    return LogOfParts<D, V>(d, {lifted.m, hn::IfThenElse(tiny, hn::Sub(lifted.n, C(d, 32.0)), lifted.n)});
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
    return hn::MulAdd(rest, hn::Div(one, q), LogOfNormal(d, q));
  } else {
    return hn::Log1p(d, hn::Neg(p));
  }
}

// e^-a and 1 - e^-a for a >= 0, infinity among them; NaN of NaN. Float: of 87 for all beyond.
template <class V>
struct DecayParts {
  V decay, rest;
};
template <class D, class V>
HWY_INLINE DecayParts<V> SplitDecay(D d, V a) {
  if constexpr (kIsFloat<D>) {
    const hn::RebindToSigned<D> di;
    const V size = AtMost(C(d, 87.0), a);
    const V magic = C(d, 0x1.8p23);
    const V shifted = hn::NegMulAdd(size, C(d, 1.44269504088896341), magic);
    const V n = hn::Sub(shifted, magic);
    const V s = hn::MulAdd(n, C(d, kLn2Low), hn::MulAdd(n, C(d, kLn2High), size));  // -r
    const V expm1 = Expm1OfMinus(d, s);
    const V scale = hn::BitCast(d, hn::Add(hn::ShiftLeft<23>(hn::BitCast(di, shifted)), hn::Set(di, 127 << 23)));
    return {hn::MulAdd(scale, expm1, scale), hn::NegMulAdd(scale, expm1, hn::Sub(C(d, 1.0), scale))};
  } else {
    const V expm1 = hn::Expm1(d, hn::Neg(a));
    return {hn::IfThenElse(hn::IsNaN(a), a, hn::Exp(d, hn::Neg(a))), hn::Neg(expm1)};
  }
}

// tanh(a) for a >= 0 from 1 - e^-2a. Float: within 2.6 units in the last place.
template <class D, class V>
HWY_INLINE V TanhOfRest(D d, V rest) {
  return hn::Div(rest, hn::Sub(C(d, 2.0), rest));
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_EXP_INL_H_
