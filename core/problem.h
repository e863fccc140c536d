// A request that has been checked. Behind MakeProblem nothing is checked again.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/losses/loss.h"
#include "core/options.h"
#include "core/tensor/tensor_view.h"

namespace lossd {

// What a caller asked for, translated from the wire and not yet checked. Borrows the bytes of its tensors.
struct Request {
  std::string loss;  // canonical name or alias
  std::vector<std::pair<std::string, double>> params;
  Options options;
  std::optional<TensorView> y_true, y_pred, sample_weight, mask;
  bool gradient = false;  // with respect to y_pred
};

// One weight or mask byte for `repeat` consecutive items.
struct PerItem {
  TensorView view;
  size_t repeat;  // item i reads element i / repeat
};

struct Problem {
  Loss loss;
  Form form;
  Kernel<float> f32;
  Kernel<double> f64;
  std::array<double, 4> params;  // in contract order
  DType dtype;                   // of y_pred and of the arithmetic: kF32 or kF64
  TensorView y_pred;
  TensorView y_true;
  std::optional<PerItem> sample_weight;  // kF32 or kF64
  std::optional<PerItem> mask;           // kU8 or kBool, 0: left out
  Shape item_shape;                      // of values: y_pred's shape, without the last axis for the row families
  size_t num_items;                      // N
  size_t width;                          // K; 1 for elementwise
  Reduction reduction;
  Divisor divisor;
  std::optional<double> normalizer;
  EmptyPolicy empty_policy;
  bool gradient;

  // Bytes of the outputs that Evaluate fills: 0 where the output is not part of the answer.
  size_t per_item_bytes() const { return reduction == Reduction::kNone ? num_items * SizeOf(dtype) : 0; }
  size_t gradient_bytes() const { return gradient ? y_pred.size_bytes() : 0; }
};

// The only place that checks: name, parameters, options, dtypes, shapes, labels, and (NonFinitePolicy::kError)
// finiteness. Errors: NOT_FOUND (loss), INVALID_ARGUMENT naming the field, UNIMPLEMENTED (16-bit floats). Reads labels
// and masks whole, so its time is linear in their size. Thread-safe.
absl::StatusOr<Problem> MakeProblem(Request request);

}  // namespace lossd
