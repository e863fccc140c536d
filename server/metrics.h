// What Prometheus is told. Series are made once, at the start; a call touches handles alone.
//
// The names of gRPC's own ecosystem (grpc_server_*; codes are spelled as there, "InvalidArgument") come with the
// buckets of gRFC A66. What is ours begins with lossd_. Health and reflection are counted like our own methods;
// channelz, where it is on, is gRPC's own and is not.
#pragma once

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
#include "server/counters.h"
#include "server/transport/method.h"

namespace prometheus {
class Exposer;
}

namespace lossd::server {

// The series of one method.
struct MethodSeries {
  static constexpr size_t kNumCodes = 17;

  Counters::Counter started;
  std::array<Counters::Counter, kNumCodes> handled;  // by grpc::StatusCode
  Counters::Histogram handling_seconds;
  Counters::Counter received, sent, received_bytes, sent_bytes;
};

// Thread-safe after construction.
class Metrics {
 public:
  Metrics(const BuildInfo& build, const Admission& admission);
  ~Metrics();

  // `type` is "unary" or "bidi_stream"; "other" as service and method stands for all that are not ours.
  MethodSeries AddMethod(const std::string& type, const std::string& service, const std::string& method);

  void CountEvaluation(const Problem& problem, const Plan& plan);
  void CountRefusal(Refusal refusal) { refused_[static_cast<size_t>(refusal)].Add(); }

  // Serves GET /metrics on `address`, HOST:PORT; returns the bound port. UNAVAILABLE when that cannot be had.
  absl::StatusOr<int> Serve(const std::string& address);

  // The page, for tests.
  std::string Page() const;

 private:
  class Sampled;

  std::shared_ptr<Counters> counters_;
  std::shared_ptr<Sampled> sampled_;
  std::array<Counters::Counter, kNumRefusals> refused_;
  Counters::Counter shards_;
  // By contract, then by dtype.
  absl::flat_hash_map<const Contract*, std::array<Counters::Counter, 4>> elements_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace lossd::server
