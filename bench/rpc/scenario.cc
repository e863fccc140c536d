#include "bench/rpc/scenario.h"

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "lossd/v1/loss_service.pb.h"

namespace lossd::bench {
namespace {

constexpr size_t kMostBytesInFlight = 512 << 20;

std::string RawFloats(size_t n, uint64_t seed) {
  std::mt19937_64 rng(seed);
  std::uniform_real_distribution<float> uniform(0, 1);
  std::vector<float> numbers(n);
  for (float& x : numbers) x = uniform(rng);
  return {reinterpret_cast<const char*>(numbers.data()), n * sizeof(float)};
}

}  // namespace

std::string Scenario::name() const {
  const size_t bytes = payload_bytes();
  const std::string size = bytes < (64 << 10)  ? absl::StrCat(elements, " elements")
                           : bytes < (1 << 19) ? absl::StrCat((bytes + (1 << 9)) >> 10, " KiB")
                                               : absl::StrCat((bytes + (1 << 19)) >> 20, " MiB");
  return absl::StrCat(gradient ? "gradient of " : "", size, loss == std::string("mse") ? "" : absl::StrCat(" ", loss),
                      ", ", in_flight, " in flight", stream ? ", one stream" : "",
                      wire == Wire::kUnix ? ", unix socket" : "");
}

std::string Scenario::method() const {
  return absl::StrCat("/lossd.v1.LossService/", gradient ? "Gradient" : "Evaluate", stream ? "Stream" : "");
}

std::string Scenario::Request() const {
  v1::GradientRequest request;  // the same bytes as an EvaluateRequest
  request.set_loss(loss);
  uint64_t seed = 1;
  for (v1::Tensor* const tensor : {request.mutable_y_true(), request.mutable_y_pred()}) {
    tensor->set_dtype(v1::F32);
    tensor->add_shape(static_cast<int64_t>(elements));
    tensor->set_raw(RawFloats(elements, seed++));
  }
  return request.SerializeAsString();
}

std::vector<Scenario> QuickScenarios() {
  return {
      {false, "mse", 32, 1},
      {false, "mse", 32, 32},
      {false, "mse", 32, 32, Wire::kTcp, /*stream=*/true},
      {true, "mse", 32, 32},
      {true, "mse", 32, 32, Wire::kTcp, /*stream=*/true},
      {false, "mse", 32, 256},
      {false, "mse", 32, 32, Wire::kUnix},
      {false, "mse", MiB(2), 8},
      {true, "mse", MiB(2), 8},
      {true, "bce_with_logits", MiB(2), 8},
      {true, "mse", MiB(2), 8, Wire::kUnix},
      {false, "mse", MiB(16), 8},
      {true, "mse", MiB(16), 8},
      {false, "mse", MiB(64), 4},
      {true, "mse", MiB(64), 4},
  };
}

std::vector<Scenario> AllScenarios() {
  std::vector<Scenario> all = QuickScenarios();
  const auto add = [&](const Scenario& scenario) {
    const bool known = std::any_of(all.begin(), all.end(), [&](const auto& s) { return s.name() == scenario.name(); });
    if (!known && scenario.payload_bytes() * scenario.in_flight <= kMostBytesInFlight) all.push_back(scenario);
  };
  for (const int in_flight : {1, 8, 64, 256}) add({false, "mse", 32, in_flight, Wire::kTcp, /*stream=*/true});
  for (const Wire wire : {Wire::kTcp, Wire::kUnix}) {
    for (const bool gradient : {false, true}) {
      for (const size_t elements : {size_t{32}, size_t{1024}, size_t{32 << 10}, MiB(2), MiB(16), MiB(64)}) {
        for (const int in_flight : {1, 8, 64, 256}) add({gradient, "mse", elements, in_flight, wire});
      }
    }
  }
  return all;
}

}  // namespace lossd::bench
