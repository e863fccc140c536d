// EvaluateStream and GradientStream against a real server, with the C++ client.
#include <gmock/gmock.h>
#include <sys/types.h>

#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>

#include "lossd/stream.h"
#include "tests/integration/test_server.h"
#include "tests/support/status.h"

namespace lossd {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::LargeRequest;
using testing::StatusIs;

class StreamTest : public testing::ServerTest {
 protected:
  StreamTest() : ServerTest(testing::SmallServer()), client_(*Client::Create({.address = server_->addresses()[0]})) {}

  struct Numbers {
    std::vector<float> y_true, y_pred;
    LossCall Huber() const {
      return {.loss = "huber", .y_true = ConstTensor::Of(y_true), .y_pred = ConstTensor::Of(y_pred)};
    }
  };
  static Numbers Random(size_t count, int seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    Numbers numbers;
    for (size_t i = 0; i < count; ++i) {
      numbers.y_true.push_back(normal(random));
      numbers.y_pred.push_back(3 * normal(random));
    }
    return numbers;
  }
  double MessagesOf(const std::string& what) const {
    return Metric(
        "grpc_server_msg_" + what +
        "_total{grpc_method=\"GradientStream\",grpc_service=\"lossd.v1.LossService\",grpc_type=\"bidi_stream\"}");
  }

