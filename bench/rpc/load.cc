#include "bench/rpc/load.h"

#include <grpcpp/create_channel.h>

#include <chrono>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace lossd::bench {

std::shared_ptr<grpc::Channel> Connect(const Process& server) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(server.address(), grpc::InsecureChannelCredentials(), arguments);
}

grpc::ByteBuffer Buffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

Load MakeLoad(const Scenario& scenario, double seconds) {
  return {.method = scenario.method(),
          .request = Buffer(scenario.Request()),
          .in_flight = scenario.in_flight,
          .time = std::chrono::duration<double>(seconds)};
}

Labels LabelsOf(const Scenario& scenario, const std::string& server) {
  return {{"scenario", scenario.name()},
          {"server", server},
          {"method", scenario.gradient ? "Gradient" : "Evaluate"},
          {"mode", scenario.stream ? "stream" : "unary"},
          {"loss", scenario.loss},
          {"payload_bytes", absl::StrCat(scenario.payload_bytes())},
          {"in_flight", absl::StrCat(scenario.in_flight)},
          {"wire", scenario.wire == Wire::kTcp ? "tcp" : "unix"}};
}

double Quantile(const std::vector<double>& sorted, double q) {
  return sorted[static_cast<size_t>(std::ceil(q * static_cast<double>(sorted.size()))) - 1];
}

}  // namespace lossd::bench
