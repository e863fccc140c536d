#include "server/metrics.h"

#include <prometheus/exposer.h>
#include <prometheus/gauge.h>
#include <prometheus/text_serializer.h>

#include <cassert>
#include <exception>
#include <iterator>

#include "core/registry.h"
#include "server/process_metrics.h"
#include "spdlog/fmt/fmt.h"

namespace lossd::server {
namespace {

// Seconds: the latency buckets of gRFC A66 (OpenTelemetry metrics for gRPC).
const prometheus::Histogram::BucketBoundaries& LatencyBuckets() {
  static const prometheus::Histogram::BucketBoundaries kBuckets = {
      0,    0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.0008, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008,
      0.01, 0.013,   0.016,   0.02,   0.025,  0.03,   0.04,   0.05,  0.065, 0.08,  0.1,   0.13,  0.16,  0.2,
      0.25, 0.3,     0.4,     0.5,    0.65,   0.8,    1,      2,     5,     10,    20,    50,    100};
  return kBuckets;
}

// By code, spelled as in the metrics of gRPC's other languages, for which dashboards exist.
constexpr std::array<const char*, MethodSeries::kNumCodes> kCodes = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

prometheus::Family<prometheus::Counter>& NewCounter(prometheus::Registry& registry, const char* name,
                                                    const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

}  // namespace

struct Metrics::Families {
  explicit Families(prometheus::Registry& registry)
      : started(NewCounter(registry, "grpc_server_started_total", "Calls that have begun.")),
        handled(NewCounter(registry, "grpc_server_handled_total", "Calls that have ended, by status code.")),
        handling_seconds(prometheus::BuildHistogram()
                             .Name("grpc_server_handling_seconds")
                             .Help("Time from a call's headers to the end of its answer.")
                             .Register(registry)),
        received(NewCounter(registry, "grpc_server_msg_received_total", "Request messages.")),
        sent(NewCounter(registry, "grpc_server_msg_sent_total", "Response messages.")),
        received_bytes(NewCounter(registry, "grpc_server_msg_received_bytes_total", "Bytes of request messages.")),
        sent_bytes(NewCounter(registry, "grpc_server_msg_sent_bytes_total", "Bytes of response messages.")) {}

  prometheus::Family<prometheus::Counter>&started, &handled;
  prometheus::Family<prometheus::Histogram>& handling_seconds;
  prometheus::Family<prometheus::Counter>&received, &sent, &received_bytes, &sent_bytes;
};

// Metrics that are read where they live when the page is asked for.
class Metrics::Sampled final : public prometheus::Collectable {
 public:
  explicit Sampled(const Admission& admission) : admission_(admission) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    const Admission::Load load = admission_.load();
    std::vector<prometheus::MetricFamily> families = ProcessMetrics();
    const auto add = [&](const char* name, const char* help, size_t value) {
      families.push_back(SingleGauge(name, help, static_cast<double>(value)));
    };
    add("lossd_inflight_requests", "Calls that hold a part of the memory budget.", load.granted_calls);
    add("lossd_inflight_bytes", "Bytes of the memory budget that calls hold.", load.granted_bytes);
    add("lossd_inflight_limit_bytes", "The memory budget.", admission_.budget_bytes());
    add("lossd_waiting_requests", "Calls that wait for a part of the memory budget.", load.waiting_calls);
    return families;
  }

 private:
  const Admission& admission_;
};

// The dtypes that a prediction can have; the first of the enum.
constexpr DType kFloats[] = {DType::kF32, DType::kF64, DType::kF16, DType::kBF16};
static_assert(!IsFloatingPoint(static_cast<DType>(std::size(kFloats))));

Metrics::Metrics(const BuildInfo& build, const Admission& admission)
    : registry_(std::make_shared<prometheus::Registry>()),
      sampled_(std::make_shared<Sampled>(admission)),
      families_(std::make_unique<Families>(*registry_)) {
  auto& refused =
      NewCounter(*registry_, "lossd_rejected_total", "Calls turned away before they were decoded, by reason.");
  for (size_t i = 0; i < kNumRefusals; ++i) {
    refused_[i] = &refused.Add({{"reason", std::string(Name(static_cast<Refusal>(i)))}});
  }
  shards_ = &NewCounter(*registry_, "lossd_shards_total", "Shards, the units that threads take, of evaluated requests.")
                 .Add({});
  auto& elements = NewCounter(*registry_, "lossd_elements_total", "Elements of y_pred in evaluated requests.");
  for (const Loss& loss : AllLosses()) {
    const std::string name(loss.contract->name);
    for (const DType dtype : kFloats) {
      auto& counter = elements.Add({{"loss", name}, {"dtype", std::string(Name(dtype))}});
      elements_[loss.contract][static_cast<size_t>(dtype)] = &counter;
    }
  }
  prometheus::BuildGauge()
      .Name("lossd_build_info")
      .Help("Constant 1; the labels say what runs.")
      .Register(*registry_)
      .Add({{"version", build.version}, {"grpc", build.grpc}, {"protobuf", build.protobuf}, {"simd", build.simd}})
      .Set(1);
}

Metrics::~Metrics() = default;

MethodSeries Metrics::AddMethod(const std::string& type, const std::string& service, const std::string& method) {
  const prometheus::Labels labels = {{"grpc_type", type}, {"grpc_service", service}, {"grpc_method", method}};
  MethodSeries series;
  series.started = &families_->started.Add(labels);
  for (size_t code = 0; code < MethodSeries::kNumCodes; ++code) {
    prometheus::Labels with_code = labels;
    with_code["grpc_code"] = kCodes[code];
    series.handled[code] = &families_->handled.Add(with_code);
  }
  series.handling_seconds = &families_->handling_seconds.Add(labels, LatencyBuckets());
  series.received = &families_->received.Add(labels);
  series.sent = &families_->sent.Add(labels);
  series.received_bytes = &families_->received_bytes.Add(labels);
  series.sent_bytes = &families_->sent_bytes.Add(labels);
  return series;
}

void Metrics::CountEvaluation(const Problem& problem, const Plan& plan) {
  const auto found = elements_.find(problem.loss.contract);
  assert(found != elements_.end());
  found->second[static_cast<size_t>(problem.dtype)]->Increment(static_cast<double>(problem.inputs[0].view->count()));
  shards_->Increment(static_cast<double>(plan.num_shards));
}

absl::StatusOr<int> Metrics::Serve(const std::string& address) {
  try {
    constexpr size_t kThreads = 1;
    exposer_ = std::make_unique<prometheus::Exposer>(address, kThreads);
  } catch (const std::exception& error) {
    return absl::UnavailableError(fmt::format("metrics_address: cannot listen on {}: {}", address, error.what()));
  }
  exposer_->RegisterCollectable(registry_);
  exposer_->RegisterCollectable(sampled_);
  return exposer_->GetListeningPorts().front();
}

std::string Metrics::Page() const {
  std::vector<prometheus::MetricFamily> families = registry_->Collect();
  const std::vector<prometheus::MetricFamily> sampled = sampled_->Collect();
  families.insert(families.end(), sampled.begin(), sampled.end());
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace lossd::server
