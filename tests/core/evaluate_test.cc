// Reductions, divisors, weights and masks. Expected numbers are by hand or from the source named at the case.
#include "core/evaluate.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/problems.h"
#include "tests/support/status.h"

namespace lossd {
namespace {

using absl::StatusCode;
using testing::As;
using testing::Bits;
using testing::Bytes;
using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::FloatNear;
using testing::IsOk;
using testing::Place;
using ::testing::Pointwise;
using testing::Solve;
using testing::StatusIs;
using testing::View;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// A request over plain vectors, and their bytes.
struct Call {
  Call(std::string loss, Shape shape, std::vector<float> y_true, std::vector<float> y_pred)
      : true_bytes(y_true), pred_bytes(y_pred) {
    request.loss = std::move(loss);
    request.y_true = View(DType::kF32, shape, true_bytes);
    request.y_pred = View(DType::kF32, shape, pred_bytes);
    request.gradient = true;
  }
  Call& Weight(Shape shape, std::vector<float> weight) {
    weight_bytes = Bytes(weight);
    request.sample_weight = View(DType::kF32, std::move(shape), weight_bytes);
    return *this;
  }
  Call& Mask(Shape shape, std::vector<uint8_t> mask) {
    mask_bytes = Bytes(mask);
    request.mask = View(DType::kBool, std::move(shape), mask_bytes);
    return *this;
  }
  Call& With(void (*change)(Options&)) {
    change(request.options);
    return *this;
  }
  Bits Run() const {
    Executor executor(1);
    absl::StatusOr<Bits> bits = Solve(request, executor);
    EXPECT_THAT(bits, IsOk());
    return *bits;
  }

