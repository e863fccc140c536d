// lossd beside three servers with the same messages in the same run: one that computes nothing on lossd's transport
// (the limit), the plain synchronous server that most would write, and one in Python with PyTorch.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "bench/rpc/beside_large.h"
#include "bench/rpc/measure.h"
#include "bench/rpc/shared_memory.h"

ABSL_FLAG(bool, quick, false, "fewer scenarios and shorter rounds, for a look");
ABSL_FLAG(std::string, json, "", "write the results there");
ABSL_FLAG(std::string, filter, "", "run only scenarios whose name contains this; the start is named \"start\"");
ABSL_FLAG(std::vector<std::string>, servers, {}, "no-op, lossd, plain, before, python; all where left out");
ABSL_FLAG(std::string, before, "", "another build of lossd, which takes turns with this one under the name \"before\"");
ABSL_FLAG(std::string, python, "/usr/bin/python3", "interpreter with PyTorch and grpcio, for the server in Python");
ABSL_FLAG(std::string, python_server, "", "bench/rpc/python_server.py; without it there is no server in Python");
ABSL_FLAG(std::string, messages, "", "folder of the messages in Python");

namespace lossd::bench {
namespace {

constexpr int kStarts = 11;
// Large calls: what holds memory is the messages.
const Scenario kMemoryScenarios[] = {{true, "mse", (16 << 20) / 8, 8}, {false, "mse", (16 << 20) / 8, 8}};
const Scenario kCountScenarios[] = {
    {false, "mse", 32, 32}, {true, "mse", 32, 32}, {true, "mse", (2 << 20) / 8, 8}, {true, "mse", (16 << 20) / 8, 8}};

// Small calls are many in any time; what disturbs them is other work on the machine, which more rounds even out.
Pace PaceOf(const Scenario& scenario, bool quick) {
  const bool small = scenario.payload_bytes() < (64 << 10);
  if (quick) return small ? Pace{11, 0.25} : Pace{5, 0.4};
  return small ? Pace{15, 0.5} : Pace{7, 1.0};
}

bool IsWanted(const std::string& name) { return absl::StrContains(name, absl::GetFlag(FLAGS_filter)); }

std::vector<NamedCommand> Commands(const std::filesystem::path& folder) {
  const std::vector<std::string> quiet = {"--metrics_address=127.0.0.1:0", "--log_level=warning"};
  std::vector<NamedCommand> all = {{"no-op", {.program = folder / "noop_server"}},
                                   {"lossd", {.program = folder / "lossd", .arguments = quiet}},
                                   {"plain", {.program = folder / "plain_server"}}};
  if (const std::string before = absl::GetFlag(FLAGS_before); !before.empty()) {
    all.push_back({"before", {.program = before, .arguments = quiet}});
  }
  if (const std::string script = absl::GetFlag(FLAGS_python_server); !script.empty()) {
    all.push_back({"python",
                   {.program = absl::GetFlag(FLAGS_python),
                    .arguments = {script, "--messages=" + absl::GetFlag(FLAGS_messages)}}});
  }
  const std::vector<std::string> wanted = absl::GetFlag(FLAGS_servers);
  if (!wanted.empty()) {
    std::erase_if(all, [&](const NamedCommand& command) {
      return std::find(wanted.begin(), wanted.end(), command.name) == wanted.end();
    });
  }
  return all;
}

// Those of ours: what has to do with memory, allocators and threads.
std::vector<NamedCommand> Compiled(std::vector<NamedCommand> commands) {
  std::erase_if(commands, [](const NamedCommand& command) { return command.name == "python"; });
  return commands;
}

int Main(const std::string& program) {
  const bool quick = absl::GetFlag(FLAGS_quick);
  const auto commands = Commands(std::filesystem::absolute(program).parent_path());
  const auto measuring = [](const std::string& what) { std::fprintf(stderr, "measuring %s\n", what.c_str()); };
  Results results(quick);
  if (IsWanted("start")) {
    measuring("start");
    for (const NamedCommand& command : commands) {
      if (command.name == "lossd") MeasureStart(command, kStarts, results);
    }
  }
  for (const Scenario& scenario : kMemoryScenarios) {
    if (!IsWanted(scenario.name())) continue;
    measuring(scenario.name() + ": memory");
    MeasureMemory(scenario, Compiled(commands), quick ? 2 : 5, results);
  }
  for (const Scenario& scenario : kCountScenarios) {
    if (!IsWanted(scenario.name())) continue;
    measuring(scenario.name() + ": allocations and copies");
    MeasureCounts(scenario, Compiled(commands), 0.5, results);
  }
  for (const NamedCommand& command : commands) {
    if (command.name != "lossd" || !IsWanted("shared memory")) continue;
    measuring("shared memory");
    MeasureSharedMemory(command.command, quick ? 21 : 51, results);
  }
  Fleet fleet(commands);
  for (const Scenario& scenario : quick ? QuickScenarios() : AllScenarios()) {
    if (!IsWanted(scenario.name())) continue;
    measuring(scenario.name());
    MeasureCalls(scenario, fleet, PaceOf(scenario, quick), results);
  }
  Fleet compiled(Compiled(commands));
  for (const BesideLarge& scenario : AllBesideLarge()) {
    if (!IsWanted(scenario.name())) continue;
    measuring(scenario.name());
    MeasureBesideLarge(scenario, compiled, PaceOf(scenario.small, quick), results);
  }
  if (absl::GetFlag(FLAGS_json).empty()) {
    std::puts(results.Json().c_str());
  } else {
    std::ofstream(absl::GetFlag(FLAGS_json)) << results.Json();
  }
  return 0;
}

}  // namespace
}  // namespace lossd::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "lossd beside a no-op server, a plain one and one in Python, and small calls beside large ones: rpc_bench "
      "[--quick] "
      "[--json F] [--filter TEXT]");
  absl::ParseCommandLine(argc, argv);
  try {
    return lossd::bench::Main(argv[0]);
  } catch (const std::exception& error) {  // the servers have been ended on the way here
    std::fprintf(stderr, "rpc_bench: %s\n", error.what());
    return 1;
  }
}
