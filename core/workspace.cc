#include <algorithm>
#include <cstdint>
#include <new>

#include "core/workspace.h"

namespace lossd {
namespace {

constexpr size_t kAlign = 64;  // a cache line, and the widest vector

// Hands out runs of one allocation. With a null base it only counts.
class Cut {
 public:
  explicit Cut(std::byte* base) : base_(base) {}
  std::byte* Take(size_t bytes) {
    std::byte* run = base_ == nullptr ? nullptr : base_ + used_;
    used_ += (bytes + kAlign - 1) / kAlign * kAlign;
    return run;
  }
  size_t used() const { return used_; }

 private:
  std::byte* base_;
  size_t used_ = 0;
};

// The same cuts for counting and for handing out, so that the two cannot differ.
size_t Lay(const Problem& problem, size_t items, std::byte* base, Workspace* workspace) {
  const size_t elements = items * problem.width;
  const bool labels = problem.loss.family == Family::kRowWithIndex;
  const size_t targets = labels ? items : elements;
  Cut cut(base);
  std::byte* const prediction = cut.Take(elements * SizeOf(problem.dtype));
  std::byte* const raw = cut.Take(targets * SizeOf(problem.y_true.dtype()));
  std::byte* const target = cut.Take(labels ? 0 : elements * SizeOf(problem.dtype));
  std::byte* const label = cut.Take(labels ? items * sizeof(int32_t) : 0);
  std::byte* const value = cut.Take(items * SizeOf(problem.dtype));
  const bool weighted = problem.sample_weight.has_value() || problem.mask.has_value();
  std::byte* const weights = cut.Take(weighted ? items * sizeof(double) : 0);
  std::byte* const weights_raw = cut.Take(problem.sample_weight.has_value() ? items * sizeof(double) : 0);
  std::byte* const mask_raw = cut.Take(problem.mask.has_value() ? items : 0);
  if (workspace != nullptr) {
    workspace->prediction = prediction;
    workspace->target = target;
    workspace->raw = raw;
    workspace->labels = reinterpret_cast<int32_t*>(label);
    workspace->value = value;
    workspace->weights = reinterpret_cast<double*>(weights);
    workspace->weights_raw = weights_raw;
    workspace->mask_raw = mask_raw;
  }
  return cut.used();
}

}  // namespace

size_t Workspace::Bytes(const Problem& problem, size_t items_per_block) {
  return Lay(problem, items_per_block, nullptr, nullptr);
}

Workspace::Workspace(const Problem& problem, size_t items_per_block)
    : memory_(static_cast<std::byte*>(::operator new (Bytes(problem, items_per_block), std::align_val_t{kAlign}))) {
  Lay(problem, items_per_block, memory_, this);
}

Workspace::~Workspace() { ::operator delete (memory_, std::align_val_t{kAlign}); }

}  // namespace lossd
