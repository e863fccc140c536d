// Gradients so large that they are stored past the caches.
#include <cstring>
#include <vector>

#include "core/evaluate.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/problems.h"
#include "tests/support/status.h"

namespace lossd {
namespace {

using testing::As;
using testing::Bits;
using testing::Bytes;
using testing::IsOk;
using testing::Place;
using testing::Solve;
using testing::View;

Request Huber(size_t count, const Bytes& y_true, const Bytes& y_pred, bool gradient) {
  const Shape shape = {static_cast<int64_t>(count)};
  Request request;
  request.loss = "huber";
  request.y_true = View(DType::kF32, shape, y_true);
  request.y_pred = View(DType::kF32, shape, y_pred);
  request.options.reduction = Reduction::kSum;
  request.gradient = gradient;
  return request;
}

TEST(Streamed, AGradientBeyondTheCachesHasTheBitsOfItsParts) {
  // A few elements over, so that neither strips nor cache lines end with it.
  const size_t count = kStreamedBytes / sizeof(float) + 7, part = 4096 + 3;
  std::vector<float> y_true(count), y_pred(count);
  for (size_t i = 0; i < count; ++i) {
    y_true[i] = static_cast<float>(i % 1013) / 512;
    y_pred[i] = static_cast<float>(i * 7 % 4099) / 1024;
  }
  Executor executor(2);
  const absl::StatusOr<Bits> all = Solve(Huber(count, Bytes(y_true), Bytes(y_pred), true), executor);
  ASSERT_THAT(all, IsOk());
  const std::vector<float> gradient = As<float>(all->gradient());
  ASSERT_EQ(gradient.size(), count);
  for (const size_t begin : {size_t{0}, count / 2 + 1, count - part}) {
    const auto cut = [&](const std::vector<float>& v) {
      return Bytes(std::vector<float>(v.begin() + static_cast<ptrdiff_t>(begin),
                                      v.begin() + static_cast<ptrdiff_t>(begin + part)));
    };
    const absl::StatusOr<Bits> alone = Solve(Huber(part, cut(y_true), cut(y_pred), true), executor);
    ASSERT_THAT(alone, IsOk());
    EXPECT_EQ(std::memcmp(As<float>(alone->gradient()).data(), gradient.data() + begin, part * sizeof(float)), 0)
        << begin;
  }
  // Over the prediction, which lies at no alignment and is in cache, it is not streamed.
  EXPECT_TRUE(Solve(Huber(count, Bytes(y_true), Bytes(y_pred), true), executor, Place::kOverInputs) == all);
  // The value does not know of the gradient.
  const absl::StatusOr<Bits> value = Solve(Huber(count, Bytes(y_true), Bytes(y_pred), false), executor);
  ASSERT_THAT(value, IsOk());
  EXPECT_EQ(value->result.sum, all->result.sum);
}

}  // namespace
}  // namespace lossd
