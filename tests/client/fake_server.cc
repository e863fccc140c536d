#include "tests/client/fake_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <vector>

#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace lossd {

class FakeServer::Service : public v1::LossService::Service {
 public:
  explicit Service(FakeServer* fake) : fake_(fake) {}

  grpc::Status Evaluate(grpc::ServerContext* context, const v1::EvaluateRequest* request,
                        v1::EvaluateResponse* response) override {
    return Run(fake_->evaluate, context, request, response);
  }
  grpc::Status Gradient(grpc::ServerContext* context, const v1::GradientRequest* request,
                        v1::GradientResponse* response) override {
    return Run(fake_->gradient, context, request, response);
  }
  grpc::Status ListLosses(grpc::ServerContext* context, const v1::ListLossesRequest* request,
                          v1::ListLossesResponse* response) override {
    return Run(fake_->list_losses, context, request, response);
  }
  grpc::Status DescribeLoss(grpc::ServerContext* context, const v1::DescribeLossRequest* request,
                            v1::DescribeLossResponse* response) override {
    return Run(fake_->describe_loss, context, request, response);
  }

 private:
  template <class Handler, class Request, class Response>
  static grpc::Status Run(const Handler& handler, grpc::ServerContext* context, const Request* request,
                          Response* response) {
    if (!handler) return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no handler in this test");
    return handler(context, *request, response);
  }

  FakeServer* fake_;
};

FakeServer::FakeServer(const std::string& address) : service_(std::make_unique<Service>(this)) {
  grpc::EnableDefaultHealthCheckService(true);
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(-1);
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) std::abort();
  address_ = address.starts_with("unix:") ? address : "127.0.0.1:" + std::to_string(port);
}

FakeServer::~FakeServer() { server_->Shutdown(std::chrono::system_clock::now()); }

void FakeServer::SetServing(bool serving) { server_->GetHealthCheckService()->SetServingStatus(serving); }

DeafServer::DeafServer() : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
  const int small = 4096;  // so that the client's data soon has nowhere to go
  setsockopt(listener_, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 8) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

DeafServer::~DeafServer() {
  stopping_ = true;
  shutdown(listener_, SHUT_RDWR);
  thread_.join();
  close(listener_);
}

void DeafServer::Run() {
  // SETTINGS with INITIAL_WINDOW_SIZE (4) = 2^31 - 1, and a WINDOW_UPDATE of the connection by 2^31 - 65536.
  static constexpr unsigned char kGreeting[] = {0,    0, 6, 4, 0, 0, 0, 0, 0, 0, 4,    0x7f, 0xff, 0xff,
                                                0xff, 0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0xff, 0,    0};
  std::vector<int> sockets;
  while (!stopping_) {
    const int connection = accept(listener_, nullptr, nullptr);
    if (connection < 0) break;
    ++connections_;
    if (send(connection, kGreeting, sizeof(kGreeting), MSG_NOSIGNAL) < 0) break;
    sockets.push_back(connection);
  }
  for (const int connection : sockets) close(connection);
}

}  // namespace lossd
