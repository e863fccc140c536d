// The 16-bit floating-point types as bits: IEEE 754 binary16 (F16) and bfloat16 (BF16). No arithmetic, only exact
// widening and a single rounding to nearest, ties to even, from double.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace lossd {

struct Half {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

inline double ToDouble(BFloat16 x) { return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16); }

inline double ToDouble(Half x) {
  const int exponent = x.bits >> 10 & 31, fraction = x.bits & 1023;
  const bool negative = (x.bits & 0x8000) != 0;
  if (exponent == 31) return fraction != 0 ? std::nan("") : negative ? -INFINITY : INFINITY;
  const double magnitude = exponent == 0 ? fraction * 0x1p-24
                                         : std::bit_cast<double>(static_cast<uint64_t>(exponent - 15 + 1023) << 52 |
                                                                 static_cast<uint64_t>(fraction) << 42);
  return negative ? -magnitude : magnitude;
}

namespace internal {

// Rounds |x| to a float format with `fraction_bits` and exponents from `min_exponent` (of normal numbers) to
// `max_exponent`; returns the format's bits without the sign. Adding the exponent field to the rounded fraction lets a
// carry move to the next exponent, and from there to infinity, by itself.
inline uint16_t RoundTo16(double x, int fraction_bits, int min_exponent, int max_exponent) {
  const uint32_t infinity = static_cast<uint32_t>(max_exponent - min_exponent + 2) << fraction_bits;
  if (std::isnan(x)) return static_cast<uint16_t>(infinity | 1u << (fraction_bits - 1));
  const double magnitude = std::abs(x);
  if (magnitude >= std::ldexp(1.0, max_exponent + 1)) return static_cast<uint16_t>(infinity);
  if (magnitude == 0) return 0;
  const int exponent = std::max(std::ilogb(magnitude), min_exponent);
  // In units of the last place: an integer below 2^(fraction_bits + 1) after rounding; scaling by a power of two is
  // exact.
  const auto units = static_cast<uint32_t>(std::nearbyint(std::scalbn(magnitude, fraction_bits - exponent)));
  return static_cast<uint16_t>((static_cast<uint32_t>(exponent - min_exponent) << fraction_bits) + units);
}

}  // namespace internal

inline Half ToHalf(double x) {
  return {static_cast<uint16_t>(internal::RoundTo16(x, 10, -14, 15) | (std::signbit(x) ? 0x8000 : 0))};
}
inline BFloat16 ToBFloat16(double x) {
  return {static_cast<uint16_t>(internal::RoundTo16(x, 7, -126, 127) | (std::signbit(x) ? 0x8000 : 0))};
}

}  // namespace lossd
