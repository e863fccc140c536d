// How calls are answered and refused, one at a time.
#include <gmock/gmock.h>

#include "tests/server/transport_fixture.h"

namespace lossd::server {
namespace {

using ::testing::HasSubstr;

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

TEST_F(TransportTest, LongWorkDoesNotKeepOtherCallsWaiting) {
  std::vector<std::unique_ptr<GenericCall>> long_calls;
  for (int i = 0; i < 3; ++i) {  // more than there are threads for them
    long_calls.push_back(NewCall("Long", "10"));
    long_calls.back()->Start().Send(std::to_string(i));
  }
  ASSERT_TRUE(Eventually([&] { return observer_.received_bytes == 3; }));
  const auto call = NewCall("Echo", "10");
  EXPECT_TRUE(call->Start().Send("meanwhile").Finish().ok());
  EXPECT_EQ(call->response(), "meanwhile");
  may_end_ = true;
  may_end_.notify_all();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(long_calls[i]->Finish().ok());
    EXPECT_EQ(long_calls[i]->response(), std::to_string(i));
  }
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

}  // namespace
}  // namespace lossd::server
