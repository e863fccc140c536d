// lossd beside a no-op server on the same transport, with the same messages, in the same run.
//
// Servers take turns in short rounds, so that a machine whose speed drifts treats both alike. CPU time a call is the
// steadiest figure: it counts what the server's own threads burned, whoever else is on the machine.
#include <grpcpp/create_channel.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "bench/rpc/closed_loop.h"
#include "bench/rpc/process.h"
#include "bench/rpc/report.h"
#include "lossd/v1/loss_service.pb.h"

ABSL_FLAG(bool, quick, false, "short rounds, for a look");
ABSL_FLAG(std::string, json, "", "write the results there as JSON");
ABSL_FLAG(std::string, markdown, "", "write the results there as Markdown");
ABSL_FLAG(std::string, filter, "", "run only scenarios whose name contains this");

namespace lossd::bench {
namespace {

struct Scenario {
  std::string name;
  bool gradient;
  std::string loss;
  size_t elements;  // of y_pred and y_true each, float32
  int in_flight;
};

const Scenario kScenarios[] = {
    {"32 elements, 32 in flight", false, "mse", 32, 32},
    {"32 elements, 1 in flight", false, "mse", 32, 1},
    {"gradient of 32 elements, 32 in flight", true, "mse", 32, 32},
    {"2 MiB, 4 in flight", false, "mse", 262'144, 4},
    {"2 MiB, gradient, 4 in flight", true, "mse", 262'144, 4},
    {"2 MiB, gradient of BCE logits, 4 in flight", true, "bce_with_logits", 262'144, 4},
    {"16 MiB, gradient, 2 in flight", true, "mse", 2'097'152, 2},
};

std::string RawFloats(size_t n, uint64_t seed) {
  std::mt19937_64 rng(seed);
  std::uniform_real_distribution<float> uniform(0, 1);
  std::vector<float> numbers(n);
  for (float& x : numbers) x = uniform(rng);
  return {reinterpret_cast<const char*>(numbers.data()), n * sizeof(float)};
}

grpc::ByteBuffer MakeRequest(const Scenario& scenario) {
  v1::GradientRequest request;  // the same bytes as an EvaluateRequest
  request.set_loss(scenario.loss);
  uint64_t seed = 1;
  for (v1::Tensor* const tensor : {request.mutable_y_true(), request.mutable_y_pred()}) {
    tensor->set_dtype(v1::F32);
    tensor->add_shape(static_cast<int64_t>(scenario.elements));
    tensor->set_raw(RawFloats(scenario.elements, seed++));
  }
  const grpc::Slice slice(request.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

std::shared_ptr<grpc::Channel> Connect(const Process& server) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(server.address(), grpc::InsecureChannelCredentials(), arguments);
}

double Median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

// Rounds of one scenario on all servers in turn; a row for each.
std::vector<Row> Measure(const Scenario& scenario, const std::vector<std::pair<std::string, Process*>>& servers,
                         int rounds, double seconds) {
  Load load{.method = scenario.gradient ? "/lossd.v1.LossService/Gradient" : "/lossd.v1.LossService/Evaluate",
            .request = MakeRequest(scenario),
            .in_flight = scenario.in_flight,
            .time = std::chrono::duration<double>(seconds)};
  struct Series {
    std::vector<double> calls, gigabytes, p50, p99, cpu;
  };
  std::vector<Series> series(servers.size());
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (const auto& [name, server] : servers) channels.push_back(Connect(*server));
  for (int round = -1; round < rounds; ++round) {  // round -1 warms up
    for (size_t i = 0; i < servers.size(); ++i) {
      const double cpu_before = servers[i].second->cpu_seconds();
      const Measured got = Run(channels[i], load);
      const double cpu = servers[i].second->cpu_seconds() - cpu_before;
      if (round < 0) continue;
      const auto calls = static_cast<double>(got.calls);
      series[i].calls.push_back(calls / got.seconds);
      series[i].gigabytes.push_back(static_cast<double>(got.bytes) / got.seconds * 1e-9);
      series[i].p50.push_back(got.latencies[got.latencies.size() / 2] * 1e6);
      series[i].p99.push_back(got.latencies[got.latencies.size() * 99 / 100] * 1e6);
      series[i].cpu.push_back(cpu / calls * 1e6);
    }
  }
  std::vector<Row> rows;
  for (size_t i = 0; i < servers.size(); ++i) {
    Row row{.scenario = scenario.name,
            .server = servers[i].first,
            .calls_per_second = Median(series[i].calls),
            .gigabytes_per_second = Median(series[i].gigabytes),
            .p50_us = Median(series[i].p50),
            .p99_us = Median(series[i].p99),
            .server_cpu_us = Median(series[i].cpu)};
    if (i > 0) {
      std::vector<double> ratios;
      for (int round = 0; round < rounds; ++round) ratios.push_back(series[i].cpu[round] / series[0].cpu[round]);
      row.cpu_ratio = Median(ratios);
    }
    rows.push_back(row);
  }
  return rows;
}

void Write(const std::string& path, const std::string& text) {
  if (path.empty()) return;
  std::ofstream(path) << text;
}

int Main(const std::string& program) {
  const bool quick = absl::GetFlag(FLAGS_quick);
  const auto folder = std::filesystem::absolute(program).parent_path();
  Process noop((folder / "noop_server").string(), {"--listen_address=127.0.0.1:0"});
  Process lossd((folder / "lossd").string(),
                {"--listen_address=127.0.0.1:0", "--metrics_address=127.0.0.1:0", "--log_level=warning"});
  std::vector<Row> rows;
  for (const Scenario& scenario : kScenarios) {
    if (scenario.name.find(absl::GetFlag(FLAGS_filter)) == std::string::npos) continue;
    std::fprintf(stderr, "measuring %s\n", scenario.name.c_str());
    for (Row& row : Measure(scenario, {{"no-op", &noop}, {"lossd", &lossd}}, quick ? 3 : 7, quick ? 0.4 : 1.5)) {
      rows.push_back(std::move(row));
    }
  }
  const std::string heading =
      Machine() + "; client and servers share the cores; medians of rounds in turn; sizes are of the request";
  std::fputs(Markdown(rows, heading).c_str(), stdout);
  Write(absl::GetFlag(FLAGS_markdown), Markdown(rows, heading));
  Write(absl::GetFlag(FLAGS_json), Json(rows, heading));
  return 0;
}

}  // namespace
}  // namespace lossd::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "lossd beside a no-op server on the same transport: rpc_bench [--quick] [--json F] [--markdown F]");
  absl::ParseCommandLine(argc, argv);
  try {
    return lossd::bench::Main(argv[0]);
  } catch (const std::exception& error) {  // the servers have been ended on the way here
    std::fprintf(stderr, "rpc_bench: %s\n", error.what());
    return 1;
  }
}
