// The transport with methods of the test's own: each way through the states of a call, deterministically.
#include "server/transport/transport.h"

#include <gmock/gmock.h>
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
#include "tests/support/generic_client.h"

namespace lossd::server {
namespace {

using ::lossd::testing::Eventually;
using ::lossd::testing::GenericCall;
using ::lossd::testing::ToBuffer;
using ::testing::HasSubstr;
using ::testing::Not;
using Code = grpc::StatusCode;

constexpr size_t kMaxMessage = 1 << 20;
// Room for two undeclared calls of factor 2, with the overhead of each, and not for three.
constexpr size_t kBudget = 5 * kMaxMessage;

std::string Bytes(std::span<const Segment> segments) {
  std::string bytes;
  for (const Segment& segment : segments) bytes.append(reinterpret_cast<const char*>(segment.data), segment.size);
  return bytes;
}

class CountingObserver final : public CallObserver {
 public:
  void OnStarted() override { ++started; }
  void OnReceived(size_t bytes) override { received_bytes += bytes; }
  void OnRefused(Refusal refusal) override { ++refused[static_cast<size_t>(refusal)]; }
  void OnFinished(const FinishedCall& call) override {
    ++handled[static_cast<size_t>(call.status.error_code())];
    sent_bytes += call.sent_bytes;
    ++finished;
  }

  std::atomic<size_t> started{0}, finished{0}, received_bytes{0}, sent_bytes{0};
  std::array<std::atomic<int>, kNumRefusals> refused{};
  std::array<std::atomic<int>, 17> handled{};
};

class TransportTest : public ::testing::Test {
 protected:
  TransportTest() { StartServer({}); }
  ~TransportTest() override { StopServer(); }

  void StartServer(const TransportOptions& options) {
    std::vector<Method> methods(3);
    methods[0].name = "/t.T/Echo";
    methods[0].handler = [](UnaryCall& call) { call.Finish(grpc::Status::OK, ToBuffer(Bytes(call.request()))); };
    methods[1].name = "/t.T/Hold";  // until the test finishes it
    methods[1].handler = [this](UnaryCall& call) {
      const std::lock_guard lock(mutex_);
      held_.push_back(&call);
      changed_.notify_all();
    };
    methods[2].name = "/t.T/Later";
    methods[2].unimplemented = "Later is not served yet";
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
};

TEST_F(TransportTest, AnswersWithTheBytesThatTheHandlerGives) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{100}, size_t{65537}, kMaxMessage}) {
    const std::string message(size, 'x');
    const auto call = NewCall("Echo");
    EXPECT_TRUE(call->Start().Send(message).Finish().ok()) << size;
    EXPECT_EQ(call->response(), message) << size;
  }
}

TEST_F(TransportTest, ManyCallsAtATimeEachGetTheirOwnAnswer) {
  constexpr int kThreads = 4, kCalls = 200;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kCalls; ++i) {
        const std::string message = std::to_string(t) + "/" + std::to_string(i);
        const auto call = NewCall("Echo", std::to_string(message.size()));
        if (!call->Start().Send(message).Finish().ok() || call->response() != message) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(EventuallyIdle());
  EXPECT_EQ(handled(Code::OK), kThreads * kCalls);
}

TEST_F(TransportTest, UnknownMethodsAreUnimplementedAndCountedApart) {
  const auto status = NewCall("Nothing")->Start().Finish();
  EXPECT_EQ(status.error_code(), Code::UNIMPLEMENTED);
  EXPECT_THAT(status.error_message(), HasSubstr("/t.T/Nothing"));
  EXPECT_TRUE(EventuallyIdle());
  EXPECT_EQ(other_.started, 1u);
  EXPECT_EQ(observer_.started, 0u);
}

TEST_F(TransportTest, MethodsWithoutHandlerAnswerTheirSentence) {
  const auto status = NewCall("Later")->Start().Finish();
  EXPECT_EQ(status.error_code(), Code::UNIMPLEMENTED);
  EXPECT_EQ(status.error_message(), "Later is not served yet");
}

TEST_F(TransportTest, ACallWithoutMessageIsInvalid) {
  const auto status = NewCall("Echo")->Start().SendNothing().Finish();
  EXPECT_EQ(status.error_code(), Code::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("exactly one"));
}

