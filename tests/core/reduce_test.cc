#include "core/reduce.h"

#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/simd_targets.h"

namespace lossd {
namespace {

using testing::OnTarget;
using testing::SimdTargets;

// 64-bit mantissa on x86: an independent sum with 11 bits more than double.
template <class T>
long double LongSum(const std::vector<T>& values) {
  long double sum = 0;
  for (const T x : values) sum += x;
  return sum;
}

template <class T>
std::vector<T> Draw(size_t n, uint64_t seed) {
  std::mt19937_64 rng(seed);
  std::normal_distribution<double> normal;
  std::vector<T> out(n);
  for (T& x : out) x = static_cast<T>(std::exp(5 * normal(rng)));
  return out;
}

template <class T>
void SumsAreExactToDouble() {
  for (size_t n = 0; n < 100; ++n) {
    const std::vector<T> values = Draw<T>(n, n);
    const std::vector<double> weights = Draw<double>(n, n + 1000);
    std::vector<long double> products(n);
    for (size_t i = 0; i < n; ++i) products[i] = static_cast<long double>(values[i]) * weights[i];
    EXPECT_NEAR(Sum(values.data(), n), static_cast<double>(LongSum(values)),
                1e-14 * static_cast<double>(LongSum(values)));
    EXPECT_NEAR(WeightedSum(values.data(), weights.data(), n), static_cast<double>(LongSum(products)),
                1e-14 * static_cast<double>(LongSum(products)));
  }
}

TEST(Reduce, SumsAreExactToDoubleOnEveryInstructionSet) {
  for (const int64_t target : SimdTargets()) {
    const OnTarget on(target);
    SumsAreExactToDouble<float>();
    SumsAreExactToDouble<double>();
  }
}

// 2^24 ones and a tail of ones: plain float accumulation stops at 2^24.
TEST(Reduce, FloatsAreAddedInDouble) {
  const std::vector<float> ones((1 << 24) + 1000, 1.0f);
  EXPECT_EQ(Sum(ones.data(), ones.size()), (1 << 24) + 1000);
}

TEST(Reduce, PartialsMergeByAddition) {
  Partial total{.sum = 1, .weight_sum = 2, .valid_count = 3};
  Merge(Partial{.sum = 10, .weight_sum = 20, .valid_count = 30}, total);
  EXPECT_EQ(total.sum, 11);
  EXPECT_EQ(total.weight_sum, 22);
  EXPECT_EQ(total.valid_count, 33);
}

}  // namespace
}  // namespace lossd
