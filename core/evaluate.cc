// At most three passes. The first runs where weights or a mask were sent: it finds the divisor, which every slope is
// divided by. The second runs where the divisor depends on the values. The last computes values and slopes, block by
// block, while a block is in cache.
#include "core/evaluate.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "core/errors.h"
#include "core/workspace.h"
#include "hwy/cache_control.h"

namespace lossd {
namespace {

// The executor's threads, as a kernel sees them.
class ExecutorCrew final : public Crew {
 public:
  ExecutorCrew(Executor& executor, const Cancellation& cancellation)
      : executor_(executor), cancellation_(cancellation) {}
  void ForEachTile(size_t num_tiles, const std::function<void(size_t)>& work) const override {
    executor_.ForEachShard(num_tiles, cancellation_, work);
  }
  bool cancelled() const override { return cancellation_.cancelled(); }

 private:
  Executor& executor_;
  const Cancellation& cancellation_;
};

// Calls body(run, workspace) for every strip of `items`, on the executor's threads, and merges what it returns into
// `total` in order: strips into blocks, blocks into the whole. Nothing: cancelled.
template <class Body>
std::optional<Partial> ForEachBlock(const Problem& problem, const Plan& plan, Run items, Partial total,
                                    Executor& executor, const Cancellation& cancellation, const Body& body) {
  absl::InlinedVector<Partial, 1> partials(plan.num_blocks);
  const ExecutorCrew crew(executor, cancellation);
  const bool done = executor.ForEachShard(plan.num_shards, cancellation, [&](size_t shard) {
    Workspace workspace(problem, plan.items_per_strip);
    workspace.crew = &crew;
    const size_t end = std::min(plan.num_blocks, (shard + 1) * plan.blocks_per_shard);
    for (size_t block = shard * plan.blocks_per_shard; block < end && !cancellation.cancelled(); ++block) {
      const size_t stop = std::min(items.count, (block + 1) * plan.items_per_block);
      for (size_t begin = block * plan.items_per_block; begin < stop; begin += plan.items_per_strip) {
        const Run strip{items.begin + begin, std::min(plan.items_per_strip, stop - begin)};
        Merge(body(strip, workspace), partials[block]);
      }
    }
    if (problem.streams()) hwy::FlushStream();  // what is on its way past the caches: not after what follows the shard
  });
  if (!done || cancellation.cancelled()) return std::nullopt;
  for (const Partial& partial : partials) Merge(partial, total);
  return total;
}

// The same for every block of the problem.
template <class Body>
std::optional<Partial> ForEachBlock(const Problem& problem, const Plan& plan, Executor& executor,
                                    const Cancellation& cancellation, const Body& body) {
  return ForEachBlock(problem, plan, {0, problem.num_items}, {}, executor, cancellation, body);
}

double DivisorOf(const Problem& problem, const Partial& total) {
  if (problem.reduction != Reduction::kMean) return 1;
  if (problem.normalizer) return *problem.normalizer;
  switch (problem.divisor) {
    case Divisor::kCount:
      return static_cast<double>(total.valid_count);
    case Divisor::kWeightSum:
      return total.weight_sum;
    case Divisor::kBatch:
      return problem.item_shape.empty() ? 1 : static_cast<double>(problem.item_shape.front());
    case Divisor::kTerms:
      return total.terms;
    case Divisor::kNonZero:
      return static_cast<double>(total.nonzero);
  }
  return 1;
}

// Nothing left, or weights that add up to nothing: the empty policy speaks, and no slope may become 0/0.
bool IsEmpty(const Problem& problem, double divisor) { return problem.reduction == Reduction::kMean && divisor == 0; }

void ClearGradients(const Problem& problem, const Outputs& outputs) {
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    if (outputs.gradients[i] != nullptr) std::memset(outputs.gradients[i], 0, problem.gradient_bytes(i));
    if (!outputs.over_input[i]) continue;
    for (const Segment& segment : problem.inputs[i].view->segments()) {
      std::memset(const_cast<std::byte*>(segment.data), 0, segment.size);
    }
  }
  if (outputs.hessian != nullptr) std::memset(outputs.hessian, 0, problem.hessian_bytes());
}

absl::StatusOr<Result> EvaluateInOrder(const Problem& problem, const Plan& plan, const Outputs& outputs,
                                       Executor& executor, const Cancellation& cancellation) {
  Partial known{.weight_sum = static_cast<double>(problem.num_items),
                .valid_count = static_cast<int64_t>(problem.num_items)};
  if (problem.weighted()) {
    const std::optional<Partial> weighed =
        ForEachBlock(problem, plan, executor, cancellation,
                     [&](Run run, Workspace& workspace) { return WeighStrip(problem, run, workspace); });
    if (!weighed) return error::Cancelled();
    known = *weighed;
  }
  if (problem.values_first()) {
    const std::optional<Partial> values =
        ForEachBlock(problem, plan, executor, cancellation,
                     [&](Run run, Workspace& workspace) { return EvaluateStrip(problem, run, {}, 1, workspace); });
    if (!values) return error::Cancelled();
    known.terms = values->terms;
    known.nonzero = values->nonzero;
  }

  const bool late = !problem.gradient && (problem.divisor == Divisor::kTerms || problem.divisor == Divisor::kNonZero);
  const double early_divisor = late ? 1 : DivisorOf(problem, known);
  const double factor = early_divisor == 0 ? 0 : 1 / early_divisor;
  const std::optional<Partial> done = ForEachBlock(
      problem, plan, executor, cancellation,
      [&](Run run, Workspace& workspace) { return EvaluateStrip(problem, run, outputs, factor, workspace); });
  if (!done) return error::Cancelled();
  Partial total = *done;
  if (plan.num_blocks == 0) {
    total = known;
    ClearGradients(problem, outputs);  // shared inputs have elements though there are no items
  }
  const Result result = Conclude(problem, total);
  if (IsEmpty(problem, result.divisor)) ClearGradients(problem, outputs);  // inf * 0 is NaN
  return result;
}

// The problem with the axes of its tensors in order, in `copies`.
absl::StatusOr<Problem> InOrder(const Problem& problem, std::array<std::vector<std::byte>, kMaxInputs>& copies) {
  Problem ordered = problem;
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    const BoundInput& input = problem.inputs[i];
    if (input.order.empty()) continue;
    const TensorView& view = *input.view;
    copies[i] = Permute(view, input.order);
    absl::StatusOr<TensorView> moved =
        TensorView::Make(problem.contract().inputs[i].name, view.dtype(), Permuted(view.shape(), input.order),
                         {{copies[i].data(), copies[i].size()}});
    if (!moved.ok()) return moved.status();
    ordered.inputs[i].view = *std::move(moved);
    ordered.inputs[i].order.clear();
  }
  return ordered;
}

}  // namespace

