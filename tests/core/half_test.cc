#include "core/tensor/half.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace lossd {
namespace {

template <class H>
uint16_t Round(double x);
template <>
uint16_t Round<Half>(double x) {
  return ToHalf(x).bits;
}
template <>
uint16_t Round<BFloat16>(double x) {
  return ToBFloat16(x).bits;
}

template <class H>
class HalfTest : public ::testing::Test {};
using Types = ::testing::Types<Half, BFloat16>;
TYPED_TEST_SUITE(HalfTest, Types);

TYPED_TEST(HalfTest, EveryValueSurvivesWideningAndRounding) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const double wide = ToDouble(TypeParam{static_cast<uint16_t>(bits)});
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(ToDouble(TypeParam{Round<TypeParam>(wide)}))) << bits;
    } else {
      ASSERT_EQ(Round<TypeParam>(wide), bits);
    }
  }
}

// Between two neighbours: the middle goes to the even one, what is nearer to one goes there.
TYPED_TEST(HalfTest, RoundsToTheNearestAndTiesToEven) {
  for (uint32_t bits = 0; bits < 32768; ++bits) {
    const double low = ToDouble(TypeParam{static_cast<uint16_t>(bits)});
    const double high = ToDouble(TypeParam{static_cast<uint16_t>(bits + 1)});
    if (!std::isfinite(low) || !std::isfinite(high)) continue;
    const double middle = low + (high - low) / 2;
    for (const uint16_t sign : {0, 0x8000}) {
      const double s = sign == 0 ? 1 : -1;
      ASSERT_EQ(Round<TypeParam>(s * middle), sign | (bits + (bits & 1)));
      ASSERT_EQ(Round<TypeParam>(s * std::nextafter(middle, low)), sign | bits);
      ASSERT_EQ(Round<TypeParam>(s * std::nextafter(middle, high)), sign | (bits + 1));
    }
  }
}

TEST(Half, KnownValues) {
  // IEEE 754 binary16: 1, the largest, the smallest normal, the smallest of all, and what lies beyond them.
  EXPECT_EQ(ToHalf(1).bits, 0x3C00);
  EXPECT_EQ(ToHalf(-2).bits, 0xC000);
  EXPECT_EQ(ToHalf(65504).bits, 0x7BFF);
  EXPECT_EQ(ToHalf(65519.99).bits, 0x7BFF);
  EXPECT_EQ(ToHalf(65520).bits, 0x7C00);  // a tie, to the even side: infinity
  EXPECT_EQ(ToHalf(std::numeric_limits<double>::max()).bits, 0x7C00);
  EXPECT_EQ(ToHalf(0x1p-14).bits, 0x0400);
  EXPECT_EQ(ToHalf(0x1p-24).bits, 0x0001);
  EXPECT_EQ(ToHalf(0x1p-25).bits, 0x0000);
  EXPECT_EQ(ToHalf(0x1.8p-25).bits, 0x0001);
  EXPECT_EQ(ToHalf(std::numeric_limits<double>::denorm_min()).bits, 0x0000);
  EXPECT_EQ(ToHalf(-0.0).bits, 0x8000);
}

TEST(BFloat16, KnownValues) {
  // The upper half of a float.
  EXPECT_EQ(ToBFloat16(1).bits, 0x3F80);
  EXPECT_EQ(ToBFloat16(0x1.FEp127).bits, 0x7F7F);
  EXPECT_EQ(ToBFloat16(std::numeric_limits<float>::max()).bits, 0x7F80);
  EXPECT_EQ(ToBFloat16(0x1p-126).bits, 0x0080);
  EXPECT_EQ(ToBFloat16(0x1p-133).bits, 0x0001);
  EXPECT_EQ(ToBFloat16(0x1p-134).bits, 0x0000);
  EXPECT_EQ(ToBFloat16(-std::numeric_limits<double>::infinity()).bits, 0xFF80);
}

}  // namespace
}  // namespace lossd
