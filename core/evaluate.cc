// Two passes. The first runs only where weights or a mask were sent: it finds the divisor, which every slope is divided
// by. The second computes values and slopes, block by block, while a block is in cache.
#include "core/evaluate.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "core/errors.h"
#include "core/reduce.h"
#include "core/workspace.h"

namespace lossd {
namespace {

// Items [begin, begin + count).
struct Run {
  size_t begin, count;
};

// Calls body(block, run, workspace) for every block, on the executor's threads. False: cancelled.
template <class Body>
bool ForEachBlock(const Problem& problem, const Plan& plan, Executor& executor, const Cancellation& cancellation,
                  const Body& body) {
  return executor.ForEachShard(plan.num_shards, cancellation, [&](size_t shard) {
    Workspace workspace(problem, plan.items_per_block);
    const size_t end = std::min(plan.num_blocks, (shard + 1) * plan.blocks_per_shard);
    for (size_t block = shard * plan.blocks_per_shard; block < end && !cancellation.cancelled(); ++block) {
      const size_t begin = block * plan.items_per_block;
      body(block, Run{begin, std::min(plan.items_per_block, problem.num_items - begin)}, workspace);
    }
  }) && !cancellation.cancelled();
}

// Elements [begin, begin + count) of a tensor of S as T. Exact for the labels and targets that MakeProblem lets
// through, rounded to nearest for large integers.
template <class S, class T>
void Convert(const TensorView& view, Run run, std::byte* raw, T* out) {
  const std::byte* const bytes = view.Block(run.begin, run.count, raw);
  for (size_t i = 0; i < run.count; ++i) {
    S x;
    std::memcpy(&x, bytes + i * sizeof(S), sizeof(S));
    out[i] = static_cast<T>(x);
  }
}

template <class T>
void ConvertIntegers(const TensorView& view, Run run, std::byte* raw, T* out) {
  switch (view.dtype()) {
    case DType::kI32:
      return Convert<int32_t>(view, run, raw, out);
    case DType::kI64:
      return Convert<int64_t>(view, run, raw, out);
    default:
      return Convert<uint8_t>(view, run, raw, out);
  }
}

// Elements as T: where they lie when they are T already.
template <class T>
const T* Load(const TensorView& view, Run run, std::byte* raw, std::byte* converted) {
  if (view.dtype() == kDTypeOf<T>) return reinterpret_cast<const T*>(view.Block(run.begin, run.count, raw));
  ConvertIntegers(view, run, raw, reinterpret_cast<T*>(converted));
  return reinterpret_cast<const T*>(converted);
}

// The elements of `per_item` that the items of a run read: one element may serve many items.
Run Elements(const PerItem& per_item, Run run) {
  const size_t first = run.begin / per_item.repeat;
  return {first, (run.begin + run.count - 1) / per_item.repeat - first + 1};
}

// Weights of a run into workspace.weights, 0 where masked, and what they add up to. REQUIRES: weights or mask present.
Partial LoadWeights(const Problem& problem, Run run, Workspace& workspace) {
  double* const weights = workspace.weights;
  Partial partial{.valid_count = static_cast<int64_t>(run.count)};
  std::fill_n(weights, run.count, 1.0);
  if (problem.sample_weight) {
    const auto& [view, repeat] = *problem.sample_weight;
    const Run elements = Elements(*problem.sample_weight, run);
    const std::byte* const bytes = view.Block(elements.begin, elements.count, workspace.weights_raw);
    for (size_t i = 0; i < run.count; ++i) {
      const size_t at = (run.begin + i) / repeat - elements.begin;
      if (view.dtype() == DType::kF32) {
        float weight;
        std::memcpy(&weight, bytes + at * sizeof weight, sizeof weight);
        weights[i] = weight;
      } else {
        std::memcpy(&weights[i], bytes + at * sizeof(double), sizeof(double));
      }
    }
  }
  if (problem.mask) {
    const auto& [view, repeat] = *problem.mask;
    const Run elements = Elements(*problem.mask, run);
    const std::byte* const bytes = view.Block(elements.begin, elements.count, workspace.mask_raw);
    workspace.mask = bytes;
    for (size_t i = 0; i < run.count; ++i) {
      if (bytes[(run.begin + i) / repeat - elements.begin] != std::byte{0}) continue;
      weights[i] = 0;
      --partial.valid_count;
    }
  }
  partial.weight_sum = Sum(weights, run.count);
  return partial;
}

// Selects masked items away: a NaN or an infinity there must not reach a sum as 0 * NaN.
template <class T>
void ClearMasked(const Problem& problem, Run run, const Workspace& workspace, T* value, T* slope) {
  const size_t repeat = problem.mask->repeat, first = run.begin / repeat, width = problem.width;
  for (size_t i = 0; i < run.count; ++i) {
    if (workspace.mask[(run.begin + i) / repeat - first] != std::byte{0}) continue;
    value[i] = 0;
    if (slope != nullptr) std::fill_n(slope + i * width, width, T{0});
  }
}

// One block: kernel, mask, weights, sum, scale. Returns the sum of weight * value.
template <class T>
double EvaluateBlock(const Problem& problem, Run run, const Outputs& outputs, double factor, Kernel<T> kernel,
                     Workspace& workspace) {
  const size_t width = problem.width;
  const Run elements{run.begin * width, run.count * width};
  const bool weighted = problem.sample_weight || problem.mask;
  T* const value = reinterpret_cast<T*>(workspace.value);
  T* const slope = outputs.gradient == nullptr ? nullptr : reinterpret_cast<T*>(outputs.gradient) + elements.begin;

  Block<T> block{
      .prediction = Load<T>(problem.y_pred, elements, workspace.prediction, nullptr),
      .target = nullptr,
      .labels = nullptr,
      .items = run.count,
      .width = width,
      .value = value,
      .slope = slope,
  };
  if (problem.loss.family == Family::kRowWithIndex) {
    ConvertIntegers(problem.y_true, run, workspace.raw, workspace.labels);
    block.labels = workspace.labels;
  } else {
    block.target = Load<T>(problem.y_true, elements, workspace.raw, workspace.target);
  }
  kernel(problem.params, block);

  if (weighted) LoadWeights(problem, run, workspace);
  if (problem.mask) ClearMasked(problem, run, workspace, value, slope);
  const double sum = weighted ? WeightedSum(value, workspace.weights, run.count) : Sum(value, run.count);
  if (slope != nullptr) {
    if (weighted) {
      ScaleItems(workspace.weights, factor, slope, run.count, width);
    } else if (factor != 1) {
      Scale(factor, slope, elements.count);
    }
  }
  if (outputs.per_item != nullptr) {
    T* const out = reinterpret_cast<T*>(outputs.per_item) + run.begin;
    for (size_t i = 0; i < run.count; ++i)
      out[i] = weighted ? static_cast<T>(value[i] * workspace.weights[i]) : value[i];
  }
  return sum;
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
  }
  return 1;
}

}  // namespace

