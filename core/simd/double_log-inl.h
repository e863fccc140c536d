// Logarithms in double of numbers that were floats: fewer operations than Highway's, which looks out for subnormals.
//
// Polynomial: interpolation at the Chebyshev nodes, in 60 digits.

#if defined(LOSSD_CORE_SIMD_DOUBLE_LOG_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_DOUBLE_LOG_INL_H_
#undef LOSSD_CORE_SIMD_DOUBLE_LOG_INL_H_
#else
#define LOSSD_CORE_SIMD_DOUBLE_LOG_INL_H_
#endif

#include "core/simd/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// log x within 2 units in the last place for x > 0 that is a normal double, as any float is; a finite number for 0.
template <class D, class V>
HWY_INLINE V NormalLog(D d, V x) {
  const hn::RebindToSigned<D> di;
  // x = 2^n m, sqrt(1/2) <= m < sqrt(2), from the bits; n + 1023 is positive and made a double by its place in one.
  const auto root = hn::Set(di, int64_t{0x3FE6A09E00000000});
  const auto bits = hn::Sub(hn::BitCast(di, x), hn::Set(di, int64_t{0x3FE6A09E00000000} - (int64_t{1023} << 52)));
  const V m = hn::BitCast(d, hn::Add(hn::And(bits, hn::Set(di, int64_t{0x000FFFFFFFFFFFFF})), root));
  const auto lifted = hn::ShiftRight<52>(hn::BitCast(hn::RebindToUnsigned<D>(), bits));
  const auto place = hn::Or(hn::BitCast(di, lifted), hn::Set(di, int64_t{0x4330000000000000}));  // 2^52 + n + 1023
  const V n = hn::Sub(hn::BitCast(d, place), C(d, 0x1p52 + 1023));
  // log m = 2 artanh(s / 2) = s + s^3 R(s^2) to 2^-57, s = f / (1 + f/2).
  static constexpr double kR[] = {0.08333333333333337,    0.012499999999968576,  0.0022321428614065055,
                                  0.00043402756113788824, 8.878363992028783e-05, 1.8715467063245572e-05,
                                  4.460627876247749e-06};
  const V f = hn::Sub(m, C(d, 1.0));
  const V s = hn::Div(f, hn::MulAdd(f, C(d, 0.5), C(d, 1.0)));
  const V z = hn::Mul(s, s);
  const V log_m = hn::MulAdd(hn::Mul(s, z), Polynomial(d, z, kR), s);
  return hn::MulAdd(n, C(d, 0.693147180559945309), log_m);
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_DOUBLE_LOG_INL_H_
