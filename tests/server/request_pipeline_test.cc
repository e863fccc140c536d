// Calls with many requests: order, bounds, and every way to end.
#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "tests/server/transport_fixture.h"

namespace lossd::server {
namespace {

using ::testing::HasSubstr;

class RequestPipelineTest : public TransportTest {
 protected:
  // A stream that has declared small messages, with `requests` sent.
  std::unique_ptr<GenericCall> Open(const std::string& method, const std::vector<std::string>& requests) {
    auto call = NewCall(method, "1000");
    call->Start();
    for (const std::string& request : requests) call->SendOne(request);
    return call;
  }
  std::vector<UnaryCall*> AwaitAll(size_t count) {
    std::vector<UnaryCall*> held;
    while (held.size() < count) held.push_back(&AwaitHeld());
    return held;
  }
};

TEST_F(RequestPipelineTest, AnswersComeInTheOrderOfTheRequestsWhateverIsDoneFirst) {
  const auto call = Open("HoldEach", {"a", "b", "c"});
  const auto held = AwaitAll(3);
  for (const size_t i : {2u, 1u, 0u}) held[i]->Finish(grpc::Status::OK, ToBuffer(Bytes(held[i]->request().segments()) + "!"));
  for (const char* expected : {"a!", "b!", "c!"}) EXPECT_EQ(call->ReceiveOne(), expected);
  call->SendNothing();
  EXPECT_TRUE(call->Finish().ok());
  EXPECT_TRUE(EventuallyIdle());
  EXPECT_EQ(observer_.sent_messages, 3u);
  EXPECT_EQ(handled(Code::OK), 1);
}

TEST_F(RequestPipelineTest, AStreamWithoutRequestsIsWell) {
  EXPECT_TRUE(Open("EchoEach", {})->SendNothing().Finish().ok());
}

TEST_F(RequestPipelineTest, ManyRequestsEachGetTheirAnswer) {
  const auto call = Open("EchoEach", {});
  for (int i = 0; i < 500; ++i) {
    const std::string message = std::to_string(i);
    call->SendOne(message);
    ASSERT_EQ(call->ReceiveOne(), message);
  }
  call->SendNothing();
  EXPECT_TRUE(call->Finish().ok());
  EXPECT_TRUE(EventuallyIdle());
  EXPECT_EQ(observer_.sent_messages, 500u);
}

TEST_F(RequestPipelineTest, NoMoreIsReadThanMayBeInFlight) {
  const auto call = Open("HoldEach", {"a", "b", "c", "d", "e", "f"});
  const auto held = AwaitAll(kInFlight);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(observer_.received_bytes, kInFlight);
  held[1]->Finish(grpc::Status::OK, ToBuffer("b"));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(observer_.received_bytes, kInFlight) << "the answer waits for the one before it";
  held[0]->Finish(grpc::Status::OK, ToBuffer("a"));
  for (UnaryCall* const next : AwaitAll(2)) next->Finish(grpc::Status::OK, ToBuffer("ef"));
  held[2]->Finish(grpc::Status::OK, ToBuffer("c"));
  held[3]->Finish(grpc::Status::OK, ToBuffer("d"));
  for (const char* expected : {"a", "b", "c", "d", "ef", "ef"}) EXPECT_EQ(call->ReceiveOne(), expected);
}

TEST_F(RequestPipelineTest, ARequestThatFailsEndsTheStreamBehindTheAnswersBeforeIt) {
  const auto call = Open("HoldEach", {"a", "b", "c"});
  const auto held = AwaitAll(3);
  held[1]->Finish({Code::INVALID_ARGUMENT, "b is bad"}, {});
  EXPECT_FALSE(held[2]->cancellation().cancelled()) << "not before the turn of the one that failed";
  held[0]->Finish(grpc::Status::OK, ToBuffer("a"));
  EXPECT_TRUE(Eventually([&] { return held[2]->cancellation().cancelled(); }));
  held[2]->Finish(grpc::Status::OK, ToBuffer("nobody hears"));
  EXPECT_EQ(call->ReceiveOne(), "a");
  EXPECT_EQ(call->ReceiveOne(), "");
  const grpc::Status status = call->Finish();
  EXPECT_EQ(status.error_code(), Code::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "request 1 (the first is 0): b is bad");
}

TEST_F(RequestPipelineTest, MessagesBeyondALimitEndTheStream) {
  for (const auto& [declared, size, code, refusal] :
       {std::tuple{"1000", size_t{1001}, Code::INVALID_ARGUMENT, Refusal::kLargerThanDeclared},
        std::tuple{"", kMaxMessage + 1, Code::RESOURCE_EXHAUSTED, Refusal::kTooLarge}}) {
    const auto call = NewCall("EchoEach", declared);
    call->Start().SendOne("a").SendOne(std::string(size, 'x'));
    EXPECT_EQ(call->ReceiveOne(), "a");
    const grpc::Status status = call->Finish();
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr("request 1 (the first is 0): request message of"));
    EXPECT_EQ(refused(refusal), 1);
  }
  EXPECT_EQ(NewCall("EchoEach", "many")->Start().Finish().error_code(), Code::INVALID_ARGUMENT);
  EXPECT_EQ(NewCall("EchoEach", std::to_string(kMaxMessage + 1))->Start().Finish().error_code(),
            Code::RESOURCE_EXHAUSTED);
}

TEST_F(RequestPipelineTest, APeerThatDoesNotReadStopsItsOwnRequests) {
  constexpr size_t kSize = 200'000;
  const auto call = NewCall("EchoEach", std::to_string(kSize));
  call->Start();
  std::thread sender([&] {
    for (int i = 0; i < 40; ++i) call->SendOne(std::string(kSize, 'x'));
  });
  ASSERT_TRUE(Eventually([&] { return observer_.received_bytes >= kInFlight * kSize; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LE(observer_.received_bytes - observer_.sent_bytes, kInFlight * kSize);
  EXPECT_LT(observer_.received_bytes, 40 * kSize) << "all of it was read";
  EXPECT_LE(admission_->load().granted_bytes, kBudget);
  call->context().TryCancel();
  sender.join();
  EXPECT_TRUE(EventuallyIdle());
}

TEST_F(RequestPipelineTest, MessagesWaitForBytesLikeCalls) {
  const auto a = NewCall("Hold"), b = NewCall("Hold");  // together nearly the budget
  a->Start().Send("a");
  UnaryCall& held_a = AwaitHeld();
  b->Start().Send("b");
  UnaryCall& held_b = AwaitHeld();
  const auto stream = NewCall("EchoEach");
  stream->Start().SendOne("c");
  ASSERT_TRUE(EventuallyWaiting(1));
  EXPECT_EQ(observer_.received_bytes, 2u) << "the message is not read";
  held_a.Finish(grpc::Status::OK, {});
  EXPECT_EQ(stream->ReceiveOne(), "c");
  held_b.Finish(grpc::Status::OK, {});
}

TEST_F(RequestPipelineTest, AStreamThatWaitsMayBeCancelled) {
  const auto a = NewCall("Hold"), b = NewCall("Hold");
  a->Start().Send("a");
  UnaryCall& held_a = AwaitHeld();
  b->Start().Send("b");
  UnaryCall& held_b = AwaitHeld();
  auto stream = NewCall("EchoEach");
  stream->Start();
  ASSERT_TRUE(EventuallyWaiting(1));
  stream.reset();
  EXPECT_TRUE(EventuallyWaiting(0));
  held_a.Finish(grpc::Status::OK, {});
  held_b.Finish(grpc::Status::OK, {});
  EXPECT_TRUE(Eventually([&] { return handled(Code::CANCELLED) == 1; }));
}

TEST_F(RequestPipelineTest, DeadlinesAndHangUpsReachEveryRequest) {
  auto call = Open("HoldEach", {"a", "b"});
  const auto late = NewCall("HoldEach", "10");
  late->context().set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  late->Start().SendOne("c");
  const auto held = AwaitAll(3);
  EXPECT_EQ(late->Finish().error_code(), Code::DEADLINE_EXCEEDED);
  call.reset();
  for (UnaryCall* const one : held) {
    EXPECT_TRUE(Eventually([&] { return one->cancellation().cancelled(); }));
    one->Finish({Code::CANCELLED, "stopped"}, {});
  }
  EXPECT_TRUE(EventuallyIdle());
  EXPECT_EQ(handled(Code::DEADLINE_EXCEEDED), 1);
  EXPECT_EQ(handled(Code::CANCELLED), 1);
}

TEST_F(RequestPipelineTest, DrainingAnswersWhatWasReadAndEndsTheStream) {
  const auto idle = Open("EchoEach", {"x"}), busy = Open("HoldEach", {"a", "b"});
  EXPECT_EQ(idle->ReceiveOne(), "x");
  const auto held = AwaitAll(2);
  transport_->DrainRequests();
  EXPECT_EQ(idle->Finish().error_code(), Code::UNAVAILABLE);
  for (UnaryCall* const one : held) one->Finish(grpc::Status::OK, ToBuffer("answered"));
  EXPECT_EQ(busy->ReceiveOne(), "answered");
  EXPECT_EQ(busy->ReceiveOne(), "answered");
  const grpc::Status status = busy->Finish();
  EXPECT_EQ(status.error_code(), Code::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("shutting down"));
}

TEST_F(RequestPipelineTest, OneAtATimeIsInOrderAndAnswersOnce) {
  const auto call = Open("Join", {"a", "b", "c", "d", "e"});
  transport_->DrainRequests();  // does not end what is one piece of work
  call->SendOne("f").SendNothing();
  ASSERT_TRUE(call->Finish().ok());
  EXPECT_EQ(call->response(), "abcdef");
}

TEST_F(RequestPipelineTest, WhatACallKeepsIsReserved) {
  const auto call = NewCall("Join", "1000000");
  call->Start();
  const std::string large(1'000'000, 'x');
  for (int i = 0; i < 4; ++i) call->SendOne(large);  // four of them, beside the room for one more, are over the budget
  call->SendNothing();
  const grpc::Status status = call->Finish();
  EXPECT_EQ(status.error_code(), Code::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr(": full"));
  EXPECT_TRUE(EventuallyIdle());
}

TEST_F(RequestPipelineTest, IdleStreamsLoseWhatTheyHoldToThoseWhoWait) {
  StopServer();
  StartServer({.num_queues = 1, .stall_timeout = std::chrono::milliseconds(200)});
  const auto small = Open("EchoEach", {"s"});
  EXPECT_EQ(small->ReceiveOne(), "s");
  const auto a = NewCall("EchoEach"), b = NewCall("EchoEach"), c = NewCall("Echo");
  a->Start();  // undeclared: room for the largest message
  b->Start();
  ASSERT_TRUE(Eventually([&] { return admission_->load().granted_bytes > 4 * kMaxMessage; }));
  EXPECT_TRUE(c->Start().Send("c").Finish().ok());
  EXPECT_GE(refused(Refusal::kStalled), 1);
  EXPECT_EQ(small->SendOne("s").ReceiveOne(), "s") << "it holds next to nothing";
}

TEST_F(RequestPipelineTest, StreamsThatDoNotTakeTheirAnswersLoseThemToThoseWhoWait) {
  StopServer();
  StartServer({.num_queues = 1, .stall_timeout = std::chrono::milliseconds(200)});
  const auto deaf = NewCall("EchoEach");
  deaf->Start();
  std::thread sender([&] {
    // More than the windows of HTTP/2 take, which grow to some MiB.
    for (int i = 0; i < 60; ++i) deaf->SendOne(std::string(kMaxMessage, 'x'));
  });
  ASSERT_TRUE(Eventually([&] {  // a call that waits for what the stream holds; one may come before it holds much
    EXPECT_TRUE(NewCall("Echo")->Start().Send("c").Finish().ok());
    return refused(Refusal::kStalled) > 0;
  }));
  sender.join();
  while (!deaf->ReceiveOne().empty()) {
  }
  EXPECT_FALSE(deaf->Finish().ok());
}

// Streams that end in every way at once, with handlers on many threads.
TEST_F(RequestPipelineTest, NothingIsLostWhenStreamsVanishAtAnyMoment) {
  std::atomic<bool> stop = false;
  std::vector<std::thread> workers;
  for (int w = 0; w < 3; ++w) {
    workers.emplace_back([&, w] {
      std::mt19937 random(w);
      while (!stop || num_held() > 0) {
        UnaryCall* call = nullptr;
        {
          const std::lock_guard lock(mutex_);
          if (!held_.empty()) {
            call = held_.front();
            held_.pop_front();
          }
        }
        if (call == nullptr) {
          std::this_thread::yield();
          continue;
        }
        const bool fails = random() % 16 == 0;
        call->Finish(fails ? grpc::Status(Code::INVALID_ARGUMENT, "no") : grpc::Status::OK, ToBuffer("answer"));
      }
    });
  }
  std::vector<std::thread> callers;
  for (int t = 0; t < 3; ++t) {
    callers.emplace_back([&, t] {
      std::mt19937 random(100 + t);
      for (int i = 0; i < 40; ++i) {
        const auto call = Open(t == 0 ? "EchoEach" : "HoldEach", {});
        const int requests = static_cast<int>(random() % 8);
        for (int r = 0; r < requests; ++r) {
          call->SendOne("r");
          if (random() % 2 == 0) call->ReceiveOne();
        }
        if (random() % 3 == 0) continue;  // cancelled by its destructor
        call->SendNothing();
        while (!call->ReceiveOne().empty()) {
        }
        call->Finish();
      }
    });
  }
  for (std::thread& thread : callers) thread.join();
  EXPECT_TRUE(EventuallyIdle());
  stop = true;
  for (std::thread& thread : workers) thread.join();
  EXPECT_EQ(observer_.started, 120u);
}

}  // namespace
}  // namespace lossd::server
