#include "server/convert/objective.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "core/errors.h"
#include "core/registry.h"
#include "spdlog/fmt/fmt.h"

namespace lossd::server {
namespace {

// Terms of one objective: each costs a pass over its tensors, and a message is small beside them.
constexpr int kMaxTerms = 64;

absl::Status Invalid(std::string_view term, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("objective.{}: {}", error::Escape(term), what));
}

// The status of MakeProblem, saying which term it is about.
absl::Status InTerm(std::string_view term, const absl::Status& status) {
  const auto message = status.message();
  return {status.code(),
          fmt::format("objective.{}: {}", error::Escape(term), std::string_view(message.data(), message.size()))};
}

const TensorView* Find(const TensorsByName& views, std::string_view name) {
  const auto found = std::find_if(views.begin(), views.end(), [&](const auto& entry) { return entry.first == name; });
  return found == views.end() ? nullptr : &found->second;
}

bool IsWeight(std::string_view name) {
  return name == "sample_weight" || name == "element_weight" || name == "class_weight" || name == "class_mask" ||
         name == "mask" || name == "upstream";
}

// Which gradients a term can contribute: those of its inputs whose tensors were asked for.
struct Wanted {
  bool gradient;
  std::set<std::string, std::less<>> tensors;  // empty: the first input of every term

  bool Contains(std::string_view tensor, bool first) const {
    return gradient && (tensors.empty() ? first : tensors.find(tensor) != tensors.end());
  }
};

// Makes the problem of one term and adds it. `tensor_of(input name)` is the name of the tensor that it reads.
template <class TensorOf>
absl::Status AddProblem(Request request, const TensorsByName& views, const Wanted& wanted, const TensorOf& tensor_of,
                        Term& term) {
  const auto found = FindLoss(request.loss);
  if (!found.ok()) return InTerm(term.name, found.status());
  const Contract& contract = *found->loss.contract;
  std::vector<std::string> tensors;
  for (size_t i = 0; i < contract.inputs.size(); ++i) {
    const Input& input = contract.inputs[i];
    const std::string& tensor = tensors.emplace_back(tensor_of(input.name));
    if (IsWeight(input.name)) continue;  // of the request, and with it already
    const TensorView* const view = Find(views, tensor);
    if (view == nullptr) {
      if (tensor != input.name)
        return Invalid(term.name, fmt::format("no tensor {} in the request", error::Quote(tensor)));
      continue;  // MakeProblem says whether it is missing
    }
    request.inputs.emplace_back(std::string(input.name), *view);
    if (input.differentiable && wanted.Contains(tensor, i == 0)) {
      request.gradient = true;
      request.with_respect_to.emplace_back(input.name);
    }
  }
  absl::StatusOr<Problem> problem = MakeProblem(std::move(request));
  if (!problem.ok()) return InTerm(term.name, problem.status());
  if (problem->reduction == Reduction::kNone) {
    return Invalid(term.name, "options.reduction: NONE; a term of an objective is one number: expected MEAN or SUM");
  }
  term.problems.push_back(*std::move(problem));
  term.tensors.push_back(std::move(tensors));
  return absl::OkStatus();
}

absl::StatusOr<Term> ToLossTerm(const v1::LossTerm& message, const v1::Options& options, const TensorsByName& views,
                                const Wanted& wanted) {
  Term term{.name = message.name().empty() ? message.loss() : message.name(),
            .weight = message.has_weight() ? message.weight() : 1,
            .problems = {},
            .tensors = {}};
  if (!std::isfinite(term.weight)) return Invalid(term.name, "weight is not finite");
  Request request;
  if (auto s = ToTerm(message.loss(), message.params(), message.has_options() ? message.options() : options, &request);
      !s.ok()) {
    return InTerm(term.name, s);
  }
  TensorsByName weights;
  for (const auto& entry : views) {
    if (IsWeight(entry.first)) weights.push_back(entry);
  }
  TakeTensors(std::move(weights), &request);
  const auto tensor_of = [&](std::string_view input) {
    if (input == "y_true" && !message.y_true().empty()) return message.y_true();
    if (input == "y_pred" && !message.y_pred().empty()) return message.y_pred();
    return std::string(input);
  };
  if (auto s = AddProblem(std::move(request), views, wanted, tensor_of, term); !s.ok()) return s;
  return term;
}

absl::StatusOr<Term> ToRegularizerTerm(const v1::RegularizerTerm& message, const TensorsByName& views,
                                       const Wanted& wanted) {
  Term term{.name = message.name().empty() ? message.regularizer() : message.name(),
            .weight = message.has_weight() ? message.weight() : 1,
            .problems = {},
            .tensors = {}};
  if (!std::isfinite(term.weight)) return Invalid(term.name, "weight is not finite");
  if (message.inputs().empty()) return Invalid(term.name, "inputs: empty; expected the names of tensors");
  std::set<std::string_view> seen;  // each costs a pass, and a name is short
  for (const std::string& name : message.inputs()) {
    if (!seen.insert(name).second) {
      return Invalid(term.name, fmt::format("inputs: {} twice", error::Quote(name)));
    }
    Request request;
    if (auto s = ToTerm(message.regularizer(), message.params(), v1::Options(), &request); !s.ok()) {
      return InTerm(term.name, s);
    }
    const auto tensor_of = [&](std::string_view) { return name; };
    if (auto s = AddProblem(std::move(request), views, wanted, tensor_of, term); !s.ok()) return s;
    if (term.problems.back().contract().inputs.size() != 1) {
      return Invalid(term.name,
                     fmt::format("{} is no regulariser: it reads more than one tensor", message.regularizer()));
    }
  }
  return term;
}

}  // namespace

