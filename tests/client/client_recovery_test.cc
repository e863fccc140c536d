// Deadlines, further attempts, and what becomes of lent memory when a call ends early.
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lossd/client.h"
#include "tests/client/fake_server.h"

namespace lossd {
namespace {

using ::testing::HasSubstr;

constexpr RetryOptions kQuickRetry = {.initial_backoff = absl::Milliseconds(5), .max_backoff = absl::Milliseconds(20)};

// Memory that a stray read after its end turns into a crash.
class LentMemory {
 public:
  explicit LentMemory(size_t size) : size_(size) {
    data_ = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  ~LentMemory() { munmap(data_, size_); }

  ConstTensor tensor() const {
    return ConstTensor::Of(std::span(static_cast<const float*>(data_), size_ / sizeof(float)));
  }

 private:
  size_t size_;
  void* data_;
};

// Sizes below and above gRPC's own limit for what it keeps for another attempt, 256 KiB.
TEST(ClientRetry, TriesAgainWhenTheServerIsUnavailable) {
  for (const size_t size : {size_t{64}, size_t{8} << 20}) {
    SCOPED_TRACE(size);
    FakeServer server;
    std::atomic<int> attempts = 0;
    server.evaluate = [&](grpc::ServerContext*, const v1::EvaluateRequest& request, v1::EvaluateResponse* response) {
      if (++attempts < 4) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "draining");
      response->set_valid_count(static_cast<int64_t>(request.y_pred().raw().size()));
      return grpc::Status::OK;
    };
    const Client client = *Client::Create({.address = server.address(), .retry = kQuickRetry});
    const LentMemory memory(size);
    const auto result = client.Evaluate({.loss = "huber", .y_true = memory.tensor(), .y_pred = memory.tensor()});
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->valid_count, static_cast<int64_t>(size));
    EXPECT_EQ(attempts, 4);
  }
}

struct RetryCase {
  const char* name;
  grpc::StatusCode code;
  const char* pushback_ms;  // null: none
  int max_attempts;
  int expected_attempts;
};

TEST(ClientRetry, TriesAgainWhereItMay) {
  const RetryCase cases[] = {
      {"unavailable", grpc::UNAVAILABLE, nullptr, 5, 5},
      {"unavailable, three attempts", grpc::UNAVAILABLE, nullptr, 3, 3},
      {"unavailable, one attempt", grpc::UNAVAILABLE, nullptr, 1, 1},
      {"unavailable, the server forbids it", grpc::UNAVAILABLE, "-1", 5, 1},
      {"exhausted, the server says when", grpc::RESOURCE_EXHAUSTED, "3", 5, 5},
      {"exhausted, one attempt", grpc::RESOURCE_EXHAUSTED, "3", 1, 1},
      {"exhausted, the server forbids it", grpc::RESOURCE_EXHAUSTED, "-1", 5, 1},
      {"exhausted, the server says nothing", grpc::RESOURCE_EXHAUSTED, nullptr, 5, 1},
      {"exhausted, the server says nonsense", grpc::RESOURCE_EXHAUSTED, "soon", 5, 1},
      {"exhausted, after the deadline", grpc::RESOURCE_EXHAUSTED, "3600000", 5, 1},
      {"bad request", grpc::INVALID_ARGUMENT, nullptr, 5, 1},
  };
  for (const RetryCase& c : cases) {
    SCOPED_TRACE(c.name);
    FakeServer server;
    std::atomic<int> attempts = 0;
    server.evaluate = [&](grpc::ServerContext* context, const v1::EvaluateRequest&, v1::EvaluateResponse*) {
      ++attempts;
      if (c.pushback_ms != nullptr) context->AddTrailingMetadata("grpc-retry-pushback-ms", c.pushback_ms);
      return grpc::Status(c.code, "not now");
    };
    RetryOptions retry = kQuickRetry;
    retry.max_attempts = c.max_attempts;
    const Client client = *Client::Create({.address = server.address(), .retry = retry});
    const std::vector<float> values(4);
    const auto result =
        client.Evaluate({.loss = "huber", .y_true = ConstTensor::Of(values), .y_pred = ConstTensor::Of(values)});
    EXPECT_EQ(static_cast<int>(result.status().code()), static_cast<int>(c.code));
    EXPECT_EQ(attempts, c.expected_attempts);
  }
}

TEST(ClientRetry, FindsAServerThatComesBack) {
  const std::string address =
      "unix:" + ::testing::TempDir() + "lossd_client_recovery_test_" + std::to_string(getpid()) + ".sock";
  const Client client = *Client::Create({.address = address, .retry = {.initial_backoff = absl::Milliseconds(200)}});
  std::thread later([&] {
    absl::SleepFor(absl::Milliseconds(150));
    FakeServer server(address);
    absl::SleepFor(absl::Seconds(1));
  });
  EXPECT_TRUE(client.Check().ok());
  later.join();
}

TEST(ClientDeadline, EndsACallThatTakesTooLong) {
  FakeServer server;
  server.evaluate = [](grpc::ServerContext* context, const v1::EvaluateRequest&, v1::EvaluateResponse*) {
    while (!context->IsCancelled()) absl::SleepFor(absl::Milliseconds(1));
    return grpc::Status::OK;
  };
  const Client client = *Client::Create({.address = server.address()});
  const LentMemory memory(1 << 20);
  const absl::Time start = absl::Now();
  const auto result = client.Evaluate(
      {.loss = "huber", .y_true = memory.tensor(), .y_pred = memory.tensor(), .timeout = absl::Milliseconds(100)});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded) << result.status();
  EXPECT_LT(absl::Now() - start, absl::Seconds(3));
}

