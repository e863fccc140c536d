// The binary as an operator meets it: flags, files, signals, exit codes, memory.
#include "tests/integration/process.h"

#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <signal.h>

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "tests/integration/test_server.h"

namespace lossd {
namespace {

using ::testing::ContainsRegex;
using testing::Eventually;
using testing::GenericCall;
using ::testing::HasSubstr;
using testing::LargeRequest;
using testing::NewPath;
using ::testing::Not;
using testing::Process;
using testing::ServerProcess;
using testing::UnderSanitizer;
using Code = grpc::StatusCode;

constexpr char kEvaluate[] = "/lossd.v1.LossService/Evaluate";
constexpr char kGradient[] = "/lossd.v1.LossService/Gradient";

grpc::Status Evaluate(const std::string& address) {
  const auto stub = v1::LossService::NewStub(testing::NewChannel(address));
  grpc::ClientContext context;
  v1::EvaluateResponse response;
  return stub->Evaluate(&context, LargeRequest<v1::EvaluateRequest>(10), &response);
}

TEST(Binary, ServesOnAFreePortAndSaysWhere) {
  ServerProcess server;
  EXPECT_THAT(server.address(), ContainsRegex("^127\\.0\\.0\\.1:[1-9][0-9]*$"));
  EXPECT_THAT(server.metrics_address(), ContainsRegex("^127\\.0\\.0\\.1:[1-9][0-9]*$"));
  EXPECT_THAT(server.Output(), HasSubstr(absl::StrCat("address=", server.address())));
  EXPECT_TRUE(Evaluate(server.address()).ok());
}

TEST(Binary, TerminatesCleanlyOnEitherSignal) {
  for (const int signal : {SIGTERM, SIGINT}) {
    ServerProcess server;
    ASSERT_TRUE(Evaluate(server.address()).ok());
    server.Signal(signal);
    EXPECT_EQ(server.Wait(), 0);
    EXPECT_THAT(server.Output(), HasSubstr("drain ends"));
  }
}

TEST(Binary, FinishesACallThatRunsWhenTheSignalComes) {
  ServerProcess server;
  const auto channel = testing::NewChannel(server.address());
  GenericCall call(channel, kEvaluate);
  call.Start();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  server.Signal(SIGTERM);
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  EXPECT_EQ(server.Wait(std::chrono::milliseconds(0)), std::nullopt);
  call.Send(LargeRequest<v1::EvaluateRequest>(1000).SerializeAsString());
  EXPECT_TRUE(call.Finish().ok());
  EXPECT_EQ(server.Wait(), 0);
}

TEST(Binary, SaysNotServingDuringTheDrainDelay) {
  ServerProcess server({"--drain_delay_ms=1500"});
  const auto health = [channel = testing::NewChannel(server.address())] {
    GenericCall call(channel, "/grpc.health.v1.Health/Check");
    EXPECT_TRUE(call.Start().Send("").Finish().ok());
    return call.response();  // HealthCheckResponse.status: 1 SERVING, 2 NOT_SERVING
  };
  EXPECT_EQ(health(), "\x08\x01");
  server.Signal(SIGTERM);
  EXPECT_TRUE(Eventually([&] { return health() == "\x08\x02"; }));
  EXPECT_TRUE(Evaluate(server.address()).ok()) << "still serving";
  EXPECT_EQ(server.Wait(), 0);
}

TEST(Binary, ASecondSignalEndsItAtOnce) {
  ServerProcess server({"--drain_delay_ms=60000"});
  server.Signal(SIGTERM);
  ASSERT_TRUE(Eventually([&] { return server.Output().find("drain begins") != std::string::npos; }));
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(std::chrono::seconds(5)), 128 + SIGTERM);
}

TEST(Binary, CancelsWhatRunsAtTheDrainTimeoutAndStillExitsCleanly) {
  ServerProcess server({"--drain_timeout_ms=300"});
  const auto channel = testing::NewChannel(server.address());
  GenericCall call(channel, kGradient);
  call.Start();  // and no message
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(std::chrono::seconds(6)), 0);
  EXPECT_FALSE(call.Finish().ok());
}

TEST(Binary, ASecondServerOnThePortFailsAndSaysWhy) {
  ServerProcess first;
  Process second({LOSSD_BINARY, absl::StrCat("--listen_address=", first.address()), "--metrics_address="});
  EXPECT_EQ(second.Wait(), 1);
  EXPECT_THAT(second.Output(), HasSubstr(absl::StrCat("cannot listen on ", first.address())));
  Process third(
      {LOSSD_BINARY, "--listen_address=127.0.0.1:0", absl::StrCat("--metrics_address=", first.metrics_address())});
  EXPECT_EQ(third.Wait(), 1);
  EXPECT_THAT(third.Output(), HasSubstr(absl::StrCat("cannot listen on ", first.metrics_address())));
}

TEST(Binary, BadFlagsAreOneLineAndExitCodeTwo) {
  const std::vector<std::string> kFlags[] = {{"--threads=x"},
                                             {"--nope=1"},
                                             {"stray"},
                                             {"--listen_address=x"},
                                             {"--max_inflight_bytes=100", "--max_message_bytes=99"}};
  for (const auto& flags : kFlags) {
    std::vector<std::string> command = {LOSSD_BINARY};
    command.insert(command.end(), flags.begin(), flags.end());
    Process process(command);
    EXPECT_EQ(process.Wait(), 2) << flags.front();
    const std::string output = process.Output();
    EXPECT_THAT(output, ::testing::StartsWith("lossd: "));
    EXPECT_EQ(output.find('\n'), output.size() - 1) << output;
  }
  Process process({LOSSD_BINARY}, {{"LOSSD_LOG_FORMAT", "xml"}});
  EXPECT_EQ(process.Wait(), 2);
}

