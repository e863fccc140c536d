#include "core/tensor/tensor_view.h"

#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "core/limits.h"
#include "gtest/gtest.h"
#include "tests/support/problems.h"
#include "tests/support/status.h"

namespace lossd {
namespace {

using absl::StatusCode;
using testing::Bytes;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

TEST(Shape, CountsElementsWithoutOverflow) {
  struct Case {
    Shape shape;
    std::optional<size_t> count;
  };
  const Case cases[] = {
      {{}, 1},
      {{0}, 0},
      {{7}, 7},
      {{2, 3, 4}, 24},
      {{kMax}, static_cast<size_t>(kMax)},
      {{kMax, 1, 1}, static_cast<size_t>(kMax)},
      {{kMax, 2}, std::nullopt},
      {{int64_t{1} << 32, int64_t{1} << 31}, std::nullopt},
      {{int64_t{1} << 31, int64_t{1} << 31}, size_t{1} << 62},
      {{kMax, kMax, 0}, 0},
      {{0, kMax, kMax}, 0},
      {{-1}, std::nullopt},
      {{0, -1}, std::nullopt},
      {{std::numeric_limits<int64_t>::min()}, std::nullopt},
  };
  for (const Case& c : cases) EXPECT_EQ(ElementCount(c.shape), c.count) << ToString(c.shape);
}

TEST(TensorView, RefusesShapesThatLie) {
  const Bytes sixteen(std::vector<float>(4));
  struct Case {
    DType dtype;
    Shape shape;
    const char* message;
  };
  const Case cases[] = {
      {DType::kF32, {5}, "y_pred: 16 bytes of data; F32 [5] has 20"},
      {DType::kF32, {}, "F32 [] has 4"},
      {DType::kF64, {4}, "F64 [4] has 32"},
      {DType::kF32, {2, -2}, "y_pred: shape [2, -2]; expected sizes >= 0"},
      {DType::kF32, {kMax}, "expected sizes >= 0 whose product fits 63 bits"},
      {DType::kF64, {int64_t{1} << 61}, "expected sizes >= 0 whose product fits 63 bits"},
      {DType::kF32, {0, kMax}, "F32 [0, 9223372036854775807] has 0"},
      {DType::kF32, Shape(kMaxRank + 1, 1), "33 axes; expected at most 32"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(TensorView::Make("y_pred", c.dtype, c.shape, sixteen.segments()),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr(c.message)));
  }
}

TEST(TensorView, AcceptsEmptyTensorsWithoutBytes) {
  const absl::StatusOr<TensorView> view = TensorView::Make("x", DType::kF32, {0, 3}, {});
  ASSERT_THAT(view, IsOk());
  EXPECT_EQ(view->count(), 0u);
}

TEST(TensorView, ABlockPointsIntoItsSegmentOrIsGathered) {
  std::vector<int32_t> numbers(1000);
  std::iota(numbers.begin(), numbers.end(), 0);
  std::mt19937 rng(3);
  for (const size_t most : {0, 1, 3, 17, 400, 5000}) {
    const Bytes bytes(numbers, most);
    const TensorView view = testing::View(DType::kI32, {10, 100}, bytes);
    size_t in_place = 0;
    for (int round = 0; round < 200; ++round) {
      const size_t begin = rng() % 1001, count = rng() % (1001 - begin);
      std::vector<int32_t> scratch(count + 1, -1);
      const std::byte* const block = view.Block(begin, count, reinterpret_cast<std::byte*>(scratch.data()));
      in_place += block != reinterpret_cast<std::byte*>(scratch.data());
      std::vector<int32_t> got(count);
      if (count > 0) std::memcpy(got.data(), block, count * sizeof(int32_t));
      ASSERT_TRUE(std::equal(got.begin(), got.end(), numbers.begin() + begin)) << "most " << most << " begin " << begin;
      ASSERT_EQ(scratch.back(), -1) << "wrote behind the scratch";
    }
    if (most == 0) {
      EXPECT_GT(in_place, 190u) << "one segment is never copied";
    }
  }
}

TEST(TensorView, ElementsAreOverwrittenWhereTheyLie) {
  std::mt19937 rng(4);
  for (const size_t most : {0, 1, 3, 17, 400}) {
    std::vector<int32_t> expected(300);
    const Bytes bytes(expected, most);
    const TensorView view = testing::View(DType::kI32, {300}, bytes);
    for (int32_t round = 1; round < 100; ++round) {
      const size_t begin = rng() % 301, count = rng() % (301 - begin);
      std::vector<int32_t> numbers(count);
      std::iota(numbers.begin(), numbers.end(), round * 1000);
      if (std::byte* const place = view.Find(begin, count); place != nullptr) {
        std::memcpy(place, numbers.data(), count * sizeof(int32_t));
      } else {
        view.Overwrite(begin, count, reinterpret_cast<const std::byte*>(numbers.data()));
      }
      std::copy(numbers.begin(), numbers.end(), expected.begin() + begin);
      std::vector<int32_t> got(300);
      std::vector<int32_t> scratch(300);
      std::memcpy(got.data(), view.Block(0, 300, reinterpret_cast<std::byte*>(scratch.data())), 1200);
      ASSERT_EQ(got, expected) << "most " << most << " begin " << begin << " count " << count;
    }
  }
}

}  // namespace
}  // namespace lossd