TEST_F(TransportTest, DeclaredSizesThatAreNoNumberAreInvalid) {
  for (const char* declared : {"x", "-1", "1.5", " 1", "1 ", "99999999999999999999999", "0x10"}) {
    const auto status = NewCall("Echo", declared)->Start().Finish();
    EXPECT_EQ(status.error_code(), Code::INVALID_ARGUMENT) << declared;
    EXPECT_THAT(status.error_message(), HasSubstr("lossd-request-bytes")) << declared;
  }
  const auto twice = NewCall("Echo", "1");
  twice->context().AddMetadata(std::string(kDeclaredBytesKey), "1");
  EXPECT_EQ(twice->Start().Finish().error_code(), Code::INVALID_ARGUMENT);
}

TEST_F(TransportTest, DeclaredTooLargeIsRefusedAtTheHeadersAndNotToBeRetried) {
  const auto call = NewCall("Echo", std::to_string(kMaxMessage + 1));
  const auto status = call->Start().Finish();  // no message was sent
  EXPECT_EQ(status.error_code(), Code::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("1048577"));
  EXPECT_EQ(call->Trailer(std::string(kPushbackKey)), "-1");
  EXPECT_TRUE(EventuallyIdle());
  EXPECT_EQ(refused(Refusal::kTooLarge), 1);
  EXPECT_EQ(handled(Code::RESOURCE_EXHAUSTED), 1);
  EXPECT_EQ(observer_.received_bytes, 0u);
}

TEST_F(TransportTest, UndeclaredTooLargeIsRefusedAfterReading) {
  const auto call = NewCall("Echo");
  const auto status = call->Start().Send(std::string(kMaxMessage + 1, 'x')).Finish();
  EXPECT_EQ(status.error_code(), Code::RESOURCE_EXHAUSTED);
  EXPECT_EQ(call->Trailer(std::string(kPushbackKey)), "-1");
}

TEST_F(TransportTest, LargerThanDeclaredIsInvalid) {
  const auto status = NewCall("Echo", "9")->Start().Send("0123456789").Finish();
  EXPECT_EQ(status.error_code(), Code::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("10 bytes"));
  EXPECT_TRUE(EventuallyIdle());
  EXPECT_EQ(refused(Refusal::kLargerThanDeclared), 1);
}

TEST_F(TransportTest, SmallerThanDeclaredIsServed) {
  EXPECT_TRUE(NewCall("Echo", "11")->Start().Send("0123456789").Finish().ok());
}

TEST_F(TransportTest, CallsWaitForBytesAndAreServedInTurn) {
  const auto a = NewCall("Hold"), b = NewCall("Hold"), c = NewCall("Echo"), d = NewCall("Echo");
  a->Start().Send("a");
  UnaryCall& held_a = AwaitHeld();
  b->Start().Send("b");
  UnaryCall& held_b = AwaitHeld();
  c->Start().Send("c");
  d->Start().Send("d");
  ASSERT_TRUE(EventuallyWaiting(2));
  EXPECT_EQ(observer_.received_bytes, 2u) << "the payload of a waiting call is not read";

  held_a.Finish(grpc::Status::OK, {});
  EXPECT_TRUE(c->Finish().ok());
  EXPECT_TRUE(d->Finish().ok());
  held_b.Finish(grpc::Status::OK, {});
  EXPECT_TRUE(a->Finish().ok());
  EXPECT_TRUE(b->Finish().ok());
}

TEST_F(TransportTest, SettlingMakesRoom) {
  const auto a = NewCall("Hold"), b = NewCall("Hold"), c = NewCall("Echo");
  a->Start().Send("a");
  UnaryCall& held_a = AwaitHeld();
  b->Start().Send("b");
  UnaryCall& held_b = AwaitHeld();
  c->Start().Send("c");
  ASSERT_TRUE(EventuallyWaiting(1));
  EXPECT_TRUE(held_a.Settle(1000));
  EXPECT_TRUE(c->Finish().ok());
  held_a.Finish(grpc::Status::OK, {});
  held_b.Finish(grpc::Status::OK, {});
  EXPECT_TRUE(a->Finish().ok());
  EXPECT_TRUE(b->Finish().ok());
}

