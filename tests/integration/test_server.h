// A real server in this process, on free ports, with clients for it.
#pragma once

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "google/protobuf/util/json_util.h"
#include "lossd/v1/loss_service.grpc.pb.h"
#include "server/options.h"
#include "server/server.h"
#include "tests/support/generic_client.h"

namespace lossd::testing {

// Free ports, two threads, room for several calls of the largest size.
inline server::ServerOptions SmallServer() {
  server::ServerOptions options;
  options.listen_addresses = {"127.0.0.1:0"};
  options.metrics_address = "";
  options.num_threads = 2;
  options.num_queues = 1;
  options.max_message_bytes = size_t{32} << 20;
  options.max_inflight_bytes = size_t{512} << 20;
  options.drain_timeout = std::chrono::seconds(5);
  return options;
}

inline std::shared_ptr<grpc::Channel> NewChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

template <class Message>
Message FromJson(const std::string& json) {
  Message message;
  const auto status = google::protobuf::util::JsonStringToMessage(json, &message);
  EXPECT_TRUE(status.ok()) << status.ToString() << "\n" << json;
  return message;
}

template <class T>
void SetRaw(v1::DType dtype, const std::vector<int64_t>& shape, const std::vector<T>& values, v1::Tensor* tensor) {
  tensor->set_dtype(dtype);
  tensor->mutable_shape()->Assign(shape.begin(), shape.end());
  tensor->set_raw(values.data(), values.size() * sizeof(T));
}

// Two tensors of `count` floats each.
template <class Message>
Message LargeRequest(size_t count, const std::string& loss = "log_cosh") {
  std::vector<float> y_pred(count), y_true(count);
  for (size_t i = 0; i < count; ++i) {
    y_pred[i] = static_cast<float>(i % 1000) * 0.01f;
    y_true[i] = static_cast<float>(i % 77) * 0.1f;
  }
  Message message;
  message.set_loss(loss);
  SetRaw(v1::F32, {static_cast<int64_t>(count)}, y_pred, message.mutable_y_pred());
  SetRaw(v1::F32, {static_cast<int64_t>(count)}, y_true, message.mutable_y_true());
  return message;
}

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() = default;
  explicit ServerTest(const server::ServerOptions& options) { Start(options); }

  void Start(const server::ServerOptions& options) {
    auto server = server::Server::Start(options);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = NewChannel(server_->addresses().front());
    stub_ = v1::LossService::NewStub(channel_);
  }

  template <class Request, class Response>
  grpc::Status Evaluate(const Request& request, Response* response) {
    grpc::ClientContext context;
    return stub_->Evaluate(&context, request, response);
  }
  template <class Request, class Response>
  grpc::Status Gradient(const Request& request, Response* response) {
    grpc::ClientContext context;
    return stub_->Gradient(&context, request, response);
  }

  // One sample of the metrics page; NaN where it is missing. `series` with its labels in alphabetical order.
  double Metric(const std::string& series) const {
    const std::string page = "\n" + server_->metrics().Page();
    std::string begin = "\n";
    begin.append(series).append(" ");
    const size_t at = page.find(begin);
    return at == std::string::npos ? std::numeric_limits<double>::quiet_NaN()
                                   : std::stod(page.substr(at + begin.size()));
  }
  double Handled(const std::string& method, const std::string& code) const {
    return Metric("grpc_server_handled_total{grpc_code=\"" + code + "\",grpc_method=\"" + method +
                  "\",grpc_service=\"lossd.v1.LossService\",grpc_type=\"unary\"}");
  }

  // Every grant has been given back.
  bool EventuallyIdle() const {
    return Eventually([&] {
      const server::Admission::Load load = server_->admission().load();
      return load.granted_bytes == 0 && load.granted_calls == 0 && load.waiting_calls == 0;
    });
  }

  std::unique_ptr<server::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::LossService::Stub> stub_;
};

}  // namespace lossd::testing
