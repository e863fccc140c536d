// From core to the wire: answers, statuses, the catalogue.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <numeric>

#include "core/registry.h"
#include "lossd/v1/loss_service.pb.h"
#include "server/convert/catalogue.h"
#include "server/convert/response.h"
#include "server/convert/status.h"
#include "tests/support/generic_client.h"

namespace lossd::server {
namespace {

using ::lossd::testing::ToBytes;
using ::testing::EndsWith;

TEST(ToGrpc, KeepsCodeAndMessage) {
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status status = ToGrpc(absl::Status(static_cast<absl::StatusCode>(code), "reason"));
    EXPECT_EQ(status.error_code(), code);
    EXPECT_EQ(status.error_message(), "reason");
  }
}

TEST(ToGrpc, CutsLongMessagesBetweenCharacters) {
  for (size_t length = kMaxStatusMessage - 5; length < kMaxStatusMessage + 5; ++length) {
    std::string message(length, 'a');
    message += "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4";
    const std::string cut = ToGrpc(absl::InternalError(message)).error_message();
    EXPECT_LE(cut.size(), kMaxStatusMessage);
    EXPECT_THAT(cut, EndsWith("..."));
    EXPECT_NE(static_cast<unsigned char>(cut[cut.size() - 4]), 0xC3u) << "half a character at length " << length;
  }
}

TEST(NewOutput, IsAlignedAndExact) {
  EXPECT_EQ(NewOutput(0).size(), 0u);
  for (const size_t bytes : {1u, 63u, 64u, 65u, 4096u, 1000001u}) {
    const grpc::Slice slice = NewOutput(bytes);
    EXPECT_EQ(slice.size(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(slice.begin()) % 64, 0u);
  }
}

// An answer as a caller sees it, for a problem of `count` elements of F32.
v1::GradientResponse Answer(size_t count, Reduction reduction, bool gradient) {
  std::vector<float> zeros(count), slopes(count), values(count);
  std::iota(slopes.begin(), slopes.end(), 1.0f);
  std::iota(values.begin(), values.end(), -5.0f);
  Segments segments;
  if (count > 0) segments.push_back({reinterpret_cast<const std::byte*>(zeros.data()), count * 4});
  const Shape shape = {static_cast<int64_t>(count)};
  Request request;
  request.loss = "mean_squared_error";
  request.y_pred = *TensorView::Make("y_pred", DType::kF32, shape, segments);
  request.y_true = *TensorView::Make("y_true", DType::kF32, shape, segments);
  request.options.reduction = reduction;
  request.gradient = gradient;
  const auto problem = MakeProblem(std::move(request));
  EXPECT_TRUE(problem.ok()) << problem.status();

  Result result{.value = std::nullopt, .sum = 6, .divisor = 2, .valid_count = 3, .weight_sum = 1.5, .extra = {}};
  if (reduction != Reduction::kNone) result.value = 3;
  const OutputSlices slices(*problem);
  const Outputs outputs = slices.outputs();
  const size_t value_bytes = slices.Of(outputs.per_item).size(), slope_bytes = slices.Of(outputs.gradients[0]).size();
  EXPECT_EQ(OutputBytes(*problem), value_bytes + slope_bytes);
  if (outputs.per_item != nullptr) std::memcpy(outputs.per_item, values.data(), value_bytes);
  if (outputs.gradients[0] != nullptr) std::memcpy(outputs.gradients[0], slopes.data(), slope_bytes);

  v1::GradientResponse response;
  EXPECT_TRUE(response.ParseFromString(ToBytes(ToResponse(*problem, result, slices))));
  const auto expect = [&](const v1::Tensor& tensor, const std::vector<float>& expected) {
    EXPECT_EQ(tensor.dtype(), v1::F32);
    EXPECT_EQ(tensor.shape_size(), 1);
    EXPECT_EQ(tensor.shape(0), static_cast<int64_t>(count));
    EXPECT_EQ(tensor.raw(), std::string(reinterpret_cast<const char*>(expected.data()), count * 4)) << count;
  };
  EXPECT_EQ(response.has_per_item(), reduction == Reduction::kNone);
  if (response.has_per_item()) expect(response.per_item(), values);
  EXPECT_EQ(response.gradients_size(), gradient ? 1 : 0);
  if (gradient) expect(response.gradients().at("y_pred"), slopes);
  return response;
}

TEST(ToResponse, CarriesTheReduction) {
  const v1::GradientResponse response = Answer(10, Reduction::kMean, false);
  EXPECT_EQ(response.value(), 3);
  EXPECT_EQ(response.sum(), 6);
  EXPECT_EQ(response.divisor(), 2);
  EXPECT_EQ(response.valid_count(), 3);
  EXPECT_EQ(response.weight_sum(), 1.5);
  EXPECT_EQ(response.loss(), "mean_squared_error");
}

TEST(ToResponse, HasNoValueWithoutReduction) { EXPECT_FALSE(Answer(10, Reduction::kNone, false).has_value()); }

// Small outputs are copied beside their headers, large ones sent as they lie: on both sides of that line, and both at
// once.
TEST(ToResponse, SendsBothOutputsWhateverTheirSize) {
  for (const size_t count : {0u, 1u, 511u, 512u, 513u, 100000u}) {
    Answer(count, Reduction::kNone, true);
    Answer(count, Reduction::kSum, true);
    Answer(count, Reduction::kNone, false);
  }
}

TEST(ToDescription, SaysWhatTheContractSays) {
  for (const Loss& loss : AllLosses()) {
    const v1::DescribeLossResponse response = ToDescription(loss);
    SCOPED_TRACE(response.loss().name());
    EXPECT_EQ(response.loss().name(), loss.contract->name);
    EXPECT_EQ(response.loss().family(), Name(loss.contract->family));
    EXPECT_EQ(response.loss().topic(), loss.topic);
    EXPECT_EQ(static_cast<size_t>(response.loss().aliases_size()), loss.contract->aliases.size());
    EXPECT_EQ(static_cast<size_t>(response.parameters_size()), loss.contract->params.size());
    EXPECT_EQ(static_cast<size_t>(response.examples_size()), loss.contract->examples.size());
    EXPECT_GE(response.examples_size(), 1);
    EXPECT_FALSE(response.formula().empty());
    EXPECT_GT(response.tolerance_f32().value_ulp(), 0);
    EXPECT_EQ(response.use(), loss.contract->use);
    EXPECT_EQ(response.tex(), loss.contract->tex);
    EXPECT_EQ(response.peers(), loss.contract->peers);
    EXPECT_EQ(response.has_hessian_diagonal(), loss.contract->curvature);
    EXPECT_EQ(response.tolerance_f64().hessian_ulp() > 0, loss.contract->curvature);
    EXPECT_EQ(response.takes_class_weight(), loss.contract->class_weights);
    EXPECT_EQ(static_cast<size_t>(response.conventions_size()), loss.contract->conventions.size());
    ASSERT_EQ(static_cast<size_t>(response.inputs_size()), loss.contract->inputs.size());
    for (int i = 0; i < response.inputs_size(); ++i) {
      const v1::Input& input = response.inputs(i);
      EXPECT_EQ(input.name(), loss.contract->inputs[i].name);
      EXPECT_EQ(input.optional(), loss.contract->inputs[i].optional) << input.name();
      EXPECT_FALSE(input.content().empty()) << input.name();
      if (input.name() != "y_true") continue;
      EXPECT_FALSE(response.target().empty());
      EXPECT_EQ(response.y_true_shape(), input.shape());
    }
  }
}

// A request can be written from the description alone: every tensor of an example has as many numbers as its shape
// says.
TEST(ToDescription, ExamplesHaveShapesThatFit) {
  const auto count = [](const auto& shape) {
    return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  };
  for (const Loss& loss : AllLosses()) {
    const v1::DescribeLossResponse response = ToDescription(loss);
    for (const v1::Example& example : response.examples()) {
      SCOPED_TRACE(response.loss().name() + ": " + example.ShortDebugString());
      EXPECT_EQ(count(example.shape()), example.y_pred_size());
      if (example.y_true_size() > 0) {
        EXPECT_EQ(count(example.y_true_shape()), example.y_true_size());
      }
      for (const v1::Values& other : example.others()) EXPECT_EQ(count(other.shape()), other.values_size());
    }
  }
}

TEST(ToDescription, FormsNameTheAliasesThatImplyThem) {
  const auto loss = FindLoss("binary_crossentropy");
  ASSERT_TRUE(loss.ok());
  const v1::DescribeLossResponse response = ToDescription(loss->loss);
  bool logits_implied = false;
  for (const v1::Form& form : response.forms()) {
    EXPECT_NE(form.input_kind(), v1::INPUT_KIND_UNSPECIFIED);
    EXPECT_FALSE(form.prediction().empty());
    logits_implied |= form.input_kind() == v1::LOGITS && form.implied_by_size() > 0;
  }
  EXPECT_TRUE(logits_implied);
}

}  // namespace
}  // namespace lossd::server
