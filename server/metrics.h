// What Prometheus is told. Series are made once, at the start; a call touches handles alone.
//
// The names of gRPC's own ecosystem (grpc_server_*; codes are spelled as there, "InvalidArgument") come with the
// buckets of gRFC A66. What is ours begins with lossd_. Health and reflection are counted like our own methods;
// channelz, where it is on, is gRPC's own and is not.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "core/plan.h"
#include "core/problem.h"
#include "server/admission.h"
#include "server/build_info.h"
#include "server/transport/method.h"

namespace prometheus {
class Exposer;
}

namespace lossd::server {

// The series of one method.
struct MethodSeries {
  static constexpr size_t kNumCodes = 17;

  prometheus::Counter* started;
  std::array<prometheus::Counter*, kNumCodes> handled;  // by grpc::StatusCode
  prometheus::Histogram* handling_seconds;
  prometheus::Counter* received;
  prometheus::Counter* sent;
  prometheus::Counter* received_bytes;
  prometheus::Counter* sent_bytes;
};

// Thread-safe after construction.
class Metrics {
 public:
  Metrics(const BuildInfo& build, const Admission& admission);
  ~Metrics();

  // `type` is "unary" or "bidi_stream"; "other" as service and method stands for all that are not ours.
  MethodSeries AddMethod(const std::string& type, const std::string& service, const std::string& method);

  void CountEvaluation(const Problem& problem, const Plan& plan);
  void CountRefusal(Refusal refusal) { refused_[static_cast<size_t>(refusal)]->Increment(); }

  // Serves GET /metrics on `address`, HOST:PORT; returns the bound port. UNAVAILABLE when that cannot be had.
  absl::StatusOr<int> Serve(const std::string& address);

  // The page, for tests.
  std::string Page() const;

 private:
  struct Families;
  class Sampled;

  std::shared_ptr<prometheus::Registry> registry_;
  std::shared_ptr<Sampled> sampled_;
  std::unique_ptr<Families> families_;
  std::array<prometheus::Counter*, kNumRefusals> refused_;
  prometheus::Counter* shards_;
  // By contract, then by dtype.
  absl::flat_hash_map<const Contract*, std::array<prometheus::Counter*, 4>> elements_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace lossd::server