absl::StatusOr<Result> Evaluate(const Problem& problem, const Plan& plan, const Outputs& outputs, Executor& executor,
                                const Cancellation& cancellation) {
  Partial total{.weight_sum = static_cast<double>(problem.num_items),
                .valid_count = static_cast<int64_t>(problem.num_items)};
  std::vector<Partial> partials(plan.num_blocks);
  if (problem.sample_weight || problem.mask) {
    const bool done = ForEachBlock(
        problem, plan, executor, cancellation,
        [&](size_t block, Run run, Workspace& workspace) { partials[block] = LoadWeights(problem, run, workspace); });
    if (!done) return error::Cancelled();
    total = Partial{};
    for (const Partial& partial : partials) Merge(partial, total);
  }

  const double divisor = DivisorOf(problem, total);
  // Nothing left, or weights that add up to nothing: the empty policy speaks, and no slope may become 0/0.
  const bool empty = problem.reduction == Reduction::kMean && divisor == 0;
  const double factor = empty ? 0 : 1 / divisor;

  const bool done =
      ForEachBlock(problem, plan, executor, cancellation, [&](size_t block, Run run, Workspace& workspace) {
        partials[block].sum = problem.dtype == DType::kF32
                                  ? EvaluateBlock<float>(problem, run, outputs, factor, problem.f32, workspace)
                                  : EvaluateBlock<double>(problem, run, outputs, factor, problem.f64, workspace);
      });
  if (!done) return error::Cancelled();
  for (const Partial& partial : partials) total.sum += partial.sum;
  if (empty && outputs.gradient != nullptr)
    std::memset(outputs.gradient, 0, problem.gradient_bytes());  // inf * 0 is NaN

  Result result{.value = std::nullopt,
                .sum = total.sum,
                .divisor = divisor,
                .valid_count = total.valid_count,
                .weight_sum = total.weight_sum};
  if (problem.reduction == Reduction::kSum) result.value = total.sum;
  if (problem.reduction == Reduction::kMean) result.value = empty ? 0 : total.sum / divisor;
  const bool nothing = empty || total.valid_count == 0;
  if (result.value && nothing && problem.empty_policy == EmptyPolicy::kNan) {
    result.value = std::numeric_limits<double>::quiet_NaN();
  }
  return result;
}

}  // namespace lossd