Result Conclude(const Problem& problem, const Partial& total) {
  const double divisor = DivisorOf(problem, total);
  const bool empty = IsEmpty(problem, divisor);
  Result result{.value = std::nullopt,
                .sum = total.sum,
                .divisor = divisor,
                .valid_count = total.valid_count,
                .weight_sum = total.weight_sum,
                .extra = std::nullopt};
  if (problem.reduction == Reduction::kSum) result.value = total.sum;
  if (problem.reduction == Reduction::kMean) result.value = empty ? 0 : total.sum / divisor;
  const bool nothing = empty || total.valid_count == 0;
  if (result.value && nothing && problem.empty_policy == EmptyPolicy::kNan) {
    result.value = std::numeric_limits<double>::quiet_NaN();
  }
  if (problem.loss.finish != nullptr && total.valid_count > 0) {
    result.extra = problem.loss.finish(problem.params, total.extra / static_cast<double>(total.valid_count));
  }
  return result;
}

bool SumItems(const Problem& problem, const Plan& plan, Run items, Executor& executor, const Cancellation& cancellation,
              Partial* total) {
  if (plan.num_blocks == 0) return true;
  std::array<std::vector<std::byte>, kMaxInputs> copies;
  const absl::StatusOr<Problem> ordered = InOrder(problem, copies);
  assert(ordered.ok());  // the same bytes under other axes
  const std::optional<Partial> done =
      ForEachBlock(*ordered, plan, items, *total, executor, cancellation,
                   [&](Run run, Workspace& workspace) { return EvaluateStrip(*ordered, run, {}, 1, workspace); });
  if (done) *total = *done;
  return done.has_value();
}

absl::StatusOr<Result> Evaluate(const Problem& problem, const Plan& plan, const Outputs& outputs, Executor& executor,
                                const Cancellation& cancellation) {
  if (problem.permuted_bytes() == 0) return EvaluateInOrder(problem, plan, outputs, executor, cancellation);
  // Axes are brought into order once, and back once: everything between sees items that lie one behind the other.
  std::array<std::vector<std::byte>, kMaxInputs> copies;
  const absl::StatusOr<Problem> ordered = InOrder(problem, copies);
  if (!ordered.ok()) return ordered.status();
  Outputs inner = outputs;
  std::array<std::vector<std::byte>, kMaxInputs + 1> results;
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    if (problem.inputs[i].order.empty() || outputs.gradients[i] == nullptr) continue;
    results[i].resize(problem.inputs[i].view->size_bytes());
    inner.gradients[i] = results[i].data();
  }
  std::vector<std::byte>& hessian = results[kMaxInputs];
  if (outputs.hessian != nullptr && !problem.inputs[0].order.empty()) {
    hessian.resize(problem.hessian_bytes());
    inner.hessian = hessian.data();
  }
  absl::StatusOr<Result> result = EvaluateInOrder(*ordered, plan, inner, executor, cancellation);
  if (!result.ok()) return result;
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    const BoundInput& input = problem.inputs[i];
    if (results[i].empty()) continue;
    Unpermute(results[i].data(), input.view->shape(), input.order, SizeOf(input.view->dtype()), outputs.gradients[i]);
  }
  if (!hessian.empty()) {
    Unpermute(hessian.data(), problem.inputs[0].view->shape(), problem.inputs[0].order, SizeOf(problem.dtype),
              outputs.hessian);
  }
  return result;
}

}  // namespace lossd
