// Problems over plain vectors, as a server would make them.
#pragma once

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/evaluate.h"
#include "core/problem.h"
#include "gtest/gtest.h"

namespace lossd::testing {

// Bytes cut into segments of uneven sizes at odd addresses, as a network delivers them. `most` 0: one segment.
class Bytes {
 public:
  Bytes() = default;
  template <class T>
  explicit Bytes(const std::vector<T>& from, size_t most = 0, uint64_t seed = 1) {
    const auto* data = reinterpret_cast<const std::byte*>(from.data());
    const size_t size = from.size() * sizeof(T);
    std::mt19937_64 rng(seed);
    for (size_t at = 0; at < size;) {
      const size_t take = most == 0 ? size : std::min(size - at, 1 + rng() % most);
      auto& block = blocks_.emplace_back(take + 1);
      std::memcpy(block.data() + 1, data + at, take);
      at += take;
    }
  }
  Segments segments() const {
    Segments segments;
    for (const auto& block : blocks_) segments.push_back({block.data() + 1, block.size() - 1});
    return segments;
  }

 private:
  std::vector<std::vector<std::byte>> blocks_;
};

inline TensorView View(DType dtype, Shape shape, const Bytes& bytes) {
  absl::StatusOr<TensorView> view = TensorView::Make("test", dtype, std::move(shape), bytes.segments());
  EXPECT_TRUE(view.ok()) << view.status();
  return *std::move(view);
}

// An answer as bits, to be compared whole.
struct Bits {
  Result result;
  std::vector<std::byte> per_item, gradient;

  friend bool operator==(const Bits& a, const Bits& b) {
    const auto same = [](double x, double y) { return std::memcmp(&x, &y, sizeof x) == 0; };
    return a.result.value.has_value() == b.result.value.has_value() &&
           same(a.result.value.value_or(0), b.result.value.value_or(0)) && same(a.result.sum, b.result.sum) &&
           same(a.result.divisor, b.result.divisor) && same(a.result.weight_sum, b.result.weight_sum) &&
           a.result.valid_count == b.result.valid_count && a.per_item == b.per_item && a.gradient == b.gradient;
  }
};

// The request from MakeProblem to the last bit.
inline absl::StatusOr<Bits> Solve(Request request, Executor& executor) {
  const absl::StatusOr<Problem> problem = MakeProblem(std::move(request));
  if (!problem.ok()) return problem.status();
  Bits bits;
  bits.per_item.resize(problem->per_item_bytes());
  bits.gradient.resize(problem->gradient_bytes());
  const Outputs outputs{bits.per_item.empty() ? nullptr : bits.per_item.data(),
                        bits.gradient.empty() ? nullptr : bits.gradient.data()};
  const absl::StatusOr<Result> result = Evaluate(*problem, MakePlan(*problem), outputs, executor, Cancellation());
  if (!result.ok()) return result.status();
  bits.result = *result;
  return bits;
}

template <class T>
std::vector<T> As(const std::vector<std::byte>& bytes) {
  std::vector<T> out(bytes.size() / sizeof(T));
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

}  // namespace lossd::testing
