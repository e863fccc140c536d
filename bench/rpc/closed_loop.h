// A closed loop of calls: a number of them always in flight, each followed at once by the next.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/support/byte_buffer.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace lossd::bench {

struct Load {
  std::string method;        // "/package.Service/Method"
  grpc::ByteBuffer request;  // the same bytes every time, made once
  int in_flight = 1;
  std::chrono::duration<double> time{1.0};
  const std::atomic<bool>* ended = nullptr;  // ends it before, once it is set
};

struct Measured {
  int64_t calls = 0;
  int64_t bytes = 0;  // of requests and responses
  double seconds = 0;
  std::vector<double> latencies;  // seconds, sorted
  grpc::ByteBuffer last_answer;
};

// Calls until the time is up (at least once), then waits for what is in flight; counts calls that began before. One
// thread of this process. Throws std::runtime_error when a call fails.
Measured Run(const std::shared_ptr<grpc::Channel>& channel, const Load& load);

}  // namespace lossd::bench
