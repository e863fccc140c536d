// One strip of a problem: its bytes to numbers, through the kernel, to weighted sums and the bytes of the outputs.
#pragma once

#include <array>
#include <cstddef>

#include "core/load.h"
#include "core/problem.h"
#include "core/reduce.h"
#include "core/workspace.h"

namespace lossd {

// Memory that the caller provides, each aligned to the element size at least. Null where the size in Problem is 0, and
// where a gradient is written over its input.
struct Outputs {
  std::byte* per_item = nullptr;                   // problem.per_item_bytes()
  std::array<std::byte*, kMaxInputs> gradients{};  // problem.gradient_bytes(input)
  std::byte* hessian = nullptr;                    // problem.hessian_bytes()
  std::byte* extra = nullptr;                      // problem.extra_bytes(), F64

  // The gradient takes the place of the input's bytes, which are in cache, and need no memory beside. REQUIRES:
  // problem.may_overwrite(input), and nobody else reads the bytes.
  std::array<bool, kMaxInputs> over_input{};
};

// The weights of a run alone: what a divisor may need before any value is known.
// REQUIRES: problem.weighted().
Partial WeighStrip(const Problem& problem, Run run, Workspace& workspace);

// Values, and where `outputs` has room for them slopes times `factor` times weight.
Partial EvaluateStrip(const Problem& problem, Run run, const Outputs& outputs, double factor, Workspace& workspace);

}  // namespace lossd
