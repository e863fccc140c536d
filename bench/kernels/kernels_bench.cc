// Every loss of the registry in process, beside a memcpy that moves as many bytes and a sum that reads as many, taken
// in turn (bench/kernels/beside.h). Names of benchmarks:
//
//   loss[-FORM]/value|gradient|gradient_over/DTYPE/SIZE/threads:N/INSTRUCTIONS   SIZE: elements of the first input, or
//                                                                                rows x classes
//   scaling/loss[-FORM]/F32/SIZE                                                 one thread and all, in turn
//
// gradient_over: written over the prediction, as a server does it in a large request.
//
// --quick        what the targets name at every size, all others in L2 (float32, gradient), the elementwise in memory
// --targets=...  instruction sets to compare in L2, by Highway's names, separated by commas; default: all there are
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/simd/targets.h"
// After targets.h.
#include "bench/kernels/beside.h"
#include "bench/kernels/prepared.h"
#include "core/strings.h"
#include "hwy/highway.h"
#include "hwy/targets.h"

namespace lossd::bench {
namespace {

constexpr size_t kL1 = 1 << 10, kL2 = 1 << 15, kMemory = 1 << 24;  // elements: 12 KiB, 384 KiB and 192 MiB of float
constexpr int kMemoryRounds = 9;                                   // of each benchmark in memory

// What `scripts/bench` holds against its targets.
constexpr std::string_view kNamed[] = {"mean_squared_error",
                                       "mean_absolute_error",
                                       "huber",
                                       "smooth_l1",
                                       "log_cosh",
                                       "binary_crossentropy-LOGITS",
                                       "binary_crossentropy-PROBABILITIES",
                                       "sparse_categorical_crossentropy-LOGITS"};
// Dear enough for two threads not to wait for memory.
constexpr std::string_view kScaled[] = {"binary_focal_crossentropy-LOGITS", "gaussian_nll"};

struct Case {
  Loss loss;
  Form form;
  bool native;
  std::string name;  // with its form

  bool named() const { return std::find(std::begin(kNamed), std::end(kNamed), name) != std::end(kNamed); }
  const Contract& contract() const { return *loss.contract; }
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const Loss& loss : AllLosses()) {
    for (const FormKernels& kernels : loss.forms) {
      std::string name(loss.contract->name);
      if (kernels.form.input_kind != InputKind::kUnspecified) name += Cat("-", Name(kernels.form.input_kind));
      if (kernels.form.clip_policy != ClipPolicy::kNone) name += Cat("-", Name(kernels.form.clip_policy));
      cases.push_back({loss, kernels.form, kernels.f32 != nullptr, std::move(name)});
    }
  }
  return cases;
}

struct Setting {
  bool gradient = true;
  DType dtype = DType::kF32;
  Size size;
  int threads = 1;
  int64_t instructions = 0;  // a Highway target; 0: the best
  bool over = false;         // the gradient takes the place of the first input
};

std::string Text(Size size) {
  if (size.width != 0) return Cat(size.elements / size.width, "x", size.width);
  return size.elements < (1 << 20) ? Cat(size.elements >> 10, "Ki") : Cat(size.elements >> 20, "Mi");
}

// One benchmark is run several times over; its inputs are drawn once.
Prepared& Prepare(const std::string& name, const Case& c, const Setting& setting) {
  static std::string last;
  static std::unique_ptr<Prepared> prepared;
  if (name != last) {
    prepared.reset();
    prepared = std::make_unique<Prepared>(c.loss, c.form, setting.dtype, setting.size, setting.gradient);
    last = name;
  }
  return *prepared;
}

void Run(benchmark::State& state, const std::string& name, const Case& c, const Setting& setting) {
  if (setting.instructions != 0) hwy::SetSupportedTargetsForTest(setting.instructions);
  Prepared& prepared = Prepare(name, c, setting);
  Executor executor(setting.threads);
  const size_t elements = prepared.problem.inputs[0].view->count();
  Outputs outputs = prepared.outputs;
  // All runs but the first find slopes there. Vectors take the same time for any number; those of binary cross-entropy
  // from probabilities take longer for these than for probabilities.
  if (setting.over) {
    outputs.over_input[0] = true;
    outputs.gradients[0] = nullptr;
  }
  RunBeside(state, {setting.threads}, prepared.bytes, elements, std::max<size_t>(1, (1 << 14) / elements), [&] {
    benchmark::DoNotOptimize(Evaluate(prepared.problem, prepared.plan, outputs, executor, Cancellation()));
  });
  state.SetLabel(std::string(Name(c.contract().family)));
  hwy::SetSupportedTargetsForTest(0);
}

void Register(const Case& c, const Setting& setting) {
  const std::string_view instructions =
      setting.instructions == 0 ? InstructionSet() : hwy::TargetName(setting.instructions);
  const std::string_view what = setting.over ? "gradient_over" : setting.gradient ? "gradient" : "value";
  const std::string name = Cat(c.name, "/", what, "/", Name(setting.dtype), "/", Text(setting.size),
                               "/threads:", setting.threads, "/", instructions);
  auto* const benchmark =
      benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { Run(state, name, c, setting); });
  benchmark->UseManualTime();
  if (setting.size.elements > kL2) benchmark->Iterations(kMemoryRounds);
}

