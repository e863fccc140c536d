// What a request can ask for beside a loss and two tensors: conventions, class tensors, dtypes, gradients of other
// inputs, second derivatives. A row is one request; its numbers are by hand or from the source that its name gives.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "tests/integration/tensors.h"
#include "tests/integration/test_server.h"

namespace lossd {
namespace {

using testing::Doubles;
using ::testing::ElementsAre;
using testing::FromJson;
using testing::Ints;
using ::testing::IsEmpty;
using testing::Numbers;
using ::testing::Pointwise;
using testing::Tensors;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kLog2 = 0.69314718055994531;

class OptionsTest : public testing::ServerTest {
 protected:
  OptionsTest() : ServerTest(testing::SmallServer()) {}
};

// Equal infinities are near each other.
MATCHER(Near, "") {
  const auto [given, expected] = arg;
  return given == expected || (std::isnan(given) && std::isnan(expected)) ||
         std::abs(given - expected) <= 2e-6 * (1 + std::abs(expected));
}

struct Row {
  const char* name;
  std::string json;  // without the outer braces
  std::optional<double> value = std::nullopt;
  std::vector<double> per_item = {};
  std::map<std::string, std::vector<double>> gradients = {};  // of those that are named
  std::vector<double> hessian = {};
  std::map<std::string, std::vector<double>> outputs = {};
};

const std::string kKerasMse = R"("loss": "mse", "options": {"convention": "KERAS", "reduction": "NONE"})" +
                              Tensors(Doubles("2, 2", "1, 1, 1, 0"), Doubles("2, 2", "0, 1, 0, 0"));
const std::string kKerasBce =
    R"("loss": "binary_crossentropy")" + Tensors(Doubles("2, 2", "0.6, 0.4, 0.4, 0.6"), Doubles("2, 2", "0, 1, 0, 0"));
const std::string kWrong =  // certain, and wrong
    R"("loss": "binary_crossentropy")" + Tensors(Doubles("0"), Doubles("1"));
const std::string kZeroLogits = R"("loss": "sparse_categorical_crossentropy")" +
                                Tensors(Doubles("2, 2", "0, 0, 0, 0"), Ints("0, 1")) + R"(, "class_weight": )" +
                                Doubles("1, 3");
// Classes on the axis 1: columns [0, 0] and [0, log 3] are the logits of two items.
const std::string kAxis1 =
    R"("loss": "CrossEntropyLoss")" +
    Tensors(Doubles("1, 2, 2", "0, 0, 0, 1.0986122886681098"), R"({"shape": [1, 2], "ints": {"values": [0, 1]}})");
const std::string kAtTheKink = R"("loss": "hinge")" + Tensors(Doubles("1"), Doubles("1"));
const std::string kTriplet = R"("loss": "triplet_margin", "inputs": {"anchor": )" + Doubles("1, 2", "0, 0") +
                             R"(, "positive": )" + Doubles("1, 2", "3, 4") + R"(, "negative": )" +
                             Doubles("1, 2", "1, 0") + "}";
// Of two frames, one label fits and two equal ones do not: those need a blank between them.
const std::string kCtc = R"("loss": "ctc")" +
                         Tensors(Doubles("2, 2, 2", "0.6, 0.4, 0.7, 0.3, 0.6, 0.4, 0.7, 0.3"),
                                 R"({"shape": [2, 2], "ints": {"values": [1, 1, 1, 1]}})") +
                         R"(, "inputs": {"label_length": )" + Ints("1, 2") +
                         R"(}, "options": {"input_kind": "PROBABILITIES", "reduction": "NONE"})";
const std::string kBoxA = Tensors(Doubles("1, 4", "0, 0, 4, 2"), Doubles("1, 4", "1, 1, 3, 4"));
// The docstring of keras.losses.Dice.
const std::string kDice = R"("loss": "dice")" + Tensors(Doubles("2, 2, 2, 1", "0, 1, 0, 1, 0.4, 0, 0, 0.9"),
                                                        Doubles("2, 2, 2, 1", "1, 1, 0, 0, 1, 1, 0, 0"));

const Row kRows[] = {
    // Conventions.
    {.name = "Keras folds the last axis (docstring of MeanSquaredError)", .json = kKerasMse, .per_item = {.5, .5}},
    {.name = "an option beside the convention wins",
     .json = R"("loss": "mse", "options": {"convention": "KERAS", "reduction": "NONE", "last_axis": "KEEP"})" +
             Tensors(Doubles("2, 2", "1, 1, 1, 0"), Doubles("2, 2", "0, 1, 0, 0")),
     .per_item = {1, 0, 1, 0}},
    {.name = "Keras weighs rows (docstring of MeanSquaredError, sample_weight = [.7, .3])",
     .json = R"("loss": "mse", "options": {"convention": "KERAS"}, "sample_weight": )" + Doubles("0.7, 0.3") +
             Tensors(Doubles("2, 2", "1, 1, 1, 0"), Doubles("2, 2", "0, 1, 0, 0")),
     .value = .25},
    {.name = "Keras takes probabilities where nothing is said (docstring of BinaryCrossentropy)",
     .json = kKerasBce + R"(, "options": {"convention": "KERAS", "reduction": "NONE"})",
     .per_item = {.9162908, .7135582}},
    {.name = "Keras clips, and its gradient vanishes there",
     .json = kWrong + R"(, "options": {"convention": "KERAS"})",
     .value = 16.118095651,
     .gradients = {{"y_pred", {0}}}},
    {.name = "PyTorch clamps the logarithm at -100 (documentation of BCELoss)",
     .json = kWrong + R"(, "options": {"convention": "TORCH"})",
     .value = 100,
     .gradients = {{"y_pred", {-1e12}}}},
    {.name = "lossd does neither", .json = kWrong + R"(, "options": {"input_kind": "PROBABILITIES"})", .value = kInf},
    {.name = "optax takes logits and reduces nothing",
     .json = R"("loss": "binary_crossentropy", "options": {"convention": "OPTAX"})" +
             Tensors(Doubles("0, 0"), Doubles("1, 0")),
     .per_item = {kLog2, kLog2},
     .gradients = {{"y_pred", {-.5, .5}}}},
    {.name = "PyTorch divides by the weights of the labels (documentation of CrossEntropyLoss)",
     .json = kZeroLogits + R"(, "options": {"convention": "TORCH"})",
     .value = kLog2,
     .gradients = {{"y_pred", {-.125, .125, .375, -.375}}}},
    {.name = "lossd divides by the count",
     .json = kZeroLogits + R"(, "options": {"input_kind": "LOGITS"})",
     .value = 2 * kLog2},
    {.name = "PyTorch has the classes on axis 1",
     .json = kAxis1 + R"(, "options": {"convention": "TORCH"})",
     .value = (kLog2 - std::log(.75)) / 2,
     .gradients = {{"y_pred", {-.25, .125, .25, -.125}}}},
    {.name = "axis says the same",
     .json = kAxis1 + R"(, "options": {"axis": 1})",
     .value = (kLog2 - std::log(.75)) / 2},
    {.name = "the mean of nothing is NaN in PyTorch",
     .json = R"("loss": "mse", "options": {"convention": "TORCH"}, "y_pred": {"shape": [0], "doubles": {}},
               "y_true": {"shape": [0], "doubles": {}})",
     .value = std::numeric_limits<double>::quiet_NaN()},
    {.name = "and 0 here",
     .json = R"("loss": "mse", "y_pred": {"shape": [0], "doubles": {}}, "y_true": {"shape": [0], "doubles": {}})",
     .value = 0},
    {.name = "Keras makes one region of the batch (docstring of Dice)",
     .json = kDice + R"(, "options": {"convention": "KERAS"})",
     .value = .6164384},
    {.name = "a region is everything but the first axis (docstring of Dice, axis (1, 2, 3))",
     .json = kDice + R"(, "options": {"reduction": "NONE"})",
     .per_item = {.5, .75757575}},
    {.name = "or the axes that are named",
     .json = kDice + R"(, "options": {"reduction": "NONE", "item_axes": [0, 1, 2, 3]})",
     .per_item = {.6164384}},

