// Same request, same bits: on 1, 2, 3 and 8 threads, however the bytes arrive, on every instruction set with FMA.
#include <random>
#include <vector>

#include "core/registry.h"
#include "core/strings.h"
#include "gtest/gtest.h"
#include "tests/support/kernels.h"
#include "tests/support/problems.h"
#include "tests/support/simd_targets.h"

namespace lossd::testing {
namespace {

constexpr uint64_t kSeed = 99;

template <class T>
struct Data {
  size_t items, width;
  std::vector<T> prediction, target;
  std::vector<int64_t> labels;
  std::vector<float> weight;
  std::vector<uint8_t> mask;
};

template <class T>
Data<T> DrawData(const Loss& loss, const Form& form, size_t elements, size_t width) {
  std::mt19937_64 rng(kSeed);
  Data<T> data;
  data.width = width;
  data.items = elements / width;
  data.prediction = Draw<T>(rng, form, data.items * width);
  data.target = DrawTargets<T>(rng, loss, data.items, width);
  if (loss.family == Family::kRowWithIndex) data.labels.assign(data.target.begin(), data.target.end());
  for (size_t i = 0; i < data.items; ++i) {
    data.weight.push_back(std::uniform_real_distribution<float>(0, 2)(rng));
    data.mask.push_back(rng() % 4 != 0);
  }
  return data;
}

// most: longest segment in bytes, 0 for one segment.
template <class T>
Bits Run(const Loss& loss, const Form& form, const Data<T>& data, bool weighted, Reduction reduction, size_t most,
         int threads) {
  const bool rows = loss.family != Family::kElementwise;
  const auto items = static_cast<int64_t>(data.items), width = static_cast<int64_t>(data.width);
  const Shape shape = rows ? Shape{items, width} : Shape{items};
  const Bytes prediction(data.prediction, most, 1), target(data.target, most, 2), labels(data.labels, most, 3),
      weight(data.weight, most, 4), mask(data.mask, most, 5);
  Request request;
  request.loss = std::string(loss.contract->name);
  request.options.input_kind = form.input_kind;
  request.options.clip_policy = form.clip_policy;
  request.options.reduction = reduction;
  request.gradient = true;
  request.y_pred = View(kDTypeOf<T>, shape, prediction);
  request.y_true =
      loss.family == Family::kRowWithIndex ? View(DType::kI64, {items}, labels) : View(kDTypeOf<T>, shape, target);
  if (weighted) {
    request.sample_weight = View(DType::kF32, {items}, weight);
    request.mask = View(DType::kBool, {items}, mask);
  }
  Executor executor(threads);
  absl::StatusOr<Bits> bits = Solve(std::move(request), executor);
  EXPECT_TRUE(bits.ok()) << bits.status();
  return bits.ok() ? *bits : Bits{};
}

template <class T>
void BitsAreTheSame(const Loss& named, const Form& form) {
  SCOPED_TRACE(Cat(Describe(named, form), " ", Name(kDTypeOf<T>)));
  for (const size_t width :
       named.family == Family::kElementwise ? std::vector<size_t>{1} : std::vector<size_t>{3, 1000, 5000}) {
    // Enough for several shards, with a ragged last block.
    const Data<T> data = DrawData<T>(named, form, 3 * kShardElements + 777, width);
    for (const bool weighted : {false, true}) {
      for (const Reduction reduction : {Reduction::kMean, Reduction::kNone}) {
        SCOPED_TRACE(Cat("width ", width, weighted ? " weighted and masked" : "", " seed ", kSeed));
        std::optional<Bits> first;
        for (const int64_t target : SimdTargets()) {
          if (!HasFma(target)) continue;
          const OnTarget on(target);
          const Bits one = Run<T>(named, form, data, weighted, reduction, 0, 1);
          if (!first) first = one;
          EXPECT_TRUE(one == *first) << "on another instruction set";
          for (const int threads : {2, 3, 8}) {
            EXPECT_TRUE(Run<T>(named, form, data, weighted, reduction, 0, threads) == *first) << threads << " threads";
          }
          EXPECT_TRUE(Run<T>(named, form, data, weighted, reduction, 9000, 2) == *first) << "in pieces";
        }
        ASSERT_TRUE(first.has_value()) << "no instruction set with FMA on this machine";
      }
    }
  }
}

TEST(SameBits, WhateverTheThreadsThePiecesAndTheInstructionSet) {
  for (const Loss& loss : AllLosses()) {
    for (const Form& form : loss.contract->forms) {
      BitsAreTheSame<float>(loss, form);
      BitsAreTheSame<double>(loss, form);
    }
  }
}

}  // namespace
}  // namespace lossd::testing
