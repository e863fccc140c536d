// Kernels that work long on one item: they share the work among the threads that they are lent, and stop soon after
// nobody waits for them any more.
#include <algorithm>
#include <atomic>
#include <ostream>
#include <string>
#include <vector>

#include "core/losses/loss.h"
#include "core/registry.h"
#include "gtest/gtest.h"

namespace lossd {
namespace {

// Runs tiles one after the other, and is cancelled after `looks` questions and tiles.
class Counting : public Crew {
 public:
  explicit Counting(size_t looks) : looks_(looks) {}
  void ForEachTile(size_t num_tiles, const std::function<void(size_t)>& work) const override {
    most_tiles_ = std::max(most_tiles_, num_tiles);
    for (size_t tile = 0; tile < num_tiles && !cancelled(); ++tile) work(tile);
  }
  bool cancelled() const override { return ++seen_ > looks_; }
  size_t seen() const { return seen_; }
  size_t most_tiles() const { return most_tiles_; }

 private:
  size_t looks_;
  mutable size_t seen_ = 0, most_tiles_ = 0;
};

struct Case {
  std::string loss;
  InputKind kind;
  std::vector<std::pair<char, size_t>> dims;
  size_t items;
  bool shares;  // its work among threads
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.loss; }

// Sizes at which there are many looks.
const Case kCases[] = {
    {"ctc", InputKind::kLogits, {{'T', 200}, {'L', 5}, {'C', 6}}, 1, false},
    {"ctc_batch_cost", InputKind::kProbabilities, {{'T', 200}, {'L', 5}, {'C', 6}}, 1, false},
    {"rnnt", InputKind::kLogits, {{'T', 200}, {'U', 5}, {'C', 6}}, 1, false},
    {"ntxent", InputKind::kUnspecified, {{'N', 600}, {'D', 16}}, 600, true},
    {"supcon", InputKind::kUnspecified, {{'N', 600}, {'D', 16}}, 600, true},
    {"info_nce", InputKind::kUnspecified, {{'N', 600}, {'D', 16}}, 600, true},
    {"siglip", InputKind::kUnspecified, {{'N', 600}, {'D', 16}}, 600, true},
    {"circle", InputKind::kUnspecified, {{'N', 600}, {'D', 16}}, 600, true},
    {"orthogonal_regularizer", InputKind::kUnspecified, {{'R', 600}, {'C', 16}}, 1, false},
    {"sparse_categorical_crossentropy", InputKind::kLogits, {{'C', 800'000}}, 1, true},
    {"categorical_crossentropy", InputKind::kLogits, {{'C', 800'000}}, 1, true},
    {"linear_cross_entropy", InputKind::kUnspecified, {{'N', 600}, {'H', 16}, {'C', 6}}, 600, false},
};

// Elements of an input of the shape "... T U+1 C", of one item or shared.
size_t Width(const Input& input, const Dims& dims) {
  size_t width = 1;
  for (size_t i = 0; i < input.shape.size(); ++i) {
    const char letter = input.shape[i];
    if (letter >= 'A' && letter <= 'Z') width *= dims[letter] + (input.shape.substr(i + 1, 2) == "+1" ? 1 : 0);
  }
  return width;
}

// Value and slopes of numbers between 0 and 1 and labels of two classes.
void Compute(const Case& c, const Crew& crew) {
  const Loss loss = FindLoss(c.loss)->loss;
  const Contract& contract = *loss.contract;
  Dims dims;
  for (const auto& [letter, size] : c.dims) dims[letter] = size;
  std::vector<std::vector<double>> numbers, slopes;
  std::vector<std::vector<int32_t>> indices;
  std::vector<double> params, values(c.items), upstream(c.items, 1.0), extra(c.items);
  for (const Param& param : contract.params) params.push_back(param.fallback);
  Block<double> block{
      .items = c.items, .dims = &dims, .upstream = upstream.data(), .value = values.data(), .extra = extra.data()};
  for (size_t i = 0; i < contract.inputs.size(); ++i) {
    const Input& input = contract.inputs[i];
    if (input.optional) continue;
    const size_t width = block.widths[i] = Width(input, dims);
    if (input.content == Content::kNumbers) {
      std::vector<double>& in = numbers.emplace_back(width);
      for (size_t k = 0; k < width; ++k) in[k] = static_cast<double>((k * 7919 + i) % 101) / 101;
      block.in[i] = in.data();
    } else {
      std::vector<int32_t>& in = indices.emplace_back(width);
      for (size_t k = 0; k < width; ++k) in[k] = static_cast<int32_t>(k % 2);
      block.index[i] = in.data();
    }
    if (input.differentiable) block.slope[i] = slopes.emplace_back(width).data();
  }
  block.width = block.widths[0];
  const auto form = std::find_if(loss.forms.begin(), loss.forms.end(),
                                 [&](const FormKernels& kernels) { return kernels.form.input_kind == c.kind; });
  ASSERT_NE(form, loss.forms.end());
  std::vector<double> scratch(form->scratch(dims, block.width));
  block.scratch = scratch.data();
  form->f64({.params = params, .crew = &crew}, block);
}

class Crewed : public ::testing::TestWithParam<Case> {};

TEST_P(Crewed, StopsSoonAfterItIsCancelled) {
  const Counting patient(~size_t{0});
  Compute(GetParam(), patient);
  ASSERT_GE(patient.seen(), 20u) << "does not look";
  const Counting hasty(5);
  Compute(GetParam(), hasty);
  EXPECT_LE(hasty.seen(), patient.seen() / 2);
}

TEST_P(Crewed, SharesItsWorkWhereItSaysSo) {
  const Counting patient(~size_t{0});
  Compute(GetParam(), patient);
  EXPECT_EQ(patient.most_tiles() > 1, GetParam().shares);
}

INSTANTIATE_TEST_SUITE_P(Losses, Crewed, ::testing::ValuesIn(kCases), [](const auto& info) { return info.param.loss; });

}  // namespace
}  // namespace lossd