    // Kinks: max(z, 0) at z = 0.
    {.name = "least norm", .json = kAtTheKink, .value = 0, .gradients = {{"y_pred", {0}}}},
    {.name = "the average, as JAX has it, in Keras",
     .json = kAtTheKink + R"(, "options": {"convention": "KERAS"})",
     .value = 0,
     .gradients = {{"y_pred", {-.5}}}},
    {.name = "the active side",
     .json = kAtTheKink + R"(, "options": {"kink_policy": "ACTIVE"})",
     .value = 0,
     .gradients = {{"y_pred", {-1}}}},

    // Tensors beside the targets.
    {.name = "pos_weight multiplies the term of the positive class (documentation of BCEWithLogitsLoss)",
     .json = R"("loss": "BCEWithLogitsLoss", "options": {"reduction": "NONE"}, "pos_weight": )" + Doubles("3") +
             Tensors(Doubles("0, 0"), Doubles("1, 0")),
     .per_item = {3 * kLog2, kLog2},
     .gradients = {{"y_pred", {-1.5, .5}}}},
    {.name = "class_weight multiplies the targets of a row",
     .json = R"("loss": "categorical_crossentropy", "options": {"input_kind": "LOGITS"}, "class_weight": )" +
             Doubles("1, 3") + Tensors(Doubles("1, 2", "0, 0"), Doubles("1, 2", "0.5, 0.5")),
     .value = 2 * kLog2},
    {.name = "class_mask takes classes out of the softmax",
     .json = R"("loss": "CrossEntropyLoss", "class_mask": {"bools": {"values": [true, true, false]}})" +
             Tensors(Doubles("1, 3", "0, 0, 9"), Ints("0")),
     .value = kLog2,
     .gradients = {{"y_pred", {-.5, .5, 0}}}},
    {.name = "label_smoothing moves the targets towards 1/2",
     .json = R"("loss": "bce_with_logits", "options": {"label_smoothing": 0.2})" + Tensors(Doubles("0"), Doubles("1")),
     .value = kLog2,
     .gradients = {{"y_pred", {.5 - .9}}}},
    {.name = "label_smoothing spreads a label over the classes",
     .json = R"("loss": "CrossEntropyLoss", "options": {"label_smoothing": 0.5})" +
             Tensors(Doubles("1, 2", "0, 0"), Ints("1")),
     .value = kLog2,
     .gradients = {{"y_pred", {.25, -.25}}}},
    {.name = "items of the label ignore_index are left out",
     .json = R"("loss": "CrossEntropyLoss", "options": {"ignore_index": -100})" +
             Tensors(Doubles("2, 2", "0, 0, 5, 9"), Ints("0, -100")),
     .value = kLog2,
     .gradients = {{"y_pred", {-.5, .5, 0, 0}}}},
    {.name = "element_weight weighs elements before they are folded",
     .json = R"("loss": "mse", "options": {"last_axis": "SUM_OF_LAST", "reduction": "NONE"}, "element_weight": )" +
             Doubles("1, 2", "1, 10") + Tensors(Doubles("1, 2", "1, 2"), Doubles("1, 2", "0, 0")),
     .per_item = {41},
     .gradients = {{"y_pred", {2, 40}}}},
    {.name = "upstream weighs the values of the items",
     .json = R"("loss": "mse", "options": {"reduction": "NONE"}, "upstream": )" + Doubles("2, -1") +
             Tensors(Doubles("1, 3"), Doubles("0, 1")),
     .per_item = {1, 4},
     .gradients = {{"y_pred", {2 * 2, -1 * 4}}}},

