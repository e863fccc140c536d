#include "bench/rpc/beside_large.h"

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "bench/rpc/closed_loop.h"
#include "bench/rpc/load.h"

namespace lossd::bench {
namespace {

// Until the large calls are all on their way and the server knows what they cost.
constexpr std::chrono::milliseconds kUnderWay{100};
constexpr double kLongerThanAnyRound = 3600;

// On an own thread until it is destroyed or told to end.
class Background {
 public:
  Background(const std::shared_ptr<grpc::Channel>& channel, Load load)
      : measured_(std::async(std::launch::async, [this, channel, load]() mutable {
          load.ended = &ended_;
          return Run(channel, load);
        })) {}
  ~Background() { ended_ = true; }  // the future waits

  Measured End() {
    ended_ = true;
    return measured_.get();
  }

 private:
  std::atomic<bool> ended_{false};
  std::future<Measured> measured_;
};

}  // namespace

std::string BesideLarge::name() const {
  return absl::StrCat(small.name(), ", beside ", large.name(), same_connection ? ", same connection" : "");
}

std::vector<BesideLarge> AllBesideLarge() {
  const Scenario small = {false, "mse", 32, 8};
  std::vector<BesideLarge> all;
  for (const Scenario& large : {Scenario{true, "mse", MiB(2), 4}, Scenario{true, "bce_with_logits", MiB(2), 4},
                                Scenario{true, "mse", MiB(16), 4}}) {
    for (const bool same_connection : {false, true}) all.push_back({small, large, same_connection});
  }
  return all;
}

void MeasureBesideLarge(const BesideLarge& scenario, Fleet& fleet, Pace pace, Results& results) {
  const Load small = MakeLoad(scenario.small, pace.seconds);
  const Load large = MakeLoad(scenario.large, kLongerThanAnyRound);
  const auto& servers = fleet.commands();
  std::vector<std::shared_ptr<grpc::Channel>> channels, others;
  for (size_t i = 0; i < servers.size(); ++i) {
    channels.push_back(Connect(fleet.At(i, scenario.small.wire)));
    others.push_back(scenario.same_connection ? channels.back() : Connect(fleet.At(i, scenario.large.wire)));
  }
  std::vector<Series> series(servers.size());
  for (int round = -1; round < pace.rounds; ++round) {  // round -1 warms up
    for (size_t i = 0; i < servers.size(); ++i) {
      const Process& server = fleet.At(i, scenario.small.wire);
      Background background(others[i], large);
      std::this_thread::sleep_for(kUnderWay);
      const double before = server.cpu_seconds();
      const Measured got = Run(channels[i], small);
      const double cpu = server.cpu_seconds() - before;
      const Measured beside = background.End();
      if (round < 0) continue;
      Series& row = series[i];
      row["calls_per_second"].push_back(static_cast<double>(got.calls) / got.seconds);
      row["p50_us"].push_back(Quantile(got.latencies, 0.5) * kMicro);
      row["p99_us"].push_back(Quantile(got.latencies, 0.99) * kMicro);
      row["p999_us"].push_back(Quantile(got.latencies, 0.999) * kMicro);
      row["large_calls_per_second"].push_back(static_cast<double>(beside.calls) / beside.seconds);
      row["large_p50_us"].push_back(Quantile(beside.latencies, 0.5) * kMicro);
      row["cpu_share"].push_back(cpu / got.seconds);
    }
  }
  for (size_t i = 0; i < servers.size(); ++i) {
    results.Add("beside", {{"scenario", scenario.name()}, {"server", servers[i].name}}, series[i]);
  }
}

}  // namespace lossd::bench
