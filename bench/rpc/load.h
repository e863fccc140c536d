// A scenario as load on a server, and what is made of the answers' times.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/support/byte_buffer.h>

#include <memory>
#include <string>
#include <vector>

#include "bench/rpc/closed_loop.h"
#include "bench/rpc/process.h"
#include "bench/rpc/results.h"
#include "bench/rpc/scenario.h"

namespace lossd::bench {

inline constexpr double kMicro = 1e6;

// A connection of its own, however many there are to the same server.
std::shared_ptr<grpc::Channel> Connect(const Process& server);

grpc::ByteBuffer Buffer(const std::string& bytes);
Load MakeLoad(const Scenario& scenario, double seconds);
Labels LabelsOf(const Scenario& scenario, const std::string& server);

// Nearest rank.
double Quantile(const std::vector<double>& sorted, double q);

}  // namespace lossd::bench
