// A call whose tensors lie in shared memory beside the same evaluation in this process: what is left of the price of a
// call. Rounds take turns; medians.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/rpc/process.h"
#include "bench/rpc/report.h"
#include "core/evaluate.h"
#include "lossd/client.h"
#include "lossd/shared_region.h"

namespace lossd::bench {
namespace {

constexpr int kThreads = 1, kRounds = 31;
constexpr size_t kCount = size_t{8} << 20;  // float32: 64 MiB of y_pred and y_true

double Median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

template <class Body>
double Milliseconds(const Body& body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

TensorView View(std::span<std::byte> bytes) {
  return *TensorView::Make("bench", DType::kF32, {static_cast<int64_t>(kCount)}, {{bytes.data(), bytes.size()}});
}

int Main(const std::string& program) {
  const auto folder = std::filesystem::absolute(program).parent_path();
  const std::string path =
      (std::filesystem::temp_directory_path() / ("lossd_bench_" + std::to_string(getpid()) + ".sock"));
  const Process server((folder / "lossd").string(),
                       {"--listen_address=unix:" + path + ".grpc", "--metrics_address=", "--log_level=warning",
                        "--threads=" + std::to_string(kThreads), "--shared_memory_socket=" + path});
  const auto client = Client::Create({.address = server.address()});
  constexpr size_t kBytes = kCount * sizeof(float);
  const auto region = SharedRegion::Create(path, 3 * kBytes);
  if (!region.ok()) return std::fprintf(stderr, "%s\n", region.status().ToString().c_str()), 1;
  auto* const numbers = reinterpret_cast<float*>(region->bytes().data());
  for (size_t i = 0; i < 2 * kCount; ++i) numbers[i] = static_cast<float>(i % 1000) * 0.001f;
  Executor executor(kThreads);

  std::printf(
      "%s\n\n| loss | | in process, ms | shared memory, ms | difference, us | ratio |\n|---|---|--:|--:|--:|--:|\n",
      Machine().c_str());
  for (const char* const loss : {"mse", "log_cosh"}) {
    for (const bool gradient : {false, true}) {
      Request request;
      request.loss = loss;
      request.y_pred = View(region->bytes().subspan(0, kBytes));
      request.y_true = View(region->bytes().subspan(kBytes, kBytes));
      request.gradient = gradient;
      LossCall call{.loss = loss,
                    .y_true = region->Tensor(DType::kF32, {kCount}, kBytes),
                    .y_pred = region->Tensor(DType::kF32, {kCount}, 0)};
      if (gradient) call.output_regions = {{"gradients.y_pred", region->Place(2 * kBytes, kBytes)}};
      Outputs outputs;
      if (gradient) outputs.gradients[0] = region->bytes().data() + 2 * kBytes;
      std::vector<double> here, there, more;
      for (int round = -3; round < kRounds; ++round) {  // the first ones warm up
        const double local = Milliseconds([&] {
          const auto problem = MakeProblem(request);
          (void)Evaluate(*problem, MakePlan(*problem), outputs, executor, Cancellation());
        });
        absl::Status status;
        const double remote = Milliseconds(
            [&] { status = gradient ? client->Gradient(call).status() : client->Evaluate(call).status(); });
        if (!status.ok()) return std::fprintf(stderr, "%s\n", status.ToString().c_str()), 1;
        if (round < 0) continue;
        here.push_back(local);
        there.push_back(remote);
        more.push_back(remote - local);
      }
      std::printf("| %s | %s | %.2f | %.2f | %.0f | %.3f |\n", loss, gradient ? "value and gradient" : "value",
                  Median(here), Median(there), Median(more) * 1e3, Median(there) / Median(here));
    }
  }
  return 0;
}

}  // namespace
}  // namespace lossd::bench

int main(int, char** argv) {
  try {
    return lossd::bench::Main(argv[0]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "shared_bench: %s\n", error.what());
    return 1;
  }
}
