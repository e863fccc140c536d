// Two ways to ask for the same thing: 16-bit tensors and wider ones, a class axis in the middle and at the end, a fold
// of the last axis and a fold by hand.
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "core/registry.h"
#include "core/strings.h"
#include "core/wide_rows.h"
#include "gtest/gtest.h"
#include "tests/support/cases.h"
#include "tests/support/losses.h"
#include "tests/support/problems.h"
#include "tests/support/simd_targets.h"

namespace lossd::testing {
namespace {

constexpr uint64_t kSeed = 17;

template <class Fn>
void ForEachForm(const Fn& check) {
  for (const Loss& loss : TestedLosses()) {
    for (const Form& form : loss.contract->forms) {
      SCOPED_TRACE(Describe(*loss.contract, form));
      check(*loss.contract, form);
    }
  }
}

Bits Answer(const Contract& contract, const Form& form, DType dtype, const Tensors& tensors,
            const Options& options = {}) {
  Call call = MakeCall(contract, form, dtype, tensors);
  call.request.options.axis = options.axis;
  call.request.options.last_axis = options.last_axis;
  WantAll(contract, call.request);
  absl::StatusOr<Bits> bits = Solve(call);
  EXPECT_TRUE(bits.ok()) << bits.status();
  return bits.ok() ? *std::move(bits) : Bits{};
}

// `got`, of a 16-bit dtype, is the answer in float or in double rounded once more: losses compute in one or the other.
::testing::AssertionResult IsRounded(DType dtype, const std::vector<std::byte>& got, const std::vector<double>& f32,
                                     const std::vector<double>& f64) {
  const auto numbers = Decode(dtype, got), a = Decode(dtype, Encode(dtype, f32)), b = Decode(dtype, Encode(dtype, f64));
  if (a.size() != numbers.size()) return ::testing::AssertionFailure() << numbers.size() << " numbers";
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (SameBits(numbers[i], a[i]) || SameBits(numbers[i], b[i])) continue;
    return ::testing::AssertionFailure() << numbers[i] << ", not " << a[i] << " or " << b[i] << " at " << i;
  }
  return ::testing::AssertionSuccess();
}

TEST(Equivalence, SixteenBitTensorsAreWidenedAndAnswersRounded) {
  ForEachForm([](const Contract& contract, const Form& form) {
    for (const DType dtype : {DType::kF16, DType::kBF16}) {
      SCOPED_TRACE(Name(dtype));
      Rng rng(kSeed);
      Extent extent = ExtentOf(contract, 5, 6);
      if (contract.family == Family::kElementwise) extent.items = {5, 7};
      Tensors tensors = DrawInputs(rng, contract, form, extent);
      for (auto& [name, tensor] : tensors) {  // numbers that the dtype has
        const DType sent = SentAs(contract.inputs[contract.InputIndex(name)], dtype);
        tensor.numbers = Decode(sent, Encode(sent, tensor.numbers));
      }
      const Bits half = Answer(contract, form, dtype, tensors);
      const Bits f32 = Answer(contract, form, DType::kF32, tensors), f64 = Answer(contract, form, DType::kF64, tensors);
      const auto check = [&](const auto& of) {
        return IsRounded(dtype, of(half), Decode(DType::kF32, of(f32)), Decode(DType::kF64, of(f64)));
      };
      EXPECT_TRUE(check([](const Bits& bits) -> const auto& { return bits.per_item; })) << "values";
      EXPECT_TRUE(check([](const Bits& bits) -> const auto& { return bits.hessian; })) << "curvature";
      for (size_t i = 0; i < contract.inputs.size(); ++i) {
        EXPECT_TRUE(check([&](const Bits& bits) -> const auto& { return bits.gradients[i]; }))
            << "slope for " << contract.inputs[i].name;
      }
    }
  });
}

// [A, B, C] numbers as [A, C, B].
std::vector<double> SwapLast(const std::vector<double>& from, size_t b, size_t c) {
  std::vector<double> to(from.size());
  for (size_t i = 0; i < from.size(); ++i) {
    const size_t block = i / (b * c), row = i / c % b, column = i % c;
    to[block * b * c + column * b + row] = from[i];
  }
  return to;
}

TEST(Equivalence, AClassAxisInTheMiddleIsTheTransposedProblem) {
  ForEachForm([](const Contract& contract, const Form& form) {
    if (contract.family != Family::kRow) return;
    Rng rng(kSeed);
    constexpr size_t kB = 4;
    Extent extent;
    extent.items = {3, kB};
    const Tensors tensors = DrawInputs(rng, contract, form, extent);
    const auto moves = [&](const Input& input) { return input.shape == contract.inputs[0].shape; };
    Tensors moved = tensors;
    for (auto& [name, tensor] : moved) {
      if (!moves(contract.inputs[contract.InputIndex(name)])) continue;
      std::swap(tensor.shape[1], tensor.shape[2]);
      tensor.numbers = SwapLast(tensor.numbers, kB, tensor.shape[1]);
    }
    for (const DType dtype : {DType::kF32, DType::kF64, DType::kBF16}) {
      const Bits last = Answer(contract, form, dtype, tensors);
      for (const int64_t axis : {1, -2}) {
        const Bits middle = Answer(contract, form, dtype, moved, {.axis = axis});
        EXPECT_EQ(middle.per_item, last.per_item);
        EXPECT_EQ(middle.extra, last.extra);
        const auto same = [&](const std::vector<std::byte>& got, const std::vector<std::byte>& straight, bool swaps) {
          std::vector<double> expected = Decode(dtype, straight);
          if (swaps && !expected.empty()) expected = SwapLast(expected, kB, expected.size() / 3 / kB);
          EXPECT_EQ(got, Encode(dtype, expected));
        };
        same(middle.hessian, last.hessian, true);
        for (size_t i = 0; i < contract.inputs.size(); ++i) {
          same(middle.gradients[i], last.gradients[i], moves(contract.inputs[i]));
        }
      }
    }
  });
}

TEST(Equivalence, AFoldOfTheLastAxisIsAFoldByHand) {
  ForEachForm([](const Contract& contract, const Form& form) {
    if (contract.family != Family::kElementwise) return;
    Rng rng(kSeed);
    constexpr size_t kRows = 5, kWidth = 3;
    Extent extent;
    extent.items = {kRows, kWidth};
    const Tensors tensors = DrawAnswered(rng, contract, form, extent);
    const Bits kept = Answer(contract, form, DType::kF64, tensors);
    for (const LastAxis fold : {LastAxis::kMean, LastAxis::kSum}) {
      const double share = fold == LastAxis::kMean ? 1.0 / kWidth : 1;
      const Bits folded = Answer(contract, form, DType::kF64, tensors, {.last_axis = fold});
      const auto near = [&](const std::vector<double>& got, const std::vector<double>& expected) {
        ASSERT_EQ(got.size(), expected.size());
        for (size_t i = 0; i < got.size(); ++i) {
          EXPECT_TRUE(SameBits(got[i], expected[i]) ||
                      std::abs(got[i] - expected[i]) <= 1e-14 * std::abs(expected[i]) + 1e-300)
              << got[i] << ", not " << expected[i] << " at " << i;
        }
      };
      const std::vector<double> values = As<double>(kept.per_item);
      std::vector<double> by_hand(kRows);
      for (size_t i = 0; i < values.size(); ++i) by_hand[i / kWidth] += values[i] * share;
      near(As<double>(folded.per_item), by_hand);
      const auto scaled = [&](const std::vector<std::byte>& bytes) {
        std::vector<double> numbers = As<double>(bytes);
        for (double& x : numbers) x *= share;
        return numbers;
      };
      near(As<double>(folded.hessian), scaled(kept.hessian));
      for (size_t i = 0; i < contract.inputs.size(); ++i)
        near(As<double>(folded.gradients[i]), scaled(kept.gradients[i]));
    }
  });
}

// Coupled items as well: a batch differentiates the weighted sum.
TEST(Equivalence, AWeightOfAnItemIsWhatItsSlopeIsMultipliedBy) {
  ForEachForm([](const Contract& contract, const Form& form) {
    Rng rng(kSeed);
    const Extent extent;
    const Tensors tensors = DrawAnswered(rng, contract, form, extent);
    Tensor weight{.shape = ItemShape(contract, extent), .numbers = {}};
    weight.numbers.resize(ElementCount(weight.shape).value());
    for (double& w : weight.numbers) w = DrawNumber(rng, {0, 2});
    const auto answer = [&](const char* field, Reduction reduction) {
      Call call = MakeCall(contract, form, DType::kF64, tensors);
      if (field != nullptr) call.Send(field, DType::kF64, weight);
      call.request.options.reduction = reduction;
      WantAll(contract, call.request);
      absl::StatusOr<Bits> bits = Solve(call);
      EXPECT_TRUE(bits.ok()) << bits.status();
      return bits.ok() ? *std::move(bits) : Bits{};
    };
    const Bits plain = answer(nullptr, Reduction::kNone), upstream = answer("upstream", Reduction::kNone);
    const Bits weighted = answer("sample_weight", Reduction::kNone), sum = answer("sample_weight", Reduction::kSum);
    EXPECT_EQ(upstream.per_item, plain.per_item) << "values are not multiplied by what is above them";
    for (const Bits* other : {&weighted, &sum}) {
      EXPECT_TRUE(other->gradients == upstream.gradients && other->hessian == upstream.hessian);
    }
    const std::vector<double> values = As<double>(plain.per_item), scaled = As<double>(weighted.per_item);
    double total = 0, size = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_TRUE(SameBits(scaled[i], values[i] * weight.numbers[i])) << i;
      total += scaled[i];
      size += std::abs(scaled[i]);
    }
    EXPECT_NEAR(*sum.result.value, total, 1e-14 * size);
  });
}

