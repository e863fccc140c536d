// Sizes of a tensor's axes, and arithmetic on them that cannot overflow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/container/inlined_vector.h"

namespace lossd {

// From the outermost axis to the innermost. Empty: a scalar.
using Shape = absl::InlinedVector<int64_t, 6>;

// Product of the sizes; nothing where one is negative or the product exceeds 63 bits. 1 for a scalar. A zero anywhere
// gives 0, however large the other sizes are.
std::optional<size_t> ElementCount(std::span<const int64_t> shape);

// "[32, 10]"
std::string ToString(std::span<const int64_t> shape);

}  // namespace lossd