    // Gradients of other inputs.
    {.name = "a loss without y_pred answers every gradient that it has",
     .json = kTriplet,
     .value = 5 - 1 + 1,
     .gradients = {{"anchor", {-.6 + 1, -.8}}, {"positive", {.6, .8}}, {"negative", {-1, 0}}}},
    {.name = "with_respect_to picks",
     .json = R"("loss": "gaussian_nll", "with_respect_to": ["variance"], "inputs": {"variance": )" + Doubles("2") +
             "}" + Tensors(Doubles("3"), Doubles("0")),
     .value = (kLog2 + 4.5) / 2,
     .gradients = {{"variance", {(.5 - 9. / 4) / 2}}}},

    // Parameters.
    {.name = "a parameter is true",
     .json = R"("loss": "gaussian_nll", "params": {"full": true}, "inputs": {"variance": )" + Doubles("1") + "}" +
             Tensors(Doubles("1"), Doubles("1")),
     .value = .918938533},
    {.name = "or the word true",
     .json = R"("loss": "gaussian_nll", "params": {"full": "true"}, "inputs": {"variance": )" + Doubles("1") + "}" +
             Tensors(Doubles("1"), Doubles("1")),
     .value = .918938533},
    {.name = "or false",
     .json = R"("loss": "gaussian_nll", "params": {"full": false}, "inputs": {"variance": )" + Doubles("1") + "}" +
             Tensors(Doubles("1"), Doubles("1")),
     .value = 0},
    {.name = "a parameter is a word", .json = kTriplet + R"(, "params": {"distance": "squared"})", .value = 25 - 1 + 1},
    {.name = "a number is infinite by its name", .json = kTriplet + R"(, "params": {"p": "inf"})", .value = 4 - 1 + 1},
    {.name = "a word is inf",
     .json = kCtc + R"(, "params": {"infeasible": "inf"})",
     .per_item = {.54472718, kInf},
     .outputs = {{"feasible", {1, 0}}}},

