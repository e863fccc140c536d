// Requests over one stream beside unary calls, on one server, in the same run. Rounds take turns; ratios are medians of
// the ratios of each round.
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "bench/rpc/process.h"
#include "bench/rpc/report.h"
#include "bench/rpc/stream_loop.h"
#include "lossd/v1/loss_service.pb.h"

ABSL_FLAG(int, rounds, 7, "rounds of each scenario");
ABSL_FLAG(double, seconds, 1.0, "of one round");
ABSL_FLAG(std::string, listen_address, "127.0.0.1:0", "where the server listens: HOST:PORT or unix:/PATH");

namespace lossd::bench {
namespace {

struct Scenario {
  const char* name;
  bool gradient;
  size_t elements;  // of y_pred and y_true each, float32
  int in_flight;
};

constexpr Scenario kScenarios[] = {
    {"32 elements, 32 in flight", false, 32, 32},
    {"32 elements, 1 in flight", false, 32, 1},
    {"gradient of 32 elements, 32 in flight", true, 32, 32},
    {"2 MiB, gradient, 4 in flight", true, 262'144, 4},
};

grpc::ByteBuffer MakeRequest(size_t elements) {
  v1::GradientRequest request;  // the same bytes as an EvaluateRequest
  request.set_loss("mse");
  float number = 0;
  for (v1::Tensor* const tensor : {request.mutable_y_true(), request.mutable_y_pred()}) {
    std::string raw;
    for (size_t i = 0; i < elements; ++i, number += 0.25f) {
      raw.append(reinterpret_cast<const char*>(&number), sizeof number);
    }
    tensor->set_dtype(v1::F32);
    tensor->add_shape(static_cast<int64_t>(elements));
    tensor->set_raw(raw);
  }
  const grpc::Slice slice(request.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

double Median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

struct Rates {
  std::vector<double> calls, cpu_us;
};

void Measure(const Scenario& scenario, const Process& server, const std::shared_ptr<grpc::Channel>& channel) {
  const std::string unary = scenario.gradient ? "/lossd.v1.LossService/Gradient" : "/lossd.v1.LossService/Evaluate";
  Load load{.method = unary,
            .request = MakeRequest(scenario.elements),
            .in_flight = scenario.in_flight,
            .time = std::chrono::duration<double>(absl::GetFlag(FLAGS_seconds))};
  Rates rates[2];
  std::vector<double> ratios;
  for (int round = -1; round < absl::GetFlag(FLAGS_rounds); ++round) {  // round -1 warms up
    for (const bool stream : {false, true}) {
      load.method = unary + (stream ? "Stream" : "");
      const double cpu_before = server.cpu_seconds();
      const Measured got = stream ? RunStream(channel, load) : Run(channel, load);
      const double cpu = server.cpu_seconds() - cpu_before;
      if (round < 0) continue;
      rates[stream].calls.push_back(static_cast<double>(got.calls) / got.seconds);
      rates[stream].cpu_us.push_back(cpu / static_cast<double>(got.calls) * 1e6);
    }
    if (round >= 0) ratios.push_back(rates[1].calls.back() / rates[0].calls.back());
  }
  std::printf("| %s | %.0f | %.0f | %.2f | %.1f | %.1f |\n", scenario.name, Median(rates[0].calls),
              Median(rates[1].calls), Median(ratios), Median(rates[0].cpu_us), Median(rates[1].cpu_us));
  std::fflush(stdout);
}

int Main(const std::string& program) {
  const auto folder = std::filesystem::absolute(program).parent_path();
  const Process server((folder / "lossd").string(), {"--listen_address=" + absl::GetFlag(FLAGS_listen_address),
                                                     "--metrics_address=127.0.0.1:0", "--log_level=warning"});
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  const auto channel = grpc::CreateCustomChannel(server.address(), grpc::InsecureChannelCredentials(), arguments);
  std::printf("%s\n\n", Machine().c_str());
  std::printf(
      "| scenario | unary calls/s | streamed requests/s | ratio | server CPU us a call | a streamed request |\n"
      "|---|--:|--:|--:|--:|--:|\n");
  for (const Scenario& scenario : kScenarios) Measure(scenario, server, channel);
  return 0;
}

}  // namespace
}  // namespace lossd::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("requests over one stream beside unary calls: stream_bench [--rounds N] [--seconds S]");
  absl::ParseCommandLine(argc, argv);
  try {
    return lossd::bench::Main(argv[0]);
  } catch (const std::exception& error) {  // the server has been ended on the way here
    std::fprintf(stderr, "stream_bench: %s\n", error.what());
    return 1;
  }
}
