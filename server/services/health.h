// grpc.health.v1 over our own transport. gRPC's own health service runs on the callback API, whose threads take turns
// at the sockets with ours: with it, a small call cost twice the CPU of a no-op server's.
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "server/transport/stream.h"
#include "server/transport/unary_call.h"

namespace lossd::server {

// Thread-safe.
class Health {
 public:
  // Knows "" (the server as a whole) and `services`, all SERVING from the start.
  explicit Health(const std::vector<std::string>& services);

  // Says NOT_SERVING from now on. Watchers hear of it when their transport wakes them (Transport::Wake).
  void Stop() { serving_.store(false, std::memory_order_release); }

  void Check(UnaryCall& call) const;
  std::unique_ptr<Stream> Watch() const;

 private:
  class Watcher;
  // The number of HealthCheckResponse.ServingStatus; SERVICE_UNKNOWN for a service that is not here.
  int StatusOf(const std::string& service) const;

  std::vector<std::string> services_;
  std::atomic<bool> serving_{true};
};

}  // namespace lossd::server