absl::StatusOr<std::vector<Term>> ToTerms(const v1::GradientRequest& message, const TensorsByName& views,
                                          bool gradient) {
  const v1::Objective& objective = message.objective();
  if (!message.loss().empty()) return absl::InvalidArgumentError("objective: set beside loss; expected one of the two");
  if (!message.params().fields().empty()) {
    return absl::InvalidArgumentError("params: set beside objective, whose terms have their own; leave it out");
  }
  if (gradient && message.hessian_diagonal()) {
    return absl::UnimplementedError("hessian_diagonal: not for an objective; ask for its losses one by one");
  }
  if (Find(views, "upstream") != nullptr) {
    return absl::InvalidArgumentError("upstream: is for the reduction NONE; an objective is one number");
  }
  const int num_terms = objective.losses_size() + objective.regularizers_size();
  if (num_terms == 0) return absl::InvalidArgumentError("objective: no terms; expected losses or regularizers");
  if (num_terms > kMaxTerms) {
    return absl::InvalidArgumentError(fmt::format("objective: {} terms; expected at most {}", num_terms, kMaxTerms));
  }
  const Wanted wanted{gradient, {message.with_respect_to().begin(), message.with_respect_to().end()}};

  std::vector<Term> terms;
  for (const v1::LossTerm& loss : objective.losses()) {
    absl::StatusOr<Term> term = ToLossTerm(loss, message.options(), views, wanted);
    if (!term.ok()) return term.status();
    terms.push_back(*std::move(term));
  }
  for (const v1::RegularizerTerm& regularizer : objective.regularizers()) {
    absl::StatusOr<Term> term = ToRegularizerTerm(regularizer, views, wanted);
    if (!term.ok()) return term.status();
    terms.push_back(*std::move(term));
  }

  // A tensor that no term reads, or a gradient that no term gives, is a mistake of the caller.
  std::set<std::string> read, given;
  for (const Term& term : terms) {
    for (size_t p = 0; p < term.problems.size(); ++p) {
      for (size_t i = 0; i < term.tensors[p].size(); ++i) {
        read.insert(term.tensors[p][i]);
        if (term.problems[p].inputs[i].wanted) given.insert(term.tensors[p][i]);
      }
    }
  }
  for (const auto& [name, view] : views) {
    if (!IsWeight(name) && !read.contains(name)) {
      return absl::InvalidArgumentError(
          fmt::format("inputs: no term of the objective reads a tensor {}", error::Quote(name)));
    }
  }
  for (const std::string& name : wanted.tensors) {
    if (!given.contains(name)) {
      return absl::InvalidArgumentError(fmt::format(
          "with_respect_to: no term of the objective has a gradient with respect to {}", error::Quote(name)));
    }
  }
  return terms;
}

}  // namespace lossd::server