// Half a unit in the last place of a 16-bit dtype, and what float may add to it.
double HalfUlp(DType dtype, double exact) {
  const int digits = dtype == DType::kBF16 ? 7 : 10, least = dtype == DType::kBF16 ? -126 : -14;
  const int exponent = exact == 0 ? least : std::max(least, std::ilogb(exact));
  return std::ldexp(0.5 + 1.0 / 64, exponent - digits);
}

// The kernels that read and write 16 bits themselves (FormKernels::finishes), at widths around those of batches and
// stretches, with logits of -inf and masked classes, weights and a row that is left out.
TEST(Equivalence, RowsOfLogitsIn16BitsAreTheirAnswersInDoubleRounded) {
  constexpr size_t kRows = 3;
  for (const std::string_view name : {"sparse_categorical_crossentropy", "categorical_crossentropy"}) {
    const Contract& contract = *FindLoss(name)->loss.contract;
    const bool sparse = contract.inputs[1].content == Content::kIndex;
    for (const DType dtype : {DType::kBF16, DType::kF16}) {
      for (const size_t width : {1, 2, 7, 31, 33, 63, 64, 65, 97, 1000, 2047, 2048, 2049, 5000, 65'536, 65'600}) {
        SCOPED_TRACE(Cat(name, " ", Name(dtype), " ", width));
        Rng rng(kSeed);
        const Shape shape = {kRows, static_cast<int64_t>(width)};
        Tensor logits{shape, std::vector<double>(kRows * width)}, labels{{kRows}, {}}, targets{shape, {}}, mask{{}, {}};
        targets.numbers.resize(kRows * width, 0.0);
        mask = {{static_cast<int64_t>(width)}, std::vector<double>(width, 1.0)};
        for (double& x : logits.numbers) x = rng() % 7 == 0 ? -kInf : std::normal_distribution<double>(0, 3)(rng);
        for (size_t c = 0; c < width; ++c) mask.numbers[c] = rng() % 9 != 0;
        for (size_t row = 0; row < kRows; ++row) {
          const size_t label = rng() % width;
          labels.numbers.push_back(static_cast<double>(label));
          targets.numbers[row * width + label] = 1;
          logits.numbers[row * width + label] = 1.5;
          mask.numbers[label] = 1;
        }
        logits.numbers = Decode(dtype, Encode(dtype, logits.numbers));
        for (const bool masked : {false, true}) {
          const auto answer = [&](DType as) {
            Call call = MakeCall(contract, contract.forms[0], as,
                                 {{"y_pred", logits}, {"y_true", sparse ? labels : targets}}, {.skew = 2});
            call.Send("sample_weight", DType::kF32, Tensor{{kRows}, {0.75, 1, 3}});
            call.Send("mask", DType::kBool, Tensor{{kRows}, {1, 0, 1}});
            if (masked) call.Send("class_mask", DType::kBool, mask);
            call.request.gradient = true;
            absl::StatusOr<Bits> bits = Solve(call);
            EXPECT_TRUE(bits.ok()) << bits.status();
            return bits.ok() ? *std::move(bits) : Bits{};
          };
          const Bits exact = answer(DType::kF64);
          const std::vector<double> values = As<double>(exact.per_item), slopes = As<double>(exact.gradient());
          for (const int64_t target : SimdTargets()) {
            const OnTarget on(target);
            const Bits bits = answer(dtype);
            const std::vector<double> got = Decode(dtype, bits.gradient()), value = Decode(dtype, bits.per_item);
            ASSERT_EQ(got.size(), slopes.size());
            for (size_t i = 0; i < got.size(); ++i) {
              ASSERT_LE(std::abs(got[i] - slopes[i]), HalfUlp(dtype, slopes[i])) << "slope " << i;
            }
            for (size_t i = 0; i < kRows; ++i) {
              ASSERT_LE(std::abs(value[i] - values[i]), HalfUlp(dtype, values[i])) << "value " << i;
            }
          }
        }
      }
    }
  }
}