TEST_F(TransportTest, DeclaringLittleNeedsLittle) {
  const auto a = NewCall("Hold"), b = NewCall("Hold");
  a->Start().Send("a");
  UnaryCall& held_a = AwaitHeld();
  b->Start().Send("b");
  UnaryCall& held_b = AwaitHeld();
  EXPECT_TRUE(NewCall("Echo", "1")->Start().Send("c").Finish().ok()) << "there is room for a small one";
  held_a.Finish(grpc::Status::OK, {});
  held_b.Finish(grpc::Status::OK, {});
  EXPECT_TRUE(a->Finish().ok());
  EXPECT_TRUE(b->Finish().ok());
}

TEST_F(TransportTest, RefusesWithAPushbackWhenTooManyWait) {
  const auto a = NewCall("Hold"), b = NewCall("Hold"), c = NewCall("Echo"), d = NewCall("Echo"), e = NewCall("Echo");
  a->Start().Send("a");
  UnaryCall& held_a = AwaitHeld();
  b->Start().Send("b");
  UnaryCall& held_b = AwaitHeld();
  c->Start().Send("c");
  d->Start().Send("d");
  ASSERT_TRUE(EventuallyWaiting(2));
  EXPECT_EQ(e->Start().Finish().error_code(), Code::RESOURCE_EXHAUSTED);
  EXPECT_GT(std::stoi("0" + e->Trailer(std::string(kPushbackKey))), 0);
  EXPECT_EQ(refused(Refusal::kQueueFull), 1);
  held_a.Finish(grpc::Status::OK, {});
  held_b.Finish(grpc::Status::OK, {});
  EXPECT_TRUE(c->Finish().ok());
  EXPECT_TRUE(d->Finish().ok());
}

TEST_F(TransportTest, AWaitingCallThatIsCancelledLeavesTheQueue) {
  const auto a = NewCall("Hold"), b = NewCall("Hold");
  auto c = NewCall("Echo");
  a->Start().Send("a");
  UnaryCall& held_a = AwaitHeld();
  b->Start().Send("b");
  UnaryCall& held_b = AwaitHeld();
  c->Start().Send("c");
  ASSERT_TRUE(EventuallyWaiting(1));
  c.reset();
  EXPECT_TRUE(EventuallyWaiting(0));
  EXPECT_TRUE(Eventually([&] { return handled(Code::CANCELLED) == 1; }));
  held_a.Finish(grpc::Status::OK, {});
  held_b.Finish(grpc::Status::OK, {});
}

TEST_F(TransportTest, AWaitingCallWhoseDeadlinePassesLeavesTheQueue) {
  const auto a = NewCall("Hold"), b = NewCall("Hold"), c = NewCall("Echo");
  a->Start().Send("a");
  UnaryCall& held_a = AwaitHeld();
  b->Start().Send("b");
  UnaryCall& held_b = AwaitHeld();
  c->context().set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  EXPECT_EQ(c->Start().Send("c").Finish().error_code(), Code::DEADLINE_EXCEEDED);
  EXPECT_TRUE(EventuallyWaiting(0));
  EXPECT_TRUE(Eventually([&] { return handled(Code::DEADLINE_EXCEEDED) == 1; }));
  held_a.Finish(grpc::Status::OK, {});
  held_b.Finish(grpc::Status::OK, {});
}

TEST_F(TransportTest, CancellingReachesTheHandler) {
  auto call = NewCall("Hold");
  call->Start().Send("a");
  UnaryCall& held = AwaitHeld();
  EXPECT_FALSE(held.cancellation().cancelled());
  call.reset();
  EXPECT_TRUE(Eventually([&] { return held.cancellation().cancelled(); }));
  held.Finish({Code::CANCELLED, "stopped"}, {});
  EXPECT_TRUE(EventuallyIdle());
  EXPECT_EQ(handled(Code::CANCELLED), 1);
}

TEST_F(TransportTest, TheDeadlineReachesTheHandler) {
  const auto call = NewCall("Hold");
  call->context().set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  call->Start().Send("a");
  UnaryCall& held = AwaitHeld();
  EXPECT_EQ(call->Finish().error_code(), Code::DEADLINE_EXCEEDED);
  EXPECT_TRUE(Eventually([&] { return held.cancellation().cancelled(); }));
  held.Finish({Code::CANCELLED, "stopped"}, {});
  EXPECT_TRUE(EventuallyIdle());
  EXPECT_EQ(handled(Code::DEADLINE_EXCEEDED), 1);
}

