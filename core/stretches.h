// Rows of logits whose bytes come in segments: each stretch of a row is read, and its slopes are written, where it
// lies.
#pragma once

#include <cstddef>

#include "core/load.h"
#include "core/problem.h"
#include "core/workspace.h"

namespace lossd {

// Where the stretches of a run of items of the first input lie, [items.count, StretchesIn(width)]: in their segments,
// or where a segment ends within one gathered in workspace.inputs[0].raw, each at its place in the run. Null: the run
// is contiguous, or the kernel must see it so. REQUIRES: problem.finishes.
const std::byte* const* FindStretches(const Problem& problem, Run items, Workspace& workspace);

// Writes those that FindStretches gathered over what they were gathered from.
void OverwriteStretches(const Problem& problem, Run items, const Workspace& workspace);

}  // namespace lossd
