// From what a caller set to what is done: parameters by name, and the bundle of options that a convention stands for.
#pragma once

#include <array>

#include "absl/status/statusor.h"
#include "core/problem.h"
#include "core/registry.h"

namespace lossd {

// Every option with a value. What the caller set wins over the convention's bundle, which wins over the default.
struct Resolved {
  const FormKernels* kernels;
  std::array<double, kMaxParams> params;
  Reduction reduction;
  Divisor divisor;
  std::optional<double> normalizer;
  LastAxis last_axis;
  double kink;
  EmptyPolicy empty_policy;
  std::optional<int64_t> axis;
  bool whole_batch_item;
  bool keras_columns;  // class indices may come as [..., 1]
};

// INVALID_ARGUMENT: an unknown parameter, a value outside its domain, an option that makes no sense for the loss, a
// convention of a library that does not have it.
absl::StatusOr<Resolved> ResolveOptions(const ResolvedLoss& loss, const Request& request);

// What a convention's bundle stands for: every option that a caller could have set instead. For the documentation.
Options UsualOptions(const Contract& contract, const Bundle& bundle);

}  // namespace lossd
