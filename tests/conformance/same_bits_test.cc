// Same request, same bits: on 1, 2 and 3 threads, however the bytes arrive, on every instruction set with FMA, and
// wherever gradients are written.
#include <random>
#include <vector>

#include "core/plan.h"
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

constexpr uint64_t kSeed = 99;
constexpr size_t kElements = 2 * kShardElements + 777;  // three shards, a ragged last block

// How tensors arrive: in one piece, in pieces that end within an element, in pieces of fewer elements than a vector
// has.
enum Delivered { kWhole, kPieces, kCrumbs };
constexpr Delivery kDeliveries[] = {{.most = 0, .skew = 1}, {.most = 9000, .skew = 5}, {.most = 50, .skew = 3}};

// One set of data, delivered in several ways, with weights to put on.
class Subject {
 public:
  Subject(const Contract& contract, const Form& form, DType dtype, const Extent& extent,
          std::initializer_list<Delivered> ways)
      : contract_(contract) {
    Rng rng(kSeed);
    const Tensors tensors = DrawAnswered(rng, contract, form, extent);
    const Shape items = ItemShape(contract, extent);
    Tensor weight{.shape = items, .numbers = std::vector<double>(ElementCount(items).value())}, mask = weight;
    for (double& w : weight.numbers) w = std::uniform_real_distribution<double>(0, 2)(rng);
    for (double& m : mask.numbers) m = rng() % 4 != 0;
    for (const Delivered delivered : ways) {
      const Delivery& delivery = kDeliveries[delivered];
      calls_[delivered] = MakeCall(contract, form, dtype, tensors, delivery);
      calls_[delivered].Send("sample_weight", DType::kF32, weight, delivery);
      calls_[delivered].Send("mask", DType::kBool, mask, delivery);
    }
  }
  Bits Run(Delivered delivered, bool weighted, Reduction reduction, int threads, Place place = Place::kApart) const {
    Executor executor(threads);
    Request request = calls_[delivered].request;
    request.options.reduction = reduction;
    if (!weighted) {
      request.sample_weight.reset();
      request.mask.reset();
    }
    WantAll(contract_, request);
    absl::StatusOr<Bits> bits = Solve(std::move(request), executor, place);
    EXPECT_TRUE(bits.ok()) << bits.status();
    return bits.ok() ? *std::move(bits) : Bits{};
  }

 private:
  const Contract& contract_;
  Call calls_[3];
};

// Weighted or not, and the reduction.
constexpr std::pair<bool, Reduction> kWays[] = {
    {false, Reduction::kMean}, {true, Reduction::kMean}, {true, Reduction::kNone}};

void BitsAreTheSame(const Contract& contract, const Form& form, DType dtype, const Extent& extent) {
  SCOPED_TRACE(Cat(Describe(contract, form), " ", Name(dtype), " seed ", kSeed));
  const Subject subject(contract, form, dtype, extent, {kWhole, kPieces});
  for (const auto& [weighted, reduction] : kWays) {
    SCOPED_TRACE(Cat(Name(reduction), weighted ? " weighted and masked" : ""));
    std::optional<Bits> first;
    for (const int64_t target : SimdTargets()) {
      if (!HasFma(target)) continue;
      const OnTarget on(target);
      const Bits bits = subject.Run(kWhole, weighted, reduction, 1);
      if (first) {
        EXPECT_TRUE(bits == *first) << "on another instruction set";
        continue;
      }
      first = bits;
      EXPECT_TRUE(subject.Run(kWhole, weighted, reduction, 2) == *first) << "2 threads";
      EXPECT_TRUE(subject.Run(kPieces, weighted, reduction, 3) == *first) << "3 threads, in pieces";
      EXPECT_TRUE(subject.Run(kPieces, weighted, reduction, 2, Place::kOverInputs) == *first) << "over the inputs";
    }
    ASSERT_TRUE(first.has_value()) << "no instruction set with FMA on this machine";
  }
}

// Items of about `width` elements, so many that there are several shards; rows of a batch are quadratic.
Extent LargeExtent(const Contract& contract, size_t width) {
  if (contract.family == Family::kBatch) {
    Extent extent = ExtentOf(contract, width, 8);
    if (width > 100) extent.sizes['D'] = 50;  // work for several threads, and a ragged end of every tile
    return extent;
  }
  Extent extent = ExtentOf(contract, 1, width);
  const size_t elements = ElementCount(ShapeOf(contract, contract.inputs[0], extent)).value();
  extent.items = {static_cast<int64_t>(kElements / elements + 1)};
  if (contract.family == Family::kElementwise) extent.items = {extent.items[0] / 3, 3};
  return extent;
}

