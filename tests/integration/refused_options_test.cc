// Options that a loss does not have, and tensors that do not fit: an error names the field and the loss.
#include <gmock/gmock.h>

#include <string>

#include "tests/integration/tensors.h"
#include "tests/integration/test_server.h"

namespace lossd {
namespace {

using testing::Doubles;
using testing::FromJson;
using ::testing::HasSubstr;
using testing::Ints;
using testing::Tensors;
using Code = grpc::StatusCode;

class RefusedOptionsTest : public testing::ServerTest {
 protected:
  RefusedOptionsTest() : ServerTest(testing::SmallServer()) {}
};

TEST_F(RefusedOptionsTest, ErrorsNameTheFieldAndTheLoss) {
  const std::string mse = Tensors(Doubles("1, 2"), Doubles("1, 2"));
  const std::string labels = Tensors(Doubles("1, 2", "1, 3"), Ints("0"));
  const struct {
    std::string json;
    Code code;
    const char* text;
  } kCases[] = {
      {R"("loss": "smooth_l1", "options": {"convention": "KERAS"})" + mse, Code::INVALID_ARGUMENT,
       "options.convention: KERAS has no smooth_l1; expected one of LOSSD, TORCH"},
      {R"("loss": "ntxent", "hessian_diagonal": true)" + Tensors(Doubles("2, 2", "1, 2, 3, 4"), Ints("0, 0")),
       Code::UNIMPLEMENTED, "hessian_diagonal: ntxent has no second derivative"},
      {R"("loss": "mse", "with_respect_to": ["y_true"])" + mse, Code::INVALID_ARGUMENT,
       "with_respect_to: \"y_true\" for mean_squared_error; expected y_pred"},
      {R"("loss": "mse", "upstream": )" + Doubles("1, 2") + mse, Code::INVALID_ARGUMENT,
       "upstream: is for the reduction NONE"},
      {R"("loss": "mse", "options": {"reduction": "NONE"}, "upstream": )" + Doubles("1") + mse, Code::INVALID_ARGUMENT,
       "upstream: shape [1]"},
      {R"("loss": "gaussian_nll", "params": {"full": "maybe"}, "inputs": {"variance": )" + Doubles("1, 1") + "}" + mse,
       Code::INVALID_ARGUMENT, "params.full: \"maybe\" for gaussian_nll; expected one of false, true"},
      {R"("loss": "gaussian_nll", "params": {"full": 1}, "inputs": {"variance": )" + Doubles("1, 1") + "}" + mse,
       Code::INVALID_ARGUMENT, "params.full: a number for gaussian_nll"},
      {R"("loss": "huber", "params": {"delta": true})" + mse, Code::INVALID_ARGUMENT, "params.delta: not a number"},
      {R"("loss": "huber", "params": {"delta": "inf"})" + mse, Code::INVALID_ARGUMENT, "params.delta: inf"},
      {R"("loss": "mse", "class_weight": )" + Doubles("1, 1") + mse, Code::INVALID_ARGUMENT,
       "class_weight: set for mean_squared_error"},
      {R"("loss": "CrossEntropyLoss", "class_weight": )" + Doubles("1, 1, 1") + labels, Code::INVALID_ARGUMENT,
       "class_weight: shape [3]"},
      {R"("loss": "CrossEntropyLoss", "class_mask": {"bools": {"values": [false, false]}})" + labels,
       Code::INVALID_ARGUMENT, "class_mask: leaves no class"},
      {R"("loss": "mse", "pos_weight": )" + Doubles("1") + mse, Code::INVALID_ARGUMENT, "\"pos_weight\""},
      {R"("loss": "mse", "options": {"label_smoothing": 0.1})" + mse, Code::INVALID_ARGUMENT,
       "options.label_smoothing: set for mean_squared_error"},
      {R"("loss": "bce_with_logits", "options": {"label_smoothing": 2})" + mse, Code::INVALID_ARGUMENT,
       "options.label_smoothing: 2"},
      {R"("loss": "mse", "options": {"ignore_index": 0})" + mse, Code::INVALID_ARGUMENT,
       "options.ignore_index: set for mean_squared_error"},
      {R"("loss": "mse", "options": {"axis": 0})" + mse, Code::INVALID_ARGUMENT, "options.axis: set for"},
      {R"("loss": "CrossEntropyLoss", "options": {"axis": 2})" + labels, Code::INVALID_ARGUMENT, "options.axis: 2"},
      {R"("loss": "mse", "options": {"item_axes": [0]})" + mse, Code::INVALID_ARGUMENT, "options.item_axes: set for"},
      {R"("loss": "mse", "options": {"kink_policy": "ACTIVE"})" + mse, Code::INVALID_ARGUMENT,
       "options.kink_policy: set for"},
      {R"("loss": "CrossEntropyLoss", "options": {"last_axis": "MEAN_OF_LAST"})" + labels, Code::INVALID_ARGUMENT,
       "options.last_axis: set for"},
      {R"("loss": "mse", "options": {"divisor": "TERMS"})" + mse, Code::INVALID_ARGUMENT, "options.divisor: set for"},
      {R"("loss": "triplet_margin", "inputs": {"anchor": )" + Doubles("1, 2", "0, 0") + "}", Code::INVALID_ARGUMENT,
       "positive: missing; triplet_margin needs it"},
  };
  for (const auto& c : kCases) {
    v1::GradientResponse response;
    const auto status = Gradient(FromJson<v1::GradientRequest>("{" + c.json + "}"), &response);
    EXPECT_EQ(status.error_code(), c.code) << c.json << "\n" << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(c.text)) << c.json;
  }
  EXPECT_TRUE(EventuallyIdle());
}

}  // namespace
}  // namespace lossd
