// Objectives over the wire: weighted sums of losses and regularisers. Expected numbers are by hand.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tests/integration/tensors.h"
#include "tests/integration/test_server.h"

namespace lossd {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using testing::FromJson;
using ::testing::HasSubstr;
using testing::Numbers;
using ::testing::Pointwise;
using ::testing::UnorderedElementsAre;
using Code = grpc::StatusCode;

class ObjectiveTest : public testing::ServerTest {
 protected:
  ObjectiveTest() : ServerTest(testing::SmallServer()) {}

  v1::GradientResponse Answer(const std::string& json) {
    v1::GradientResponse gradient;
    const auto status = Gradient(FromJson<v1::GradientRequest>(json), &gradient);
    EXPECT_TRUE(status.ok()) << json << "\n" << status.error_message();
    return gradient;
  }
};

std::vector<std::string> Names(const v1::GradientResponse& response) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : response.gradients()) names.push_back(name);
  return names;
}

MATCHER_P(Near, expected, "") { return ::testing::Value(Numbers(arg), Pointwise(DoubleNear(1e-6), expected)); }

constexpr char kTensors[] = R"(
    "y_pred": {"floats": {"values": [1, 3]}}, "y_true": {"floats": {"values": [0, 1]}},
    "inputs": {"weights": {"doubles": {"values": [3, -1]}}})";

// r = [1, 2]. mse: (1 + 4)/2 = 2.5, slope r. huber: (0.5 + 1.5)/2 = 1, slope [1, 1]/2.
// l2 of weights and y_pred: 0.5 (9 + 1) + 0.5 (1 + 9) = 10, slopes the tensors themselves.
const std::string kObjective = R"("objective": {
    "losses": [{"loss": "mse", "weight": 2}, {"name": "robust", "loss": "huber", "weight": 0.5}],
    "regularizers": [{"regularizer": "l2", "params": {"factor": 0.5}, "inputs": ["weights", "y_pred"], "weight": 0.1}]})";

TEST_F(ObjectiveTest, ReportsEveryTermUnweightedAndTheWeightedTotal) {
  const std::string json = "{" + kObjective + "," + kTensors + "}";
  const v1::GradientResponse gradient = Answer(json);
  EXPECT_NEAR(gradient.value(), 2 * 2.5 + 0.5 * 1 + 0.1 * 10, 1e-6);
  ASSERT_EQ(gradient.terms_size(), 3);
  const struct {
    const char* name;
    double value, weight;
  } kTerms[] = {{"mse", 2.5, 2}, {"robust", 1, 0.5}, {"l2", 10, 0.1}};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(gradient.terms(i).name(), kTerms[i].name);
    EXPECT_NEAR(gradient.terms(i).value(), kTerms[i].value, 1e-6) << kTerms[i].name;
    EXPECT_EQ(gradient.terms(i).weight(), kTerms[i].weight) << kTerms[i].name;
  }
  v1::EvaluateResponse value;
  ASSERT_TRUE(Evaluate(FromJson<v1::EvaluateRequest>(json), &value).ok());
  EXPECT_EQ(value.value(), gradient.value()) << "the same bits";
  EXPECT_EQ(value.terms_size(), 3);
}

TEST_F(ObjectiveTest, SumsTheGradientsOfATensorThatSeveralTermsRead) {
  const v1::GradientResponse response = Answer("{" + kObjective + "," + kTensors + "}");
  EXPECT_THAT(Names(response), UnorderedElementsAre("y_pred", "weights"));
  const v1::Tensor& y_pred = response.gradients().at("y_pred");
  EXPECT_EQ(y_pred.dtype(), v1::F32);
  EXPECT_THAT(y_pred.shape(), ElementsAre(2));
  EXPECT_THAT(y_pred, Near(std::vector{2 * 1 + 0.5 * 0.5 + 0.1 * 1, 2 * 2 + 0.5 * 0.5 + 0.1 * 3}));
  const v1::Tensor& weights = response.gradients().at("weights");
  EXPECT_EQ(weights.dtype(), v1::F64);
  EXPECT_THAT(weights, Near(std::vector{0.3, -0.1}));
}