// Slopes of many bytes are written past the caches (Problem::streams).
TEST(Equivalence, RowsOfLogitsHaveTheSameSlopesInLargeTensors) {
  constexpr size_t kRows = 3;  // over and over
  for (const std::string_view name : {"sparse_categorical_crossentropy", "categorical_crossentropy"}) {
    const Contract& contract = *FindLoss(name)->loss.contract;
    const bool sparse = contract.inputs[1].content == Content::kIndex;
    for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
      for (const size_t width : {1000, 2049}) {
        SCOPED_TRACE(Cat(name, " ", Name(dtype), " ", width));
        Rng rng(kSeed);
        std::vector<double> logits(kRows * width), targets(kRows * width, 0.0), labels;
        for (double& x : logits) x = rng() % 7 == 0 ? -kInf : std::normal_distribution<double>(0, 3)(rng);
        for (size_t row = 0; row < kRows; ++row) {
          labels.push_back(static_cast<double>(rng() % width));
          const size_t label = row * width + static_cast<size_t>(labels.back());
          logits[label] = 1.5;
          targets[label] = 1;
        }
        const auto slopes = [&](size_t times) {
          const auto repeat = [&](const std::vector<double>& once) {
            std::vector<double> all;
            for (size_t i = 0; i < times; ++i) all.insert(all.end(), once.begin(), once.end());
            return all;
          };
          const auto rows = static_cast<int64_t>(kRows * times), classes = static_cast<int64_t>(width);
          const Tensor target = sparse ? Tensor{{rows}, repeat(labels)} : Tensor{{rows, classes}, repeat(targets)};
          Call call = MakeCall(contract, contract.forms[0], dtype,
                               {{"y_pred", Tensor{{rows, classes}, repeat(logits)}}, {"y_true", target}});
          call.request.options.reduction = Reduction::kSum;
          call.request.gradient = true;
          const absl::StatusOr<Bits> bits = Solve(call);
          EXPECT_TRUE(bits.ok()) << bits.status();
          return bits.ok() ? bits->gradient() : std::vector<std::byte>();
        };
        const size_t bytes = kRows * width * SizeOf(dtype), times = kStreamedBytes / bytes + 1;
        for (const int64_t target : SimdTargets()) {
          const OnTarget on(target);
          const std::vector<std::byte> few = slopes(1), many = slopes(times);
          ASSERT_EQ(few.size(), bytes);
          ASSERT_EQ(many.size(), times * bytes);
          for (size_t i = 0; i < times; ++i) {
            ASSERT_TRUE(std::equal(few.begin(), few.end(), many.begin() + static_cast<std::ptrdiff_t>(i * bytes)))
                << "rows from " << i * kRows;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace lossd::testing
