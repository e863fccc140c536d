// What each option and each weight does, alone. Expected numbers are by hand unless a case says where they come from.
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "core/evaluate.h"
#include "gtest/gtest.h"
#include "tests/support/ask.h"
#include "tests/support/problems.h"

namespace lossd {
namespace {

using testing::Answered;
using testing::Ask;
using testing::Bits;
using testing::Decode;

constexpr double kLog2 = std::numbers::ln2;
const double kLog4 = std::log(4.0), kLog3 = std::log(3.0), kLogThird = std::log(4.0 / 3);  // -log of 1/4 and of 3/4

struct Case {
  const char* name;
  Ask ask;
  std::vector<double> values;    // of the items under NONE, else the one value
  std::vector<double> gradient;  // with respect to y_pred
};

void Near(const std::vector<double>& got, const std::vector<double>& expected, const char* what, double tolerance) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  for (size_t i = 0; i < got.size(); ++i) {
    if (got[i] == expected[i] || (std::isnan(got[i]) && std::isnan(expected[i]))) continue;
    EXPECT_NEAR(got[i], expected[i], tolerance * std::max(1.0, std::abs(expected[i]))) << what << " " << i;
  }
}

void Check(const std::vector<Case>& cases, double tolerance = 1e-12) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Bits bits = Answered(c.ask);
    const std::vector<double> values =
        bits.result.value ? std::vector<double>{*bits.result.value} : Decode(DType::kF64, bits.per_item);
    Near(values, c.values, "value", tolerance);
    Near(Decode(DType::kF64, bits.gradient()), c.gradient, "gradient", tolerance);
  }
}

// Two classes with equal logits: probabilities 1/2, a loss of log 2 whatever the label.
Ask Fair(Shape items, std::vector<double> labels) {
  Shape shape = items;
  shape.push_back(2);
  Ask ask("sparse_categorical_crossentropy");
  ask.Pred(shape, std::vector<double>(2 * labels.size())).Labels(std::move(items), std::move(labels)).Logits();
  return ask;
}
// One row with probabilities 1/4 and 3/4.
Ask Quarter(double label) {
  return Ask("sparse_categorical_crossentropy").Pred({1, 2}, {0, kLog3}).Labels({1}, {label}).Logits();
}

TEST(Options, ClassWeights) {
  Check({
      {"a label's weight multiplies its item",
       Fair({3}, {0, 1, 1}).Send("class_weight", {2}, {1, 3}).None(),
       {kLog2, 3 * kLog2, 3 * kLog2},
       {-.5, .5, 1.5, -1.5, 1.5, -1.5}},
      {"the mean over items",
       Fair({3}, {0, 1, 1}).Send("class_weight", {2}, {1, 3}),
       {7 * kLog2 / 3},
       {-.5 / 3, .5 / 3, .5, -.5, .5, -.5}},
      {"the mean that PyTorch takes, over the weights of the labels",
       Fair({3}, {0, 1, 1}).Send("class_weight", {2}, {1, 3}).With([](Options& o) { o.divisor = Divisor::kWeightSum; }),
       {kLog2},
       {-.5 / 7, .5 / 7, 1.5 / 7, -1.5 / 7, 1.5 / 7, -1.5 / 7}},
      {"beside sample weights",
       Fair({2}, {0, 1}).Send("class_weight", {2}, {1, 3}).Send("sample_weight", {2}, {2, 5}).None(),
       {2 * kLog2, 15 * kLog2},
       {-1, 1, 7.5, -7.5}},
      {"a row of targets is weighted class by class",
       Ask("categorical_crossentropy")
           .Pred({2}, {0, 0})
           .True({2}, {.25, .75})
           .Send("class_weight", {2}, {1, 2})
           .Logits(),
       {1.75 * kLog2},
       {1.75 / 2 - .25, 1.75 / 2 - 1.5}},
      {"elements of the last axis",
       Ask("binary_crossentropy")
           .Pred({2, 2}, {0, 0, 0, 0})
           .True({2, 2}, {1, 1, 0, 0})
           .Send("class_weight", {2}, {1, 3})
           .Logits()
           .None(),
       {kLog2, 3 * kLog2, kLog2, 3 * kLog2},
       {-.5, -1.5, .5, 1.5}},
      {"pos_weight multiplies the term of the positives",
       Ask("binary_crossentropy")
           .Pred({2, 2}, {0, 0, 0, 0})
           .True({2, 2}, {1, 1, 0, 1})
           .Send("pos_weight", {2}, {2, 3})
           .Logits()
           .None(),
       {2 * kLog2, 3 * kLog2, kLog2, 3 * kLog2},
       {-1, -1.5, .5, -1.5}},
  });
}

