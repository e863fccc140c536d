// The transport with methods of the test's own: Echo answers at once, Hold when the test says so; EchoEach and HoldEach
// do so for every request of a stream, Join answers with all of them at its end. Long answers when the test says so,
// and waits for that in RunLong.
#pragma once

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "proto/wire/byte_buffer.h"
#include "server/transport/transport.h"
#include "tests/support/generic_client.h"

namespace lossd::server {

using ::lossd::testing::Eventually;
using ::lossd::testing::GenericCall;
using ::lossd::testing::ToBuffer;
using Code = grpc::StatusCode;

inline constexpr size_t kMaxMessage = 1 << 20;
// Room for two undeclared calls of factor 2, with the overhead of each, and not for three.
inline constexpr size_t kBudget = 5 * kMaxMessage;

// Requests of one stream in flight.
inline constexpr size_t kInFlight = 4;

inline std::string Bytes(std::span<const Segment> segments) {
  std::string bytes;
  for (const Segment& segment : segments) bytes.append(reinterpret_cast<const char*>(segment.data), segment.size);
  return bytes;
}

class CountingObserver final : public CallObserver {
 public:
  void OnStarted() override { ++started; }
  void OnReceived(size_t bytes) override { received_bytes += bytes; }
  void OnSent(size_t bytes) override {
    ++sent_messages;
    sent_bytes += bytes;
  }
  void OnRefused(Refusal refusal) override { ++refused[static_cast<size_t>(refusal)]; }
  void OnFinished(const FinishedCall& call) override {
    ++handled[static_cast<size_t>(call.status.error_code())];
    ++finished;
  }

  std::atomic<size_t> started{0}, finished{0}, received_bytes{0}, sent_messages{0}, sent_bytes{0};
  std::array<std::atomic<int>, kNumRefusals> refused{};
  std::array<std::atomic<int>, 17> handled{};
};

class TransportTest : public ::testing::Test {
 protected:
  TransportTest() { StartServer({}); }
  ~TransportTest() override { StopServer(); }

  void StartServer(const TransportOptions& options) {
    std::vector<Method> methods(7);
    methods[0].name = "/t.T/Echo";
    methods[0].handler = [](UnaryCall& call) { call.Finish(grpc::Status::OK, ToBuffer(Bytes(call.request().segments()))); };
    methods[1].name = "/t.T/Hold";  // until the test finishes it
    methods[1].handler = [this](UnaryCall& call) { HoldCall(call); };
    methods[2].name = "/t.T/Later";
    methods[2].unimplemented = "Later is not served yet";
    methods[3].name = "/t.T/EchoEach";
    methods[3].requests = [echo = methods[0].handler] {
      return RequestStream{.on_request = echo, .max_in_flight = kInFlight};
    };
    methods[4].name = "/t.T/HoldEach";
    methods[4].requests = [this] {
      return RequestStream{.on_request = [this](UnaryCall& call) { HoldCall(call); }, .max_in_flight = kInFlight};
    };
    methods[5].name = "/t.T/Join";
    methods[5].requests = [] {
      auto joined = std::make_shared<std::string>();
      return RequestStream{
          .on_request =
              [joined](StreamedRequest& request) {
                *joined += Bytes(request.request().segments());
                const bool kept = request.Keep(joined->size());
                request.Finish(kept ? grpc::Status::OK : grpc::Status(Code::RESOURCE_EXHAUSTED, "full"),
                               grpc::ByteBuffer());
              },
          .on_end = [joined](StreamedRequest& end) { end.Finish(grpc::Status::OK, ToBuffer(*joined)); },
          .max_in_flight = 2,
          .one_at_a_time = true};
    };
    methods[6].name = "/t.T/Long";
    methods[6].handler = [this](UnaryCall& call) {
      call.RunLong([this, &call] {
        may_end_.wait(false);
        call.Finish(grpc::Status::OK, ToBuffer(Bytes(call.request().segments())));
      });
    };
    for (Method& method : methods) {
      method.max_request_bytes = kMaxMessage;
      method.reserve_factor = 2;
      method.observer = &observer_;
    }
    admission_.emplace(kBudget, /*max_waiting=*/2);
    transport_.emplace(methods, &other_, *admission_, options);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    transport_->Register(builder);
    server_ = builder.BuildAndStart();
    transport_->Start();
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials());
  }

  void StopServer(std::chrono::milliseconds timeout = std::chrono::seconds(5)) {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now() + timeout);
    transport_->Stop();
    server_.reset();
    EXPECT_EQ(admission_->load().granted_bytes, 0u);
    EXPECT_EQ(admission_->load().waiting_calls, 0u);
    EXPECT_EQ(transport_->num_calls(), 0);
    EXPECT_EQ(observer_.started, observer_.finished);
  }

  std::unique_ptr<GenericCall> NewCall(const std::string& method, const std::string& declared = "") {
    auto call = std::make_unique<GenericCall>(channel_, "/t.T/" + method);
    if (!declared.empty()) call->context().AddMetadata(std::string(kDeclaredBytesKey), declared);
    return call;
  }

  void HoldCall(UnaryCall& call) {
    const std::lock_guard lock(mutex_);
    held_.push_back(&call);
    changed_.notify_all();
  }
  size_t num_held() {
    const std::lock_guard lock(mutex_);
    return held_.size();
  }

  // The next call that Hold was given.
  UnaryCall& AwaitHeld() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !held_.empty(); });
    UnaryCall* call = held_.front();
    held_.pop_front();
    return *call;
  }

  bool EventuallyWaiting(size_t calls) {
    return Eventually([&] { return admission_->load().waiting_calls == calls; });
  }
  bool EventuallyIdle() {
    return Eventually([&] { return transport_->num_calls() == 0; });
  }
  int refused(Refusal refusal) const { return observer_.refused[static_cast<size_t>(refusal)]; }
  int handled(Code code) const { return observer_.handled[code]; }

  CountingObserver observer_, other_;
  std::optional<Admission> admission_;
  std::optional<Transport> transport_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<UnaryCall*> held_;
  std::atomic<bool> may_end_ = false;  // long work
};

}  // namespace lossd::server
