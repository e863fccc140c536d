// A weighted sum of losses and regularisers, each a problem of its own.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/evaluate.h"

namespace lossd {

struct Term {
  std::string name;               // in the answer
  double weight = 1;              // finite
  std::vector<Problem> problems;  // one for a loss; one for each tensor of a regulariser. Reduction SUM or MEAN.
  // For each problem and each of its inputs, the name of the tensor that it reads; empty: absent.
  std::vector<std::vector<std::string>> tensors;
};

struct TermResult {
  std::string name;
  double value = 0;  // unweighted; a regulariser's is the sum over its tensors
  double weight = 1;
};

struct TensorGradient {
  DType dtype;
  Shape shape;
  std::vector<double> sum;  // of weight * gradient over the terms that read the tensor
};

struct ObjectiveResult {
  double value = 0;  // sum of weight * value
  std::vector<TermResult> terms;
  std::map<std::string, TensorGradient> gradients;  // by tensor
};

// Bytes that EvaluateObjective takes beside the tensors it reads, and its answer: the accumulated gradients, in double
// and as they are sent, and those of one problem.
size_t ObjectiveBytes(const std::vector<Term>& terms, int num_threads);

// Terms one after the other, each on all threads of the executor; the same bits whatever their number. CANCELLED as for
// Evaluate.
absl::StatusOr<ObjectiveResult> EvaluateObjective(const std::vector<Term>& terms, Executor& executor,
                                                  const Cancellation& cancellation);

}  // namespace lossd
