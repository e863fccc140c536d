// Small requests by hand.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/problems.h"

namespace lossd::testing {

// A request in F64 for a gradient, built up.
struct Ask {
  explicit Ask(const char* loss) {
    call.request.loss = loss;
    call.request.gradient = true;
  }
  Ask& Send(const char* name, Shape shape, std::vector<double> numbers, DType dtype = DType::kF64) {
    call.Send(name, dtype, Tensor{std::move(shape), std::move(numbers)});
    return *this;
  }
  Ask& Pred(Shape shape, std::vector<double> numbers) { return Send("y_pred", std::move(shape), std::move(numbers)); }
  Ask& True(Shape shape, std::vector<double> numbers) { return Send("y_true", std::move(shape), std::move(numbers)); }
  Ask& Labels(Shape shape, std::vector<double> numbers) {
    return Send("y_true", std::move(shape), std::move(numbers), DType::kI32);
  }
  Ask& With(void (*change)(Options&)) {
    change(call.request.options);
    return *this;
  }
  Ask& Logits() {
    call.request.options.input_kind = InputKind::kLogits;
    return *this;
  }
  Ask& None() {
    call.request.options.reduction = Reduction::kNone;
    return *this;
  }
  Ask& Param(const char* name, ParamValue value) {
    call.request.params.emplace_back(name, std::move(value));
    return *this;
  }

  Call call;
};

inline Bits Answered(const Ask& ask) {
  absl::StatusOr<Bits> bits = Solve(ask.call);
  EXPECT_TRUE(bits.ok()) << bits.status();
  return bits.ok() ? *std::move(bits) : Bits{};
}

}  // namespace lossd::testing
