// Health and reflection, which clients of every language know. Expected messages are those of the standards' documents.
#include <gmock/gmock.h>

#include "google/protobuf/descriptor.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "tests/integration/test_server.h"

namespace lossd {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using grpc::reflection::v1::ServerReflectionRequest;
using grpc::reflection::v1::ServerReflectionResponse;
using ::testing::Contains;
using testing::Eventually;
using testing::GenericCall;
using ::testing::HasSubstr;

class StandardServicesTest : public testing::ServerTest {
 protected:
  StandardServicesTest() : ServerTest(testing::SmallServer()) {}

  grpc::Status Check(const std::string& service, HealthCheckResponse* response) {
    HealthCheckRequest request;
    request.set_service(service);
    GenericCall call(channel_, "/grpc.health.v1.Health/Check");
    const grpc::Status status = call.Start().Send(request.SerializeAsString()).Finish();
    response->ParseFromString(call.response());
    return status;
  }
};

HealthCheckResponse::ServingStatus NextStatus(GenericCall& watch) {
  HealthCheckResponse response;
  EXPECT_TRUE(response.ParseFromString(watch.ReceiveOne()));
  return response.status();
}

TEST_F(StandardServicesTest, HealthKnowsTheServerAndItsService) {
  for (const char* service : {"", "lossd.v1.LossService"}) {
    HealthCheckResponse response;
    EXPECT_TRUE(Check(service, &response).ok()) << service;
    EXPECT_EQ(response.status(), HealthCheckResponse::SERVING) << service;
  }
  HealthCheckResponse response;
  EXPECT_EQ(Check("lossd.v2.LossService", &response).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(StandardServicesTest, AHealthWatchHearsOfTheDrain) {
  GenericCall watch(channel_, "/grpc.health.v1.Health/Watch");
  watch.Start().Send(HealthCheckRequest().SerializeAsString());
  EXPECT_EQ(NextStatus(watch), HealthCheckResponse::SERVING);
  std::thread drain([this] { server_->Drain(); });
  EXPECT_EQ(NextStatus(watch), HealthCheckResponse::NOT_SERVING);
  drain.join();
}

TEST_F(StandardServicesTest, AWatchOfAnUnknownServiceSaysSoAndStaysOpen) {
  HealthCheckRequest request;
  request.set_service("nobody");
  GenericCall watch(channel_, "/grpc.health.v1.Health/Watch");
  watch.Start().Send(request.SerializeAsString());
  EXPECT_EQ(NextStatus(watch), HealthCheckResponse::SERVICE_UNKNOWN);
}

TEST_F(StandardServicesTest, HealthIsAnsweredWhileTheBudgetIsTaken) {
  server_.reset();
  server::ServerOptions options = testing::SmallServer();
  options.max_inflight_bytes = options.max_message_bytes * 3;
  Start(options);
  GenericCall hog(channel_, "/lossd.v1.LossService/Gradient");
  hog.Start();  // reserves all there is, and sends nothing
  ASSERT_TRUE(Eventually([&] { return server_->admission().load().granted_calls == 1; }));
  HealthCheckResponse response;
  EXPECT_TRUE(Check("", &response).ok());
}

TEST_F(StandardServicesTest, ReflectionAnswersBothVersionsOnOneStream) {
  for (const char* version : {"v1", "v1alpha"}) {
    SCOPED_TRACE(version);
    GenericCall call(channel_, std::string("/grpc.reflection.") + version + ".ServerReflection/ServerReflectionInfo");
    call.Start();
    const auto ask = [&](const ServerReflectionRequest& request) {
      ServerReflectionResponse response;
      call.SendOne(request.SerializeAsString());
      EXPECT_TRUE(response.ParseFromString(call.ReceiveOne()));
      return response;
    };
    ServerReflectionRequest request;
    request.set_list_services("*");
    std::vector<std::string> services;
    const ServerReflectionResponse list = ask(request);
    for (const auto& service : list.list_services_response().service()) services.push_back(service.name());
    EXPECT_THAT(services, Contains("lossd.v1.LossService"));
    EXPECT_THAT(services, Contains("grpc.health.v1.Health"));

    request.set_file_containing_symbol("lossd.v1.LossService.Evaluate");
    const ServerReflectionResponse files = ask(request);
    std::vector<std::string> names;
    for (const std::string& bytes : files.file_descriptor_response().file_descriptor_proto()) {
      google::protobuf::FileDescriptorProto file;
      ASSERT_TRUE(file.ParseFromString(bytes));
      names.push_back(file.name());
    }
    ASSERT_FALSE(names.empty());
    EXPECT_EQ(names.front(), "lossd/v1/loss_service.proto");
    EXPECT_THAT(names, Contains("lossd/v1/tensor.proto")) << "imports come along";
    EXPECT_THAT(names, Contains("google/protobuf/struct.proto"));

    request.set_file_by_filename("lossd/v1/options.proto");
    EXPECT_EQ(ask(request).file_descriptor_response().file_descriptor_proto_size(), 1);

    request.set_file_containing_symbol("nobody.Knows");
    EXPECT_EQ(ask(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND);

    request.set_all_extension_numbers_of_type("lossd.v1.Tensor");
    EXPECT_EQ(ask(request).all_extension_numbers_response().base_type_name(), "lossd.v1.Tensor");

    EXPECT_EQ(ask(ServerReflectionRequest()).error_response().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_TRUE(call.SendNothing().Finish().ok());
  }
}

TEST_F(StandardServicesTest, AStreamThatSendsNonsenseOrTooMuchIsEnded) {
  GenericCall nonsense(channel_, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
  EXPECT_EQ(nonsense.Start().Send("\xff\xff\xff").Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  GenericCall large(channel_, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
  EXPECT_EQ(large.Start().Send(std::string(100000, 'x')).Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(StandardServicesTest, AVanishedStreamLeavesNothingBehind) {
  for (int i = 0; i < 20; ++i) {
    GenericCall call(channel_, "/grpc.health.v1.Health/Watch");
    call.Start().Send("");
  }  // cancelled
  const auto begin = std::chrono::steady_clock::now();
  server_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
}

TEST_F(StandardServicesTest, ListsTypedByHandAreBoundedAndTheErrorSaysWhatToSendInstead) {
  v1::GradientRequest request;
  request.set_loss("mse");
  for (int i = 0; i < 700'000; ++i) {
    request.mutable_y_pred()->mutable_floats()->add_values(1);
    request.mutable_y_true()->mutable_floats()->add_values(0);
  }
  GenericCall call(channel_, "/lossd.v1.LossService/Gradient");
  const grpc::Status status = call.Start().Send(request.SerializeAsString()).Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("send large tensors as `raw`"));
}

}  // namespace
}  // namespace lossd
