// The vector conversions against the conversions of single elements (core/tensor/half.h, whose own test knows the
// formats) and against long double, on every instruction set.
#include "core/convert_block.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "core/tensor/half.h"
#include "gtest/gtest.h"
#include "tests/support/simd_targets.h"

namespace lossd {
namespace {

using testing::OnTarget;
using testing::SimdTargets;

constexpr DType kFloats[] = {DType::kF32, DType::kF64, DType::kF16, DType::kBF16};

// One element of each dtype, rounded once from a double.
void Round(double x, DType dtype, std::byte* to) {
  const auto put = [&](auto rounded) { std::memcpy(to, &rounded, sizeof rounded); };
  if (dtype == DType::kF32) put(static_cast<float>(x));
  if (dtype == DType::kF64) put(x);
  if (dtype == DType::kF16) put(ToHalf(x));
  if (dtype == DType::kBF16) put(ToBFloat16(x));
}

uint16_t RoundTo16(double x, DType dtype) { return dtype == DType::kF16 ? ToHalf(x).bits : ToBFloat16(x).bits; }

// Every 16-bit float, the points between neighbours where rounding turns, and what is beyond them.
std::vector<double> TurningPoints(DType dtype) {
  const auto widen = [&](uint32_t bits) {
    const auto low = static_cast<uint16_t>(bits);
    return dtype == DType::kF16 ? ToDouble(Half{low}) : ToDouble(BFloat16{low});
  };
  std::vector<double> points = {0x1p-1074,
                                0x1p-150,
                                0x1p-149,
                                0x1.8p-134,
                                1e300,
                                std::numeric_limits<double>::max(),
                                static_cast<double>(std::numeric_limits<float>::max())};
  for (uint32_t bits = 0; bits < 32768; ++bits) {
    const double low = widen(bits), high = widen(bits + 1);
    points.push_back(low);
    if (!std::isfinite(low) || !std::isfinite(high)) continue;
    const double middle = low + (high - low) / 2;
    points.insert(points.end(), {middle, std::nextafter(middle, low), std::nextafter(middle, high)});
  }
  for (size_t i = points.size(); i-- > 0;) points.push_back(-points[i]);
  return points;
}

TEST(ConvertBlock, StoresSixteenBitsWithOneRounding) {
  for (const int64_t target : SimdTargets()) {
    const OnTarget on(target);
    for (const DType dtype : {DType::kF16, DType::kBF16}) {
      const std::vector<double> points = TurningPoints(dtype);
      std::vector<uint16_t> stored(points.size());
      StoreBlock(points.data(), nullptr, 1, points.size(), 1, dtype, reinterpret_cast<std::byte*>(stored.data()));
      for (size_t i = 0; i < points.size(); ++i) {
        const uint16_t wanted = RoundTo16(points[i], dtype);
        if (std::isnan(points[i])) {
          EXPECT_TRUE(std::isnan(dtype == DType::kF16 ? ToDouble(Half{stored[i]}) : ToDouble(BFloat16{stored[i]})));
        } else {
          ASSERT_EQ(stored[i], wanted) << points[i];
        }
      }
    }
  }
}

// Floats that a 16-bit float holds, or that lie half way: the rounding from float is the only one.
TEST(ConvertBlock, StoresFloatsInSixteenBits) {
  for (const int64_t target : SimdTargets()) {
    const OnTarget on(target);
    for (const DType dtype : {DType::kF16, DType::kBF16}) {
      std::vector<float> points;
      for (const double x : TurningPoints(dtype)) points.push_back(static_cast<float>(x));
      std::vector<uint16_t> stored(points.size());
      StoreBlock(points.data(), nullptr, 1, points.size(), 1, dtype, reinterpret_cast<std::byte*>(stored.data()));
      for (size_t i = 0; i < points.size(); ++i) {
        if (std::isnan(points[i])) continue;
        const uint16_t wanted = RoundTo16(points[i], dtype);
        ASSERT_EQ(stored[i], wanted) << points[i];
      }
    }
  }
}

TEST(ConvertBlock, LoadsEveryBitPattern) {
  for (const int64_t target : SimdTargets()) {
    const OnTarget on(target);
    std::vector<uint16_t> bits(65536);
    for (size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<uint16_t>(i);
    for (const DType dtype : {DType::kF16, DType::kBF16}) {
      std::vector<double> wide(bits.size());
      std::vector<float> narrow(bits.size());
      const auto* const bytes = reinterpret_cast<const std::byte*>(bits.data());
      ConvertBlock(dtype, bytes, bits.size(), wide.data());
      ConvertBlock(dtype, bytes, bits.size(), narrow.data());
      for (size_t i = 0; i < bits.size(); ++i) {
        const double wanted = dtype == DType::kF16 ? ToDouble(Half{bits[i]}) : ToDouble(BFloat16{bits[i]});
        if (std::isnan(wanted)) {
          EXPECT_TRUE(std::isnan(wide[i]) && std::isnan(narrow[i])) << i;
        } else {
          ASSERT_EQ(std::bit_cast<uint64_t>(wide[i]), std::bit_cast<uint64_t>(wanted)) << i;
          ASSERT_EQ(static_cast<double>(narrow[i]), wanted) << i;
        }
      }
    }
  }
}

// Counts around the vector, outputs at every alignment, one factor or many: each element is the
// product of doubles, and nothing beside it is touched.
template <class T>
void StoresProducts(DType dtype) {
  const size_t size = SizeOf(dtype);
  constexpr std::byte kUntouched{0xA5};
  std::mt19937_64 rng(7);
  std::normal_distribution<double> normal;
  for (size_t items = 0; items < 70; ++items) {
    for (const size_t width : {1, 3, 40}) {
      std::vector<T> numbers(items * width);
      std::vector<double> factors(items);
      for (T& x : numbers) x = static_cast<T>(normal(rng));
      for (double& x : factors) x = normal(rng);
      for (const double* own : {static_cast<const double*>(nullptr), static_cast<const double*>(factors.data())}) {
        const size_t offset = items % 67;
        std::vector<std::byte> out(offset + numbers.size() * size + 64, kUntouched);
        StoreBlock(numbers.data(), own, 1.0 / 3, items, width, dtype, out.data() + offset);
        const bool of_floats = sizeof(T) == 4 && size == 2 && (own == nullptr || width > 1);
        for (size_t k = 0; k < numbers.size(); ++k) {
          const double factor = own == nullptr ? 1.0 / 3 : own[k / width] * (1.0 / 3);
          const double product = of_floats
                                     ? static_cast<double>(static_cast<float>(numbers[k]) * static_cast<float>(factor))
                                     : numbers[k] * factor;
          std::byte wanted[8];
          Round(size == 2 ? static_cast<T>(product) : product, dtype, wanted);
          ASSERT_EQ(std::memcmp(out.data() + offset + k * size, wanted, size), 0)
              << Name(dtype) << " element " << k << " of " << numbers.size() << " at offset " << offset;
        }
        for (size_t k = 0; k < offset; ++k) ASSERT_EQ(out[k], kUntouched);
        for (size_t k = offset + numbers.size() * size; k < out.size(); ++k) ASSERT_EQ(out[k], kUntouched);
      }
    }
  }
}

TEST(ConvertBlock, StoresProductsAtAnyAlignment) {
  for (const int64_t target : SimdTargets()) {
    const OnTarget on(target);
    for (const DType dtype : kFloats) {
      StoresProducts<float>(dtype);
      StoresProducts<double>(dtype);
    }
  }
}

TEST(ConvertBlock, WhatIsBeyondAFloatIsInfinity) {
  for (const int64_t target : SimdTargets()) {
    const OnTarget on(target);
    const std::vector<double> numbers = {1e39, -1e39, std::numeric_limits<double>::infinity()};
    std::vector<float> stored(numbers.size());
    StoreBlock(numbers.data(), nullptr, 1, 3, 1, DType::kF32, reinterpret_cast<std::byte*>(stored.data()));
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    EXPECT_EQ(stored, (std::vector<float>{kInfinity, -kInfinity, kInfinity}));
  }
}

TEST(ConvertBlock, ScalesInPlace) {
  for (const int64_t target : SimdTargets()) {
    const OnTarget on(target);
    for (size_t n = 0; n < 40; ++n) {
      std::vector<double> numbers(n, 3.0);
      StoreBlock(numbers.data(), nullptr, 0.5, n, 1, DType::kF64, reinterpret_cast<std::byte*>(numbers.data()));
      EXPECT_EQ(numbers, std::vector<double>(n, 1.5));
    }
  }
}

}  // namespace
}  // namespace lossd