TEST(Options, LabelSmoothing) {
  const auto smooth = [](Options& o) { o.label_smoothing = .2; };
  const double value = .1 * kLog4 + .9 * kLogThird;
  Check({
      {"labels: through rows of targets (.1, .9)", Quarter(1).With(smooth), {value}, {.15, -.15}},
      {"rows",
       Ask("categorical_crossentropy").Pred({1, 2}, {0, kLog3}).True({1, 2}, {0, 1}).Logits().With(smooth),
       {value},
       {.15, -.15}},
      {"binary: 1 becomes .9, 0 becomes .1",
       Ask("binary_crossentropy").Pred({2}, {kLog3, 0}).True({2}, {1, 0}).Logits().With(smooth).None(),
       {.9 * kLogThird + .1 * kLog4, kLog2},
       {.75 - .9, .5 - .1}},
      {"as PyTorch weighs it: each smoothed target by its own class, divided by the weight of the label",
       Quarter(1).With(smooth).Send("class_weight", {2}, {5, 2}).With([](Options& o) {
         o.divisor = Divisor::kWeightSum;
       }),
       {(.5 * kLog4 + 1.8 * kLogThird) / 2},
       {(2.3 / 4 - .5) / 2, (2.3 * .75 - 1.8) / 2}},
      {"spread over the classes that are left",
       Ask("sparse_categorical_crossentropy")
           .Pred({1, 3}, {0, 0, 7})
           .Labels({1}, {0})
           .Logits()
           .With(smooth)
           .Send("class_mask", {3}, {1, 1, 0}, DType::kBool),
       {kLog2},
       {.5 - .9, .5 - .1, 0}},
  });
}

TEST(Options, ItemsAndClassesLeftOut) {
  Check({
      {"ignored labels count nowhere",
       Fair({3}, {0, -100, 1}).With([](Options& o) { o.ignore_index = -100; }),
       {kLog2},
       {-.25, .25, 0, 0, .25, -.25}},
      {"a class of probabilities that is left out has no slope",  // by hand: S = .5, slope T/S - t/p of the classes
                                                                  // left
       Ask("categorical_crossentropy")
           .Pred({1, 3}, {.25, .25, .5})
           .True({1, 3}, {1, 0, 0})
           .With([](Options& o) { o.input_kind = InputKind::kProbabilities; })
           .Send("class_mask", {3}, {1, 1, 0}, DType::kBool),
       {kLog2},
       {-2, 2, 0}},
      {"ignored and smoothed",
       Fair({2}, {-1, 1}).With([](Options& o) { o.ignore_index = -1, o.label_smoothing = .5; }),
       {kLog2},
       {0, 0, .25, -.25}},
      {"all ignored: nothing, or NaN where asked for",
       Fair({1}, {7}).With([](Options& o) { o.ignore_index = 7, o.empty_policy = EmptyPolicy::kNan; }),
       {std::nan("")},
       {0, 0}},
      {"a masked class is not in the softmax",
       Ask("sparse_categorical_crossentropy")
           .Pred({1, 3}, {0, 50, 0})
           .Labels({1}, {2})
           .Logits()
           .Send("class_mask", {3}, {1, 0, 1}, DType::kBool),
       {kLog2},
       {.5, 0, -.5}},
  });
}

TEST(Options, WeightsOfElementsAndFolds) {
  const auto mse = [] { return Ask("mse").Pred({2, 2}, {1, 2, 3, 4}).True({2, 2}, {0, 0, 0, 0}); };
  constexpr double kPoison = std::numeric_limits<double>::infinity();
  Check({
      {"element_weight", mse().Send("element_weight", {2, 2}, {1, 0, 2, .5}).None(), {1, 0, 18, 8}, {2, 0, 12, 4}},
      {"folded by the mean",
       mse().With([](Options& o) { o.last_axis = LastAxis::kMean; }).None(),
       {2.5, 12.5},
       {1, 2, 3, 4}},
      {"folded by the sum, then the mean of two rows",
       mse().With([](Options& o) { o.last_axis = LastAxis::kSum; }),
       {15},
       {1, 2, 3, 4}},
      {"elements, then rows, are weighted",
       mse()
           .Send("element_weight", {2, 2}, {1, 0, 2, .5})
           .Send("sample_weight", {2}, {10, 1})
           .With([](Options& o) { o.last_axis = LastAxis::kSum; })
           .None(),
       {10, 26},
       {20, 0, 12, 4}},
      {"a weight of 0 leaves an element out",
       Ask("mse").Pred({2}, {1, kPoison}).True({2}, {0, 0}).Send("element_weight", {2}, {1, 0}).None(),
       {1, 0},
       {2, 0}},
      {"a masked row is left out whatever it holds",
       Ask("mse")
           .Pred({2, 2}, {1, 2, kPoison, 4})
           .True({2, 2}, {0, 0, 0, 0})
           .Send("mask", {2}, {1, 0}, DType::kBool)
           .With([](Options& o) { o.last_axis = LastAxis::kMean; }),
       {2.5},
       {1, 2, 0, 0}},
      {"upstream", mse().Send("upstream", {2, 2}, {10, -1, 0, .5}).None(), {1, 4, 9, 16}, {20, -4, 0, 4}},
      {"upstream times weight",
       mse().Send("upstream", {2, 2}, {10, -1, 0, .5}).Send("sample_weight", {2, 2}, {1, 2, 3, 4}).None(),
       {1, 8, 27, 64},
       {20, -8, 0, 16}},
      {"upstream of rows",
       mse().Send("upstream", {2}, {10, -1}).With([](Options& o) { o.last_axis = LastAxis::kSum; }).None(),
       {5, 25},
       {20, 40, -6, -8}},
  });
}

