// Checks that look at what tensors hold: labels, flags, finiteness. Linear in their size.
#pragma once

#include "absl/status/status.h"
#include "core/problem.h"

namespace lossd {

// Every integer input within its range, every BOOL 0 or 1; under NonFinitePolicy::kError every number finite.
// INVALID_ARGUMENT otherwise. REQUIRES: everything else of `problem` is set.
absl::Status CheckContents(const Problem& problem);

// True where y_true holds nothing but 0 and 1: Keras's test for labels that are to be read as signs.
bool HoldsOnlyZeroAndOne(const TensorView& view);

}  // namespace lossd