TEST_F(ObjectiveTest, DifferentiatesWhatIsAskedForAlone) {
  const v1::GradientResponse weights =
      Answer("{" + kObjective + R"(, "with_respect_to": ["weights"],)" + kTensors + "}");
  EXPECT_THAT(Names(weights), ElementsAre("weights"));
  EXPECT_THAT(weights.gradients().at("weights"), Near(std::vector{0.3, -0.1}));
  EXPECT_NEAR(weights.value(), 6.5, 1e-6) << "every term still counts";

  // An input that is no first one: d/dv of (log v + r^2/v)/2 = (1/v - r^2/v^2)/2, over two items.
  const v1::GradientResponse variance = Answer(R"({
      "objective": {"losses": [{"loss": "gaussian_nll"}, {"loss": "mse"}]}, "with_respect_to": ["variance"],
      "y_pred": {"doubles": {"values": [3, 1]}}, "y_true": {"doubles": {"values": [0, 1]}},
      "inputs": {"variance": {"doubles": {"values": [2, 1]}}}})");
  EXPECT_THAT(Names(variance), ElementsAre("variance"));
  EXPECT_THAT(variance.gradients().at("variance"), Near(std::vector{(0.5 - 9.0 / 4) / 4, 0.25}));
}

TEST_F(ObjectiveTest, TermsReadTheTensorsThatTheyName) {
  // Logit 0 for the class 1: log 2, slope -1/2.
  const v1::GradientResponse response = Answer(R"({
      "objective": {"losses": [
        {"loss": "mse"},
        {"name": "head", "loss": "binary_crossentropy", "options": {"input_kind": "LOGITS", "reduction": "SUM"},
         "y_pred": "logits", "y_true": "labels", "weight": 3}]},
      "y_pred": {"doubles": {"values": [1]}}, "y_true": {"doubles": {"values": [0]}},
      "inputs": {"logits": {"doubles": {"values": [0, 0]}}, "labels": {"ints": {"values": [1, 1]}}}})");
  EXPECT_NEAR(response.value(), 1 + 3 * 2 * std::log(2.0), 1e-12);
  EXPECT_EQ(response.terms(1).name(), "head");
  EXPECT_NEAR(response.terms(1).value(), 2 * std::log(2.0), 1e-12);
  EXPECT_THAT(Names(response), UnorderedElementsAre("y_pred", "logits"));
  EXPECT_THAT(response.gradients().at("logits"), Near(std::vector{-1.5, -1.5}));
  EXPECT_THAT(response.gradients().at("y_pred"), Near(std::vector{2.0}));
}

TEST_F(ObjectiveTest, WeightsAndMasksAreThoseOfTheLossesAlone) {
  // mse of the first item alone: weights [3, 1], mask [1, 0], one item counts.
  const v1::GradientResponse response = Answer(R"({
      "objective": {"losses": [{"loss": "mse"}],
                    "regularizers": [{"regularizer": "l1", "params": {"factor": 1}, "inputs": ["y_pred"]}]},
      "sample_weight": {"floats": {"values": [3, 1]}}, "mask": {"bools": {"values": [true, false]}},
      "y_pred": {"floats": {"values": [1, 3]}}, "y_true": {"floats": {"values": [0, 1]}}})");
  EXPECT_NEAR(response.terms(0).value(), 3, 1e-6);
  EXPECT_NEAR(response.terms(1).value(), 4, 1e-6);
  EXPECT_THAT(response.gradients().at("y_pred"), Near(std::vector<double>{3 * 2 + 1, 1}));
}

