#include "server/options.h"

#include <algorithm>

#include "spdlog/fmt/fmt.h"

namespace lossd::server {
namespace {

// A gRPC message is rarely larger without being better off in pieces, and protobuf ends at 2 GiB.
constexpr size_t kDefaultMessageBytes = size_t{64} << 20;
// A quarter: the kernel's socket buffers, gRPC's and the allocator's reserves want the same memory.
constexpr size_t kMemoryShare = 4;
constexpr size_t kMostInflightBytes = size_t{4} << 30;
// A queue's thread decodes and answers; one keeps about four cores of kernels busy.
constexpr int kCoresPerQueue = 4;

}  // namespace

absl::StatusOr<ServerOptions> Resolve(ServerOptions options, const Machine& machine) {
  if (options.num_threads == 0) options.num_threads = machine.cores;
  if (options.num_queues == 0) options.num_queues = std::max(1, machine.cores / kCoresPerQueue);
  if (options.max_inflight_bytes == 0) {
    options.max_inflight_bytes = std::min(machine.memory_bytes / kMemoryShare, kMostInflightBytes);
  }
  const size_t largest = options.max_inflight_bytes / kGradientReserveFactor;
  if (options.max_message_bytes == 0) options.max_message_bytes = std::min(kDefaultMessageBytes, largest);
  if (options.max_message_bytes > largest) {
    return absl::InvalidArgumentError(fmt::format(
        "--max_message_bytes={} does not fit --max_inflight_bytes={}: a Gradient call takes up to {} times its "
        "message; expected at most {}",
        options.max_message_bytes, options.max_inflight_bytes, kGradientReserveFactor, largest));
  }
  return options;
}

}  // namespace lossd::server
