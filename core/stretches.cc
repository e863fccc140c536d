#include "core/stretches.h"

#include <algorithm>

#include "core/wide_rows.h"

namespace lossd {
namespace {

// Calls visit(i, begin, count) for stretch i of the run, whose first element in the tensor is `begin`.
template <class Visit>
void EachStretch(const Problem& problem, Run items, const Visit& visit) {
  size_t i = 0;
  for (size_t item = items.begin; item < items.begin + items.count; ++item) {
    for (size_t at = 0; at < problem.width; at += kStretch) {
      visit(i++, item * problem.width + at, std::min(kStretch, problem.width - at));
    }
  }
}

}  // namespace

const std::byte* const* FindStretches(const Problem& problem, Run items, Workspace& workspace) {
  const TensorView& view = *problem.inputs[0].view;
  const size_t first = items.begin * problem.width;
  if (workspace.stretches == nullptr || problem.width == 0) return nullptr;
  TensorView::Elements whole = view.Contiguous(first);
  if (whole.count >= items.count * problem.width) return nullptr;
  const size_t size = SizeOf(view.dtype());
  EachStretch(problem, items, [&](size_t i, size_t begin, size_t count) {
    if (whole.count < count) whole = view.Contiguous(begin);
    if (whole.count < count) {
      workspace.stretches[i] = view.Block(begin, count, workspace.inputs[0].raw + (begin - first) * size);
      whole.count = 0;
    } else {
      workspace.stretches[i] = whole.data;
      whole = {whole.data + count * size, whole.count - count};
    }
  });
  return workspace.stretches;
}

void OverwriteStretches(const Problem& problem, Run items, const Workspace& workspace) {
  const TensorView& view = *problem.inputs[0].view;
  const size_t first = items.begin * problem.width, size = SizeOf(view.dtype());
  EachStretch(problem, items, [&](size_t i, size_t begin, size_t count) {
    const std::byte* const gathered = workspace.inputs[0].raw + (begin - first) * size;
    if (workspace.stretches[i] == gathered) view.Overwrite(begin, count, gathered);
  });
}

}  // namespace lossd
