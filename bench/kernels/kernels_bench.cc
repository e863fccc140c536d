// Every loss of the registry, value and gradient, in process, beside memcpy of the same bytes in the same run.
//
// bytes_per_second counts what must move: read prediction and target, write the gradient (and nothing for the value).
#include <benchmark/benchmark.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/simd/targets.h"
// After targets.h.
#include "core/evaluate.h"
#include "core/registry.h"
#include "core/strings.h"
#include "core/tensor/tensor_view.h"
#include "hwy/targets.h"

namespace lossd {
namespace {

constexpr size_t kSizes[] = {1 << 12, 1 << 16, 1 << 24};  // elements: L1, L2 and memory
constexpr size_t kClasses = 1024;

template <class T>
std::vector<T> Draw(const Interval& domain, size_t n) {
  std::mt19937_64 rng(n);
  std::uniform_real_distribution<T> uniform(static_cast<T>(std::max(domain.lo, -4.0)),
                                            static_cast<T>(std::min(domain.hi, 4.0)));
  std::vector<T> out(n);
  for (T& x : out) x = uniform(rng);
  return out;
}

template <class T>
TensorView View(const std::vector<T>& from, DType dtype, Shape shape) {
  return *TensorView::Make("bench", dtype, std::move(shape),
                           {{reinterpret_cast<const std::byte*>(from.data()), from.size() * sizeof(T)}});
}

template <class T>
void Gradient(benchmark::State& state, const Loss& loss, const Form& form, size_t elements) {
  const bool rows = loss.family != Family::kElementwise;
  const size_t items = rows ? elements / kClasses : elements;
  const Shape shape = rows ? Shape{static_cast<int64_t>(items), kClasses} : Shape{static_cast<int64_t>(items)};
  const std::vector<T> prediction = Draw<T>(form.prediction, elements), target = Draw<T>(kUnit, elements);
  std::vector<int64_t> labels(items);
  for (size_t i = 0; i < items; ++i) labels[i] = static_cast<int64_t>(i * 7919 % kClasses);
  std::vector<T> gradient(elements);

  Request request;
  request.loss = std::string(loss.contract->name);
  request.options.input_kind = form.input_kind;
  request.options.clip_policy = form.clip_policy;
  request.gradient = true;
  request.y_pred = View(prediction, kDTypeOf<T>, shape);
  const bool indexed = loss.family == Family::kRowWithIndex;
  request.y_true =
      indexed ? View(labels, DType::kI64, {static_cast<int64_t>(items)}) : View(target, kDTypeOf<T>, shape);
  const Problem problem = *MakeProblem(std::move(request));
  const Plan plan = MakePlan(problem);
  Executor executor(1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        Evaluate(problem, plan, {nullptr, reinterpret_cast<std::byte*>(gradient.data())}, executor, Cancellation()));
  }
  const size_t bytes = (indexed ? 2 : 3) * elements * sizeof(T);
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes));
  state.counters["ns_per_element"] = benchmark::Counter(static_cast<double>(elements) * 1e-9 * state.iterations(),
                                                        benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// bytes read and bytes written; two thirds as many elements as a three-stream kernel moves.
void Memcpy(benchmark::State& state, size_t elements) {
  std::vector<float> from(elements * 3 / 2, 1.0f), to(from.size());
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), from.size() * sizeof(float));
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * 2 * from.size() * sizeof(float)));
}

std::string Size(size_t elements) {
  return elements < (1 << 20) ? Cat(elements >> 10, "Ki") : Cat(elements >> 20, "Mi");
}

void Register() {
  for (const size_t elements : kSizes) {
    benchmark::RegisterBenchmark(Cat("memcpy/F32/", Size(elements)).c_str(),
                                 [=](benchmark::State& state) { Memcpy(state, elements); });
    for (const Loss& loss : AllLosses()) {
      for (const Form& form : loss.contract->forms) {
        std::string name(loss.contract->name);
        if (form.input_kind != InputKind::kUnspecified) name += Cat("-", Name(form.input_kind));
        if (form.clip_policy != ClipPolicy::kNone) name += Cat("-", Name(form.clip_policy));
        benchmark::RegisterBenchmark(Cat(name, "/F32/", Size(elements)).c_str(),
                                     [=](benchmark::State& state) { Gradient<float>(state, loss, form, elements); });
        benchmark::RegisterBenchmark(Cat(name, "/F64/", Size(elements)).c_str(),
                                     [=](benchmark::State& state) { Gradient<double>(state, loss, form, elements); });
      }
    }
  }
}

}  // namespace
}  // namespace lossd

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::AddCustomContext("instruction_set", std::string(lossd::InstructionSet()));
  lossd::Register();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
