// Memory of the server's process between calls: the allocator's, which tests inside a process do not have.
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

#include "bench/rpc/closed_loop.h"
#include "bench/rpc/process.h"
#include "bench/rpc/scenario.h"

namespace lossd::bench {
namespace {

using std::chrono::steady_clock;

constexpr double kMiB = 1 << 20;

// What the allocator leaves to threads, all of them together, and does not look at again until they free something
// (tcmalloc's default), and a little for everything else.
constexpr double kKept = 32 * kMiB + 4 * kMiB;

TEST(Memory, ThatNoCallNeedsIsGivenBackToTheSystem) {
  Process server({.program = std::string(LOSSD_BINARY_FOLDER) + "/lossd",
                  .arguments = {"--metrics_address=", "--log_level=error"}},
                 Wire::kTcp);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  const auto channel = grpc::CreateCustomChannel(server.address(), grpc::InsecureChannelCredentials(), arguments);
  const auto call = [&](const Scenario& scenario) {
    const grpc::Slice slice(scenario.Request());
    bench::Run(channel, {.method = scenario.method(),
                         .request = grpc::ByteBuffer(&slice, 1),
                         .in_flight = scenario.in_flight,
                         .time = {}});
  };
  call({true, "mse", 32, 1});
  const double idle = server.rss_bytes();
  call({true, "mse", 6 << 20, 4});
  const double busy = server.rss_bytes();
  EXPECT_GT(busy - idle, 2 * kKept) << "kept for the next call";
  const auto end = steady_clock::now() + std::chrono::seconds(30);
  while (server.rss_bytes() - idle > kKept && steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_LT(server.rss_bytes() - idle, kKept);
}

}  // namespace
}  // namespace lossd::bench