  Request request;
  Bytes true_bytes, pred_bytes, weight_bytes, mask_bytes;
};

std::vector<float> Gradient(const Bits& bits) { return As<float>(bits.gradient()); }

TEST(Evaluate, MeanDividesByTheNumberOfItems) {
  // Keras docstring of Huber: value .155; gradient by hand, clip(e, -1, 1) / 4.
  const Bits bits = Call("huber", {2, 2}, {0, 1, 0, 0}, {.6f, .4f, .4f, .6f}).Run();
  EXPECT_NEAR(*bits.result.value, .155, 1e-7);
  EXPECT_NEAR(bits.result.sum, .62, 1e-7);
  EXPECT_EQ(bits.result.divisor, 4);
  EXPECT_EQ(bits.result.valid_count, 4);
  EXPECT_EQ(bits.result.weight_sum, 4);
  EXPECT_THAT(Gradient(bits), ElementsAre(FloatEq(.15f), FloatEq(-.15f), FloatEq(.1f), FloatEq(.15f)));
}

TEST(Evaluate, EachDivisorIsWhatItsNameSays) {
  struct Case {
    const char* name;
    void (*options)(Options&);
    double divisor;
  };
  const Case cases[] = {
      {"count", [](Options& o) { o.divisor = Divisor::kCount; }, 3},
      {"default is count", [](Options&) {}, 3},
      {"weight sum", [](Options& o) { o.divisor = Divisor::kWeightSum; }, 2 + 0.5 + 0.5},
      {"batch", [](Options& o) { o.divisor = Divisor::kBatch; }, 2},
      {"normalizer", [](Options& o) { o.normalizer = 7; }, 7},
      {"sum", [](Options& o) { o.reduction = Reduction::kSum; }, 1},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    // Squared errors 1, (4 masked), 9, 16; weights 2, 2, .5, .5.
    const Bits bits = Call("mse", {2, 2}, {0, 0, 0, 0}, {1, 2, 3, 4})
                          .Weight({2}, {2, .5})
                          .Mask({2, 2}, {1, 0, 1, 1})
                          .With(c.options)
                          .Run();
    EXPECT_EQ(bits.result.divisor, c.divisor);
    EXPECT_DOUBLE_EQ(*bits.result.value, (2 * 1 + .5 * 9 + .5 * 16) / c.divisor);
    EXPECT_EQ(bits.result.valid_count, 3);
    EXPECT_EQ(bits.result.weight_sum, 3);
    const std::vector<float> gradient = Gradient(bits);
    const double slopes[] = {2 * 2 * 1, 0, .5 * 2 * 3, .5 * 2 * 4};
    for (size_t i = 0; i < 4; ++i) EXPECT_FLOAT_EQ(gradient[i], slopes[i] / c.divisor) << i;
  }
}

TEST(Evaluate, NoneReturnsWeightedValuesAndTheirSlopes) {
  const Bits bits = Call("mse", {2, 2}, {0, 0, 0, 0}, {1, 2, 3, 4})
                        .Weight({2, 1}, {2, .5})
                        .With([](Options& o) { o.reduction = Reduction::kNone; })
                        .Run();
  EXPECT_FALSE(bits.result.value.has_value());
  EXPECT_EQ(bits.result.divisor, 1);
  EXPECT_THAT(As<float>(bits.per_item), ElementsAre(2, 8, 4.5f, 8));
  EXPECT_THAT(Gradient(bits), ElementsAre(4, 8, 3, 4));
}

TEST(Evaluate, WeightsAlignToTheLeadingAxesAndNeverToTheLast) {
  // Two items of two elements: a weight of shape [2] is one per row, whatever the last axis is.
  const Bits bits = Call("mae", {2, 2}, {0, 0, 0, 0}, {1, 1, 1, 1})
                        .Weight({2}, {1, 10})
                        .With([](Options& o) { o.reduction = Reduction::kNone; })
                        .Run();
  EXPECT_THAT(As<float>(bits.per_item), ElementsAre(1, 1, 10, 10));
  const Bits scalar = Call("mae", {2, 2}, {0, 0, 0, 0}, {1, 1, 1, 1})
                          .Weight({}, {3})
                          .With([](Options& o) { o.divisor = Divisor::kWeightSum; })
                          .Run();
  EXPECT_EQ(scalar.result.weight_sum, 12);
  EXPECT_EQ(*scalar.result.value, 1);
}

TEST(Evaluate, AMaskedItemIsSelectedAwayNotMultiplied) {
  for (const float poison : {kNan, std::numeric_limits<float>::infinity()}) {
    const Bits bits =
        Call("mse", {3}, {0, 0, 0}, {1, poison, 3}).Weight({3}, {1, poison, 1}).Mask({3}, {1, 0, 1}).Run();
    EXPECT_EQ(*bits.result.value, 5);
    EXPECT_EQ(bits.result.weight_sum, 2);
    EXPECT_THAT(Gradient(bits), ElementsAre(1, 0, 3));
  }
}

TEST(Evaluate, WeightsThatCancelLeaveNoSlopeWhereverItIsWritten) {
  Call call("mse", {2}, {0, 0}, {std::numeric_limits<float>::infinity(), 2});  // 0 times its slope is NaN
  call.Weight({2}, {1, -1}).With([](Options& o) { o.divisor = Divisor::kWeightSum; });
  Executor executor(1);
  for (const Place place : {Place::kApart, Place::kOverInputs}) {
    const absl::StatusOr<Bits> bits = Solve(call.request, executor, place);
    ASSERT_THAT(bits, IsOk());
    EXPECT_EQ(bits->result.divisor, 0);
    EXPECT_THAT(Gradient(*bits), ElementsAre(0, 0));
  }
}

TEST(Evaluate, AllMaskedOrEmptyIsZeroUnlessNanIsAskedFor) {
  for (const bool nan : {false, true}) {
    for (const bool empty : {false, true}) {
      for (const Reduction reduction : {Reduction::kMean, Reduction::kSum}) {
        Call call = empty ? Call("mse", {0, 5}, {}, {}) : Call("mse", {2}, {0, 0}, {kNan, 2});
        if (!empty) call.Mask({2}, {0, 0});
        call.request.options.reduction = reduction;
        if (nan) call.request.options.empty_policy = EmptyPolicy::kNan;
        const Bits bits = call.Run();
        EXPECT_EQ(bits.result.valid_count, 0);
        EXPECT_EQ(bits.result.sum, 0);
        EXPECT_EQ(std::isnan(*bits.result.value), nan);
        EXPECT_TRUE(nan || *bits.result.value == 0);
        EXPECT_TRUE(empty || Gradient(bits) == std::vector<float>(2, 0));
      }
    }
  }
}

TEST(Evaluate, WeightsThatAddUpToNothingDivideByNothing) {
  const Bits bits = Call("mse", {2}, {0, 0}, {1, std::numeric_limits<float>::infinity()})
                        .Weight({2}, {0, 0})
                        .With([](Options& o) { o.divisor = Divisor::kWeightSum; })
                        .Run();
  EXPECT_EQ(bits.result.divisor, 0);
  EXPECT_EQ(*bits.result.value, 0);
  EXPECT_THAT(Gradient(bits), ElementsAre(0, 0));
}

TEST(Evaluate, AWeightedRowLossScalesWholeRows) {
  // Keras docstring of SparseCategoricalCrossentropy with sample_weight [.3, .7]: .814 as the mean over rows.
  const Bytes labels(std::vector<int32_t>{1, 2});
  Call call("sparse_categorical_crossentropy", {2, 3}, {0, 0, 0, 0, 0, 0}, {.05f, .95f, 0, .1f, .8f, .1f});
  call.request.y_true = View(DType::kI32, {2}, labels);
  call.request.options.input_kind = InputKind::kProbabilities;
  call.Weight({2}, {.3f, .7f});
  const Bits bits = call.Run();
  EXPECT_NEAR(*bits.result.value, .8135988, 1e-7);
  // 1/S - [c = y]/p_y per row, times weight / 2.
  EXPECT_THAT(Gradient(bits),
              ElementsAre(FloatNear(.15f, 1e-6f), FloatNear(-.15f * .0526316f, 1e-6f), FloatNear(.15f, 1e-6f),
                          FloatNear(.35f, 1e-6f), FloatNear(.35f, 1e-6f), FloatNear(-3.15f, 1e-5f)));
}

TEST(Evaluate, IntegerAndBoolTargetsAreNumbersToAnElementwiseLoss) {
  const Bytes ints(std::vector<int64_t>{0, 1, -3}), bools(std::vector<uint8_t>{0, 1, 1}),
      bytes(std::vector<uint8_t>{0, 1, 200});
  struct Case {
    DType dtype;
    const Bytes& data;
    std::vector<float> values;
  };
  const Case cases[] = {
      {DType::kI64, ints, {1, 0, 4}}, {DType::kBool, bools, {1, 0, 0}}, {DType::kU8, bytes, {1, 0, 199}}};
  for (const Case& c : cases) {
    Call call("mae", {3}, {0, 0, 0}, {1, 1, 1});
    call.request.y_true = View(c.dtype, {3}, c.data);
    call.request.options.reduction = Reduction::kNone;
    EXPECT_THAT(As<float>(call.Run().per_item), Pointwise(FloatEq(), c.values)) << Name(c.dtype);
  }
}

TEST(Evaluate, AScalarPredictionIsOneItem) {
  const Bits bits = Call("mse", {}, {1}, {3}).Run();
  EXPECT_EQ(*bits.result.value, 4);
  EXPECT_THAT(Gradient(bits), ElementsAre(4));
}

TEST(Evaluate, MicroBatchesCombineThroughSumAndDivisor) {
  std::vector<float> target(1000), prediction(1000);
  std::iota(prediction.begin(), prediction.end(), 0.0f);
  const Bits whole = Call("log_cosh", {1000}, target, prediction).Run();
  double sum = 0, divisor = 0;
  for (size_t begin = 0; begin < 1000; begin += 300) {
    const size_t end = std::min<size_t>(1000, begin + 300);
    const std::vector<float> p(prediction.begin() + begin, prediction.begin() + end), t(end - begin);
    const Bits part = Call("log_cosh", {static_cast<int64_t>(end - begin)}, t, p).Run();
    sum += part.result.sum;
    divisor += part.result.divisor;
  }
  EXPECT_NEAR(sum / divisor, *whole.result.value, 1e-12 * *whole.result.value);
}

// 2^24 + 2 items of exactly 1: float accumulation would stop at 2^24 (measured: relative error 1e-4 on real data).
TEST(Evaluate, ALargeSumLosesNothing) {
  const size_t n = (1 << 24) + 2;
  Call call("mae", {static_cast<int64_t>(n)}, std::vector<float>(n), std::vector<float>(n, 1.0f));
  call.request.gradient = false;
  call.request.options.reduction = Reduction::kSum;
  EXPECT_EQ(*call.Run().result.value, static_cast<double>(n));
}

TEST(Evaluate, CancellationStopsTheWorkAndSaysSo) {
  Call call("mse", {100000}, std::vector<float>(100000), std::vector<float>(100000));
  const absl::StatusOr<Problem> problem = MakeProblem(call.request);
  ASSERT_THAT(problem, IsOk());
  std::vector<std::byte> gradient(problem->gradient_bytes());
  Executor executor(2);
  Cancellation cancellation;
  cancellation.Cancel();
  EXPECT_THAT(Evaluate(*problem, MakePlan(*problem), {.gradients = {gradient.data()}}, executor, cancellation),
              StatusIs(StatusCode::kCancelled, ::testing::_));
}

// One item of everything: it must see the cancellation inside the kernel.
TEST(Evaluate, CancellationStopsABatchLossInTheMiddle) {
  const int64_t n = 4096, dim = 64;
  std::vector<float> x(n * dim);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>((i * 7919) % 101) - 50;
  std::vector<std::byte> embeddings(x.size() * sizeof(float)), labels(n * sizeof(int32_t));
  std::memcpy(embeddings.data(), x.data(), embeddings.size());
  Request request;
  request.loss = "supcon";
  request.y_pred = *TensorView::Make("y_pred", DType::kF32, {n, dim}, {{embeddings.data(), embeddings.size()}});
  request.y_true = *TensorView::Make("y_true", DType::kI32, {n}, {{labels.data(), labels.size()}});
  request.gradient = true;
  const absl::StatusOr<Problem> problem = MakeProblem(request);
  ASSERT_THAT(problem, IsOk());
  std::vector<std::byte> gradient(problem->gradient_bytes());
  Executor executor(2);
  const auto took = [&](const Cancellation& cancellation, StatusCode expected) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(Evaluate(*problem, MakePlan(*problem), {.gradients = {gradient.data()}}, executor, cancellation)
                  .status()
                  .code(),
              expected);
    return std::chrono::steady_clock::now() - begin;
  };
  const auto whole = took(Cancellation(), StatusCode::kOk);
  Cancellation cancellation;
  std::thread canceller([&] {
    std::this_thread::sleep_for(whole / 10);
    cancellation.Cancel();
  });
  EXPECT_LT(took(cancellation, StatusCode::kCancelled), whole * 7 / 10);
  canceller.join();
}

TEST(Plan, IsAFunctionOfShapesAndKeepsRowsWhole) {
  struct Case {
    Shape shape;
    size_t items_per_block, num_blocks, num_shards;
  };
  const Case cases[] = {
      {{0}, 0, 0, 0},       {{1}, 1, 1, 1},          {{4096}, 4096, 1, 1},
      {{4097}, 4096, 2, 1}, {{262144}, 4096, 64, 1}, {{262145}, 4096, 65, 2},
  };
  for (const Case& c : cases) {
    const std::vector<float> zeros(ElementCount(c.shape).value());
    const Call call("mse", c.shape, zeros, zeros);
    const Plan plan = MakePlan(*MakeProblem(call.request));
    EXPECT_EQ(plan.items_per_block, c.items_per_block) << ToString(c.shape);
    EXPECT_EQ(plan.num_blocks, c.num_blocks) << ToString(c.shape);
    EXPECT_EQ(plan.num_shards, c.num_shards) << ToString(c.shape);
  }
  Call rows("softmax_cross_entropy", {3, 5000}, std::vector<float>(15000), std::vector<float>(15000));
  const Plan plan = MakePlan(*MakeProblem(rows.request));
  EXPECT_EQ(plan.items_per_block, 1u) << "a row wider than a block is a block of its own";
  EXPECT_EQ(plan.num_blocks, 3u);
}

}  // namespace
}  // namespace lossd