// -log 0 of the first item, log 2 of the second. A factor of 0 is a number, and 0 times infinity is NaN; a mask
// selects.
TEST_F(ObjectiveTest, AnInfiniteLossIsLeftOutByAMaskNotByAFactor) {
  const struct {
    const char* weight;
    const char* beside;
    double value, gradient;
  } kCases[] = {{"1", "", std::numeric_limits<double>::infinity(), -1},
                {"0", "", std::numeric_limits<double>::quiet_NaN(), 0},
                {"1", R"(, "mask": {"bools": {"values": [false, true]}})", std::log(2.0), -2},
                {"0", R"(, "mask": {"bools": {"values": [false, true]}})", 0, 0}};
  for (const auto& c : kCases) {
    const v1::GradientResponse response =
        Answer(R"({"objective": {"losses": [{"loss": "binary_crossentropy", "weight": )" + std::string(c.weight) +
               R"(}]}, "options": {"input_kind": "PROBABILITIES"}, "y_pred": {"doubles": {"values": [0, 0.5]}},
            "y_true": {"doubles": {"values": [1, 1]}})" +
               c.beside + "}");
    EXPECT_TRUE(response.value() == c.value || (std::isnan(response.value()) && std::isnan(c.value)))
        << c.weight << c.beside << ": " << response.value();
    EXPECT_EQ(Numbers(response.gradients().at("y_pred"))[1], c.gradient) << c.weight << c.beside;
  }
}

TEST_F(ObjectiveTest, OptionsOfTheRequestHoldWhereATermHasNone) {
  const v1::GradientResponse response = Answer(R"({
      "options": {"reduction": "SUM"},
      "objective": {"losses": [{"loss": "mse"}, {"loss": "mse", "options": {"reduction": "MEAN"}}]},
      "y_pred": {"floats": {"values": [1, 3]}}, "y_true": {"floats": {"values": [0, 1]}}})");
  EXPECT_NEAR(response.terms(0).value(), 5, 1e-6);
  EXPECT_NEAR(response.terms(1).value(), 2.5, 1e-6);
}

