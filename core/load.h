// What a block reads: the bytes of a run of items as the numbers that kernels see, and the weights of those items.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/losses/loss.h"
#include "core/problem.h"
#include "core/reduce.h"
#include "core/workspace.h"

namespace lossd {

// Items [begin, begin + count), or elements.
struct Run {
  size_t begin, count;
};

// Integers as int32 [elements.count], each within its range; a label that stands for "ignored" becomes 0, so that no
// kernel meets it. REQUIRES: input i is integer.
const int32_t* LoadIntegers(const Problem& problem, size_t i, Run elements, Workspace& workspace);

// Every input of a run into `block`, in the problem's arithmetic: where it lies, or in the workspace. T: float or
// double.
template <class T>
void LoadInputs(const Problem& problem, Run run, Workspace& workspace, Block<T>& block);

// Weights of a run into workspace.weights, 0 where left out, workspace.kept, and what they add up to. `labels`
// [run.count] where the problem has label_weights.
Partial LoadWeights(const Problem& problem, Run run, const int32_t* labels, Workspace& workspace);

// Factors of the elements of an elementwise loss into workspace.per_element: element weight, class weight, and the
// share of a fold.
void LoadElementFactors(const Problem& problem, Run elements, Workspace& workspace);

// What the slopes of each item are multiplied by, weight times upstream [run.count]: 0 where left out; null: there is
// neither. REQUIRES: LoadWeights before.
const double* LoadItemFactors(const Problem& problem, Run run, Workspace& workspace);

}  // namespace lossd
