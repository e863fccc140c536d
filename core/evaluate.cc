// At most three passes. The first runs where weights or a mask were sent: it finds the divisor, which every slope is
// divided by. The second runs where the divisor depends on the values. The last computes values and slopes, block by
// block, while a block is in cache.
#include "core/evaluate.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "core/errors.h"
#include "core/workspace.h"

namespace lossd {
namespace {

// Calls body(run, workspace) for every strip, on the executor's threads, and merges what it returns in order: strips
// into blocks, blocks into the whole.
// Nothing: cancelled.
template <class Body>
std::optional<Partial> ForEachBlock(const Problem& problem, const Plan& plan, Executor& executor,
                                    const Cancellation& cancellation, const Body& body) {
  std::vector<Partial> partials(plan.num_blocks);
  const bool done = executor.ForEachShard(plan.num_shards, cancellation, [&](size_t shard) {
    Workspace workspace(problem, plan.items_per_strip);
    const size_t end = std::min(plan.num_blocks, (shard + 1) * plan.blocks_per_shard);
    for (size_t block = shard * plan.blocks_per_shard; block < end && !cancellation.cancelled(); ++block) {
      const size_t stop = std::min(problem.num_items, (block + 1) * plan.items_per_block);
      for (size_t begin = block * plan.items_per_block; begin < stop; begin += plan.items_per_strip) {
        Merge(body(Run{begin, std::min(plan.items_per_strip, stop - begin)}, workspace), partials[block]);
      }
    }
  });
  if (!done || cancellation.cancelled()) return std::nullopt;
  Partial total;
  for (const Partial& partial : partials) Merge(partial, total);
  return total;
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

void ClearGradients(const Problem& problem, const Outputs& outputs) {
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    if (outputs.gradients[i] != nullptr) std::memset(outputs.gradients[i], 0, problem.gradient_bytes(i));
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
  const double divisor = DivisorOf(problem, total);
  // Nothing left, or weights that add up to nothing: the empty policy speaks, and no slope may become 0/0.
  const bool empty = problem.reduction == Reduction::kMean && divisor == 0;
  if (empty) ClearGradients(problem, outputs);  // inf * 0 is NaN

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

}  // namespace

absl::StatusOr<Result> Evaluate(const Problem& problem, const Plan& plan, const Outputs& outputs, Executor& executor,
                                const Cancellation& cancellation) {
  if (problem.permuted_bytes() == 0) return EvaluateInOrder(problem, plan, outputs, executor, cancellation);
  // Axes are brought into order once, and back once: everything between sees items that lie one behind the other.
  Problem ordered = problem;
  Outputs inner = outputs;
  std::vector<std::vector<std::byte>> copies;
  std::array<std::vector<std::byte>, kMaxInputs + 1> results;
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    const BoundInput& input = problem.inputs[i];
    if (input.order.empty()) continue;
    const TensorView& view = *input.view;
    const auto& copy = copies.emplace_back(Permute(view, input.order));
    absl::StatusOr<TensorView> moved =
        TensorView::Make(problem.contract().inputs[i].name, view.dtype(), Permuted(view.shape(), input.order),
                         {{copy.data(), copy.size()}});
    if (!moved.ok()) return moved.status();
    ordered.inputs[i].view = *std::move(moved);
    ordered.inputs[i].order.clear();
    if (outputs.gradients[i] != nullptr) {
      results[i].resize(view.size_bytes());
      inner.gradients[i] = results[i].data();
    }
  }
  std::vector<std::byte>& hessian = results[kMaxInputs];
  if (outputs.hessian != nullptr && !problem.inputs[0].order.empty()) {
    hessian.resize(problem.hessian_bytes());
    inner.hessian = hessian.data();
  }
  absl::StatusOr<Result> result = EvaluateInOrder(ordered, plan, inner, executor, cancellation);
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
