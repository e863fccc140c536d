// Where handler_fuzzer begins: a sound request of every form of every loss, and choices that draw requests of every
// loss.
//
// Usage: handler_fuzzer_seeds FOLDER
#include <cstdio>
#include <fstream>
#include <string>

#include "core/registry.h"
#include "tests/fuzz/drawn_request.h"

namespace lossd::fuzz {
namespace {

// As handler_fuzzer numbers its methods; the next kNumMethods say that a request is drawn.
constexpr int kEvaluate = 0, kGradient = 1, kEvaluateBatch = 3, kNumMethods = 5;

std::string AsBatch(const v1::GradientRequest& request) {
  v1::EvaluateBatchRequest message;
  message.mutable_header()->set_loss(request.loss());
  *message.mutable_header()->mutable_options() = request.options();
  if (request.has_y_true()) *message.mutable_y_true() = request.y_true();
  if (request.has_y_pred()) *message.mutable_y_pred() = request.y_pred();
  *message.mutable_inputs() = request.inputs();
  return message.SerializeAsString();
}

// FuzzedDataProvider takes numbers from the end: no cuts.
std::string Whole(int method, const std::string& message) { return static_cast<char>(method) + message + '\0'; }

// From the end: not crowded, not cancelled, with the usual budget, of this loss; then whatever comes.
std::string Drawn(int method, size_t loss, testing::Rng& rng) {
  std::string seed(1, static_cast<char>(method + kNumMethods));
  for (int i = 0; i < 160; ++i) seed += static_cast<char>(rng());
  return seed + static_cast<char>(loss) + std::string(3, '\0');
}

int Write(const std::string& folder) {
  int written = 0;
  bool good = true;
  const auto write = [&](const std::string& seed) {
    std::ofstream file(folder + "/seed-" + std::to_string(written++), std::ios::binary);
    good = good && file.write(seed.data(), static_cast<std::streamsize>(seed.size())).good();
  };
  testing::Rng rng(1);
  size_t index = 0;
  for (const Loss& loss : AllLosses()) {
    for (const FormKernels& kernels : loss.forms) {
      const v1::GradientRequest request =
          MessageOf(*loss.contract, kernels.form, DType::kF32,
                    testing::DrawInputs(rng, *loss.contract, kernels.form, testing::Extent{.items = {3}, .sizes = {}}));
      write(Whole(kEvaluate, request.SerializeAsString()));
      write(Whole(kGradient, request.SerializeAsString()));
      write(Whole(kEvaluateBatch, AsBatch(request)));
    }
    for (int method = kEvaluate; method <= kEvaluateBatch; ++method) write(Drawn(method, index, rng));
    ++index;
  }
  std::printf("%d seeds in %s\n", written, folder.c_str());
  return good ? 0 : 1;
}

}  // namespace
}  // namespace lossd::fuzz

int main(int argc, char** argv) {
  if (argc == 2) return lossd::fuzz::Write(argv[1]);
  std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
  return 2;
}
