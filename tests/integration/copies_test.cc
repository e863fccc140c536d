// Bytes that the server copies for a request, counted in its process by what it asks of memcpy and memmove, beside the
// same count for a server that computes nothing on the same transport. What gRPC copies is in both.
//
// Two kinds of copies are told apart by their size. A block that straddles two of the network's buffers is gathered
// into scratch that stays in cache (invariant 9 of docs/architecture.md); the pieces of a block are smaller than a
// block. A tensor that is copied moves in pieces as large as the network's buffers, 64 KiB, or whole.
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <string>

#include "bench/rpc/closed_loop.h"
#include "bench/rpc/counters.h"
#include "bench/rpc/process.h"
#include "bench/rpc/scenario.h"
#include "core/plan.h"

namespace lossd::bench {
namespace {

constexpr int kCalls = 4;
constexpr size_t kBlockBytes = kBlockElements * sizeof(float);
constexpr size_t kMiB = 1 << 20;

// Copied bytes a call, as shares of the bytes of the request.
struct Copied {
  double in_blocks;   // in pieces smaller than a block
  double in_tensors;  // in larger ones
};

Copied Count(const std::string& program, const Scenario& scenario) {
  const Counters counters;
  Process server({.program = std::string(LOSSD_BINARY_FOLDER) + "/" + program,
                  .arguments = program == "lossd" ? std::vector<std::string>{"--metrics_address=", "--log_level=error"}
                                                  : std::vector<std::string>{},
                  .environment = {counters.preload(), counters.file()}},
                 scenario.wire);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  const auto channel = grpc::CreateCustomChannel(server.address(), grpc::InsecureChannelCredentials(), arguments);
  const std::string message = scenario.Request();
  const grpc::Slice slice(message);
  const auto call = [&] {
    Run(channel, {.method = scenario.method(), .request = grpc::ByteBuffer(&slice, 1), .time = {}});
  };
  call();  // connects, and fills what is kept from call to call
  const Counts small = counters.Read(1, kBlockBytes), large = counters.Read(kBlockBytes);
  for (int i = 0; i < kCalls; ++i) call();
  const double bytes = kCalls * static_cast<double>(message.size());
  return {(counters.Read(1, kBlockBytes).copied_bytes - small.copied_bytes) / bytes,
          (counters.Read(kBlockBytes).copied_bytes - large.copied_bytes) / bytes};
}

const Scenario kScenarios[] = {
    {true, "mse", 16 * kMiB / 8, 1},
    {true, "bce_with_logits", 16 * kMiB / 8, 1},
    {false, "mse", 16 * kMiB / 8, 1},
    {true, "mse", 16 * kMiB / 8, 1, Wire::kUnix},
};

TEST(Copies, NoTensorIsCopiedBetweenTheNetworkAndTheKernelNorBack) {
  for (const Scenario& scenario : kScenarios) {
    SCOPED_TRACE(scenario.name());
    const Copied lossd = Count("lossd", scenario), noop = Count("noop_server", scenario);
    // One of three tensors copied would be a half.
    EXPECT_LT(lossd.in_tensors - noop.in_tensors, 0.005);
  }
}

// A block is read in strips of 512 elements. A buffer of 64 KiB holds 32 of 2 KiB, and one straddles its end: 3 % of
// the request were measured. Where buffers arrive smaller it is more; a tensor that is gathered whole would be a half.
TEST(Copies, WhatLiesInOneBufferIsNotGathered) {
  for (const Scenario& scenario : kScenarios) {
    SCOPED_TRACE(scenario.name());
    const Copied lossd = Count("lossd", scenario), noop = Count("noop_server", scenario);
    const double share = lossd.in_blocks - noop.in_blocks;
    RecordProperty(scenario.name(), std::to_string(share));
    EXPECT_LT(share, 0.3);
  }
}

// That the counter counts: the plain server has protobuf copy both tensors, and the gradient.
TEST(Copies, OfAServerThatCopiesAreSeen) {
  const Copied plain = Count("plain_server", kScenarios[0]);
  EXPECT_GT(plain.in_tensors, 1.0);
}

}  // namespace
}  // namespace lossd::bench
