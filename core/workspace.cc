#include "core/workspace.h"

#include <algorithm>
#include <new>

#include "core/wide_rows.h"

namespace lossd {
namespace {

constexpr size_t kAlign = 64;  // a cache line, and the widest vector

// Hands out runs of one allocation. With a null base it only counts.
class Cut {
 public:
  explicit Cut(std::byte* base) : base_(base) {}
  std::byte* Take(size_t bytes) {
    if (bytes == 0) return nullptr;
    std::byte* run = base_ == nullptr ? nullptr : base_ + used_;
    used_ += (bytes + kAlign - 1) / kAlign * kAlign;
    return run;
  }
  template <class T>
  T* Take(size_t count) {
    return reinterpret_cast<T*>(Take(count * sizeof(T)));
  }
  size_t used() const { return used_; }

 private:
  std::byte* base_;
  size_t used_ = 0;
};

// True where the kernel's slopes of an input are what its output wants: the same dtype and order, nothing left out. Or
// the kernel sees to that.
bool WritesInPlace(const Problem& problem, size_t input) {
  const BoundInput& bound = problem.inputs[input];
  if (problem.finishes && input == 0) return true;
  if (problem.outputs_change && problem.f32 == nullptr) return false;
  return bound.view->dtype() == problem.arithmetic && bound.order.empty() &&
         !(input == 0 && !problem.class_mask.empty());
}

// The same cuts for counting and for handing out, so that the two cannot differ.
size_t Lay(const Problem& problem, size_t items, std::byte* base, WorkspaceRuns& workspace) {
  Cut cut(base);
  const size_t element = SizeOf(problem.arithmetic);
  const size_t elements = problem.kernel_items(items) * (problem.elementwise() ? 1 : problem.width);
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    const BoundInput& input = problem.inputs[i];
    WorkspaceRuns::PerInput& per_input = workspace.inputs[i];
    if (!input.view) continue;
    const size_t own = input.per_class ? std::max(elements, input.width)
                       : input.shared  ? input.width
                                       : problem.kernel_items(items) * input.width;
    per_input.raw = cut.Take(own * SizeOf(input.view->dtype()));
    const bool stored = problem.finishes && i == 0;
    per_input.converted = cut.Take(stored ? 0 : own * (input.integer ? std::max(element, sizeof(int32_t)) : element));
    if (input.wanted && !WritesInPlace(problem, i)) per_input.slope = cut.Take(own * element);
  }
  workspace.expanded = cut.Take(problem.target.expand ? elements * element : 0);
  workspace.value = cut.Take(std::max(items, problem.kernel_items(items)) * element);
  const size_t curved = problem.batch() ? problem.width : elements;  // of a batch, the width is all its elements
  workspace.curvature = cut.Take(problem.hessian_diagonal ? curved * element : 0);
  workspace.extra = cut.Take<double>(problem.contract().extra != Extra::kNone ? items : 0);
  const bool factored = problem.element_factors();
  workspace.weights = cut.Take<double>(problem.weighted() ? items : 0);
  workspace.kept = cut.Take<uint8_t>(problem.weighted() ? items : 0);
  const bool factors = problem.upstream || factored || problem.batch();
  workspace.factors = cut.Take<double>(!factors ? 0 : factored ? elements : items);
  workspace.folded = cut.Take<double>(factored ? items : 0);
  workspace.per_element = cut.Take<double>(factored ? elements : 0);
  workspace.weights_raw =
      cut.Take(std::max(problem.weighted() || factors ? items : 0, factored ? elements : 0) * sizeof(double));
  workspace.scratch = cut.Take<double>(problem.scratch);
  const bool apart = problem.finishes && problem.class_mask.empty() && !problem.hessian_diagonal;
  workspace.stretches = cut.Take<const std::byte*>(apart ? items * StretchesIn(problem.width) : 0);
  return cut.used();
}

}  // namespace

size_t Workspace::Bytes(const Problem& problem, size_t items_per_strip) {
  WorkspaceRuns counted;
  return Lay(problem, items_per_strip, nullptr, counted);
}

Workspace::Workspace(const Problem& problem, size_t items_per_strip) {
  const size_t bytes = Bytes(problem, items_per_strip);
  memory_ = static_cast<std::byte*>(::operator new (bytes, std::align_val_t{kAlign}));
  Lay(problem, items_per_strip, memory_, *this);
}

Workspace::~Workspace() { ::operator delete (memory_, std::align_val_t{kAlign}); }

}  // namespace lossd
