// What lossd does between a received message and the answer, without gRPC: the handler, on the thread that calls it.
// The counter `allocations` is what operator new was asked for in a call.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "bench/request/allocations.h"
#include "core/executor.h"
#include "lossd/v1/loss_service.pb.h"
#include "server/handlers/handlers.h"
#include "tests/support/local_call.h"

namespace lossd::server {
namespace {

struct Scenario {
  std::string name;
  bool gradient;
  v1::GradientRequest request;
};

v1::GradientRequest MakeRequest(const std::string& loss, std::vector<int64_t> shape) {
  v1::GradientRequest request;
  request.set_loss(loss);
  size_t count = 1;
  for (const int64_t size : shape) count *= size;
  for (v1::Tensor* const tensor : {request.mutable_y_true(), request.mutable_y_pred()}) {
    tensor->set_dtype(v1::F32);
    tensor->mutable_shape()->Add(shape.begin(), shape.end());
    tensor->set_raw(std::string(count * sizeof(float), '\0'));
  }
  return request;
}

// Rows with class indices, weights and options: what a training loop sends.
v1::GradientRequest MakeClassification() {
  v1::GradientRequest request = MakeRequest("sparse_categorical_crossentropy", {8, 10});
  request.mutable_options()->set_input_kind(v1::LOGITS);
  v1::Tensor* const labels = request.mutable_y_true();
  labels->set_dtype(v1::I64);
  labels->mutable_shape()->RemoveLast();
  labels->set_raw(std::string(8 * sizeof(int64_t), '\0'));
  v1::Tensor* const weight = request.mutable_sample_weight();
  weight->set_dtype(v1::F32);
  weight->add_shape(8);
  weight->set_raw(std::string(8 * sizeof(float), '\0'));
  return request;
}

void Handle(benchmark::State& state, const Scenario& scenario) {
  Executor executor(1);
  HandlerContext context{executor, [](const Problem&, const Plan&) {}};
  testing::LocalCall call(scenario.request.SerializeAsString());
  const size_t before = bench::Allocations();
  for (auto _ : state) {
    scenario.gradient ? Gradient(context, call) : Evaluate(context, call);
  }
  if (!call.status().ok()) state.SkipWithError(call.status().error_message().c_str());
  state.counters["allocations"] =
      static_cast<double>(bench::Allocations() - before) / static_cast<double>(state.iterations());
}

}  // namespace
}  // namespace lossd::server

int main(int argc, char** argv) {
  using namespace lossd::server;  // NOLINT: main
  const std::vector<Scenario> scenarios = {
      {"mse/32/value", false, MakeRequest("mse", {32})},
      {"mse/32/gradient", true, MakeRequest("mse", {32})},
      {"sparse_categorical_crossentropy/8x10/weighted/gradient", true, MakeClassification()},
  };
  for (const Scenario& scenario : scenarios) {
    benchmark::RegisterBenchmark(scenario.name.c_str(), [&](benchmark::State& state) { Handle(state, scenario); });
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