TEST_F(ObjectiveTest, GradientsComeInTheDTypeOfTheirTensor) {
  v1::GradientRequest request =
      FromJson<v1::GradientRequest>(R"({"objective": {"losses": [{"loss": "mse"}, {"loss": "mse"}]}})");
  testing::SetRaw<uint16_t>(v1::F16, {2}, {0x3c00, 0x4200}, request.mutable_y_pred());  // 1, 3
  testing::SetRaw<uint16_t>(v1::F16, {2}, {0x0000, 0x3c00}, request.mutable_y_true());  // 0, 1
  v1::GradientResponse response;
  const auto status = Gradient(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  const v1::Tensor& gradient = response.gradients().at("y_pred");
  EXPECT_EQ(gradient.dtype(), v1::F16);
  const uint16_t kTwoFour[] = {0x4000, 0x4400};  // 2 (1, 2)
  EXPECT_EQ(gradient.raw(), std::string(reinterpret_cast<const char*>(kTwoFour), sizeof kTwoFour));
}

TEST_F(ObjectiveTest, AnEmptyTensorHasAnEmptyGradient) {
  v1::GradientRequest request = FromJson<v1::GradientRequest>(R"({"objective": {"losses": [{"loss": "mse"}]}})");
  testing::SetRaw<double>(v1::F64, {0, 3}, {}, request.mutable_y_pred());
  testing::SetRaw<double>(v1::F64, {0, 3}, {}, request.mutable_y_true());
  v1::GradientResponse response;
  const auto status = Gradient(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.value(), 0);
  EXPECT_EQ(response.gradients().at("y_pred").dtype(), v1::F64);
  EXPECT_THAT(response.gradients().at("y_pred").shape(), ElementsAre(0, 3));
}

// Handed over to other threads, in several shards.
TEST_F(ObjectiveTest, LargeTensorsGiveWhatTheLossesGiveOneByOne) {
  constexpr size_t kCount = 100'000;
  v1::GradientResponse mse, huber, both;
  ASSERT_TRUE(Gradient(testing::LargeRequest<v1::GradientRequest>(kCount, "mse"), &mse).ok());
  ASSERT_TRUE(Gradient(testing::LargeRequest<v1::GradientRequest>(kCount, "huber"), &huber).ok());
  auto request = testing::LargeRequest<v1::GradientRequest>(kCount, "");
  request.mutable_objective()->add_losses()->set_loss("mse");
  v1::LossTerm* const term = request.mutable_objective()->add_losses();
  term->set_loss("huber");
  term->set_weight(-3);
  const auto status = Gradient(request, &both);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(both.terms(0).value(), mse.value());
  EXPECT_EQ(both.terms(1).value(), huber.value());
  EXPECT_EQ(both.value(), mse.value() - 3 * huber.value());
  const std::vector<double> a = Numbers(mse.gradients().at("y_pred")), b = Numbers(huber.gradients().at("y_pred")),
                            sum = Numbers(both.gradients().at("y_pred"));
  ASSERT_EQ(sum.size(), kCount);
  size_t wrong = 0;
  for (size_t i = 0; i < kCount; ++i) wrong += sum[i] == static_cast<float>(a[i] - 3 * b[i]) ? 0 : 1;
  EXPECT_EQ(wrong, 0u);
  EXPECT_TRUE(EventuallyIdle());
}

TEST_F(ObjectiveTest, ErrorsNameTheTerm) {
  std::string many = R"({"loss": "mse"})";
  for (int i = 0; i < 64; ++i) many += R"(, {"loss": "mse"})";
  const auto losses = [](const std::string& terms) { return R"("objective": {"losses": [)" + terms + "]}"; };
  const auto regularizers = [](const std::string& terms) {
    return R"("objective": {"regularizers": [)" + terms + "]}";
  };
  const std::string mse = losses(R"({"loss": "mse"})");
  const struct {
    std::string json;
    Code code;
    const char* text;
  } kCases[] = {
      {R"("objective": {})", Code::INVALID_ARGUMENT, "objective: no terms"},
      {R"("loss": "mse", )" + mse, Code::INVALID_ARGUMENT, "objective: set beside loss"},
      {R"("params": {"delta": 1}, )" + mse, Code::INVALID_ARGUMENT, "params: set beside objective"},
      {losses(many), Code::INVALID_ARGUMENT, "objective: 65 terms; expected at most 64"},
      {losses(R"({"loss": "hubr"})"), Code::NOT_FOUND, "objective.hubr: loss: no loss is called \"hubr\""},
      {losses("{}"), Code::INVALID_ARGUMENT, "loss: empty"},
      {losses(R"({"loss": "huber", "name": "robust", "params": {"delta": -1}})"), Code::INVALID_ARGUMENT,
       "objective.robust: params.delta: -1"},
      {losses(R"({"loss": "mse", "options": {"reduction": "NONE"}})"), Code::INVALID_ARGUMENT,
       "objective.mse: options.reduction: NONE"},
      {R"("options": {"reduction": "NONE"}, )" + mse, Code::INVALID_ARGUMENT, "objective.mse: options.reduction: NONE"},
      {losses(R"({"loss": "mse", "options": {"reduction": 9}})"), Code::INVALID_ARGUMENT,
       "objective.mse: options.reduction: 9"},
      {losses(R"({"loss": "mse", "weight": "NaN"})"), Code::INVALID_ARGUMENT, "objective.mse: weight is not finite"},
      {losses(R"({"loss": "mse", "y_pred": "logits"})"), Code::INVALID_ARGUMENT,
       "objective.mse: no tensor \"logits\" in the request"},
      {losses(R"({"loss": "gaussian_nll"})"), Code::INVALID_ARGUMENT, "objective.gaussian_nll: variance: missing"},
      {losses(R"({"loss": "binary_crossentropy"})"), Code::INVALID_ARGUMENT,
       "objective.binary_crossentropy: options.input_kind"},
      {mse + R"(, "inputs": {"weights": {"floats": {"values": [1]}}})", Code::INVALID_ARGUMENT,
       "inputs: no term of the objective reads a tensor \"weights\""},
      {regularizers(R"({"regularizer": "l2"})"), Code::INVALID_ARGUMENT, "objective.l2: inputs: empty"},
      {regularizers(R"({"regularizer": "l2", "inputs": ["weights"]})"), Code::INVALID_ARGUMENT,
       "objective.l2: no tensor \"weights\""},
      {regularizers(R"({"regularizer": "mse", "inputs": ["y_pred"]})"), Code::INVALID_ARGUMENT,
       "objective.mse: mse is no regulariser"},
      {regularizers(R"({"regularizer": "l3", "inputs": ["y_pred"]})"), Code::NOT_FOUND, "objective.l3: loss"},
      {regularizers(R"({"regularizer": "l2", "inputs": ["y_pred", "y_pred"]})"), Code::INVALID_ARGUMENT,
       "objective.l2: inputs: \"y_pred\" twice"},
  };
  for (const auto& c : kCases) {
    const std::string json =
        "{" + c.json + R"(, "y_pred": {"floats": {"values": [1]}}, "y_true": {"floats": {"values": [1]}}})";
    v1::EvaluateResponse value;
    const auto evaluate = Evaluate(FromJson<v1::EvaluateRequest>(json), &value);
    EXPECT_EQ(evaluate.error_code(), c.code) << json << "\n" << evaluate.error_message();
    EXPECT_THAT(evaluate.error_message(), HasSubstr(c.text)) << json;
    v1::GradientResponse slope;
    EXPECT_EQ(Gradient(FromJson<v1::GradientRequest>(json), &slope).error_message(), evaluate.error_message()) << json;
  }
  EXPECT_TRUE(EventuallyIdle());
}

TEST_F(ObjectiveTest, ErrorsOfGradientsNameTheField) {
  const struct {
    const char* json;
    Code code;
    const char* text;
  } kCases[] = {
      {R"("with_respect_to": ["y_true"])", Code::INVALID_ARGUMENT,
       "with_respect_to: no term of the objective has a gradient with respect to \"y_true\""},
      {R"("with_respect_to": ["y_pred", "absent"])", Code::INVALID_ARGUMENT, "with respect to \"absent\""},
      {R"("hessian_diagonal": true)", Code::UNIMPLEMENTED, "hessian_diagonal: not for an objective"},
      {R"("upstream": {"floats": {"values": [1]}})", Code::INVALID_ARGUMENT, "upstream: is for the reduction NONE"},
  };
  for (const auto& c : kCases) {
    const auto request = FromJson<v1::GradientRequest>(
        R"({"objective": {"losses": [{"loss": "mse"}]}, "y_pred": {"floats": {"values": [1]}},
            "y_true": {"floats": {"values": [1]}}, )" +
        std::string(c.json) + "}");
    v1::GradientResponse response;
    const auto status = Gradient(request, &response);
    EXPECT_EQ(status.error_code(), c.code) << c.json;
    EXPECT_THAT(status.error_message(), HasSubstr(c.text));
  }
}

TEST_F(ObjectiveTest, IsCountedByTheLossesOfItsTerms) {
  Answer("{" + kObjective + "," + kTensors + "}");
  EXPECT_EQ(Metric(R"(lossd_elements_total{dtype="F32",loss="mean_squared_error"})"), 2);
  EXPECT_EQ(Metric(R"(lossd_elements_total{dtype="F32",loss="huber"})"), 2);
  EXPECT_EQ(Metric(R"(lossd_elements_total{dtype="F64",loss="l2"})"), 2);
  EXPECT_TRUE(EventuallyIdle());
}

}  // namespace
}  // namespace lossd
