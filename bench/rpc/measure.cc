#include "bench/rpc/measure.h"

#include <time.h>

#include <cmath>
#include <list>
#include <stdexcept>
#include <thread>

#include "absl/strings/str_cat.h"
#include "bench/rpc/closed_loop.h"
#include "bench/rpc/counters.h"
#include "bench/rpc/in_process.h"
#include "bench/rpc/load.h"
#include "bench/rpc/stream_loop.h"
#include "grpc/health/v1/health.pb.h"
#include "lossd/v1/loss_service.pb.h"
#include "proto/wire/byte_buffer.h"

namespace lossd::bench {
namespace {

constexpr char kNoop[] = "no-op";

double ProcessCpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// As many problems in turn as calls are in flight: their tensors come from as far away as the server's.
class KernelLoop {
 public:
  explicit KernelLoop(const Scenario& scenario) {
    for (int i = 0; i < scenario.in_flight; ++i) problems_.emplace_back(scenario.Request(), scenario.gradient);
  }

  double value() { return problems_.front().Evaluate(executor_); }

  // CPU seconds an evaluation.
  double Run(double seconds) {
    const double begin = ProcessCpuSeconds();
    double now = begin;
    int count = 0;
    for (; now < begin + seconds; now = ProcessCpuSeconds()) {
      for (InProcess& problem : problems_) problem.Evaluate(executor_);
      count += static_cast<int>(problems_.size());
    }
    return (now - begin) / count;
  }