    // What is reported beside.
    {.name = "ctc reports what is feasible",
     .json = kCtc + R"(, "params": {"infeasible": "zero"})",
     .per_item = {.54472718, 0},
     .outputs = {{"feasible", {1, 0}}}},
    {.name = "wiou_v2 reports its running mean: 0.5 + 0.01 (5/6 - 0.5), momentum of the authors",
     .json = R"("loss": "wiou_v2", "params": {"iou_mean": 0.5})" + kBoxA,
     .value = 1.154195720,
     .outputs = {{"iou_mean", {.5 + .01 * (5. / 6 - .5)}}}},

    // Second derivatives.
    {.name = "the Hessian of XGBoost's binary:logistic, p (1 - p)",
     .json = R"("loss": "bce_with_logits", "hessian_diagonal": true, "options": {"reduction": "SUM"})" +
             Tensors(Doubles("0, 1.0986122886681098"), Doubles("1, 1")),
     .gradients = {{"y_pred", {-.5, -.25}}},
     .hessian = {.25, .1875}},
    {.name = "MEAN divides it too",
     .json = R"("loss": "mse", "hessian_diagonal": true)" + Tensors(Doubles("1, 3"), Doubles("0, 1")),
     .hessian = {1, 1}},
};

TEST_F(OptionsTest, AnswerWhatTheirSourceSays) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    const std::string json = "{" + row.json + "}";
    v1::GradientResponse response;
    const auto status = Gradient(FromJson<v1::GradientRequest>(json), &response);
    EXPECT_TRUE(status.ok()) << status.error_message() << "\n" << json;
    if (!status.ok()) continue;
    if (row.value) {
      EXPECT_THAT(std::tuple(response.value(), *row.value), Near());
    }
    if (!row.per_item.empty()) {
      EXPECT_FALSE(response.has_value());
      EXPECT_THAT(Numbers(response.per_item()), Pointwise(Near(), row.per_item));
    }
    for (const auto& [name, expected] : row.gradients) {
      ASSERT_TRUE(response.gradients().contains(name)) << name;
      EXPECT_THAT(Numbers(response.gradients().at(name)), Pointwise(Near(), expected)) << name;
    }
    if (!row.gradients.empty()) {
      EXPECT_EQ(response.gradients().size(), row.gradients.size());
    }
    EXPECT_EQ(response.hessian_diagonals().size(), row.hessian.empty() ? 0u : 1u);
    if (!row.hessian.empty()) {
      EXPECT_THAT(Numbers(response.hessian_diagonals().at("y_pred")), Pointwise(Near(), row.hessian));
    }
    EXPECT_EQ(response.outputs().size(), row.outputs.size());
    for (const auto& [name, expected] : row.outputs) {
      ASSERT_TRUE(response.outputs().contains(name)) << name;
      EXPECT_EQ(response.outputs().at(name).dtype(), v1::F64);
      EXPECT_THAT(Numbers(response.outputs().at(name)), Pointwise(Near(), expected)) << name;
    }