void RegisterScaling(const Case& c, Size size, int threads) {
  const std::string name = Cat("scaling/", c.name, "/F32/", Text(size));
  benchmark::RegisterBenchmark(name.c_str(),
                               [=](benchmark::State& state) {
                                 Prepared& prepared = Prepare(name, c, {.size = size});
                                 RunScaled(state, threads, [&](Executor& executor) {
                                   benchmark::DoNotOptimize(Evaluate(prepared.problem, prepared.plan, prepared.outputs,
                                                                     executor, Cancellation()));
                                 });
                               })
      ->UseManualTime()
      ->Iterations(kMemoryRounds);
}

// Up to which size a loss is measured: among the batch losses there are some that pair every row with every other, and
// those computed in double by items take long enough to say so at fewer elements.
bool Fits(const Case& c, size_t elements) {
  if (c.contract().family == Family::kBatch) return elements <= kL2;
  return c.native || c.contract().family == Family::kElementwise || elements <= (1 << 20);
}

void RegisterAll(bool quick, const std::vector<int64_t>& targets) {
  const int all = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  for (const Case& c : Cases()) {
    const bool whole = !quick || c.named();
    for (const bool gradient : {true, false}) {
      for (const DType dtype : {DType::kF32, DType::kF64, DType::kBF16}) {
        const bool plain = gradient && dtype == DType::kF32;
        for (const size_t elements : {kL1, kL2, size_t{1} << 20, kMemory}) {
          if (elements == (1 << 20) && Fits(c, kMemory)) continue;  // instead of kMemory
          const bool in_memory = elements > kL2;
          const bool elementwise = c.contract().family == Family::kElementwise;
          const bool always = plain && (elements == kL2 || (elements == kMemory && elementwise));
          if (!Fits(c, elements) || !(whole || always)) continue;
          Register(c, {gradient, dtype, {elements}, 1});
          if (in_memory && always) Register(c, {gradient, dtype, {elements}, 1, 0, /*over=*/true});
          if (in_memory && all > 1 && whole) Register(c, {gradient, dtype, {elements}, all});
        }
      }
    }
    for (const int64_t target : targets) {
      if (whole) Register(c, {.size = {kL2}, .instructions = target});
    }
    if (c.name == "sparse_categorical_crossentropy-LOGITS") {  // a language model's rows, and a classifier's
      for (const Size size : {Size{size_t{512} * 128256, 128256}, Size{4096 * 1000, 1000}}) {
        for (const DType dtype : {DType::kF32, DType::kBF16}) {
          Register(c, {.dtype = dtype, .size = size});
          Register(c, {.dtype = dtype, .size = size, .over = true});
          if (all > 1) Register(c, {.dtype = dtype, .size = size, .threads = all});
        }
      }
      if (all > 1) RegisterScaling(c, {size_t{8} << 20, size_t{8} << 20}, all);
    }
    if (all > 1 && std::find(std::begin(kScaled), std::end(kScaled), c.name) != std::end(kScaled)) {
      RegisterScaling(c, {kMemory / 4}, all);
    }
  }
}

// Takes `flag` (--name or --name=value) out of the arguments; nothing where it is not there.
std::optional<std::string> TakeFlag(int& argc, char** argv, std::string_view flag) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (!argument.starts_with(flag)) continue;
    const std::string_view rest = argument.substr(flag.size());
    if (!rest.empty() && rest[0] != '=') continue;
    std::copy(argv + i + 1, argv + argc + 1, argv + i);  // and the null at the end
    --argc;
    return std::string(rest.empty() ? rest : rest.substr(1));
  }
  return std::nullopt;
}

int Main(int argc, char** argv) {
  const bool quick = TakeFlag(argc, argv, "--quick").has_value();
  const std::optional<std::string> wanted = TakeFlag(argc, argv, "--targets");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  std::vector<int64_t> targets;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    const std::string name = hwy::TargetName(target);
    if (name == InstructionSet()) continue;  // measured in any case
    if (!wanted || Cat(",", *wanted, ",").find(Cat(",", name, ",")) != std::string::npos) targets.push_back(target);
  }
  benchmark::AddCustomContext("instruction_set", std::string(InstructionSet()));
  benchmark::AddCustomContext("highway", Cat(HWY_MAJOR, ".", HWY_MINOR, ".", HWY_PATCH));
  benchmark::AddCustomContext("compiler", __VERSION__);
  RegisterAll(quick, targets);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace
}  // namespace lossd::bench

int main(int argc, char** argv) { return lossd::bench::Main(argc, argv); }