TEST_F(TransportTest, AnAnswerToAVanishedPeerIsNotCountedAsSent) {
  auto call = NewCall("Hold");
  call->Start().Send("a");
  UnaryCall& held = AwaitHeld();
  call.reset();
  EXPECT_TRUE(Eventually([&] { return held.cancellation().cancelled(); }));
  held.Finish(grpc::Status::OK, ToBuffer("too late"));
  EXPECT_TRUE(EventuallyIdle());
  EXPECT_EQ(handled(Code::OK), 0);
  EXPECT_EQ(observer_.sent_bytes, 0u);
}

TEST_F(TransportTest, APeerThatVanishesBeforeItsMessageGivesItsBytesBack) {
  auto call = NewCall("Echo");
  call->Start();
  ASSERT_TRUE(Eventually([&] { return admission_->load().granted_calls == 1; }));
  call.reset();
  EXPECT_TRUE(EventuallyIdle());
  EXPECT_EQ(admission_->load().granted_bytes, 0u);
  EXPECT_EQ(handled(Code::CANCELLED), 1);
}

TEST_F(TransportTest, HandlersMayFinishFromOtherThreads) {
  std::vector<std::unique_ptr<GenericCall>> calls;
  for (int i = 0; i < 20; ++i) calls.push_back(NewCall("Hold", "1"));
  for (const auto& call : calls) call->Start().Send("a");
  std::vector<std::thread> threads;
  for (size_t i = 0; i < calls.size(); ++i) {
    threads.emplace_back([&held = AwaitHeld()] { held.Finish(grpc::Status::OK, ToBuffer("done")); });
  }
  for (const auto& call : calls) {
    EXPECT_TRUE(call->Finish().ok());
    EXPECT_EQ(call->response(), "done");
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(TransportTest, StoppingLetsRunningAndWaitingCallsFinish) {
  const auto a = NewCall("Hold"), b = NewCall("Hold"), c = NewCall("Echo");
  a->Start().Send("a");
  UnaryCall& held_a = AwaitHeld();
  b->Start().Send("b");
  UnaryCall& held_b = AwaitHeld();
  c->Start().Send("c");
  ASSERT_TRUE(EventuallyWaiting(1));
  std::thread stopper([this] { StopServer(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  held_a.Finish(grpc::Status::OK, {});
  held_b.Finish(grpc::Status::OK, {});
  EXPECT_TRUE(a->Finish().ok());
  EXPECT_TRUE(b->Finish().ok());
  EXPECT_TRUE(c->Finish().ok());
  stopper.join();
}

TEST_F(TransportTest, HeldCallsGoOnWhenTheyAreReleased) {
  transport_->Hold();
  const auto call = NewCall("Echo");
  auto impatient = NewCall("Echo");
  call->Start().Send("a");
  impatient->Start().Send("b");
  ASSERT_TRUE(Eventually([&] { return transport_->num_calls() == 2; }));
  EXPECT_EQ(observer_.received_bytes, 0u);
  impatient.reset();
  EXPECT_TRUE(Eventually([&] { return handled(Code::CANCELLED) == 1; }));
  transport_->Release();
  EXPECT_TRUE(call->Finish().ok());
}

TEST_F(TransportTest, StoppingCancelsWhatIsLeftAtItsDeadline) {
  const auto a = NewCall("Hold");
  a->Start().Send("a");
  UnaryCall& held = AwaitHeld();
  std::thread stopper([this] { StopServer(std::chrono::milliseconds(100)); });
  EXPECT_TRUE(Eventually([&] { return held.cancellation().cancelled(); }));
  held.Finish({Code::CANCELLED, "stopped"}, {});
  stopper.join();
  EXPECT_FALSE(a->Finish().ok());
}

TEST_F(TransportTest, APeerThatHoldsBytesWithoutSendingLosesThemToThoseWhoWait) {
  StopServer();
  StartServer({.num_queues = 1, .stall_timeout = std::chrono::milliseconds(200)});
  const auto a = NewCall("Echo"), b = NewCall("Echo"), c = NewCall("Echo");
  a->Start();  // and never a message
  b->Start();
  ASSERT_TRUE(Eventually([&] { return admission_->load().granted_calls == 2; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(800));
  EXPECT_EQ(admission_->load().granted_calls, 2u) << "nobody waits: nobody is hurt";
  EXPECT_TRUE(c->Start().Send("c").Finish().ok());
  EXPECT_EQ(a->Finish().error_code(), Code::RESOURCE_EXHAUSTED);
  EXPECT_GE(refused(Refusal::kStalled), 1);
}

}  // namespace
}  // namespace lossd::server
