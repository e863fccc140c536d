// The service: its listeners, its transport, its metrics, and its way out.
#pragma once

#include <grpcpp/server.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/executor.h"
#include "server/admission.h"
#include "server/build_info.h"
#include "server/handlers/handlers.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/observer.h"
#include "server/options.h"
#include "server/services/health.h"
#include "server/services/reflection.h"
#include "server/shared_memory/hand_over.h"
#include "server/shared_memory/regions.h"
#include "server/transport/transport.h"

namespace lossd::server {

class Server {
 public:
  // Serves when it returns. `options` have been resolved. UNAVAILABLE names the address that could not be had.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options);

  // Drains without delay if nobody did.
  ~Server();

  // As bound, in the order of the options: HOST:PORT or unix:/PATH.
  const std::vector<std::string>& addresses() const { return addresses_; }
  // HOST:PORT; empty where metrics are off.
  const std::string& metrics_address() const { return metrics_address_; }
  const Metrics& metrics() const { return metrics_; }
  const Admission& admission() const { return admission_; }

  // Ends the service and loses no call on the way: health says NOT_SERVING; after the drain delay no new calls are
  // taken, and calls that run or wait may finish; at the drain timeout those that are left are cancelled. Returns when
  // all are gone. At most once.
  void Drain();

 private:
  explicit Server(const ServerOptions& options);

  absl::Status Listen();
  std::vector<Method> Methods();
  CallObserver* Observe(const std::string& type, const std::string& service, const std::string& method);

  const ServerOptions options_;
  const BuildInfo build_ = GetBuildInfo();
  const std::vector<std::string> services_;  // what reflection lists
  Health health_;
  LogThrottle throttle_;
  Admission admission_;
  Metrics metrics_;
  std::deque<Observer> observers_;
  Executor executor_;
  Executor alone_{1};
  Costs costs_;
  Regions regions_;
  std::unique_ptr<HandOver> hand_over_;  // null: no memory is shared
  HandlerContext handlers_;
  Transport transport_;
  std::unique_ptr<grpc::Server> grpc_;
  std::vector<std::string> addresses_;
  std::string metrics_address_;
  bool drained_ = false;
};

}  // namespace lossd::server
