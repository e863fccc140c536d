#include "server/metrics.h"

#include <prometheus/exposer.h>
#include <prometheus/text_serializer.h>

#include <cassert>
#include <chrono>
#include <exception>
#include <iterator>
#include <utility>

#include "core/registry.h"
#include "server/process_metrics.h"
#include "spdlog/fmt/fmt.h"

namespace lossd::server {
namespace {

// The latency buckets of gRFC A66 (OpenTelemetry metrics for gRPC), in microseconds.
constexpr int64_t kMicroseconds[] = {0,       10,       50,       100,      300,      600,    800,    1000,    2000,
                                     3000,    4000,     5000,     6000,     8000,     10000,  13000,  16000,   20000,
                                     25000,   30000,    40000,    50000,    65000,    80000,  100000, 130000,  160000,
                                     200000,  250000,   300000,   400000,   500000,   650000, 800000, 1000000, 2000000,
                                     5000000, 10000000, 20000000, 50000000, 100000000};
constexpr auto kLatencyBuckets = [] {
  std::array<std::chrono::nanoseconds, std::size(kMicroseconds)> bounds{};
  for (size_t i = 0; i < bounds.size(); ++i) bounds[i] = std::chrono::microseconds(kMicroseconds[i]);
  return bounds;
}();

// By code, spelled as in the metrics of gRPC's other languages, for which dashboards exist.
constexpr std::array<const char*, MethodSeries::kNumCodes> kCodes = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

}  // namespace

// Metrics that are read where they live when the page is asked for.
class Metrics::Sampled final : public prometheus::Collectable {
 public:
  Sampled(const BuildInfo& build, const Admission& admission) : build_(build), admission_(admission) {}

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
    prometheus::MetricFamily build = SingleGauge("lossd_build_info", "Constant 1; the labels say what runs.", 1);
    build.metric[0].label = {
        {"grpc", build_.grpc}, {"protobuf", build_.protobuf}, {"simd", build_.simd}, {"version", build_.version}};
    families.push_back(std::move(build));
    return families;
  }

 private:
  const BuildInfo build_;
  const Admission& admission_;
};

// The dtypes that a prediction can have; the first of the enum.
constexpr DType kFloats[] = {DType::kF32, DType::kF64, DType::kF16, DType::kBF16};
static_assert(!IsFloatingPoint(static_cast<DType>(std::size(kFloats))));

Metrics::Metrics(const BuildInfo& build, const Admission& admission)
    : counters_(std::make_shared<Counters>()), sampled_(std::make_shared<Sampled>(build, admission)) {
  for (size_t i = 0; i < kNumRefusals; ++i) {
    refused_[i] =
        counters_->AddCounter("lossd_rejected_total", "Calls turned away before they were decoded, by reason.",
                              {{"reason", std::string(Name(static_cast<Refusal>(i)))}});
  }
  shards_ =
      counters_->AddCounter("lossd_shards_total", "Shards, the units that threads take, of evaluated requests.", {});
  for (const Loss& loss : AllLosses()) {
    for (const DType dtype : kFloats) {
      elements_[loss.contract][static_cast<size_t>(dtype)] =
          counters_->AddCounter("lossd_elements_total", "Elements of y_pred in evaluated requests.",
                                {{"dtype", std::string(Name(dtype))}, {"loss", std::string(loss.contract->name)}});
    }
  }
}

Metrics::~Metrics() = default;

MethodSeries Metrics::AddMethod(const std::string& type, const std::string& service, const std::string& method) {
  const Labels labels = {{"grpc_method", method}, {"grpc_service", service}, {"grpc_type", type}};
  const auto counter = [&](const char* name, const char* help) { return counters_->AddCounter(name, help, labels); };
  MethodSeries series;
  series.started = counter("grpc_server_started_total", "Calls that have begun.");
  for (size_t code = 0; code < MethodSeries::kNumCodes; ++code) {
    Labels with_code = {{"grpc_code", kCodes[code]}};
    with_code.insert(with_code.end(), labels.begin(), labels.end());
    series.handled[code] =
        counters_->AddCounter("grpc_server_handled_total", "Calls that have ended, by status code.", with_code);
  }
  series.handling_seconds = counters_->AddHistogram(
      "grpc_server_handling_seconds", "Time from a call's headers to the end of its answer.", labels, kLatencyBuckets);
  series.received = counter("grpc_server_msg_received_total", "Request messages.");
  series.sent = counter("grpc_server_msg_sent_total", "Response messages.");
  series.received_bytes = counter("grpc_server_msg_received_bytes_total", "Bytes of request messages.");
  series.sent_bytes = counter("grpc_server_msg_sent_bytes_total", "Bytes of response messages.");
  return series;
}

void Metrics::CountEvaluation(const Problem& problem, const Plan& plan) {
  const auto found = elements_.find(problem.loss.contract);
  assert(found != elements_.end());
  found->second[static_cast<size_t>(problem.dtype)].Add(problem.inputs[0].view->count());
  shards_.Add(plan.num_shards);
}

absl::StatusOr<int> Metrics::Serve(const std::string& address) {
  try {
    constexpr size_t kThreads = 1;
    exposer_ = std::make_unique<prometheus::Exposer>(address, kThreads);
  } catch (const std::exception& error) {
    return absl::UnavailableError(fmt::format("metrics_address: cannot listen on {}: {}", address, error.what()));
  }
  exposer_->RegisterCollectable(counters_);
  exposer_->RegisterCollectable(sampled_);
  return exposer_->GetListeningPorts().front();
}

std::string Metrics::Page() const {
  std::vector<prometheus::MetricFamily> families = counters_->Collect();
  const std::vector<prometheus::MetricFamily> sampled = sampled_->Collect();
  families.insert(families.end(), sampled.begin(), sampled.end());
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace lossd::server
