// An item whose loss is infinite, or NaN, beside others: a factor of 0 is a number, and 0 times infinity is NaN (IEEE
// 754), for that item alone; what is left out is selected away. A batch loss, whose rows share their gradients, selects
// rows without an upstream away too. Expected numbers are by hand.
#include <cmath>
#include <limits>
#include <vector>

#include "core/batch.h"
#include "gtest/gtest.h"
#include "tests/support/ask.h"
#include "tests/support/problems.h"

namespace lossd {
namespace {

using testing::Answered;
using testing::Ask;
using testing::Bits;
using testing::Decode;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Certain and wrong, then half sure: -log 0 with the slope -1/0, log 2 with -1/0.5.
Ask Wrong() {
  return Ask("binary_crossentropy").Pred({2}, {0, .5}).True({2}, {1, 1}).None().With([](Options& o) {
    o.input_kind = InputKind::kProbabilities;
  });
}
// The same over two classes, whose probabilities are divided by their sum: the slopes are 1 / sum - [c = y] / p.
Ask WrongRows() {
  return Ask("sparse_categorical_crossentropy")
      .Pred({2, 2}, {0, 1, .5, .5})
      .Labels({2}, {0, 0})
      .None()
      .With([](Options& o) { o.input_kind = InputKind::kProbabilities; });
}
// Logits x and -x of two classes: the first row has no finite maximum and answers NaN, the second is [0, 0].
Ask Linear() {
  return Ask("linear_cross_entropy")
      .Pred({2, 1}, {kInf, 0})
      .Labels({2}, {0, 0})
      .Send("weight", {2, 1}, {1, -1})
      .Send("bias", {2}, {0, 0})
      .None();
}

TEST(InfiniteLosses, LeaveTheOtherItemsAloneAndAreLeftOutByMasksNotByFactors) {
  const double log2 = std::log(2.0);
  const struct {
    const char* name;
    Ask ask;
    std::vector<double> per_item;
    std::vector<double> gradient;
  } kCases[] = {
      {"as it is", Wrong(), {kInf, log2}, {-kInf, -2}},
      {"an upstream of 0", Wrong().Send("upstream", {2}, {0, 1}), {kInf, log2}, {kNan, -2}},
      {"a weight of 0", Wrong().Send("sample_weight", {2}, {0, 1}), {kNan, log2}, {kNan, -2}},
      {"left out", Wrong().Send("mask", {2}, {0, 1}, DType::kBool), {0, log2}, {0, -2}},
      {"left out, whatever is upstream",
       Wrong().Send("mask", {2}, {0, 1}, DType::kBool).Send("upstream", {2}, {kInf, 1}),
       {0, log2},
       {0, -2}},
      {"a row", WrongRows(), {kInf, log2}, {-kInf, 1, -1, 1}},
      {"a row with an upstream of 0", WrongRows().Send("upstream", {2}, {0, 1}), {kInf, log2}, {kNan, 0, -1, 1}},
      {"a row left out", WrongRows().Send("mask", {2}, {0, 1}, DType::kBool), {0, log2}, {0, 0, -1, 1}},
      {"a row of a batch", Linear(), {kNan, log2}, {kNan, -1}},
      {"a row of a batch with an upstream of 0", Linear().Send("upstream", {2}, {0, 1}), {kNan, log2}, {0, -1}},
      {"a row of a batch left out", Linear().Send("mask", {2}, {0, 1}, DType::kBool), {0, log2}, {0, -1}},
  };
  const auto same = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    const Bits bits = Answered(c.ask);
    const auto per_item = Decode(DType::kF64, bits.per_item), gradient = Decode(DType::kF64, bits.gradient());
    ASSERT_EQ(per_item.size(), c.per_item.size());
    ASSERT_EQ(gradient.size(), c.gradient.size());
    for (size_t i = 0; i < per_item.size(); ++i)
      EXPECT_TRUE(same(per_item[i], c.per_item[i])) << i << ": " << per_item[i];
    for (size_t i = 0; i < gradient.size(); ++i)
      EXPECT_TRUE(same(gradient[i], c.gradient[i])) << i << ": " << gradient[i];
  }
}

// The weight's gradient is of all rows: the NaN of one that has no part in it must not reach it.
TEST(InfiniteLosses, DoNotReachWhatTheRowsOfABatchShareWhereTheyHaveNoUpstream) {
  for (const bool masked : {false, true}) {
    Ask ask = Linear();
    ask.call.request.with_respect_to = {"bias"};
    masked ? ask.Send("mask", {2}, {0, 1}, DType::kBool) : ask.Send("upstream", {2}, {0, 1});
    const Bits bits = Answered(ask);
    size_t answered = 0;
    for (const auto& bytes : bits.gradients) {
      if (bytes.empty()) continue;
      ++answered;
      EXPECT_EQ(Decode(DType::kF64, bytes), (std::vector<double>{-.5, .5})) << masked;
    }
    EXPECT_EQ(answered, 1u);
  }
}

TEST(InfiniteLosses, OfABatchInChunksFollowTheSameRules) {
  const struct {
    const char* name;
    Ask ask;
    double sum;
  } kCases[] = {{"as it is", Wrong(), kInf},
                {"a weight of 0", Wrong().Send("sample_weight", {2}, {0, 1}), kNan},
                {"left out", Wrong().Send("mask", {2}, {0, 1}, DType::kBool), std::log(2.0)}};
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    Executor executor(1);
    Request header;
    header.loss = c.ask.call.request.loss;
    header.options = c.ask.call.request.options;
    header.options.reduction = Reduction::kSum;
    BatchEvaluator evaluator(header, executor);
    const Request& request = c.ask.call.request;
    Chunk chunk = {{"y_pred", *request.y_pred}, {"y_true", *request.y_true}};
    if (request.mask) chunk.emplace_back("mask", *request.mask);
    if (request.sample_weight) chunk.emplace_back("sample_weight", *request.sample_weight);
    const auto always = [](const Problem&, const Plan&) { return true; };
    ASSERT_TRUE(evaluator.Add(chunk, Cancellation(), always).ok());
    const auto result = evaluator.Finish(Cancellation());
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_TRUE(result->sum == c.sum || (std::isnan(result->sum) && std::isnan(c.sum))) << result->sum;
  }
}

}  // namespace
}  // namespace lossd
