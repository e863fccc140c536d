// EvaluateBatch against a real server, with the C++ client.
#include "lossd/batch.h"

#include <gmock/gmock.h>

#include <random>

#include "tests/integration/process.h"
#include "tests/integration/test_server.h"
#include "tests/support/status.h"

namespace lossd {
namespace {

using testing::GenericCall;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

struct Numbers {
  std::vector<float> y_true, y_pred, weight;
  std::vector<uint8_t> mask;

  // Rows [begin, end) of 3 numbers each.
  Rows Slice(int64_t begin, int64_t end) const {
    const auto rows = [&](const auto& from, int64_t width) {
      std::vector<int64_t> shape = {end - begin};
      if (width > 1) shape.push_back(width);
      return ConstTensor::Of(std::span(from).subspan(begin * width, (end - begin) * width), shape);
    };
    Rows slice{.y_true = rows(y_true, 3), .y_pred = rows(y_pred, 3), .sample_weight = rows(weight, 1)};
    slice.mask = rows(mask, 1);
    slice.mask->dtype = DType::kBool;
    return slice;
  }
};

Numbers Draw(int64_t rows, int seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Numbers numbers;
  for (int64_t i = 0; i < 3 * rows; ++i) {
    numbers.y_true.push_back(normal(random));
    numbers.y_pred.push_back(normal(random));
  }
  for (int64_t i = 0; i < rows; ++i) {
    numbers.weight.push_back(std::abs(normal(random)));
    numbers.mask.push_back(random() % 4 != 0);
  }
  return numbers;
}

class BatchTest : public testing::ServerTest {
 protected:
  BatchTest() : ServerTest(testing::SmallServer()), client_(*Client::Create({.address = server_->addresses()[0]})) {}
  Client client_;
};

TEST_F(BatchTest, RandomChunksHaveTheBitsOfOneCall) {
  std::mt19937 random(5);
  for (const int64_t rows : {1, 5000, 70'000}) {
    const Numbers numbers = Draw(rows, static_cast<int>(rows));
    LossCall call{.loss = "smooth_l1", .params = {{"beta", 0.5}}};
    call.options.divisor = Divisor::kWeightSum;
    LossCall unary = call;
    const Rows all = numbers.Slice(0, rows);
    unary.y_true = all.y_true;
    unary.y_pred = all.y_pred;
    unary.sample_weight = all.sample_weight;
    unary.mask = all.mask;
    const auto whole = client_.Evaluate(unary);
    ASSERT_TRUE(whole.ok()) << whole.status();
    for (int round = 0; round < 3; ++round) {
      auto batch = client_.OpenBatch(call, {});
      ASSERT_TRUE(batch.ok()) << batch.status();
      for (int64_t begin = 0; begin < rows;) {
        const int64_t end = std::min<int64_t>(rows, begin + random() % (rows / 4 + 2));
        ASSERT_THAT(batch->Add(numbers.Slice(begin, end)), IsOk());
        begin = end;
      }
      const auto result = batch->Finish();
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(*result->value, *whole->value);
      EXPECT_EQ(result->sum, whole->sum);
      EXPECT_EQ(result->divisor, whole->divisor);
      EXPECT_EQ(result->weight_sum, whole->weight_sum);
      EXPECT_EQ(result->valid_count, whole->valid_count);
      EXPECT_EQ(result->loss, "smooth_l1");
    }
  }
  EXPECT_TRUE(EventuallyIdle());
}

TEST_F(BatchTest, TensorsThatAreTheSameForAllRowsComeInTheHeader) {
  const std::vector<float> weights = {1, 2, 3}, y_true = {1, 0, 1, 0, 0, 1}, y_pred = {0.5f, 1, -1, 0, 2, 3};
  LossCall call{.loss = "bce_with_logits", .class_weight = ConstTensor::Of(weights)};
  auto batch = client_.OpenBatch(call, {});
  ASSERT_TRUE(batch.ok());
  for (const size_t row : {0u, 1u}) {
    ASSERT_THAT(batch->Add({.y_true = ConstTensor::Of(std::span(y_true).subspan(3 * row, 3), {1, 3}),
                            .y_pred = ConstTensor::Of(std::span(y_pred).subspan(3 * row, 3), {1, 3})}),
                IsOk());
  }
  call.y_true = ConstTensor::Of(y_true, {2, 3});
  call.y_pred = ConstTensor::Of(y_pred, {2, 3});
  const auto result = batch->Finish(), whole = client_.Evaluate(call);
  ASSERT_TRUE(result.ok() && whole.ok()) << result.status() << whole.status();
  EXPECT_EQ(*result->value, *whole->value);
}

TEST_F(BatchTest, WhatCannotBeInChunksSaysSo) {
  const Numbers numbers = Draw(4, 1);
  struct Case {
    LossCall header;
    const char* message;
  };
  LossCall none{.loss = "huber"}, predicted{.loss = "huber", .y_pred = ConstTensor::Of(numbers.y_pred)};
  none.options.reduction = Reduction::kNone;
  for (const Case& c :
       {Case{none, "request 1 (the first is 0): chunk 0 (the first is 0): options.reduction: NONE"},
        Case{{.loss = "hubert"}, "did you mean huber?"}, Case{{.loss = "huber", .params = {{"gamma", 1.0}}}, "gamma"},
        Case{predicted, "y_pred: in the header too"}}) {
    auto batch = client_.OpenBatch(c.header, {});
    ASSERT_TRUE(batch.ok());
    absl::Status status = batch->Add(numbers.Slice(0, 4));
    if (status.ok()) status = batch->Finish().status();
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
  }
  EXPECT_THAT(client_.OpenBatch({.loss = "huber"}, {})->Finish(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no chunk came")));
  EXPECT_TRUE(EventuallyIdle());
}

TEST_F(BatchTest, HeadersComeOnceAndFirst) {
  v1::EvaluateBatchRequest header, rows;
  header.mutable_header()->set_loss("mse");
  testing::SetRaw<float>(v1::F32, {1}, {1}, rows.mutable_y_pred());
  testing::SetRaw<float>(v1::F32, {1}, {2}, rows.mutable_y_true());
  v1::EvaluateBatchRequest objective;
  objective.mutable_header()->mutable_objective()->add_losses()->set_loss("mse");
  struct Case {
    std::vector<std::string> messages;
    const char* expected;
  };
  const std::string h = header.SerializeAsString(), r = rows.SerializeAsString();
  for (const Case& c : {Case{{}, "header: missing; no message came"},
                        Case{{r, h}, "request 0 (the first is 0): header: missing; the first message carries it"},
                        Case{{h, r, h + r}, "request 2 (the first is 0): header: in the first message alone"},
                        Case{{"\xff"}, "not a well-formed"},
                        Case{{objective.SerializeAsString()}, "header.objective: a batch in chunks is of one loss"}}) {
    GenericCall call(channel_, "/lossd.v1.LossService/EvaluateBatch");
    call.Start();
    for (const std::string& message : c.messages) call.SendOne(message);
    call.SendNothing();
    const grpc::Status status = call.Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr(c.expected));
  }
  GenericCall sound(channel_, "/lossd.v1.LossService/EvaluateBatch");
  sound.Start().SendOne(h + r).SendOne(r).SendOne("").SendOne(r).SendNothing();
  ASSERT_TRUE(sound.Finish().ok());
  v1::EvaluateResponse response;
  ASSERT_TRUE(response.ParseFromString(sound.response()));
  EXPECT_EQ(response.value(), 1);
  EXPECT_EQ(response.valid_count(), 3);
}

TEST_F(BatchTest, ABatchThatIsDroppedLeavesNothing) {
  const Numbers numbers = Draw(10'000, 1);
  for (int i = 0; i < 5; ++i) {
    auto batch = client_.OpenBatch({.loss = "huber"}, {});
    ASSERT_TRUE(batch.ok());
    for (int chunk = 0; chunk < i; ++chunk) ASSERT_THAT(batch->Add(numbers.Slice(0, 10'000)), IsOk());
  }
  EXPECT_TRUE(EventuallyIdle());
}

// The server's binary, with its own allocator, as it is deployed.
TEST(BatchProcessTest, MemoryDoesNotGrowWithTheBatch) {
  const testing::ServerProcess server({"--threads=1", "--completion_queues=1"});
  const auto client = Client::Create({.address = server.address()});
  constexpr int64_t kRows = 262'144;  // 2 MiB of two float32 tensors a chunk
  std::vector<float> y_true(kRows), y_pred(kRows, 2.0f);
  const Rows rows{.y_true = ConstTensor::Of(y_true), .y_pred = ConstTensor::Of(y_pred)};
  auto batch = client->OpenBatch({.loss = "mse"}, {.max_request_bytes = size_t{3} << 20});
  ASSERT_TRUE(batch.ok());
  for (int i = 0; i < 528; ++i) ASSERT_THAT(batch->Add(rows), IsOk());  // over 1 GiB
  const size_t high_water = server.HighWaterBytes();
  const auto result = batch->Finish();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(*result->value, 4);
  EXPECT_EQ(result->valid_count, 528 * kRows);
  if (testing::UnderSanitizer()) GTEST_SKIP() << "a sanitizer keeps freed memory: the high water says nothing";
  EXPECT_GT(high_water, 0u);
  EXPECT_LT(high_water, size_t{256} << 20);
}

}  // namespace
}  // namespace lossd
