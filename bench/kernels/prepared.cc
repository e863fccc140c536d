#include "bench/kernels/prepared.h"

#include <algorithm>
#include <utility>

namespace lossd::bench {
namespace {

constexpr size_t kMostDrawn =
    1 << 18;  // elements; beyond them the items repeat, since drawing takes longer than losses

testing::Extent ExtentOf(const Contract& contract, const FormKernels& kernels, Size size) {
  const auto items_of = [&](size_t width) { return std::max<size_t>(1, size.elements / width); };
  testing::Extent extent;
  switch (contract.family) {
    case Family::kElementwise:
      extent.items = {static_cast<int64_t>(size.elements)};
      break;
    case Family::kRow: {  // many classes, or lists short enough for losses over pairs; boxes say 4 themselves
      const size_t usual = kernels.f32 != nullptr ? 1024 : 128;
      const bool boxes = contract.inputs[0].shape.ends_with(" 4");
      const size_t width = boxes ? 4 : size.width != 0 ? size.width : usual;
      extent = testing::ExtentOf(contract, items_of(width), width);
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

const FormKernels& KernelsOf(const Loss& loss, const Form& form) {
  return *std::find_if(loss.forms.begin(), loss.forms.end(), [&](const auto& kernels) { return kernels.form == form; });
}

// The call, its items repeated until there are as many as the extent says.
testing::Call CallOf(const Loss& loss, const Form& form, DType dtype, const testing::Extent& extent, size_t elements) {
  const Contract& contract = *loss.contract;
  testing::Extent drawn = extent;
  size_t times = 1;
  if (!extent.items.empty()) {
    times = std::min(static_cast<size_t>(extent.items[0]), std::max<size_t>(1, elements / kMostDrawn));
    drawn.items[0] /= static_cast<int64_t>(times);
  }
  testing::Rng rng(elements);
  testing::Call call;
  call.request.loss = contract.name;
  call.request.options.input_kind = form.input_kind;
  call.request.options.clip_policy = form.clip_policy;
  call.request.options.reduction = contract.reduction;
  for (const auto& [name, tensor] : testing::DrawInputs(rng, contract, form, drawn)) {
    const Input& input = contract.inputs[contract.InputIndex(name)];
    const DType sent_as = testing::SentAs(input, dtype);
    const std::vector<std::byte> once = testing::Encode(sent_as, tensor.numbers);
    const size_t repeats = input.shape.starts_with("...") ? times : 1;
    Shape shape = tensor.shape;
    if (repeats > 1) shape[0] *= static_cast<int64_t>(repeats);
    std::vector<std::byte> all;
    all.reserve(once.size() * repeats);
    for (size_t i = 0; i < repeats; ++i) all.insert(all.end(), once.begin(), once.end());
    call.Send(name, sent_as, std::move(shape), all, {.most = 0, .skew = 0});
  }
  return call;
}

Problem ProblemOf(const testing::Call& call, const Contract& contract, bool gradient) {
  Request request = call.request;
  request.gradient = gradient;
  if (gradient) request.with_respect_to = {std::string(contract.inputs[0].name)};
  return *MakeProblem(std::move(request));
}

}  // namespace

Prepared::Prepared(const Loss& loss, const Form& form, DType dtype, Size size, bool gradient)
    : call(CallOf(loss, form, dtype, ExtentOf(*loss.contract, KernelsOf(loss, form), size), size.elements)),
      problem(ProblemOf(call, *loss.contract, gradient)),
      plan(MakePlan(problem)),
      answer(problem.gradient_bytes()),
      extra(problem.extra_bytes()),
      bytes(answer.size()) {
  outputs.gradients[0] = answer.empty() ? nullptr : answer.data();
  outputs.extra = extra.empty() ? nullptr : extra.data();
  for (const BoundInput& input : problem.inputs) bytes += input.view ? input.view->size_bytes() : 0;
}

}  // namespace lossd::bench
