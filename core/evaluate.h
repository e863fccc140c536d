// From a problem to its numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "core/executor.h"
#include "core/plan.h"
#include "core/problem.h"

namespace lossd {

// Memory that the caller provides, each aligned to the element size at least. Null where the size in Problem is 0.
struct Outputs {
  std::byte* per_item = nullptr;  // problem.per_item_bytes()
  std::byte* gradient = nullptr;  // problem.gradient_bytes()
};

struct Result {
  std::optional<double> value;  // nothing for NONE
  double sum = 0;               // of weight * value over the items that are not masked
  double divisor = 1;
  int64_t valid_count = 0;
  double weight_sum = 0;
};

// Fills the outputs and returns the reduction. The same problem gives the same bits whatever the executor.
// CANCELLED when `cancellation` was set before the end; the outputs are then undefined. Cannot fail otherwise.
absl::StatusOr<Result> Evaluate(const Problem& problem, const Plan& plan, const Outputs& outputs, Executor& executor,
                                const Cancellation& cancellation);

}  // namespace lossd
