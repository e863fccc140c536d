// Clients that are not ours. Skipped where scripts/setup has not installed them.
#include <gmock/gmock.h>
#include <signal.h>

#include "absl/strings/str_cat.h"
#include "tests/integration/process.h"

namespace lossd {
namespace {

using ::testing::AllOf;
using testing::FindTool;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Process;
using testing::ServerProcess;

constexpr char kHuber[] = R"({"loss": "huber", "params": {"delta": 1.5}, "y_pred": {"floats": {"values": [0.6, 0.4]}},
                              "y_true": {"floats": {"values": [0, 1]}}})";

// Runs a tool to its end.
std::string RunTool(const std::vector<std::string>& command, int expected = 0) {
  Process process(command);
  EXPECT_EQ(process.Wait(std::chrono::seconds(60)), expected) << process.Output();
  return process.Output();
}

class ToolsTest : public ::testing::Test {
 protected:
  ServerProcess server_{{"--channelz"}};
};

TEST_F(ToolsTest, GrpcurlWorksFromReflectionAlone) {
  const std::string grpcurl = FindTool("grpcurl");
  if (grpcurl.empty()) GTEST_SKIP() << "no grpcurl; see scripts/setup";
  const auto call = [&](const std::string& method, const std::string& json, int expected = 0) {
    return RunTool({grpcurl, "-plaintext", "-d", json, server_.address(), method}, expected);
  };
  EXPECT_THAT(RunTool({grpcurl, "-plaintext", server_.address(), "list"}),
              AllOf(HasSubstr("lossd.v1.LossService"), HasSubstr("grpc.health.v1.Health"),
                    HasSubstr("grpc.channelz.v1.Channelz")));
  const std::string methods = RunTool({grpcurl, "-plaintext", server_.address(), "list", "lossd.v1.LossService"});
  for (const char* method :
       {"Evaluate", "Gradient", "EvaluateStream", "GradientStream", "EvaluateBatch", "ListLosses", "DescribeLoss"}) {
    EXPECT_THAT(methods, HasSubstr(method));
  }
  EXPECT_THAT(call("lossd.v1.LossService/Evaluate", kHuber), HasSubstr("\"value\": 0.18"));
  EXPECT_THAT(call("lossd.v1.LossService/Gradient", kHuber), HasSubstr("\"y_pred\""));
  EXPECT_THAT(call("lossd.v1.LossService/ListLosses", "{}"), HasSubstr("mean_squared_error"));
  EXPECT_THAT(call("lossd.v1.LossService/DescribeLoss", R"({"loss": "huber"})"), HasSubstr("delta"));
  constexpr int kCodeOffset = 64;  // grpcurl exits with 64 and the code
  EXPECT_THAT(call("lossd.v1.LossService/Evaluate", R"({"loss": "hubr"})", kCodeOffset + 5), HasSubstr("huber"));
  EXPECT_THAT(call("lossd.v1.LossService/EvaluateStream", std::string(kHuber) + kHuber), HasSubstr("\"value\": 0.18"));
  EXPECT_THAT(call("grpc.health.v1.Health/Check", R"({"service": "lossd.v1.LossService"})"), HasSubstr("SERVING"));
  EXPECT_THAT(call("grpc.channelz.v1.Channelz/GetServers", "{}"), HasSubstr("listen_socket"));
}

TEST_F(ToolsTest, GhzWorksFromReflectionAlone) {
  const std::string ghz = FindTool("ghz");
  if (ghz.empty()) GTEST_SKIP() << "no ghz; see scripts/setup";
  const std::string report = RunTool({ghz, "--insecure", "--call", "lossd.v1.LossService.Evaluate", "-d", kHuber, "-n",
                                      "2000", "-c", "16", "--connections", "4", "-O", "json", server_.address()});
  EXPECT_THAT(report, HasSubstr("\"OK\":2000"));
}

TEST_F(ToolsTest, PromtoolFindsNothingWrongWithTheMetrics) {
  const std::string promtool = FindTool("promtool");
  if (promtool.empty()) GTEST_SKIP() << "no promtool; see scripts/setup";
  const std::string grpcurl = FindTool("grpcurl");
  if (!grpcurl.empty()) {  // so that there is something to show
    RunTool({grpcurl, "-plaintext", "-d", kHuber, server_.address(), "lossd.v1.LossService/Evaluate"});
  }
  const std::string scrape =
      absl::StrCat("curl --silent --show-error --fail http://", server_.metrics_address(), "/metrics");
  EXPECT_THAT(RunTool({"/bin/sh", "-c", scrape}), HasSubstr("lossd_build_info"));
  EXPECT_EQ(RunTool({"/bin/sh", "-c", absl::StrCat(scrape, " | ", promtool, " check metrics")}), "")
      << "not even a remark";
}

}  // namespace
}  // namespace lossd
