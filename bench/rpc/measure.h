// The measurements of rpc_bench.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/rpc/process.h"
#include "bench/rpc/results.h"
#include "bench/rpc/scenario.h"

namespace lossd::bench {

struct NamedCommand {
  std::string name;
  Command command;
};

struct Pace {
  int rounds;
  double seconds;  // a round
};

// Servers that stay up for many scenarios; each is started when it is first needed.
class Fleet {
 public:
  explicit Fleet(std::vector<NamedCommand> commands) : commands_(std::move(commands)) {}
  const std::vector<NamedCommand>& commands() const { return commands_; }
  Process& At(size_t server, Wire wire);

 private:
  std::vector<NamedCommand> commands_;
  std::map<std::pair<size_t, Wire>, std::unique_ptr<Process>> running_;
};

// All throw std::runtime_error where a server fails.

// Rounds of one scenario on all servers in turn, and of the evaluation alone: rows of "calls", and one of "kernels".
// Servers take turns so that a machine whose speed drifts treats them alike. CPU time a call is the steadiest figure:
// it counts what the server's own threads burned, whoever else is on the machine. Every server but the no-op one has to
// return the value that the evaluation alone has.
void MeasureCalls(const Scenario& scenario, Fleet& fleet, Pace pace, Results& results);

// The most memory that a fresh server takes over what it has when idle, with the scenario's calls in flight: rows of
// "memory", in bytes a call in flight.
void MeasureMemory(const Scenario& scenario, const std::vector<NamedCommand>& commands, double seconds,
                   Results& results);

// Allocations and copied bytes a call, in a fresh server behind a counting library: rows of "counts".
void MeasureCounts(const Scenario& scenario, const std::vector<NamedCommand>& commands, double seconds,
                   Results& results);

// From the start of the process until it is SERVING, and what it then holds: rows of "start".
void MeasureStart(const NamedCommand& command, int starts, Results& results);

}  // namespace lossd::bench
