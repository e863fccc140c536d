// From a problem to its numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "core/executor.h"
#include "core/plan.h"
#include "core/problem.h"
#include "core/strip.h"

namespace lossd {

struct Result {
  std::optional<double> value;  // nothing for NONE
  double sum = 0;               // of weight * value over the items that are not left out
  double divisor = 1;
  int64_t valid_count = 0;
  double weight_sum = 0;
  std::optional<double> extra;  // Extra::kMean
};

// What the sums over all items come to: the divisor, the value.
Result Conclude(const Problem& problem, const Partial& total);

// Adds the values of some items, by `plan`, which is one for so many, to `total`: blocks are cut from the first of
// them, and merged in order. False: cancelled, and `total` is as it was. For a problem without a gradient.
bool SumItems(const Problem& problem, const Plan& plan, Run items, Executor& executor, const Cancellation& cancellation,
              Partial* total);

// Fills the outputs and returns the reduction. The same problem gives the same bits whatever the executor.
// CANCELLED when `cancellation` was set before the end; the outputs are then undefined. Cannot fail otherwise.
absl::StatusOr<Result> Evaluate(const Problem& problem, const Plan& plan, const Outputs& outputs, Executor& executor,
                                const Cancellation& cancellation);

}  // namespace lossd