    // Evaluate says the same of the same bytes; what it does not know is not looked at.
    auto request = FromJson<v1::GradientRequest>(json);
    v1::EvaluateRequest evaluate;
    ASSERT_TRUE(evaluate.ParseFromString(request.SerializeAsString()));
    v1::EvaluateResponse value;
    ASSERT_TRUE(Evaluate(evaluate, &value).ok());
    EXPECT_THAT(std::tuple(value.value(), response.value()), Near());
    EXPECT_EQ(value.outputs().size(), response.outputs().size());
  }
  EXPECT_TRUE(EventuallyIdle());
}

TEST_F(OptionsTest, ScalarOutputsHaveNoAxes) {
  v1::EvaluateResponse response;
  const auto status = Evaluate(FromJson<v1::EvaluateRequest>(R"({"loss": "wiou_v3")" + kBoxA + "}"), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_TRUE(response.outputs().contains("iou_mean"));
  EXPECT_THAT(response.outputs().at("iou_mean").shape(), IsEmpty());
  EXPECT_EQ(response.outputs().at("iou_mean").raw().size(), sizeof(double));
}

// mse of [1, 3] and [0, 1]: values [1, 4], slopes [2, 4].
TEST_F(OptionsTest, HalfPrecisionComesBackAsItCame) {
  const struct {
    v1::DType dtype;
    uint16_t zero, one, two, three, four;
  } kCases[] = {{v1::F16, 0, 0x3c00, 0x4000, 0x4200, 0x4400}, {v1::BF16, 0, 0x3f80, 0x4000, 0x4040, 0x4080}};
  const auto raw = [](uint16_t a, uint16_t b) {
    const uint16_t both[] = {a, b};
    return std::string(reinterpret_cast<const char*>(both), sizeof both);
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(v1::DType_Name(c.dtype));
    v1::GradientRequest request;
    request.set_loss("mse");
    request.mutable_options()->set_reduction(v1::NONE);
    request.set_hessian_diagonal(true);
    testing::SetRaw<uint16_t>(c.dtype, {2}, {c.one, c.three}, request.mutable_y_pred());
    testing::SetRaw<uint16_t>(c.dtype, {2}, {c.zero, c.one}, request.mutable_y_true());
    v1::GradientResponse response;
    const auto status = Gradient(request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    const v1::Tensor& gradient = response.gradients().at("y_pred");
    EXPECT_EQ(gradient.dtype(), c.dtype);
    EXPECT_THAT(gradient.shape(), ElementsAre(2));
    EXPECT_EQ(gradient.raw(), raw(c.two, c.four));
    EXPECT_EQ(response.per_item().dtype(), c.dtype);
    EXPECT_EQ(response.per_item().raw(), raw(c.one, c.four));
    EXPECT_EQ(response.hessian_diagonals().at("y_pred").dtype(), c.dtype);
    EXPECT_EQ(response.hessian_diagonals().at("y_pred").raw(), raw(c.two, c.two));
    EXPECT_EQ(response.sum(), 5);
  }
}

}  // namespace
}  // namespace lossd
