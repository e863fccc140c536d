// Requests of zeros, sound as they are, for a test to change.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/problem.h"
#include "tests/support/problems.h"

namespace lossd::testing {

// Zeros of any dtype; large enough for every case.
inline const Bytes& Zeros(size_t bytes) {
  static const auto& made = *new std::vector<Bytes>([] {
    std::vector<Bytes> all;
    for (size_t n = 0; n <= 1024; ++n) all.emplace_back(std::vector<uint8_t>(n));
    return all;
  }());
  return made.at(bytes);
}

inline TensorView Of(DType dtype, Shape shape) {
  const size_t bytes = ElementCount(shape).value() * SizeOf(dtype);
  return View(dtype, std::move(shape), Zeros(bytes));
}

inline Request Elementwise() {
  Request request;
  request.loss = "huber";
  request.y_pred = Of(DType::kF32, {4, 3});
  request.y_true = Of(DType::kF32, {4, 3});
  return request;
}

inline Request Sparse() {
  Request request;
  request.loss = "sparse_categorical_crossentropy";
  request.options.input_kind = InputKind::kLogits;
  request.y_pred = Of(DType::kF32, {4, 3});
  request.y_true = Of(DType::kI64, {4});
  return request;
}

// Two sequences of four frames (and two labels) by three classes.
inline Request Sequence(std::string_view loss) {
  Request request;
  request.loss = loss;
  request.options.input_kind = InputKind::kLogits;
  request.y_pred = Of(DType::kF32, loss == "rnnt" ? Shape{2, 4, 3, 3} : Shape{2, 4, 3});
  request.y_true = Of(DType::kI32, {2, 2});
  return request;
}

inline Request Variance() {
  Request request = Elementwise();
  request.loss = "gaussian_nll";
  request.inputs.emplace_back("variance", Of(DType::kF32, {4, 3}));
  return request;
}

}  // namespace lossd::testing
