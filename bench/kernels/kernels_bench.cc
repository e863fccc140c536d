// Every loss of the registry, value and gradient, in process, beside memcpy of the same bytes in the same run. Inputs
// are drawn from the contracts, as in the conformance tests.
//
// bytes_per_second counts what must move: every input read, the gradient written (and nothing for the value). An
// element is one of the first input: of y_pred, for nearly all.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/simd/targets.h"
// After targets.h.
#include "core/evaluate.h"
#include "core/registry.h"
#include "core/strings.h"
#include "hwy/targets.h"
#include "tests/support/cases.h"

namespace lossd {
namespace {

constexpr size_t kSizes[] = {1 << 12, 1 << 16, 1 << 20, 1 << 24};  // elements: L1, L2, and memory

// Up to which size a loss is measured. Those without single-precision loops take long enough to say so at fewer
// elements; among the batch losses there are some that pair every row with every other.
size_t Largest(const Contract& contract, bool native) {
  if (contract.family == Family::kBatch) return 1 << 16;
  return native ? 1 << 24 : 1 << 20;
}

// About `elements` in the first input, in the proportions of the family.
testing::Extent ExtentOf(const Contract& contract, bool native, size_t elements) {
  const auto items_of = [&](size_t width) { return std::max<size_t>(1, elements / width); };
  testing::Extent extent;
  switch (contract.family) {
    case Family::kElementwise:
      extent.items = {static_cast<int64_t>(elements)};
      break;
    case Family::kRow: {  // many classes, or lists short enough for losses over pairs; boxes say 4 themselves
      const size_t width = native ? 1024 : 128;
      const bool boxes = contract.inputs[0].shape.ends_with(" 4");
      extent = testing::ExtentOf(contract, items_of(boxes ? 4 : width), width);
      break;
    }
    case Family::kRegion:
      extent = testing::ExtentOf(contract, items_of(4096), 4096);
      break;
    case Family::kSequence:  // 64 frames, 16 labels, 32 symbols; a lattice has as many cells as that
      extent.sizes = {{'T', 64}, {'L', 16}, {'U', 16}, {'C', 32}};
      extent.items = {static_cast<int64_t>(items_of(contract.inputs[0].shape == "... T C" ? 64 * 32 : 64 * 17 * 32))};
      break;
    case Family::kBatch:
      extent.sizes = {{'N', items_of(64)}, {'D', 64}, {'H', 64}, {'C', 1000}};
      break;
  }
  extent.optional = false;
  return extent;
}

// A problem with its inputs and the memory of its outputs.
struct Prepared {
  Prepared(const Loss& loss, const Form& form, bool native, DType dtype, size_t elements) {
    const Contract& contract = *loss.contract;
    testing::Rng rng(elements);
    call = testing::MakeCall(contract, form, dtype,
                             testing::DrawInputs(rng, contract, form, ExtentOf(contract, native, elements)),
                             {.most = 0, .skew = 0});
    Request request = call.request;
    request.options.reduction = Reduction::kSum;
    request.gradient = true;
    request.with_respect_to = {std::string(contract.inputs[0].name)};
    problem = *MakeProblem(std::move(request));
    gradient.resize(problem.gradient_bytes());
    extra.resize(problem.extra_bytes());
    outputs.gradients[0] = gradient.data();
    outputs.extra = extra.empty() ? nullptr : extra.data();
    bytes = gradient.size();
    for (const BoundInput& input : problem.inputs) bytes += input.view ? input.view->size_bytes() : 0;
  }

  testing::Call call;
  Problem problem;
  std::vector<std::byte> gradient, extra;
  Outputs outputs;
  size_t bytes = 0;
};

void Gradient(benchmark::State& state, const Loss& loss, const FormKernels& kernels, DType dtype, size_t elements) {
  // One benchmark is run several times over; its inputs are drawn once.
  static std::string last;
  static std::unique_ptr<Prepared> prepared;
  if (std::string now = Cat(loss.contract->name, Name(kernels.form.input_kind), Name(kernels.form.clip_policy),
                            Name(dtype), elements);
      now != last) {
    last = std::move(now);
    prepared.reset();
    prepared = std::make_unique<Prepared>(loss, kernels.form, kernels.f32 != nullptr, dtype, elements);
  }
  const Problem& problem = prepared->problem;
  const Plan plan = MakePlan(problem);
  Executor executor(1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(Evaluate(problem, plan, prepared->outputs, executor, Cancellation()));
  }
  const auto count = static_cast<double>(problem.inputs[0].view->count());
  const auto iterations = static_cast<double>(state.iterations());
  state.SetBytesProcessed(static_cast<int64_t>(iterations * static_cast<double>(prepared->bytes)));
  state.counters["ns_per_element"] =
      benchmark::Counter(count * 1e-9 * iterations, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
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
      for (const FormKernels& kernels : loss.forms) {
        const bool native = kernels.f32 != nullptr;
        if (elements > Largest(*loss.contract, native)) continue;
        std::string name(loss.contract->name);
        if (kernels.form.input_kind != InputKind::kUnspecified) name += Cat("-", Name(kernels.form.input_kind));
        if (kernels.form.clip_policy != ClipPolicy::kNone) name += Cat("-", Name(kernels.form.clip_policy));
        for (const DType dtype : {DType::kF32, DType::kF64}) {
          if (dtype == DType::kF64 && elements > (1 << 20)) continue;
          benchmark::RegisterBenchmark(
              Cat(name, "/", Name(dtype), "/", Size(elements)).c_str(),
              [=, &kernels](benchmark::State& state) { Gradient(state, loss, kernels, dtype, elements); });
        }
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
