// What tests/fuzz/handler_fuzzer.cc found, and what it may not find again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

#include "core/registry.h"
#include "lossd/v1/loss_service.pb.h"
#include "proto/wire/enums.h"
#include "server/handlers/handlers.h"
#include "tests/support/local_call.h"

namespace lossd::server {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using Code = grpc::StatusCode;

class HostileRequests : public ::testing::Test {
 protected:
  grpc::Status Ask(const v1::GradientRequest& request) {
    testing::LocalCall call(request.SerializeAsString());
    Gradient(context_, call);
    return call.status();
  }
  grpc::Status AskBatch(const std::string& message) {
    const RequestStream batch = EvaluateBatch(context_);
    testing::LocalCall chunk(message);
    batch.on_request(chunk);
    return chunk.status();
  }

  Executor executor_{1};
  HandlerContext context_{executor_, [](const Problem&, const Plan&) {}};
};

v1::GradientRequest Mse() {
  v1::GradientRequest request;
  request.set_loss("mse");
  for (v1::Tensor* const tensor : {request.mutable_y_true(), request.mutable_y_pred()}) {
    tensor->mutable_floats()->add_values(1);
    tensor->mutable_floats()->add_values(2);
  }
  return request;
}

TEST_F(HostileRequests, TheErrorOfOutputRegionsIsTheFirstByNameAndNotByAHash) {
  std::set<std::string> messages;
  for (int i = 0; i < 100; ++i) {
    v1::GradientRequest request = Mse();
    for (const char* const path : {"b", "d", "a", "c"}) (*request.mutable_output_regions())[path].set_byte_size(8);
    const grpc::Status status = Ask(request);
    EXPECT_EQ(status.error_code(), Code::INVALID_ARGUMENT);
    messages.insert(status.error_message());
  }
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_THAT(*messages.begin(), HasSubstr("output_regions[\"a\"]"));
}

TEST_F(HostileRequests, ABatchTakesNoNoticeOfFieldsThatItsHeaderDoesNotKnow) {
  v1::GradientRequest header = Mse();
  header.clear_y_true();
  header.clear_y_pred();
  header.mutable_upstream()->set_raw("\xff");
  const std::string not_utf8 = "\x62\x01\xff";  // with_respect_to, which an EvaluateRequest does not have
  v1::EvaluateBatchRequest rows;
  *rows.mutable_y_true() = Mse().y_true();
  *rows.mutable_y_pred() = Mse().y_pred();
  const std::string header_bytes = header.SerializeAsString() + not_utf8;
  const std::string field = {'\x0a', static_cast<char>(header_bytes.size())};
  const grpc::Status status = AskBatch(field + header_bytes + rows.SerializeAsString());
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(HostileRequests, AMessageThatRepeatsANameIsNotCutInsideACharacter) {
  const std::string name = std::string(63, 'a') + "\u00e9\u00e9";
  v1::GradientRequest params = Mse(), regions = Mse(), term = Mse();
  (*params.mutable_params()->mutable_fields())[name].mutable_list_value();
  (*regions.mutable_output_regions())[name].set_byte_size(8);
  term.clear_loss();
  term.mutable_objective()->add_losses()->set_name(name);
  for (const v1::GradientRequest& request : {params, regions, term}) {
    const grpc::Status status = Ask(request);
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(status.error_message(), HasSubstr(name.substr(0, 63)));
    EXPECT_THAT(status.error_message(), Each(AllOf(Ge(' '), Le('~'))));
  }
}

// A region with a class axis looked for that axis before the first of a scalar's none.
TEST_F(HostileRequests, EveryLossAnswersScalarsOrRefusesThem) {
  for (const Loss& loss : AllLosses()) {
    for (const FormKernels& kernels : loss.forms) {
      v1::GradientRequest request;
      request.set_loss(std::string(loss.contract->name));
      request.mutable_options()->set_input_kind(wire::ToWire(kernels.form.input_kind));
      for (const Input& input : loss.contract->inputs) {
        v1::Tensor& tensor = (*request.mutable_inputs())[std::string(input.name)];
        tensor.set_dtype(input.content == Content::kNumbers ? v1::F32 : v1::U8);
        tensor.set_raw(std::string(input.content == Content::kNumbers ? 4 : 1, '\0'));
      }
      const grpc::Status status = Ask(request);
      EXPECT_TRUE(status.ok() || status.error_code() == Code::INVALID_ARGUMENT)
          << loss.contract->name << ": " << status.error_message();
      if (loss.contract->family == Family::kRegion && std::string_view(loss.contract->inputs[0].shape).ends_with("C")) {
        EXPECT_THAT(status.error_message(), HasSubstr("[]")) << loss.contract->name;
      }
    }
  }
}

}  // namespace
}  // namespace lossd::server
