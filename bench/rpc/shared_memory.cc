#include "bench/rpc/shared_memory.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/evaluate.h"
#include "lossd/client.h"
#include "lossd/shared_region.h"

namespace lossd::bench {
namespace {

constexpr size_t kCount = size_t{8} << 20;  // float32: 64 MiB of y_pred and y_true
constexpr size_t kBytes = kCount * sizeof(float);
constexpr int kWarmUp = 3;

template <class Body>
double Milliseconds(const Body& body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

TensorView View(std::span<std::byte> bytes) {
  return *TensorView::Make("bench", DType::kF32, {static_cast<int64_t>(kCount)}, {{bytes.data(), bytes.size()}});
}

Series Measure(const char* loss, bool gradient, Client& client, SharedRegion& region, int rounds) {
  Request request;
  request.loss = loss;
  request.y_pred = View(region.bytes().subspan(0, kBytes));
  request.y_true = View(region.bytes().subspan(kBytes, kBytes));
  request.gradient = gradient;
  LossCall call{.loss = loss,
                .y_true = region.Tensor(DType::kF32, {kCount}, kBytes),
                .y_pred = region.Tensor(DType::kF32, {kCount}, 0)};
  Outputs outputs;
  if (gradient) {
    call.output_regions = {{"gradients.y_pred", region.Place(2 * kBytes, kBytes)}};
    outputs.gradients[0] = region.bytes().data() + 2 * kBytes;
  }
  Executor executor(1);
  Series series;
  for (int round = -kWarmUp; round < rounds; ++round) {
    const double alone = Milliseconds([&] {
      const auto problem = MakeProblem(request);
      (void)Evaluate(*problem, MakePlan(*problem), outputs, executor, Cancellation());
    });
    absl::Status status;
    const double called =
        Milliseconds([&] { status = gradient ? client.Gradient(call).status() : client.Evaluate(call).status(); });
    if (!status.ok()) throw std::runtime_error(status.ToString());
    if (round < 0) continue;
    series["in_process_ms"].push_back(alone);
    series["call_ms"].push_back(called);
  }
  return series;
}

}  // namespace

void MeasureSharedMemory(const Command& lossd, int rounds, Results& results) {
  const std::string path =
      std::filesystem::temp_directory_path() / ("lossd_bench_shared_" + std::to_string(getpid()) + ".sock");
  Command command = lossd;
  command.arguments.insert(command.arguments.end(), {"--threads=1", "--shared_memory_socket=" + path});
  const Process server(command, Wire::kUnix);
  auto client = Client::Create({.address = server.address()});
  auto region = SharedRegion::Create(path, 3 * kBytes);
  if (!region.ok()) throw std::runtime_error(region.status().ToString());
  auto* const numbers = reinterpret_cast<float*>(region->bytes().data());
  for (size_t i = 0; i < 2 * kCount; ++i) numbers[i] = static_cast<float>(i % 1000) * 0.001f;
  for (const char* const loss : {"mse", "log_cosh"}) {
    for (const bool gradient : {false, true}) {
      results.Add("shared", {{"scenario", absl::StrCat(gradient ? "gradient of " : "", "64 MiB ", loss)}},
                  Measure(loss, gradient, *client, *region, rounds));
    }
  }
}

}  // namespace lossd::bench
