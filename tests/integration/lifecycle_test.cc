// Calls that end before their time, servers that end before their calls, and memory in between.
#include <gmock/gmock.h>
#include <grpcpp/health_check_service_interface.h>

#include <atomic>
#include <thread>

#include "tests/integration/test_server.h"

namespace lossd {
namespace {

using testing::Eventually;
using testing::GenericCall;
using ::testing::HasSubstr;
using testing::LargeRequest;
using Code = grpc::StatusCode;

constexpr size_t kLargeCount = 3'000'000;  // 24 MB: some milliseconds of work on one thread

class LifecycleTest : public testing::ServerTest {
 protected:
  LifecycleTest() : ServerTest(Options()) {}

  static server::ServerOptions Options() {
    server::ServerOptions options = testing::SmallServer();
    options.num_threads = 1;
    return options;
  }
};

// Many large calls on one thread, all cancelled: their work is skipped, their bytes come back.
TEST_F(LifecycleTest, CancellingStopsTheWork) {
  const auto request = LargeRequest<v1::GradientRequest>(kLargeCount);
  const std::string bytes = request.SerializeAsString();
  std::vector<std::unique_ptr<GenericCall>> calls;
  for (int i = 0; i < 6; ++i) {
    calls.push_back(std::make_unique<GenericCall>(channel_, "/lossd.v1.LossService/Gradient"));
    calls.back()->context().AddMetadata("lossd-request-bytes", std::to_string(bytes.size()));
    calls.back()->Start().Send(bytes);
  }
  ASSERT_TRUE(Eventually([&] {
    return Metric(
               "grpc_server_msg_received_total{grpc_method=\"Gradient\",grpc_service=\"lossd.v1.LossService\",grpc_"
               "type=\"unary\"}") >= 1;
  }));
  calls.clear();
  EXPECT_TRUE(EventuallyIdle());
  EXPECT_TRUE(Eventually([&] { return Handled("Gradient", "OK") + Handled("Gradient", "Canceled") == 6; }));
  EXPECT_GE(Handled("Gradient", "Canceled"), 1);
}

TEST_F(LifecycleTest, DeadlinesEndCalls) {
  const auto request = LargeRequest<v1::GradientRequest>(kLargeCount);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(2));
  v1::GradientResponse response;
  EXPECT_EQ(stub_->Gradient(&context, request, &response).error_code(), Code::DEADLINE_EXCEEDED);
  EXPECT_TRUE(EventuallyIdle());
  EXPECT_EQ(Handled("Gradient", "OK"), 0);
}

TEST_F(LifecycleTest, AClientThatVanishesMidUploadLeavesNothing) {
  const std::string bytes = LargeRequest<v1::GradientRequest>(kLargeCount).SerializeAsString();
  for (int i = 0; i < 5; ++i) {
    auto channel = testing::NewChannel(server_->addresses().front());
    auto call = std::make_unique<GenericCall>(channel, "/lossd.v1.LossService/Gradient");
    call->Start().Send(bytes);
    std::this_thread::sleep_for(std::chrono::milliseconds(i));
    call.reset();
    channel.reset();
  }
  EXPECT_TRUE(EventuallyIdle());
  v1::EvaluateResponse response;
  EXPECT_TRUE(Evaluate(LargeRequest<v1::EvaluateRequest>(100), &response).ok()) << "and the server is well";
}

TEST_F(LifecycleTest, ManyUndeclaredCallsWaitForTheirTurnAndAllAreServed) {
  server_.reset();
  server::ServerOptions options = Options();
  options.max_inflight_bytes = size_t{100} << 20;  // one undeclared Gradient call at a time
  Start(options);
  constexpr int kThreads = 16, kCalls = 20;
  std::atomic<int> failed = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kCalls; ++i) {
        v1::GradientResponse response;
        if (!Gradient(LargeRequest<v1::GradientRequest>(20'000), &response).ok()) ++failed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_TRUE(EventuallyIdle());
}

TEST_F(LifecycleTest, AFullQueueRefusesWithAPushback) {
  server_.reset();
  server::ServerOptions options = Options();
  options.max_inflight_bytes = size_t{100} << 20;
  options.max_waiting_calls = 1;
  Start(options);
  GenericCall holds(channel_, "/lossd.v1.LossService/Gradient"), waits(channel_, "/lossd.v1.LossService/Gradient"),
      refused(channel_, "/lossd.v1.LossService/Gradient");
  holds.Start();
  ASSERT_TRUE(Eventually([&] { return server_->admission().load().granted_calls == 1; }));
  waits.Start();
  ASSERT_TRUE(Eventually([&] { return server_->admission().load().waiting_calls == 1; }));
  const auto status = refused.Start().Finish();
  EXPECT_EQ(status.error_code(), Code::RESOURCE_EXHAUSTED);
  EXPECT_GT(std::stoi("0" + refused.Trailer("grpc-retry-pushback-ms")), 0);
  EXPECT_EQ(Metric(R"(lossd_rejected_total{reason="queue_full"})"), 1);
  EXPECT_EQ(Metric("lossd_waiting_requests"), 1);
  // Whoever declares little is not waiting for those who declare nothing... but for those before it in the queue.
  holds.Send(LargeRequest<v1::GradientRequest>(2).SerializeAsString());
  EXPECT_TRUE(holds.Finish().ok());
  waits.Send(LargeRequest<v1::GradientRequest>(2).SerializeAsString());
  EXPECT_TRUE(waits.Finish().ok());
}

// Callers until the server is gone. Every call that got an answer got the right one; those that did not were never
// begun.
TEST_F(LifecycleTest, DrainingUnderLoadLosesNoCall) {
  constexpr int kThreads = 4;
  std::atomic<int> served = 0, lost = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const auto stub = v1::LossService::NewStub(testing::NewChannel(server_->addresses().front()));
      const auto request = LargeRequest<v1::GradientRequest>(t % 2 == 0 ? 10 : 100'000);
      while (true) {
        grpc::ClientContext context;
        v1::GradientResponse response;
        const auto status = stub->Gradient(&context, request, &response);
        if (status.ok()) {
          ++served;
          continue;
        }
        // The connection is refused, or was closed before the call began.
        if (status.error_code() != Code::UNAVAILABLE) {
          ++lost;
          ADD_FAILURE() << status.error_code() << ": " << status.error_message();
        }
        return;
      }
    });
  }
  ASSERT_TRUE(Eventually([&] { return served > 50; }));
  server_->Drain();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lost, 0);
  EXPECT_EQ(Handled("Gradient", "OK"), served) << "what the server finished, its callers have";
  EXPECT_EQ(server_->admission().load().granted_bytes, 0u);
}

TEST_F(LifecycleTest, DrainingEndsAtOnceWhereNothingRuns) {
  v1::EvaluateResponse response;
  ASSERT_TRUE(Evaluate(LargeRequest<v1::EvaluateRequest>(10), &response).ok());
  const auto begin = std::chrono::steady_clock::now();
  server_->Drain();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
}

TEST_F(LifecycleTest, OpenHealthWatchesDoNotHoldUpADrain) {
  // grpc.health.v1.HealthCheckRequest{} is empty, and its method a stream.
  GenericCall watch(channel_, "/grpc.health.v1.Health/Watch");
  watch.Start().Send("");
  ASSERT_TRUE(Eventually([&] { return channel_->GetState(false) == GRPC_CHANNEL_READY; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const auto begin = std::chrono::steady_clock::now();
  server_->Drain();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2)) << "the drain timeout is 5 s";
}

TEST_F(LifecycleTest, DrainingCancelsAtItsTimeoutWhatDoesNotEnd) {
  server_.reset();
  server::ServerOptions options = Options();
  options.drain_timeout = std::chrono::milliseconds(200);
  Start(options);
  GenericCall call(channel_, "/lossd.v1.LossService/Gradient");
  call.Start();  // and no message: it never ends by itself
  ASSERT_TRUE(Eventually([&] { return server_->admission().load().granted_calls == 1; }));
  const auto begin = std::chrono::steady_clock::now();
  server_->Drain();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_FALSE(call.Finish().ok());
}

TEST_F(LifecycleTest, ServersStartAndEndRepeatedly) {
  for (int i = 0; i < 5; ++i) {
    server_.reset();
    Start(Options());
    v1::EvaluateResponse response;
    EXPECT_TRUE(Evaluate(LargeRequest<v1::EvaluateRequest>(10), &response).ok());
  }
}

TEST_F(LifecycleTest, ATakenPortIsAnErrorThatNamesIt) {
  server::ServerOptions options = Options();
  options.listen_addresses = {server_->addresses().front()};
  const auto second = server::Server::Start(options);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(server_->addresses().front()));
}

TEST_F(LifecycleTest, ListensOnSeveralAddresses) {
  server_.reset();
  server::ServerOptions options = Options();
  const std::string socket = "unix:" + ::testing::TempDir() + "/lossd_" + std::to_string(getpid());
  options.listen_addresses = {"127.0.0.1:0", socket};
  Start(options);
  ASSERT_EQ(server_->addresses().size(), 2u);
  EXPECT_EQ(server_->addresses()[1], socket);
  for (const std::string& address : server_->addresses()) {
    const auto stub = v1::LossService::NewStub(testing::NewChannel(address));
    grpc::ClientContext context;
    v1::EvaluateResponse response;
    EXPECT_TRUE(stub->Evaluate(&context, LargeRequest<v1::EvaluateRequest>(10), &response).ok()) << address;
  }
}

}  // namespace
}  // namespace lossd