TEST(Options, KinksAndDivisors) {
  const auto hinge = [] { return Ask("hinge").Pred({2}, {0, 1}).True({2}, {1, 1}); };
  Check({
      {"least norm", hinge(), {.5}, {-.5, 0}},
      {"average", hinge().With([](Options& o) { o.kink_policy = KinkPolicy::kAverage; }), {.5}, {-.5, -.25}},
      {"active", hinge().With([](Options& o) { o.kink_policy = KinkPolicy::kActive; }), {.5}, {-.5, -.5}},
      {"over the items above 0", hinge().With([](Options& o) { o.divisor = Divisor::kNonZero; }), {1}, {-1, 0}},
      {"over no item",
       Ask("hinge").Pred({1}, {3}).True({1}, {1}).With([](Options& o) { o.divisor = Divisor::kNonZero; }),
       {0},
       {0}},
      {"labels 0 and 1",
       Ask("hinge").Pred({2}, {.5, .5}).True({2}, {0, 1}).Param("label_encoding", std::string("binary")),
       {1},
       {.5, -.5}},
      {"labels that decide for themselves",
       Ask("hinge").Pred({2}, {.5, .5}).True({2}, {0, 1}).Param("label_encoding", std::string("auto")),
       {1},
       {.5, -.5}},
  });
  // The test of optax for ntxent: the mean over four pairs.
  const Bits pairs = Answered(Ask("ntxent")
                                  .Pred({4, 2}, {-1.9540, 1.0780, .2380, -.5703, 1.8745, -.0195, -.6719, -1.9210})
                                  .Labels({4}, {0, 0, 1, 1})
                                  .With([](Options& o) { o.divisor = Divisor::kTerms; }));
  EXPECT_EQ(pairs.result.divisor, 4);
  EXPECT_NEAR(*pairs.result.value, 14.01032, 1e-5);
}

TEST(Options, Conventions) {
  const auto mse = [] { return Ask("mse").Pred({2, 2}, {1, 2, 3, 4}).True({2, 2}, {0, 0, 0, 0}); };
  const auto hinge = [] { return Ask("hinge").Pred({2}, {0, 1}).True({2}, {1, 1}); };
  const auto keras = [](Options& o) { o.convention = Convention::kKeras; };
  const auto torch = [](Options& o) { o.convention = Convention::kTorch; };
  const auto optax = [](Options& o) { o.convention = Convention::kOptax; };
  Check({
      {"Keras's labels may be a column",
       Ask("sparse_categorical_crossentropy")
           .Pred({2, 2}, {0, 0, 0, 0})
           .Labels({2, 1}, {0, 1})
           .Logits()
           .With([](Options& o) { o.convention = Convention::kKeras; }),
       {kLog2},
       {-.25, .25, .25, -.25}},
      {"Keras averages the last axis", mse().With(keras).None(), {2.5, 12.5}, {1, 2, 3, 4}},
      {"optax does not reduce", mse().With(optax), {1, 4, 9, 16}, {2, 4, 6, 8}},
      {"what the caller sets wins",
       mse().With(optax).With([](Options& o) { o.reduction = Reduction::kSum; }),
       {30},
       {2, 4, 6, 8}},
      {"JAX gives half the slope at a kink", hinge().With(optax), {1, 0}, {-1, -.5}},
      {"PyTorch: the mean of nothing is NaN", Ask("mse").Pred({0}, {}).True({0}, {}).With(torch), {std::nan("")}, {}},
      {"PyTorch: classes on axis 1",
       Ask("sparse_categorical_crossentropy")
           .Pred({1, 2, 3}, {0, 0, 0, 0, 0, kLog3})
           .Labels({1, 3}, {0, 0, 1})
           .With(torch)
           .None(),
       {kLog2, kLog2, kLogThird},
       {-.5, -.5, .25, .5, .5, -.25}},
      {"PyTorch: a single row has its classes on its one axis",
       Ask("sparse_categorical_crossentropy").Pred({2}, {0, kLog3}).Labels({}, {1}).With(torch),
       {kLogThird},
       {.25, -.25}},
  });
  // Two labels in two frames, of probability 1/4 each: (1/4)^2, and a length of 2.
  const auto ctc = [&] {
    return Ask("ctc").Pred({1, 2, 2}, {0, -kLog4, -kLog4, 0}).Labels({1, 2}, {1, 0}).Param("gradient", "true");
  };
  const auto sum = [](Options& o) { o.reduction = Reduction::kSum; };
  Check({
      {"PyTorch: the mean of CTC divides by the lengths", ctc().With(torch), {kLog4}, {0, -.5, -.5, 0}},
      {"PyTorch: the sum of CTC does not", ctc().With(torch).With(sum), {2 * kLog4}, {0, -1, -1, 0}},
      {"the mean of CTC where the caller says what to divide by",
       ctc().With(torch).Param("normalize", "none"),
       {2 * kLog4},
       {0, -1, -1, 0}},
  });
  // One label that is no blank: three of the four paths spell it. Of both labels, one path does.
  const auto unsent = [] { return Ask("ctc").Pred({1, 2, 2}, {0, 0, 0, 0}).Labels({1, 2}, {1, 0}); };
  Check({
      {"Keras: labels that are no blank count",
       unsent().With(keras).None(),
       {std::log(4.0 / 3)},
       {1. / 6, -1. / 6, 1. / 6, -1. / 6}},
      {"every label counts", unsent().Logits().None(), {kLog4}, {.5, -.5, -.5, .5}},
  });
}

