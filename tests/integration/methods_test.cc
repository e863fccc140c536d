// What each method answers.
#include <gmock/gmock.h>

#include <cstring>

#include "tests/integration/test_server.h"

namespace lossd {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::FloatEq;
using testing::FromJson;
using ::testing::HasSubstr;
using testing::LargeRequest;
using testing::SetRaw;
using Code = grpc::StatusCode;

class MethodsTest : public testing::ServerTest {
 protected:
  MethodsTest() : ServerTest(testing::SmallServer()) {}
};

std::vector<float> Floats(const v1::Tensor& tensor) {
  std::vector<float> values(tensor.raw().size() / sizeof(float));
  std::memcpy(values.data(), tensor.raw().data(), tensor.raw().size());
  return values;
}

bool AreNear(float got, double expected) { return std::abs(got - expected) <= 1e-6 * std::abs(expected); }

constexpr char kHuber[] = R"({"loss": "huber", "params": {"delta": 1.5}, "y_pred": {"floats": {"values": [0.6, 0.4]}},
                              "y_true": {"floats": {"values": [0, 1]}}})";

TEST_F(MethodsTest, EvaluateAnswersTheRequestOfTheContract) {
  v1::EvaluateResponse response;
  const auto status = Evaluate(FromJson<v1::EvaluateRequest>(kHuber), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_NEAR(response.value(), (0.6 * 0.6 / 2 + 0.6 * 0.6 / 2) / 2, 1e-7);
  EXPECT_NEAR(response.sum(), 0.36, 1e-7);
  EXPECT_EQ(response.divisor(), 2);
  EXPECT_EQ(response.valid_count(), 2);
  EXPECT_EQ(response.weight_sum(), 2);
  EXPECT_EQ(response.loss(), "huber");
  EXPECT_FALSE(response.has_per_item());
}

TEST_F(MethodsTest, GradientAnswersValueAndSlope) {
  v1::GradientResponse response;
  const auto status = Gradient(FromJson<v1::GradientRequest>(kHuber), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_NEAR(response.value(), 0.18, 1e-7);
  const v1::Tensor& slope = response.gradients().at("y_pred");
  EXPECT_EQ(slope.dtype(), v1::F32);
  EXPECT_THAT(slope.shape(), ElementsAre(2));
  EXPECT_THAT(Floats(slope), ElementsAre(FloatEq(0.3f), FloatEq(-0.3f)));
}

TEST_F(MethodsTest, NoReductionAnswersPerItem) {
  auto request = FromJson<v1::EvaluateRequest>(kHuber);
  request.mutable_options()->set_reduction(v1::NONE);
  v1::EvaluateResponse response;
  ASSERT_TRUE(Evaluate(request, &response).ok());
  EXPECT_FALSE(response.has_value());
  EXPECT_THAT(Floats(response.per_item()), ElementsAre(FloatEq(0.18f), FloatEq(0.18f)));
}

TEST_F(MethodsTest, TypedListsAndRawBytesGiveTheSameAnswer) {
  auto typed = FromJson<v1::GradientRequest>(kHuber);
  v1::GradientRequest raw = typed;
  SetRaw<float>(v1::F32, {2}, {0.6f, 0.4f}, raw.mutable_y_pred());
  SetRaw<float>(v1::F32, {2}, {0, 1}, raw.mutable_y_true());
  for (const v1::Reduction reduction : {v1::MEAN, v1::SUM, v1::NONE}) {
    typed.mutable_options()->set_reduction(reduction);
    raw.mutable_options()->set_reduction(reduction);
    v1::GradientResponse from_typed, from_raw;
    ASSERT_TRUE(Gradient(typed, &from_typed).ok());
    ASSERT_TRUE(Gradient(raw, &from_raw).ok());
    EXPECT_EQ(from_typed.SerializeAsString(), from_raw.SerializeAsString()) << v1::Reduction_Name(reduction);
  }
}

TEST_F(MethodsTest, SparseLabelsOfEveryIntegerTypeGiveTheSameAnswer) {
  v1::GradientRequest request;
  request.set_loss("sparse_categorical_crossentropy");
  request.mutable_options()->set_input_kind(v1::LOGITS);
  SetRaw<float>(v1::F32, {2, 3}, {1, 2, 3, 3, 2, 1}, request.mutable_y_pred());
  std::vector<std::string> answers;
  const auto answer = [&] {
    v1::GradientResponse response;
    const auto status = Gradient(request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    answers.push_back(response.SerializeAsString());
  };
  SetRaw<int64_t>(v1::I64, {2}, {2, 0}, request.mutable_y_true());
  answer();
  SetRaw<int32_t>(v1::I32, {2}, {2, 0}, request.mutable_y_true());
  answer();
  SetRaw<uint8_t>(v1::U8, {2}, {2, 0}, request.mutable_y_true());
  answer();
  for (const char* json : {R"({"ints": {"values": [2, 0]}})", R"({"dtype": "I32", "ints": {"values": [2, 0]}})",
                           R"({"dtype": "U8", "shape": [2], "ints": {"values": [2, 0]}})"}) {
    *request.mutable_y_true() = FromJson<v1::Tensor>(json);
    answer();
  }
  EXPECT_THAT(answers, ::testing::Each(answers.front()));
}

// Inline and handed over, one slice and hundreds, one shard and many.
TEST_F(MethodsTest, EverySizeOfRequestIsServed) {
  for (const size_t count : {size_t{1}, size_t{1000}, size_t{4096}, size_t{5000}, size_t{100'000}, size_t{4'000'000}}) {
    const auto request = LargeRequest<v1::GradientRequest>(count, "mean_squared_error");
    v1::GradientResponse response;
    const auto status = Gradient(request, &response);
    ASSERT_TRUE(status.ok()) << count << ": " << status.error_message();
    std::vector<float> y_pred = Floats(request.y_pred()), y_true = Floats(request.y_true());
    double sum = 0;
    bool slopes_agree = true;
    const std::vector<float> slopes = Floats(response.gradients().at("y_pred"));
    ASSERT_EQ(slopes.size(), count);
    for (size_t i = 0; i < count; ++i) {
      const double r = static_cast<double>(y_pred[i]) - static_cast<double>(y_true[i]);
      sum += r * r;
      slopes_agree &= AreNear(slopes[i], 2 * r / static_cast<double>(count));
    }
    EXPECT_NEAR(response.sum(), sum, 1e-6 * (1 + sum)) << count;
    EXPECT_TRUE(slopes_agree) << count;
  }
  EXPECT_TRUE(EventuallyIdle());
}

// A large gradient is written over its input in the message, where there is one: a typed list is none.
TEST_F(MethodsTest, GradientsOfSeveralInputsAreServedHoweverTheseAreSent) {
  auto request = LargeRequest<v1::GradientRequest>(40'000, "gaussian_nll");
  request.mutable_options()->set_reduction(v1::SUM);
  request.add_with_respect_to("y_pred");
  request.add_with_respect_to("variance");
  const std::vector<float> y_pred = Floats(request.y_pred()), y_true = Floats(request.y_true());
  std::vector<float> variance(y_pred.size());
  for (size_t i = 0; i < variance.size(); ++i) variance[i] = 0.5f + static_cast<float>(i % 13);
  v1::Tensor& sent = (*request.mutable_inputs())["variance"];
  SetRaw(v1::F32, {static_cast<int64_t>(variance.size())}, variance, &sent);
  for (const bool typed : {false, true}) {
    if (typed) sent.mutable_floats()->mutable_values()->Add(variance.begin(), variance.end());
    v1::GradientResponse response;
    const auto status = Gradient(request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    const std::vector<float> of_mean = Floats(response.gradients().at("y_pred"));
    const std::vector<float> of_variance = Floats(response.gradients().at("variance"));
    ASSERT_EQ(of_mean.size(), y_pred.size());
    ASSERT_EQ(of_variance.size(), y_pred.size());
    bool agree = true;
    for (size_t i = 0; i < y_pred.size(); ++i) {
      const double r = double{y_pred[i]} - double{y_true[i]}, v = variance[i];
      agree &= AreNear(of_mean[i], r / v) && AreNear(of_variance[i], (1 / v - r * r / (v * v)) / 2);
    }
    EXPECT_TRUE(agree) << (typed ? "typed" : "raw");
  }
}

TEST_F(MethodsTest, AnEmptyBatchIsServed) {
  v1::GradientRequest request;
  request.set_loss("mse");
  SetRaw<float>(v1::F32, {0}, {}, request.mutable_y_pred());
  SetRaw<float>(v1::F32, {0}, {}, request.mutable_y_true());
  v1::GradientResponse response;
  const auto status = Gradient(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.value(), 0);
  EXPECT_EQ(response.valid_count(), 0);
  EXPECT_TRUE(response.gradients().at("y_pred").raw().empty());
}

TEST_F(MethodsTest, ListLossesAndDescribeLossAgree) {
  grpc::ClientContext list_context;
  v1::ListLossesResponse list;
  ASSERT_TRUE(stub_->ListLosses(&list_context, {}, &list).ok());
  std::vector<std::string> names;
  for (const v1::LossSummary& loss : list.losses()) {
    names.push_back(loss.name());
    std::vector<std::string> all(loss.aliases().begin(), loss.aliases().end());
    all.push_back(loss.name());
    for (const std::string& name : all) {
      grpc::ClientContext context;
      v1::DescribeLossRequest request;
      request.set_loss(name);
      v1::DescribeLossResponse response;
      ASSERT_TRUE(stub_->DescribeLoss(&context, request, &response).ok()) << name;
      EXPECT_EQ(response.loss().SerializeAsString(), loss.SerializeAsString());
    }
  }
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_THAT(names, Contains("huber"));
}

template <class Values, class Shape>
v1::Tensor Example(const v1::DescribeLossResponse& loss, const std::string& name, const Values& values,
                   const Shape& shape) {
  std::string content;
  for (const v1::Input& input : loss.inputs()) {
    if (input.name() == name) content = input.content();
  }
  v1::Tensor tensor;
  if (content.starts_with("integers")) {
    tensor.mutable_ints()->mutable_values()->Add(values.begin(), values.end());
  } else if (content == "flags") {
    tensor.mutable_bools()->mutable_values()->Add(values.begin(), values.end());
  } else {
    tensor.mutable_doubles()->mutable_values()->Add(values.begin(), values.end());
  }
  tensor.mutable_shape()->Add(shape.begin(), shape.end());
  return tensor;
}

// Written by a client that knows the description alone.
TEST_F(MethodsTest, ExamplesOfTheCatalogueComeTrue) {
  grpc::ClientContext list_context;
  v1::ListLossesResponse list;
  ASSERT_TRUE(stub_->ListLosses(&list_context, {}, &list).ok());
  for (const v1::LossSummary& loss : list.losses()) {
    grpc::ClientContext context;
    v1::DescribeLossRequest describe;
    describe.set_loss(loss.name());
    v1::DescribeLossResponse description;
    ASSERT_TRUE(stub_->DescribeLoss(&context, describe, &description).ok());
    ASSERT_GT(description.inputs_size(), 0) << loss.name();
    for (const v1::Example& example : description.examples()) {
      SCOPED_TRACE(loss.name() + ": " + example.ShortDebugString());
      v1::GradientRequest request;
      request.set_loss(loss.name());
      *request.mutable_params() = example.params();
      request.mutable_options()->set_reduction(v1::SUM);
      request.mutable_options()->set_input_kind(example.input_kind());
      request.mutable_options()->set_clip_policy(example.clip_policy());
      const std::string& first = description.inputs(0).name();
      auto& inputs = *request.mutable_inputs();
      inputs[first] = Example(description, first, example.y_pred(), example.shape());
      if (example.y_true_size() > 0 || example.y_true_shape_size() > 0) {
        inputs["y_true"] = Example(description, "y_true", example.y_true(), example.y_true_shape());
      }
      for (const v1::Values& other : example.others()) {
        inputs[other.name()] = Example(description, other.name(), other.values(), other.shape());
      }
      request.add_with_respect_to(first);
      v1::GradientResponse response;
      const auto status = Gradient(request, &response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      if (!status.ok()) continue;
      EXPECT_NEAR(response.value(), example.value(), 1e-3 * (1 + std::abs(example.value())));
      const v1::Tensor& gradient = response.gradients().at(first);
      ASSERT_EQ(gradient.raw().size(), example.y_pred_size() * sizeof(double));
      for (int i = 0; i < example.gradient_size(); ++i) {
        double slope;
        std::memcpy(&slope, gradient.raw().data() + i * sizeof slope, sizeof slope);
        EXPECT_NEAR(slope, example.gradient(i), 1e-3 * (1 + std::abs(example.gradient(i)))) << i;
      }
    }
  }
}

TEST_F(MethodsTest, CallsAreCounted) {
  v1::EvaluateResponse response;
  ASSERT_TRUE(Evaluate(FromJson<v1::EvaluateRequest>(kHuber), &response).ok());
  EXPECT_TRUE(testing::Eventually([&] { return Handled("Evaluate", "OK") == 1; }));
  EXPECT_EQ(Metric(R"(lossd_elements_total{dtype="F32",loss="huber"})"), 2);
  EXPECT_EQ(Metric("lossd_shards_total"), 1);
  EXPECT_EQ(
      Metric(
          R"(grpc_server_msg_received_bytes_total{grpc_method="Evaluate",grpc_service="lossd.v1.LossService",grpc_type="unary"})"),
      FromJson<v1::EvaluateRequest>(kHuber).ByteSizeLong());
}

// Callers that do not know LossService's fields yet, or know more: unknown fields change nothing.
TEST_F(MethodsTest, UnknownFieldsAreIgnored) {
  std::string bytes = FromJson<v1::EvaluateRequest>(kHuber).SerializeAsString();
  bytes += std::string(
      "\xA2\x06\x03"
      "abc",
      6);  // field 100, three bytes
  testing::GenericCall call(channel_, "/lossd.v1.LossService/Evaluate");
  EXPECT_TRUE(call.Start().Send(bytes).Finish().ok());
}

}  // namespace
}  // namespace lossd