TEST(SameBits, WhateverTheThreadsThePiecesAndTheInstructionSet) {
  for (const Loss& loss : TestedLosses()) {
    const Contract& contract = *loss.contract;
    const bool rows = contract.family == Family::kRow || contract.family == Family::kRegion;
    std::vector<size_t> widths = {40};
    // Rows with vector code of their own: shorter than a vector, and wider than a block, in time linear in the width.
    if (rows && loss.forms[0].f32 != nullptr) widths.insert(widths.end(), {3, 5000});
    if (contract.family == Family::kBatch) widths.push_back(301);
    for (const Form& form : contract.forms) {
      for (const DType dtype : {DType::kF32, DType::kF64}) {
        for (const size_t width : widths) BitsAreTheSame(contract, form, dtype, LargeExtent(contract, width));
      }
    }
  }
}

// Extents whose strips lie in one piece or straddle several, with ragged ends; none where no gradient is written over
// its input.
std::vector<Extent> OverwrittenExtents(const Loss& loss) {
  const Contract& contract = *loss.contract;
  std::vector<Extent> extents;
  const auto add = [&](Shape items, size_t width) {
    extents.push_back(ExtentOf(contract, 1, width));
    extents.back().items = std::move(items);
  };
  if (contract.family == Family::kElementwise) add({3001, 3}, 1);
  if (loss.forms[0].finishes) {
    add({3001}, 3);
    add({17, 3}, 1000);
    add({5}, 5000);
  }
  return extents;
}

TEST(SameBits, WhereverGradientsAreWritten) {
  for (const Loss& loss : TestedLosses()) {
    for (const Extent& extent : OverwrittenExtents(loss)) {
      for (const Form& form : loss.contract->forms) {
        for (const DType dtype : {DType::kF32, DType::kF64, DType::kBF16, DType::kF16}) {
          SCOPED_TRACE(Cat(Describe(*loss.contract, form), " ", Name(dtype), " seed ", kSeed));
          const Subject subject(*loss.contract, form, dtype, extent, {kWhole, kPieces, kCrumbs});
          for (const int64_t target : SimdTargets()) {
            const OnTarget on(target);
            for (const auto& [weighted, reduction] : kWays) {
              const Bits apart = subject.Run(kWhole, weighted, reduction, 1);
              EXPECT_TRUE(subject.Run(kWhole, weighted, reduction, 1, Place::kOverInputs) == apart) << "over one piece";
              EXPECT_TRUE(subject.Run(kPieces, weighted, reduction, 1, Place::kOverInputs) == apart) << "over pieces";
              EXPECT_TRUE(subject.Run(kCrumbs, weighted, reduction, 1, Place::kOverInputs) == apart) << "over crumbs";
              EXPECT_TRUE(subject.Run(kCrumbs, weighted, reduction, 1) == apart) << "from crumbs";
            }
          }
        }
      }
    }
  }
}

// Rows around the widths at which they are cut, in every dtype that is read as it was sent; weights and a row that is
// left out reach the kernel too.
TEST(SameBits, OfAWideRowOnAnyNumberOfThreads) {
  constexpr size_t kTile = kStretch * kStretchesInTile;
  for (const std::string_view name : {"sparse_categorical_crossentropy", "categorical_crossentropy"}) {
    const Contract& contract = *FindLoss(name)->loss.contract;
    const Form& form = contract.forms[0];
    ASSERT_EQ(form.input_kind, InputKind::kLogits);
    for (const DType dtype : {DType::kF32, DType::kF64, DType::kBF16, DType::kF16}) {
      for (const size_t width : {kWidestAlone, kWidestAlone + 1, kWidestAlone + kStretch - 1, 5 * kTile, 5 * kTile + 1,
                                 5 * kTile + kStretch + 17}) {
        SCOPED_TRACE(Cat(name, " ", Name(dtype), " ", width));
        Rng rng(kSeed);
        const Tensors tensors = DrawInputs(rng, contract, form, ExtentOf(contract, 2, width));
        const auto make = [&](const Delivery& delivery) {
          Call call = MakeCall(contract, form, dtype, tensors, delivery);
          call.Send("sample_weight", DType::kF32, Tensor{.shape = {2}, .numbers = {0.75, 1e-30}}, {});
          call.request.options.reduction = Reduction::kMean;
          call.request.gradient = true;
          return call;
        };
        const Call call = make({}), pieces = make(kDeliveries[kPieces]);
        std::optional<Bits> first;
        for (const int64_t target : SimdTargets()) {
          if (!HasFma(target)) continue;
          const OnTarget on(target);
          for (const int threads : {1, 2, 4}) {
            Executor executor(threads);
            const absl::StatusOr<Bits> bits = Solve(call.request, executor);
            ASSERT_TRUE(bits.ok()) << bits.status();
            if (!first) first = *bits;
            EXPECT_TRUE(*bits == *first) << threads << " threads";
            const absl::StatusOr<Bits> over = Solve(pieces.request, executor, Place::kOverInputs);
            ASSERT_TRUE(over.ok()) << over.status();
            EXPECT_TRUE(*over == *first) << threads << " threads, over pieces";
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace lossd::testing
