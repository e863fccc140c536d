// The masses of core/simd/mass-inl.h against long double, on every instruction set: the bounds are those that the file
// states.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/simd/targets.h"
#include "gtest/gtest.h"
#include "tests/support/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/core/mass_test.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/simd/mass-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

// y [n] = masses of x [n], n a multiple of kChunk; returns that of max, or 0 where shallow ones have other bits.
template <bool kCoarse>
double Masses(float max, const float* x, size_t n, float* y) {
  const Tag<float> d;
  const MassOf<float, kCoarse> mass(max);
  for (size_t i = 0; i < n; i += kLanes<float>) {
    hn::Vec<Tag<float>> v[1] = {hn::LoadU(d, x + i)}, e[1];
    mass.template Of<false>(v, e);
    if (mass.is_shallow(*std::min_element(x + i, x + i + kLanes<float>))) {
      hn::Vec<Tag<float>> shallow[1];
      mass.template Of<true>(v, shallow);
      if (!hn::AllTrue(d, hn::Eq(shallow[0], e[0]))) return 0;  // no top
    }
    hn::StoreU(e[0], d, y + i);
  }
  return mass.top();
}
double Fine(float max, const float* x, size_t n, float* y) { return Masses<false>(max, x, n, y); }
double Coarse(float max, const float* x, size_t n, float* y) { return Masses<true>(max, x, n, y); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {
namespace {

HWY_EXPORT(Fine);
HWY_EXPORT(Coarse);

// Cut to the 11 bits that F16 has and BF16 has less than.
float Cut(float x) { return std::bit_cast<float>(std::bit_cast<uint32_t>(x) & 0xFFFFE000); }

// Logits from max down to where float has no share for them, of any number of digits below max; of 11 bits where
// coarse.
std::vector<float> Below(float max, bool coarse) {
  std::vector<float> x;
  const auto add = [&](float v) {
    if (coarse) v = Cut(v);
    if (v <= max && v > max - 103.5f) x.push_back(v);
  };
  for (int i = 0; i < 20'000; ++i) add(max - 103.5f * (static_cast<float>(i) / 20'000));
  for (float tiny = 1e-30f; tiny < 100; tiny *= 1.01f) {
    add(tiny);
    add(-tiny);
  }
  while (x.size() % 16 != 0) x.push_back(max);
  return x;
}

// In units in the last place of the exact mass.
double WorstError(float max, const std::vector<float>& x, const std::vector<float>& y, double top) {
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const long double exact = static_cast<long double>(top) * std::exp(static_cast<long double>(x[i]) - max);
    const long double unit = std::ldexp(1.0L, std::ilogb(static_cast<double>(exact)) - 23);
    worst = std::max(worst, static_cast<double>(std::abs(y[i] - exact) / unit));
  }
  return worst;
}

TEST(Mass, IsWithinItsBoundWhereverTheLargestLogitLies) {
  for (const float some : {0.0f, 0.34f, 3.7f, 50.25f, -60.1f, 207.9f, -207.9f, 208.0f, -208.5f, 1e4f, -1e6f, 3e38f}) {
    for (const bool coarse : {false, true}) {
      const float max = coarse ? Cut(some) : some;
      const std::vector<float> x = Below(max, coarse);
      std::vector<float> fused;  // what the instruction sets with FMA agree on
      for (const int64_t target : testing::SimdTargets()) {
        const testing::OnTarget on(target);
        const bool fma = testing::HasFma(target);
        std::vector<float> y(x.size());
        const double top = coarse ? HWY_DYNAMIC_DISPATCH(Coarse)(max, x.data(), x.size(), y.data())
                                  : HWY_DYNAMIC_DISPATCH(Fine)(max, x.data(), x.size(), y.data());
        const double bound = coarse ? 64 : fma ? 1.1 : 1.6;  // 64: 2^-18 of what lies below a power of 2
        EXPECT_LE(WorstError(max, x, y, top), bound) << "below " << max << (coarse ? ", coarse" : "");
        if (!fma) continue;
        if (!fused.empty()) {
          EXPECT_EQ(y, fused);
        }
        fused = y;
      }
    }
  }
}

// Where the neighbours of max have no share beside it.
TEST(Mass, OfLogitsFarAwayIsThatOfMaxOrNothing) {
  for (const float max : {0x1p20f, -0x1.08p20f, 0x1.fep100f, -0x1.1p127f}) {
    for (const int64_t target : testing::SimdTargets()) {
      const testing::OnTarget on(target);
      std::vector<float> x(16, max), y(16);
      x[1] = max - std::abs(max) * 0x1p-7f;
      x[2] = -std::numeric_limits<float>::infinity();
      const double top = HWY_DYNAMIC_DISPATCH(Coarse)(max, x.data(), x.size(), y.data());
      EXPECT_NEAR(y[0] / top, 1, 0x1p-18) << max;
      EXPECT_EQ(y[1], 0) << max;
      EXPECT_EQ(y[2], 0) << max;
    }
  }
}

TEST(Mass, OfMinusInfinityIsNothingAndOfNanNan) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float max : {-300.0f, -1.0f, 0.0f, 77.7f, 1e30f}) {
    std::vector<float> x(16, -kInfinity), y(16, 1.0f);
    x[3] = max;
    x[5] = std::nanf("");
    x[7] = max - 1e5f;
    for (const int64_t target : testing::SimdTargets()) {
      const testing::OnTarget on(target);
      HWY_DYNAMIC_DISPATCH(Fine)(max, x.data(), x.size(), y.data());
      EXPECT_GT(y[3], 0);
      EXPECT_TRUE(std::isnan(y[5]));
      EXPECT_EQ(y[7], max - 1e5f == max ? y[3] : 0.0f);
      EXPECT_EQ(y[0], 0.0f);
    }
  }
}

}  // namespace
}  // namespace lossd
#endif  // HWY_ONCE