TEST(Binary, AnUnwritablePortFileIsAnError) {
  Process process(
      {LOSSD_BINARY, "--listen_address=127.0.0.1:0", "--metrics_address=", "--port_file=/no/such/folder/port"});
  EXPECT_EQ(process.Wait(), 1);
  EXPECT_THAT(process.Output(), HasSubstr("/no/such/folder/port"));
}

TEST(Binary, HelpAndVersionExitCleanly) {
  Process help({LOSSD_BINARY, "--help"});
  EXPECT_EQ(help.Wait(), 0);
  EXPECT_THAT(help.Output(), HasSubstr("--max_inflight_bytes"));
  Process version({LOSSD_BINARY, "--version"});
  EXPECT_EQ(version.Wait(), 0);
  EXPECT_THAT(version.Output(), ContainsRegex("^lossd [0-9]+\\.[0-9]+\\.[0-9]+ "));
}

TEST(Binary, TheEnvironmentConfiguresItAndStrangersAreReported) {
  ServerProcess server({}, {{"LOSSD_THREADS", "1"}, {"LOSSD_TREADS", "2"}});
  EXPECT_THAT(server.Output(), HasSubstr("threads=1"));
  EXPECT_THAT(server.Output(), ContainsRegex("warning .*LOSSD_TREADS"));
}

// Every line is JSON by itself, whatever a caller puts into his request.
TEST(Binary, JsonLogIsJson) {
  ServerProcess server({"--log_format=json", "--log_level=debug"});
  const auto channel = testing::NewChannel(server.address());
  v1::EvaluateRequest request;
  request.set_loss("\"}\n{\"level\":\"forged\"}\x01\u00e4");
  GenericCall call(channel, kEvaluate);
  EXPECT_EQ(call.Start().Send(request.SerializeAsString()).Finish().error_code(), Code::NOT_FOUND);
  GenericCall strange(channel, "/a\"b.C/{d}");
  EXPECT_EQ(strange.Start().Finish().error_code(), Code::UNIMPLEMENTED);
  server.Signal(SIGTERM);
  ASSERT_EQ(server.Wait(), 0);
  std::istringstream lines(server.Output());
  int calls = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto object = testing::FromJson<google::protobuf::Struct>(line);
    EXPECT_TRUE(object.fields().contains("time") && object.fields().contains("level") &&
                object.fields().contains("message"));
    EXPECT_NE(object.fields().at("level").string_value(), "forged");
    calls += object.fields().at("message").string_value() == "call";
  }
  EXPECT_EQ(calls, 2) << server.Output();
}

// Refused at the headers: the payload stays with the caller. (gRPC's own limit is checked when all of it has arrived.)
TEST(Binary, OversizeCallsCostNoMemory) {
  if (UnderSanitizer()) GTEST_SKIP() << "a sanitizer keeps freed memory: the high water says nothing";
  ServerProcess server;
  ASSERT_TRUE(Evaluate(server.address()).ok());
  const size_t before = server.HighWaterBytes();
  const std::string payload(size_t{200} << 20, '\0');
  for (int i = 0; i < 3; ++i) {
    const auto channel = testing::NewChannel(server.address());
    GenericCall call(channel, kGradient);
    call.context().AddMetadata("lossd-request-bytes", absl::StrCat(payload.size()));
    const auto status = call.Start().Send(payload).Finish();
    EXPECT_EQ(status.error_code(), Code::RESOURCE_EXHAUSTED) << status.error_message();
    EXPECT_EQ(call.Trailer("grpc-retry-pushback-ms"), "-1");
  }
  EXPECT_TRUE(Evaluate(server.address()).ok());
  EXPECT_LT(server.HighWaterBytes() - before, size_t{16} << 20);
}

// Waiting calls do not count either: their payloads stay with their callers until their turn.
TEST(Binary, CallsBeyondTheBudgetCostNoMemoryWhileTheyWait) {
  if (UnderSanitizer()) GTEST_SKIP() << "a sanitizer keeps freed memory: the high water says nothing";
  ServerProcess server({"--max_inflight_bytes=100000000", "--max_message_bytes=33000000"});
  const std::string message =
      LargeRequest<v1::GradientRequest>(3'000'000).SerializeAsString();  // 24 MB, reserved thrice
  std::vector<std::unique_ptr<GenericCall>> calls;
  for (int i = 0; i < 16; ++i) {
    calls.push_back(std::make_unique<GenericCall>(testing::NewChannel(server.address()), kGradient));
    calls.back()->context().AddMetadata("lossd-request-bytes", absl::StrCat(message.size()));
    calls.back()->Start().Send(message);
  }
  for (const auto& call : calls) EXPECT_TRUE(call->Finish().ok());
  EXPECT_LT(server.HighWaterBytes(), size_t{200} << 20) << "16 calls would have taken 576 MB";
}

}  // namespace
}  // namespace lossd
