// From tensors by name to the inputs of a contract: which axes make items, which sizes must agree.
#pragma once

#include "absl/status/status.h"
#include "core/conventions.h"
#include "core/problem.h"

namespace lossd {

// Fills problem's inputs, dims, item_shape, num_items, width, num_classes and dtype. REQUIRES: loss set.
// INVALID_ARGUMENT names the tensor that is missing, unknown, of the wrong dtype or of a shape that does not fit.
absl::Status BindInputs(Request& request, const Resolved& resolved, Problem& problem);

// Aligns a weight or mask to the leading axes of the items: its shape must be a prefix of theirs, trailing ones aside.
absl::StatusOr<PerItem> AlignToItems(std::string_view field, TensorView view, const Problem& problem);

}  // namespace lossd
