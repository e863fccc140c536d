// Each way through the states of a call, deterministically: waiting, cancelled, expired, held, stopped, stalled.
#include "tests/server/transport_fixture.h"

namespace lossd::server {
namespace {

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
