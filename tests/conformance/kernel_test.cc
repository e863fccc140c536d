// Items do not know of each other: any count, any alignment, any order, any poison in a neighbour gives an item the
// bits that it has alone. Solve (tests/support/problems.h) makes sure that nothing is written outside an output.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/cases.h"
#include "tests/support/losses.h"
#include "tests/support/problems.h"
#include "tests/support/simd_targets.h"

namespace lossd::testing {
namespace {

constexpr uint64_t kSeed = 7;

// A form of a loss in a dtype, on the instruction set of the moment.
struct Subject {
  const Contract& contract;
  Form form;
  DType dtype;

  bool batch() const { return contract.family == Family::kBatch; }
  bool elementwise() const { return contract.family == Family::kElementwise; }
  // Two lanes of the widest vector and one over; a few of the wider items.
  size_t most_items() const { return elementwise() ? 33 : 4; }
  Bits Answer(const Tensors& tensors, Delivery delivery = {}) const {
    Call call = MakeCall(contract, form, dtype, tensors, delivery);
    WantAll(contract, call.request);
    absl::StatusOr<Bits> bits = Solve(call);
    EXPECT_TRUE(bits.ok()) << bits.status();
    return bits.ok() ? *std::move(bits) : Bits{};
  }
};

template <class Fn>
void ForEachSubject(const Fn& check) {
  for (const int64_t target : SimdTargets()) {
    const OnTarget on(target);
    for (const Loss& loss : TestedLosses()) {
      for (const Form& form : loss.contract->forms) {
        for (const DType dtype : {DType::kF32, DType::kF64}) {
          SCOPED_TRACE(Cat(Describe(*loss.contract, form), " ", Name(dtype)));
          check(Subject{*loss.contract, form, dtype});
          if (::testing::Test::HasFatalFailure()) return;
        }
      }
    }
  }
}

// Sizes worth trying: widths of rows around those of vectors; of elements and of items with structure, one.
std::vector<Extent> Extents(const Subject& subject) {
  std::vector<Extent> extents;
  const bool rows = subject.contract.family == Family::kRow || subject.contract.family == Family::kRegion;
  for (const size_t width : rows ? std::vector<size_t>{1, 2, 3, 7, 16, 17, 33, 70} : std::vector<size_t>{60}) {
    Extent extent = ExtentOf(subject.contract, subject.most_items(), width);
    if (subject.elementwise()) extent.items.push_back(1);  // one number per class is then one for all
    extents.push_back(extent);
  }
  return extents;
}

bool IsOfItems(const Input& input) { return input.shape.starts_with("..."); }

// Items of `tensors` by their number; what is shared stays.
Tensors Pick(const Contract& contract, const Tensors& tensors, const std::vector<size_t>& items) {
  Tensors picked = tensors;
  for (auto& [name, tensor] : picked) {
    if (!IsOfItems(contract.inputs[contract.InputIndex(name)])) continue;
    const Tensor& from = tensors.at(name);
    const size_t width = from.numbers.size() / static_cast<size_t>(from.shape[0]);
    tensor.shape[0] = static_cast<int64_t>(items.size());
    tensor.numbers.clear();
    for (const size_t i : items) {
      tensor.numbers.insert(tensor.numbers.end(), from.numbers.begin() + i * width,
                            from.numbers.begin() + (i + 1) * width);
    }
  }
  return picked;
}

// Everything in an answer that belongs to one item.
std::vector<double> ItemOf(const Subject& subject, const Bits& bits, size_t items, size_t item) {
  std::vector<double> all;
  const auto add = [&](const std::vector<std::byte>& bytes, DType dtype) {
    const std::vector<double> numbers = Decode(dtype, bytes);
    const size_t width = numbers.size() / items;
    all.insert(all.end(), numbers.begin() + item * width, numbers.begin() + (item + 1) * width);
  };
  add(bits.per_item, subject.dtype);
  for (size_t i = 0; i < subject.contract.inputs.size(); ++i) {
    if (IsOfItems(subject.contract.inputs[i])) add(bits.gradients[i], subject.dtype);
  }
  add(bits.hessian, subject.dtype);
  add(bits.extra, DType::kF64);
  return all;
}

::testing::AssertionResult Same(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return ::testing::AssertionFailure() << a.size() << " numbers and " << b.size();
  for (size_t i = 0; i < a.size(); ++i) {
    if (!SameBits(a[i], b[i])) {
      return ::testing::AssertionFailure() << "number " << i << " of the item: " << a[i] << " and " << b[i];
    }
  }
  return ::testing::AssertionSuccess();
}

std::vector<size_t> Count(size_t n) {
  std::vector<size_t> items(n);
  std::iota(items.begin(), items.end(), size_t{0});
  return items;
}

TEST(Kernel, AnyCountAtAnyAlignmentGivesTheBitsOfTheItemsAlone) {
  ForEachSubject([](const Subject& subject) {
    if (subject.batch()) return;
    Rng rng(kSeed);
    for (const Extent& extent : Extents(subject)) {
      const Tensors tensors = DrawInputs(rng, subject.contract, subject.form, extent);
      const size_t most = subject.most_items();
      std::vector<std::vector<double>> alone;
      for (size_t i = 0; i < most; ++i) {
        alone.push_back(ItemOf(subject, subject.Answer(Pick(subject.contract, tensors, {i})), 1, 0));
      }
      for (size_t items = 0; items <= most; ++items) {
        const Tensors some = Pick(subject.contract, tensors, Count(items));
        for (const Delivery delivery : {Delivery{.skew = 0}, Delivery{.skew = 4}, Delivery{.most = 50, .skew = 7}}) {
          const Bits bits = subject.Answer(some, delivery);
          for (size_t i = 0; i < items; ++i) {
            ASSERT_TRUE(Same(ItemOf(subject, bits, items, i), alone[i]))
                << "item " << i << " of " << items << ", skew " << delivery.skew;
          }
        }
      }
    }
  });
}

TEST(Kernel, ABatchOfAnySizeIsAnswered) {
  ForEachSubject([](const Subject& subject) {
    if (!subject.batch()) return;
    Rng rng(kSeed);
    for (const size_t rows : {0, 1, 2, 3, 17}) {
      const Extent extent = ExtentOf(subject.contract, rows, 6);
      const Tensors tensors = DrawInputs(rng, subject.contract, subject.form, extent);
      const Bits bits = subject.Answer(tensors, {.skew = 0});
      EXPECT_TRUE(subject.Answer(tensors, {.most = 50, .skew = 3}) == bits) << rows << " rows in pieces";
    }
  });
}

// Changes one number of item 2 and looks at all items. Batches are one coupled problem; a sequence may not look at it.
template <class Fn>
void Poison(const Subject& subject, const Input& input, double poison, const Fn& hit) {
  Rng rng(kSeed);
  const Extent extent = Extents(subject).back();
  const Tensors clean = DrawInputs(rng, subject.contract, subject.form, extent);
  Tensors poisoned = clean;
  std::vector<double>& numbers = poisoned[std::string(input.name)].numbers;
  const size_t items = subject.most_items(), width = numbers.size() / items;
  numbers[2 * width + width / 2] = poison;
  const Bits before = subject.Answer(clean), after = subject.Answer(poisoned);
  for (size_t i = 0; i < items; ++i) {
    const std::vector<double> item = ItemOf(subject, after, items, i);
    if (i == 2) {
      hit(item);
    } else {
      ASSERT_TRUE(Same(item, ItemOf(subject, before, items, i)))
          << poison << " in item 2 of " << input.name << " reaches item " << i;
    }
  }
}

void IsNan(const Subject& subject, std::string_view name, std::vector<double> item) {
  if (subject.contract.extra == Extra::kPerItem) item.pop_back();
  for (const double x : item) ASSERT_TRUE(std::isnan(x)) << x << " where " << name << " is poisoned";
}

std::vector<const Input*> NumericInputs(const Subject& subject) {
  std::vector<const Input*> inputs;
  for (const Input& input : subject.contract.inputs) {
    if (input.content == Content::kNumbers && IsOfItems(input)) inputs.push_back(&input);
  }
  return inputs;
}

TEST(Kernel, NanReachesTheCallerForThatItemAlone) {
  ForEachSubject([](const Subject& subject) {
    if (subject.batch() || subject.contract.checks_nan_itself) return;
    for (const Input* input : NumericInputs(subject)) {
      Poison(subject, *input, std::nan(""), [&](const auto& item) { IsNan(subject, input->name, item); });
    }
  });
}

TEST(Kernel, OutsideAClosedDomainIsNan) {
  ForEachSubject([](const Subject& subject) {
    if (subject.batch() || subject.contract.checks_nan_itself) return;
    for (const Input* input : NumericInputs(subject)) {
      const bool first = input == subject.contract.inputs.begin();
      const Interval domain = first ? Both(subject.form.prediction, input->domain) : input->domain;
      const auto is_nan = [&](const auto& item) { IsNan(subject, input->name, item); };
      if (!domain.open_lo && domain.lo > -kInf) Poison(subject, *input, domain.lo - 0.25, is_nan);
      if (!domain.open_hi && domain.hi < kInf) Poison(subject, *input, domain.hi + 0.25, is_nan);
    }
  });
}

TEST(Kernel, InfinityNeverTouchesOtherItems) {
  ForEachSubject([](const Subject& subject) {
    if (subject.batch()) return;
    for (const Input* input : NumericInputs(subject)) {
      for (const double infinity : {kInf, -kInf}) Poison(subject, *input, infinity, [](const auto&) {});
    }
  });
}

TEST(Kernel, PermutingItemsPermutesAnswers) {
  ForEachSubject([](const Subject& subject) {
    if (subject.batch()) return;
    Rng rng(kSeed);
    const Tensors tensors = DrawInputs(rng, subject.contract, subject.form, Extents(subject).back());
    std::vector<size_t> order = Count(subject.most_items());
    std::shuffle(order.begin(), order.end(), rng);
    const Bits straight = subject.Answer(tensors);
    const Bits shuffled = subject.Answer(Pick(subject.contract, tensors, order));
    for (size_t i = 0; i < order.size(); ++i) {
      ASSERT_TRUE(Same(ItemOf(subject, shuffled, order.size(), i), ItemOf(subject, straight, order.size(), order[i])));
    }
  });
}

}  // namespace
}  // namespace lossd::testing