 private:
  Executor executor_{1};
  std::list<InProcess> problems_;
};

bool Serves(const NamedCommand& server, const Scenario& scenario) {
  return !scenario.stream || server.name == "lossd" || server.name == "before";
}

// The answer of the server must be that of the evaluation alone.
void CheckValue(const std::string& name, const grpc::ByteBuffer& answer, double expected) {
  const wire::ReceivedBytes received(answer);
  v1::GradientResponse response;
  wire::Payloads payloads;
  const bool parsed = wire::Decode(received.segments(), &response, &payloads).ok();
  if (!parsed || !(std::abs(response.value() - expected) <= 1e-4 * std::abs(expected))) {
    throw std::runtime_error(absl::StrCat(name, " answered ", response.value(), " instead of ", expected));
  }
}

void AddRound(const Measured& got, double cpu, Series& series) {
  const auto calls = static_cast<double>(got.calls);
  const double gigabytes = static_cast<double>(got.bytes) * 1e-9;
  series["calls_per_second"].push_back(calls / got.seconds);
  series["gigabytes_per_second"].push_back(gigabytes / got.seconds);
  series["p50_us"].push_back(Quantile(got.latencies, 0.5) * kMicro);
  series["p99_us"].push_back(Quantile(got.latencies, 0.99) * kMicro);
  series["p999_us"].push_back(Quantile(got.latencies, 0.999) * kMicro);
  series["cpu_us_per_call"].push_back(cpu / calls * kMicro);
  series["cpu_seconds_per_gigabyte"].push_back(cpu / gigabytes);
}

}  // namespace

Process& Fleet::At(size_t server, Wire wire) {
  std::unique_ptr<Process>& process = running_[{server, wire}];
  if (process == nullptr) process = std::make_unique<Process>(commands_[server].command, wire);
  return *process;
}

void MeasureCalls(const Scenario& scenario, Fleet& fleet, Pace pace, Results& results) {
  const Load load = MakeLoad(scenario, pace.seconds);
  KernelLoop kernel(scenario);
  const double expected = kernel.value();
  const auto& servers = fleet.commands();
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (size_t i = 0; i < servers.size(); ++i) channels.push_back(Connect(fleet.At(i, scenario.wire)));

  std::vector<Series> series(servers.size());
  Series alone;
  for (int round = -1; round < pace.rounds; ++round) {  // round -1 warms up
    for (size_t i = 0; i < servers.size(); ++i) {
      if (!Serves(servers[i], scenario)) continue;
      const Process& server = fleet.At(i, scenario.wire);
      const double before = server.cpu_seconds();
      const Measured got = scenario.stream ? RunStream(channels[i], load) : Run(channels[i], load);
      const double cpu = server.cpu_seconds() - before;
      if (round >= 0) AddRound(got, cpu, series[i]);
      if (round < 0 && servers[i].name != kNoop) CheckValue(servers[i].name, got.last_answer, expected);
    }
    const double cpu = kernel.Run(pace.seconds / 4);
    if (round >= 0) alone["cpu_us_per_call"].push_back(cpu * kMicro);
  }
  for (size_t i = 0; i < servers.size(); ++i) {
    if (Serves(servers[i], scenario)) results.Add("calls", LabelsOf(scenario, servers[i].name), series[i]);
  }
  results.Add("kernels", LabelsOf(scenario, "in process"), alone);
}

void MeasureMemory(const Scenario& scenario, const std::vector<NamedCommand>& commands, double seconds,
                   Results& results) {
  const Load load = MakeLoad(scenario, seconds);
  for (const auto& [name, command] : commands) {
    Process server(command, scenario.wire);
    const auto channel = Connect(server);
    Run(channel, MakeLoad({scenario.gradient, scenario.loss, 32, 1, scenario.wire}, 0.1));
    const double idle = server.rss_bytes();
    server.ResetPeakRss();
    const Measured got = Run(channel, load);
    const double call_bytes = static_cast<double>(got.bytes) / static_cast<double>(got.calls);
    results.Add("memory", LabelsOf(scenario, name),
                {{"idle_bytes", {idle}},
                 {"peak_bytes_per_call", {(server.peak_rss_bytes() - idle) / scenario.in_flight}},
                 {"call_bytes", {call_bytes}}});
  }
}

void MeasureCounts(const Scenario& scenario, const std::vector<NamedCommand>& commands, double seconds,
                   Results& results) {
  const Load load = MakeLoad(scenario, seconds);
  for (const auto& [name, plain] : commands) {
    const Counters counters;
    Command command = plain;
    command.environment = {counters.preload(), counters.file()};
    Process server(command, scenario.wire);
    const auto channel = Connect(server);
    Run(channel, load);  // pools fill
    const Counts before = counters.Read();
    const Measured got = Run(channel, load);
    const Counts after = counters.Read();
    const auto calls = static_cast<double>(got.calls);
    results.Add("counts", LabelsOf(scenario, name),
                {{"allocations_per_call", {(after.allocations - before.allocations) / calls}},
                 {"allocated_bytes_per_call", {(after.allocated_bytes - before.allocated_bytes) / calls}},
                 {"copied_bytes_per_call", {(after.copied_bytes - before.copied_bytes) / calls}}});
  }
}

void MeasureStart(const NamedCommand& command, int starts, Results& results) {
  Series series;
  for (int i = 0; i < starts; ++i) {
    const Process server(command.command, Wire::kTcp);
    const Measured got =
        Run(Connect(server), {.method = "/grpc.health.v1.Health/Check", .request = Buffer(""), .time = {}});
    const auto now = Process::Clock::now();
    std::vector<grpc::Slice> slices;
    grpc::health::v1::HealthCheckResponse health;
    if (!got.last_answer.Dump(&slices).ok() || slices.size() != 1 ||
        !health.ParseFromArray(slices[0].begin(), static_cast<int>(slices[0].size())) ||
        health.status() != grpc::health::v1::HealthCheckResponse::SERVING) {
      throw std::runtime_error(command.name + " is not SERVING");
    }
    series["milliseconds"].push_back(std::chrono::duration<double>(now - server.begin()).count() * 1e3);
    series["idle_bytes"].push_back(server.rss_bytes());
  }
  results.Add("start", {{"server", command.name}}, series);
}

}  // namespace lossd::bench
