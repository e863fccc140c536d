// Places where PyTorch, Keras, optax or published code of box losses answers wrongly, by name. Each case says what goes
// wrong there; tests/peers asks the peers themselves. Expected numbers: mpmath at 60 digits, or by hand where the case
// says so.
#include <cmath>
#include <ostream>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/ask.h"
#include "tests/support/problems.h"

namespace lossd {
namespace {

using testing::Answered;
using testing::Ask;
using testing::Bits;
using testing::Decode;

constexpr double kTiny = 0x1p-13;              // 1.2e-4
constexpr double kHalf = -0.6931471805599453;  // log 1/2

struct KnownFailure {
  const char* name;
  DType dtype;
  Ask (*ask)();
  std::vector<double> value;
  std::vector<double> gradient;  // with respect to y_pred; empty: not compared
};
void PrintTo(const KnownFailure& failure, std::ostream* out) { *out << failure.name; }

Ask Confident(double margin) {
  return Ask("sparse_categorical_crossentropy")
      .Send("y_pred", {1, 2}, {margin, 0}, DType::kF32)
      .Labels({1}, {0})
      .Logits();
}
Ask Focal(double x) { return Ask("binary_focal_crossentropy").Pred({1}, {x}).True({1}, {1}).Logits(); }

const KnownFailure kKnownFailures[] = {
    // log(2 cosh r) - log 2 is a difference of equal numbers in float below 3e-4: Keras answers 0.
    {"LogCoshNearZero",
     DType::kF32,
     [] { return Ask("log_cosh").Send("y_pred", {1}, {kTiny}, DType::kF32).Send("y_true", {1}, {0}, DType::kF32); },
     {7.4505805784201111e-9},
     {1.2207031189367020e-4}},
    // logsumexp(x) - x_y is 0 in float beyond a margin of 17, and softmax - 1 too: PyTorch and optax answer 0.
    {"CrossEntropyAtMargin20",
     DType::kF32,
     [] { return Confident(20); },
     {2.0611536203143807e-9},
     {-2.0611536181902036e-9, 2.0611536181902036e-9}},
    {"CrossEntropyAtMargin40",
     DType::kF32,
     [] { return Confident(40); },
     {4.2483542552915890e-18},
     {-4.2483542552915890e-18, 4.2483542552915890e-18}},
    // log(1 + exp(-t x)) overflows in float: PyTorch answers infinity, and NaN for the gradient.
    {"SoftMarginAt100",
     DType::kF32,
     [] { return Ask("soft_margin").Send("y_pred", {1}, {100}, DType::kF32).Send("y_true", {1}, {-1}, DType::kF32); },
     {100},
     {1}},
    // Keras clips the sigmoid to 1e-7, also behind logits: it answers 16.118, and a gradient of 0.
    {"FocalFromLogitsAtMinus40", DType::kF64, [] { return Focal(-40); }, {39.999999999999999664}, {-1.0}},
    {"FocalFromLogitsAt40", DType::kF64, [] { return Focal(40); }, {7.6676480737219996e-53}, {-2.3002944221165999e-52}},
    // d/dp (1 - p)^gamma is infinite at p = 1 where gamma is below 1, times a logarithm of 0: Keras answers NaN. By
    // hand: (1 - p)^0.5 (-ln p) is (1 - p)^1.5 to first order, whose slope at p = 1 is 0.
    {"FocalGammaBelow1WherePredictionIsTarget",
     DType::kF64,
     [] {
       return Ask("binary_focal_crossentropy")
           .Pred({2}, {1, 0})
           .True({2}, {1, 0})
           .Param("gamma", 0.5)
           .With([](Options& o) { o.input_kind = InputKind::kProbabilities; });
     },
     {0, 0},
     {0, 0}},
    // The angle of two equal centres is 0/0: the paper's formula gives NaN. The boxes are 2 x 2 within 4 x 4: IoU 1/4,
    // no distance, the shape 2 (1 - exp(-1/2))^4.
    {"SiouOfEqualCentres",
     DType::kF64,
     [] {
       return Ask("siou").Pred({1, 4}, {1, 1, 3, 3}).True({1, 4}, {0, 0, 4, 4});
     },
     {0x1.8c459e76cf9d5p-1},
     {0x1.25d592fe9a7b3p-3, 0x1.25d592fe9a7b3p-3, -0x1.25d592fe9a7b3p-3, -0x1.25d592fe9a7b3p-3}},
    // A mean over nothing: PyTorch answers NaN. 0, by definition; empty_policy = NAN_VALUE is the other answer.
    {"MeanOfABatchThatIsAllMasked",
     DType::kF64,
     [] {
       return Ask("mean_squared_error")
           .Pred({2}, {1, 2})
           .True({2}, {0, 0})
           .Send("mask", {2}, {0, 0}, DType::kBool)
           .With([](Options& o) { o.reduction = Reduction::kMean; });
     },
     {0},
     {0, 0}},
    {"MeanOfABatchThatIsAllIgnored",
     DType::kF64,
     [] {
       return Ask("sparse_categorical_crossentropy")
           .Pred({1, 2}, {1, 2})
           .Labels({1}, {-100})
           .Logits()
           .With([](Options& o) {
             o.ignore_index = -100;
             o.reduction = Reduction::kMean;
           });
     },
     {0},
     {0, 0}},
    // 2049 is no float16 number: Keras rounds the label to 2048. ln(e^8 + 4099) - 8, of the class 2049 alone.
    {"LabelAbove2048BesideFloat16Scores",
     DType::kF16,
     [] {
       std::vector<double> scores(4100);
       scores[2049] = 8;
       return Ask("sparse_categorical_crossentropy")
           .Send("y_pred", {1, 4100}, std::move(scores), DType::kF16)
           .Labels({1}, {2049})
           .Logits();
     },
     {0.86502325263650480},
     {}},
    // PyTorch answers the gradient of the logits, [0.5, -0.5]. By hand: the value is minus the second log-probability.
    {"GradientOfCtcIsThatOfWhatWasSent",
     DType::kF64,
     [] {
       return Ask("ctc").Pred({1, 1, 2}, {kHalf, kHalf}).Labels({1, 1}, {1}).With([](Options& o) {
         o.input_kind = InputKind::kLogProbabilities;
       });
     },
     {-kHalf},
     {0, -1}},
    // PyTorch's is NaN. By definition: the item has no path, whatever the scores.
    {"GradientOfCtcWithoutAPathIs0",
     DType::kF64,
     [] {
       return Ask("ctc").Pred({1, 1, 2}, {0, 0}).Labels({1, 2}, {1, 1}).Logits();
     },
     {kInf},
     {0, 0}},
    // The derivative of a norm at 0 is 0/0: Keras on JAX answers NaN. By hand: the floor 1e-7 in the place of the norm.
    {"CosineOfAZeroVector",
     DType::kF64,
     [] {
       return Ask("cosine_similarity").Pred({1, 2}, {0, 0}).True({1, 2}, {3, 4});
     },
     {0},
     {-6e6, -8e6}},
    {"CosineWithAZeroVector",
     DType::kF64,
     [] {
       return Ask("cosine_similarity").Pred({1, 2}, {3, 4}).True({1, 2}, {0, 0});
     },
     {0},
     {0, 0}},
};

class OfPeers : public ::testing::TestWithParam<KnownFailure> {};

// Relative, whatever the size.
void Near(const std::vector<double>& got, const std::vector<double>& expected, const char* what, DType dtype) {
  const double tolerance = dtype == DType::kF64 ? 1e-13 : dtype == DType::kF32 ? 3e-7 : 1e-3;
  ASSERT_EQ(got.size(), expected.size()) << what;
  for (size_t i = 0; i < got.size(); ++i) {
    if (got[i] == expected[i]) continue;
    EXPECT_NEAR(got[i], expected[i], tolerance * std::abs(expected[i])) << what << " " << i;
  }
}

TEST_P(OfPeers, IsNoneHere) {
  const KnownFailure& failure = GetParam();
  Ask ask = failure.ask();
  if (!ask.call.request.options.reduction) ask.None();
  const Bits bits = Answered(ask);
  const std::vector<double> value =
      bits.result.value ? std::vector<double>{*bits.result.value} : Decode(failure.dtype, bits.per_item);
  Near(value, failure.value, "value", failure.dtype);
  if (!failure.gradient.empty()) {
    Near(Decode(failure.dtype, bits.gradient()), failure.gradient, "gradient", failure.dtype);
  }
}
INSTANTIATE_TEST_SUITE_P(KnownFailures, OfPeers, ::testing::ValuesIn(kKnownFailures),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace lossd
