// Every error that a request can cause, as a caller sees it: code, and a message that names the field.
#include <gmock/gmock.h>

#include "tests/integration/test_server.h"

namespace lossd {
namespace {

using ::testing::AnyOf;
using testing::FromJson;
using testing::GenericCall;
using ::testing::HasSubstr;
using Code = grpc::StatusCode;

class ErrorsTest : public testing::ServerTest {
 protected:
  ErrorsTest() : ServerTest(testing::SmallServer()) {}
};

TEST_F(ErrorsTest, NameTheField) {
  const std::string tensors = R"("y_pred": {"floats": {"values": [1, 2]}}, "y_true": {"floats": {"values": [1, 2]}})";
  const std::string mse = R"("loss": "mse", )";
  struct Case {
    std::string json;
    Code code;
    const char* text;
  };
  const Case kCases[] = {
      {"{" + tensors + "}", Code::INVALID_ARGUMENT, "loss"},
      {R"({"loss": "hubr", )" + tensors + "}", Code::NOT_FOUND, "huber"},
      {R"({"loss": "huber", "params": {"delta": -1}, )" + tensors + "}", Code::INVALID_ARGUMENT, "delta"},
      {R"({"loss": "huber", "params": {"delta": "x"}, )" + tensors + "}", Code::INVALID_ARGUMENT, "params.delta"},
      {R"({"loss": "huber", "params": {"gamma": 1}, )" + tensors + "}", Code::INVALID_ARGUMENT, "gamma"},
      {R"({"loss": "binary_crossentropy", )" + tensors + "}", Code::INVALID_ARGUMENT, "input_kind"},
      {R"({"loss": "mse", "options": {"input_kind": "LOGITS"}, )" + tensors + "}", Code::INVALID_ARGUMENT, "LOGITS"},
      {R"({"loss": "mse", "options": {"normalizer": -1}, )" + tensors + "}", Code::INVALID_ARGUMENT, "normalizer"},
      {R"({"loss": "mse", "options": {"normalizer": 1, "divisor": "COUNT"}, )" + tensors + "}", Code::INVALID_ARGUMENT,
       "normalizer"},
      {R"({"loss": "mse", "options": {"reduction": 77}, )" + tensors + "}", Code::INVALID_ARGUMENT,
       "options.reduction"},
      {R"({"loss": "mse", "options": {"convention": 77}, )" + tensors + "}", Code::INVALID_ARGUMENT,
       "options.convention"},
      {R"({"loss": "mse", "options": {"label_smoothing": 0.1}, )" + tensors + "}", Code::INVALID_ARGUMENT,
       "label_smoothing"},
      {R"({"loss": "mse", "y_pred": {"floats": {"values": [1]}}})", Code::INVALID_ARGUMENT, "y_true"},
      {R"({"loss": "mse", "y_true": {"floats": {"values": [1]}}})", Code::INVALID_ARGUMENT, "y_pred"},
      {R"({"loss": "mse", "y_pred": {"ints": {"values": [1]}}, "y_true": {"floats": {"values": [1]}}})",
       Code::INVALID_ARGUMENT, "y_pred"},
      {R"({"loss": "mse", "y_pred": {"floats": {"values": [1]}}, "y_true": {"doubles": {"values": [1]}}})",
       Code::INVALID_ARGUMENT, "y_true"},
      {R"({"loss": "mse", "y_pred": {"floats": {"values": [1]}}, "y_true": {"floats": {"values": [1, 2]}}})",
       Code::INVALID_ARGUMENT, "y_true"},
      {R"({"loss": "mse", "y_pred": {"dtype": "F16", "shape": [1], "raw": "AAA="}, "y_true": {"floats": {"values": [1]}}})",
       Code::INVALID_ARGUMENT, "y_true: dtype F32; expected"},
      {R"({"loss": "mse", "y_pred": {"dtype": "F32", "shape": [2], "raw": "AAA="}, "y_true": {"floats": {"values": [1]}}})",
       Code::INVALID_ARGUMENT, "y_pred"},
      {R"({"loss": "mse", "y_pred": {"dtype": "F32", "shape": [1], "sharedMemory": {}}, "y_true": {"floats": {}}})",
       Code::UNIMPLEMENTED, "shared_memory"},
      {"{" + mse + tensors + R"(, "sample_weight": {"floats": {"values": [1, 2, 3]}}})", Code::INVALID_ARGUMENT,
       "sample_weight"},
      {"{" + mse + tensors + R"(, "mask": {"floats": {"values": [1, 1]}}})", Code::INVALID_ARGUMENT, "mask"},
      {"{" + mse + tensors + R"(, "mask": {"dtype": "BOOL", "shape": [2], "raw": "AQI="}})", Code::INVALID_ARGUMENT,
       "mask"},
      {"{" + mse + tensors + R"(, "class_weight": {"floats": {"values": [1]}}})", Code::INVALID_ARGUMENT,
       "class_weight"},
      {"{" + mse + tensors + R"(, "inputs": {"lengths": {"ints": {"values": [1]}}}})", Code::INVALID_ARGUMENT,
       "lengths"},
      {R"({"objective": {}, )" + tensors + "}", Code::INVALID_ARGUMENT, "objective"},
      {R"({"loss": "mse", "options": {"non_finite_policy": "ERROR"}, "y_pred": {"floats": {"values": ["NaN"]}}, )"
       R"("y_true": {"floats": {"values": [1]}}})",
       Code::INVALID_ARGUMENT, "y_pred"},
      {R"({"loss": "sparse_categorical_crossentropy", "options": {"input_kind": "LOGITS"}, )"
       R"("y_pred": {"shape": [1, 2], "floats": {"values": [1, 2]}}, "y_true": {"ints": {"values": [2]}}})",
       Code::INVALID_ARGUMENT, "y_true"},
  };
  for (const Case& c : kCases) {
    v1::EvaluateResponse value;
    const auto evaluate = Evaluate(FromJson<v1::EvaluateRequest>(c.json), &value);
    EXPECT_EQ(evaluate.error_code(), c.code) << c.json << "\n" << evaluate.error_message();
    EXPECT_THAT(evaluate.error_message(), HasSubstr(c.text)) << c.json;
    v1::GradientResponse slope;
    const auto gradient = Gradient(FromJson<v1::GradientRequest>(c.json), &slope);
    EXPECT_EQ(gradient.error_code(), c.code) << c.json;
    EXPECT_EQ(gradient.error_message(), evaluate.error_message()) << "one mechanism, one message";
  }
  EXPECT_TRUE(EventuallyIdle());
}

TEST_F(ErrorsTest, GradientOfWhatHasNoneIsRefused) {
  for (const char* name : {"y_true", "mask", "", "y_prediction"}) {
    v1::GradientRequest request = testing::LargeRequest<v1::GradientRequest>(2);
    request.add_with_respect_to(name);
    v1::GradientResponse response;
    const auto status = Gradient(request, &response);
    EXPECT_EQ(status.error_code(), Code::INVALID_ARGUMENT) << name;
    EXPECT_THAT(status.error_message(), HasSubstr("with_respect_to")) << name;
  }
}

TEST_F(ErrorsTest, BytesThatAreNoMessageAreInvalid) {
  for (const char* method : {"Evaluate", "Gradient", "ListLosses", "DescribeLoss"}) {
    for (const std::string bytes : {"\x0a", "\xff\xff\xff", "\x0a\x7f", "\x32\x03\x0a\x7f\x00"}) {
      GenericCall call(channel_, std::string("/lossd.v1.LossService/") + method);
      const auto status = call.Start().Send(bytes).Finish();
      EXPECT_EQ(status.error_code(), Code::INVALID_ARGUMENT) << method << " " << status.error_message();
    }
  }
}

TEST_F(ErrorsTest, UnknownLossOfDescribeSuggestsNames) {
  grpc::ClientContext context;
  v1::DescribeLossRequest request;
  request.set_loss("mean_square_error");
  v1::DescribeLossResponse response;
  const auto status = stub_->DescribeLoss(&context, request, &response);
  EXPECT_EQ(status.error_code(), Code::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("mean_squared_error"));
}

TEST_F(ErrorsTest, ALongNameDoesNotMakeALongMessage) {
  v1::EvaluateRequest request = testing::LargeRequest<v1::EvaluateRequest>(2, std::string(100'000, '\n'));
  v1::EvaluateResponse response;
  const auto status = Evaluate(request, &response);
  EXPECT_EQ(status.error_code(), Code::NOT_FOUND);
  EXPECT_LE(status.error_message().size(), 1024u);
}

TEST_F(ErrorsTest, CompressedMessagesAreRefused) {
  for (const grpc_compression_algorithm algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    grpc::ClientContext context;
    context.set_compression_algorithm(algorithm);
    v1::EvaluateResponse response;
    const auto status = stub_->Evaluate(&context, testing::LargeRequest<v1::EvaluateRequest>(1000), &response);
    EXPECT_EQ(status.error_code(), Code::UNIMPLEMENTED) << status.error_message();
  }
  EXPECT_TRUE(EventuallyIdle());
}

TEST_F(ErrorsTest, ListLossesTakesNoLargeRequest) {
  GenericCall call(channel_, "/lossd.v1.LossService/ListLosses");
  const auto status = call.Start().Send(std::string(1 << 20, '\0')).Finish();
  EXPECT_EQ(status.error_code(), Code::RESOURCE_EXHAUSTED);
  EXPECT_EQ(call.Trailer("grpc-retry-pushback-ms"), "-1");
}

}  // namespace
}  // namespace lossd
