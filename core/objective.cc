#include "core/objective.h"

#include <algorithm>

#include "core/tensor/convert.h"

namespace lossd {
namespace {

// Adds weight * gradients of one evaluated problem to the sums of the tensors that it read.
void Accumulate(const Problem& problem, const std::vector<std::string>& tensors, double weight,
                const std::vector<std::vector<std::byte>>& gradients, ObjectiveResult& result) {
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    if (problem.gradient_bytes(i) == 0 && !(problem.gradient && problem.inputs[i].wanted)) continue;
    const TensorView& view = *problem.inputs[i].view;
    TensorGradient& total =
        result.gradients
            .try_emplace(tensors[i], TensorGradient{view.dtype(), view.shape(), std::vector<double>(view.count(), 0.0)})
            .first->second;
    std::vector<double> numbers(view.count());
    ConvertElements(view.dtype(), gradients[i].data(), numbers.size(), numbers.data());
    for (size_t k = 0; k < numbers.size(); ++k) total.sum[k] += weight * numbers[k];
  }
}

}  // namespace

size_t ObjectiveBytes(const std::vector<Term>& terms, int num_threads) {
  size_t sums = 0, most = 0;
  for (const Term& term : terms) {
    for (const Problem& problem : term.problems) {
      const Plan plan = MakePlan(problem);
      size_t outputs = 0, elements = 0;
      for (size_t i = 0; i < problem.inputs.size(); ++i) {
        if (problem.gradient_bytes(i) == 0) continue;
        outputs += problem.gradient_bytes(i);
        elements += problem.inputs[i].view->count();
      }
      sums += elements * sizeof(double) + outputs;  // and what they are sent as
      most = std::max(most, outputs + elements * sizeof(double) + problem.permuted_bytes() + plan.partial_bytes +
                                plan.workspace_bytes * std::min<size_t>(plan.num_shards, num_threads));
    }
  }
  return sums + most;
}

absl::StatusOr<ObjectiveResult> EvaluateObjective(const std::vector<Term>& terms, Executor& executor,
                                                  const Cancellation& cancellation) {
  ObjectiveResult result;
  for (const Term& term : terms) {
    TermResult& of_term = result.terms.emplace_back(TermResult{term.name, 0, term.weight});
    for (size_t p = 0; p < term.problems.size(); ++p) {
      const Problem& problem = term.problems[p];
      std::vector<std::vector<std::byte>> gradients(problem.inputs.size());
      Outputs outputs;
      for (size_t i = 0; i < problem.inputs.size(); ++i) {
        gradients[i].resize(problem.gradient_bytes(i));
        outputs.gradients[i] = gradients[i].empty() ? nullptr : gradients[i].data();
      }
      const absl::StatusOr<Result> one = Evaluate(problem, MakePlan(problem), outputs, executor, cancellation);
      if (!one.ok()) return one.status();
      of_term.value += one->value.value_or(one->sum);
      Accumulate(problem, term.tensors[p], term.weight, gradients, result);
    }
    result.value += term.weight * of_term.value;
  }
  return result;
}

}  // namespace lossd
