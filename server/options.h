// What a server is told. The flags (server/flags.h) have the same names and say what each means.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/log.h"
#include "server/machine.h"

namespace lossd::server {

// Worst case of a call, as a multiple of its request message: the message, an output per item (at most as large as
// y_pred), and, for Gradient, a gradient as large as y_pred. Scratch is small beside them.
inline constexpr size_t kEvaluateReserveFactor = 2;
inline constexpr size_t kGradientReserveFactor = 3;

// 0 stands for a default that depends on the machine, until Resolve.
struct ServerOptions {
  std::vector<std::string> listen_addresses = {
      "127.0.0.1:50051"};  // HOST:PORT, unix:/PATH or unix-abstract:NAME; port 0: any
  bool channelz = false;
  std::string metrics_address = "127.0.0.1:9464";  // empty: off
  int num_threads = 0;
  int num_queues = 0;
  size_t max_message_bytes = 0;
  size_t max_inflight_bytes = 0;
  size_t max_waiting_calls = 1024;
  mode_t unix_socket_mode = 0600;    // of the files of unix: addresses and of the next
  std::string shared_memory_socket;  // path; empty: no memory is shared
  size_t max_shared_memory_bytes = size_t{16} << 30;
  std::chrono::milliseconds stall_timeout{10'000};
  std::chrono::milliseconds drain_delay{0};
  std::chrono::milliseconds drain_timeout{8'000};
};

// Fills in what depends on the machine: threads = cores, queues = cores / 4, in-flight bytes = a quarter of the memory
// and at most 4 GiB, message bytes = 64 MiB or what lets one call of the largest kind fit. INVALID_ARGUMENT where a
// message of the size that was asked for would not fit.
absl::StatusOr<ServerOptions> Resolve(ServerOptions options, const Machine& machine);

}  // namespace lossd::server