TEST(Options, RegionsAreWhatIsSaid) {
  // 1 - 2 sum p t/(sum t + sum p) with p = 1/2 where t = 1: of one mask 1/3, of an empty one 1.
  const auto dice = [] {
    return Ask("dice").Pred({2, 2}, {.5, .5, .5, .5}).True({2, 2}, {1, 0, 1, 0}).Param("smooth_denominator", 0.0);
  };
  Check({
      {"all but the first axis", dice().None(), {.5, .5}, {-.75, .25, -.75, .25}},
      {"the first axis",
       dice().With([](Options& o) { o.item_axes = {0}; }).None(),
       {1.0 / 3, 1},
       {-4.0 / 9, 0, -4.0 / 9, 0}},
      {"everything",
       dice().With([](Options& o) {
         o.item_axes = {0, -1};
       }),
       {.5},
       {-.375, .125, -.375, .125}},
  });
}

TEST(Options, ParametersAsWordsAndFlags) {
  const double half_log_two_pi = std::log(2 * std::numbers::pi) / 2;
  const auto nll = [] { return Ask("gaussian_nll").Pred({1}, {3}).True({1}, {1}).Send("variance", {1}, {1}); };
  Check({
      {"default", nll(), {2}, {2}},
      {"flag", nll().Param("full", true), {2 + half_log_two_pi}, {2}},
      {"word", nll().Param("full", std::string("true")), {2 + half_log_two_pi}, {2}},
      {"a lower flag", nll().Param("full", false), {2}, {2}},
  });
  Ask both = nll();
  both.call.request.with_respect_to = {"variance", "y_pred"};
  const Bits bits = Answered(both);
  Near(Decode(DType::kF64, bits.gradients[0]), {2}, "y_pred", 1e-12);
  Near(Decode(DType::kF64, bits.gradients[2]), {.5 - 2}, "variance", 1e-12);
}

TEST(Options, TheHessianIsWeightedAsTheGradientIs) {
  Ask ask("mse");
  ask.Pred({2, 2}, {1, 2, 3, 4}).True({2, 2}, {0, 0, 0, 0}).Send("sample_weight", {2}, {1, 3});
  ask.call.request.hessian_diagonal = true;
  Near(Decode(DType::kF64, Answered(ask).hessian), {.5, .5, 1.5, 1.5}, "items", 1e-12);
  ask.With([](Options& o) { o.last_axis = LastAxis::kSum; });
  Near(Decode(DType::kF64, Answered(ask).hessian), {1, 1, 3, 3}, "rows", 1e-12);
  // Two classes of equal logits, weights (1, 5) and (-1, 5): variances 1 and 0.
  const double infinity = std::numeric_limits<double>::infinity();
  Ask layer("linear_cross_entropy");
  layer.Pred({3, 2}, {0, 0, 0, 7, infinity, 0}).Labels({3}, {0, 1, 1}).Send("weight", {2, 2}, {1, 5, -1, 5});
  layer.Send("sample_weight", {3}, {1, 3, 1}).Send("mask", {3}, {1, 1, 0}, DType::kBool);
  layer.call.request.hessian_diagonal = true;
  Near(Decode(DType::kF64, Answered(layer).hessian), {.5, 0, 1.5, 0, 0, 0}, "rows of a layer", 1e-12);
}

}  // namespace
}  // namespace lossd
