// Servers that answer what a test tells them to.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "grpcpp/server.h"
#include "grpcpp/server_context.h"
#include "lossd/v1/loss_service.grpc.pb.h"

namespace lossd {

// A gRPC server with the generated service. Set the handlers before the first call; without one a call is
// UNIMPLEMENTED.
class FakeServer {
 public:
  // Port 0 of the loopback interface unless told otherwise.
  explicit FakeServer(const std::string& address = "127.0.0.1:0");
  ~FakeServer();

  const std::string& address() const { return address_; }
  void SetServing(bool serving);

  template <class Request, class Response>
  using Handler = std::function<grpc::Status(grpc::ServerContext*, const Request&, Response*)>;

  Handler<v1::EvaluateRequest, v1::EvaluateResponse> evaluate;
  Handler<v1::GradientRequest, v1::GradientResponse> gradient;
  Handler<v1::ListLossesRequest, v1::ListLossesResponse> list_losses;
  Handler<v1::DescribeLossRequest, v1::DescribeLossResponse> describe_loss;

 private:
  class Service;

  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

// Speaks just enough HTTP/2 to be sent data, allows two gigabytes of it, and never reads a byte.
class DeafServer {
 public:
  DeafServer();
  ~DeafServer();

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }

 private:
  void Run();

  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace lossd