  Client client_;
};

TEST_F(StreamTest, AnswersHaveTheBitsOfUnaryCallsInTheOrderOfTheRequests) {
  auto stream = client_.OpenGradientStream({});
  ASSERT_TRUE(stream.ok());
  std::vector<Numbers> sent;
  // Small ones are computed at once, large ones on other threads: they overtake each other inside.
  for (const size_t count : {1, 300'000, 32, 5, 100'000, 7, 0, 4097, 200'000, 3}) {
    sent.push_back(Random(count, static_cast<int>(sent.size())));
    ASSERT_THAT(stream->Send(sent.back().Huber()), IsOk());
  }
  EXPECT_EQ(stream->unanswered(), 10);
  for (const Numbers& numbers : sent) {
    const auto streamed = stream->Receive();
    const auto unary = client_.Gradient(numbers.Huber());
    ASSERT_TRUE(streamed.ok() && unary.ok()) << streamed.status() << unary.status();
    EXPECT_EQ(*streamed->value, *unary->value);
    ASSERT_EQ(streamed->gradient.bytes().size(), unary->gradient.bytes().size());
    EXPECT_TRUE(std::equal(streamed->gradient.bytes().begin(), streamed->gradient.bytes().end(),
                           unary->gradient.bytes().begin()));
  }
  EXPECT_THAT(stream->Receive(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("answer")));
  EXPECT_THAT(stream->Finish(), IsOk());
  EXPECT_TRUE(EventuallyIdle());
  EXPECT_EQ(MessagesOf("received"), 10);
  EXPECT_EQ(MessagesOf("sent"), 10);
}

TEST_F(StreamTest, ManySmallRequestsAreAnsweredWhileTheyAreSent) {
  auto stream = client_.OpenEvaluateStream({.max_request_bytes = 4096});
  ASSERT_TRUE(stream.ok());
  const Numbers numbers = Random(32, 1);
  const auto expected = client_.Evaluate(numbers.Huber());
  ASSERT_TRUE(expected.ok());
  int received = 0;
  for (int sent = 0; sent < 3000; ++sent) {
    ASSERT_THAT(stream->Send(numbers.Huber()), IsOk());
    for (; stream->unanswered() > 100; ++received) ASSERT_EQ(*stream->Receive()->value, *expected->value);
  }
  for (; stream->unanswered() > 0; ++received) ASSERT_EQ(*stream->Receive()->value, *expected->value);
  EXPECT_EQ(received, 3000);
  EXPECT_THAT(stream->Finish(), IsOk());
}

TEST_F(StreamTest, ABadRequestEndsTheStreamAndIsNamed) {
  auto stream = client_.OpenGradientStream({});
  ASSERT_TRUE(stream.ok());
  const Numbers good = Random(10, 1);
  LossCall bad = good.Huber();
  bad.loss = "hubert";
  ASSERT_THAT(stream->Send(good.Huber()), IsOk());
  ASSERT_THAT(stream->Send(bad), IsOk());
  // What is behind it may be sent or find the end, depending on who is faster.
  (void)stream->Send(good.Huber());
  EXPECT_THAT(stream->Receive(), IsOk());
  EXPECT_THAT(stream->Receive(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("request 1 (the first is 0): loss")));
  EXPECT_THAT(stream->Receive(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("request 1")));
  EXPECT_THAT(stream->Finish(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("request 1")));
  EXPECT_TRUE(EventuallyIdle());
}

TEST_F(StreamTest, RequestsOverTheDeclaredSizeAreNotSent) {
  auto stream = client_.OpenGradientStream({.max_request_bytes = 1000});
  ASSERT_TRUE(stream.ok());
  EXPECT_THAT(stream->Send(Random(1000, 1).Huber()),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("max_request_bytes of the stream is 1000")));
  EXPECT_THAT(stream->Send(Random(10, 1).Huber()), IsOk()) << "the stream is well";
  EXPECT_THAT(stream->Receive(), IsOk());
}

TEST_F(StreamTest, StreamOptionsAreChecked) {
  EXPECT_THAT(client_.OpenGradientStream({.max_request_bytes = 0}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("max_request_bytes")));
  EXPECT_THAT(client_.OpenEvaluateStream({.timeout = absl::ZeroDuration()}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("timeout")));
}

TEST_F(StreamTest, TheDeadlineOfAStreamEndsIt) {
  auto stream = client_.OpenEvaluateStream({.timeout = absl::Milliseconds(100)});
  ASSERT_TRUE(stream.ok());
  const Numbers numbers = Random(10, 1);
  ASSERT_THAT(stream->Send(numbers.Huber()), IsOk());
  EXPECT_THAT(stream->Receive(), IsOk());
  absl::SleepFor(absl::Milliseconds(120));
  EXPECT_EQ(stream->Finish().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(EventuallyIdle());
}

TEST_F(StreamTest, ADroppedStreamStopsItsWork) {
  const Numbers large = Random(1'000'000, 1);
  for (int i = 0; i < 3; ++i) {
    auto stream = client_.OpenGradientStream({.max_request_bytes = size_t{16} << 20});
    ASSERT_TRUE(stream.ok());
    for (int r = 0; r < 4; ++r) ASSERT_THAT(stream->Send(large.Huber()), IsOk());
  }
  EXPECT_TRUE(EventuallyIdle());
}

TEST_F(StreamTest, DrainingAnswersWhatWasRead) {
  auto stream = client_.OpenGradientStream({.max_request_bytes = size_t{16} << 20});
  ASSERT_TRUE(stream.ok());
  const Numbers large = Random(500'000, 1);
  for (int r = 0; r < 4; ++r) ASSERT_THAT(stream->Send(large.Huber()), IsOk());
  ASSERT_TRUE(testing::Eventually([&] { return MessagesOf("received") == 4; }));
  const auto begin = std::chrono::steady_clock::now();
  std::thread drain([&] { server_->Drain(); });  // which waits for a client that takes its answers
  for (int r = 0; r < 4; ++r) EXPECT_THAT(stream->Receive(), IsOk());
  drain.join();
  EXPECT_THAT(stream->Finish(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("shutting down")));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(4)) << "the drain timeout is 5 s";
}

TEST_F(StreamTest, LossctlStreamsLines) {
  const std::string path = ::testing::TempDir() + "/lossctl_stream_" + std::to_string(getpid());
  std::ofstream(path)
      << R"({"loss": "mse", "y_pred": {"floats": {"values": [3]}}, "y_true": {"floats": {"values": [1]}}})"
      << "\n\n"
      << R"({"loss": "mae", "y_pred": {"floats": {"values": [3]}}, "y_true": {"floats": {"values": [1]}}})"
      << "\n";
  const std::string command =
      std::string(LOSSCTL_PATH) + " --address " + server_->addresses()[0] + " stream < " + path + " > " + path + ".out";
  ASSERT_EQ(std::system(command.c_str()), 0);
  std::stringstream out;
  out << std::ifstream(path + ".out").rdbuf();
  EXPECT_THAT(out.str(), ::testing::MatchesRegex("\\{\"value\":4,[^\n]*\n\\{\"value\":2,[^\n]*\n"));
}

}  // namespace
}  // namespace lossd