TEST(ClientDeadline, NobodyListensIsUnavailable) {
  const Client client = *Client::Create({.address = "127.0.0.1:1", .retry = kQuickRetry});
  EXPECT_EQ(client.Check().code(), absl::StatusCode::kUnavailable);
}

TEST(ClientMemory, ARequestOverTheLimitIsNotSent) {
  const Client client = *Client::Create({.address = "127.0.0.1:1", .max_message_bytes = 1000});
  const LentMemory memory(4096);
  const auto result = client.Evaluate({.loss = "huber", .y_true = memory.tensor(), .y_pred = memory.tensor()});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("max_message_bytes is 1000"));
}

// The kernel's buffers are full and nobody reads: bytes of the caller wait in gRPC when the deadline passes.
TEST(ClientMemory, IsFreeAgainAfterACallToAServerThatNeverReads) {
  constexpr size_t kBytes = size_t{64} << 20;
  DeafServer server;
  const Client client = *Client::Create({.address = server.address(), .stall_timeout = absl::Seconds(1)});
  const size_t heap_before = mallinfo2().uordblks + mallinfo2().hblkhd;
  std::atomic<size_t> heap_meanwhile = 0;
  std::thread watch([&] {
    absl::SleepFor(absl::Milliseconds(250));
    heap_meanwhile = mallinfo2().uordblks + mallinfo2().hblkhd;
  });
  const absl::Time start = absl::Now();
  {
    const LentMemory memory(kBytes);
    const auto result = client.Evaluate(
        {.loss = "huber", .y_true = memory.tensor(), .y_pred = memory.tensor(), .timeout = absl::Milliseconds(500)});
    EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded) << result.status();
  }
  EXPECT_LT(absl::Now() - start, absl::Seconds(3));
  watch.join();
  // 128 MiB were on their way, and none of them were copied (a sanitizer's heap reports 0).
  EXPECT_LT(heap_meanwhile, heap_before + (size_t{8} << 20));

  // The connection was left; the next call has one of its own.
  EXPECT_EQ(server.connections(), 1);
  const LentMemory memory(1024);
  const auto result = client.Evaluate(
      {.loss = "huber", .y_true = memory.tensor(), .y_pred = memory.tensor(), .timeout = absl::Milliseconds(300)});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(server.connections(), 2);
}

TEST(ClientMemory, IsFreeAgainAfterAnEarlyRefusal) {
  FakeServer server;
  server.evaluate = [](grpc::ServerContext*, const v1::EvaluateRequest&, v1::EvaluateResponse*) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no");
  };
  const Client client = *Client::Create({.address = server.address()});
  for (int i = 0; i < 20; ++i) {
    const LentMemory memory(4 << 20);
    EXPECT_FALSE(client.Evaluate({.loss = "huber", .y_true = memory.tensor(), .y_pred = memory.tensor()}).ok());
  }
}

}  // namespace
}  // namespace lossd
