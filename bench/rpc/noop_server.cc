// What gRPC costs: the transport of lossd with handlers that read no byte of a request and compute nothing. Evaluate
// answers as many bytes as lossd's scalar answer has, Gradient half the request: as much as one of its two tensors.
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <signal.h>

#include <fstream>
#include <iostream>
#include <limits>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "server/admission.h"
#include "server/transport/transport.h"

ABSL_FLAG(std::string, listen_address, "127.0.0.1:0", "HOST:PORT, or unix:/path");
ABSL_FLAG(std::string, port_file, "", "where the bound HOST:PORT is written");
ABSL_FLAG(int, completion_queues, 1, "queues, each with a thread");

namespace {

constexpr size_t kScalarAnswerBytes = 64;

void Answer(lossd::server::UnaryCall& call, size_t bytes) {
  const grpc::Slice slice(grpc_slice_malloc(bytes), grpc::Slice::STEAL_REF);
  call.Finish(grpc::Status::OK, grpc::ByteBuffer(&slice, 1));
}

lossd::server::Method MakeMethod(const char* name, lossd::server::UnaryHandler handler) {
  return {.name = name,
          .handler = std::move(handler),
          .requests = nullptr,
          .stream = nullptr,
          .unimplemented = "",
          .max_request_bytes = std::numeric_limits<int32_t>::max()};
}

}  // namespace

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  lossd::server::Admission admission(std::numeric_limits<int64_t>::max(), 0);
  lossd::server::Transport transport(
      {MakeMethod("/lossd.v1.LossService/Evaluate", [](auto& call) { Answer(call, kScalarAnswerBytes); }),
       MakeMethod("/lossd.v1.LossService/Gradient", [](auto& call) { Answer(call, call.request_bytes() / 2); })},
      nullptr, admission, {.num_queues = absl::GetFlag(FLAGS_completion_queues)});
  grpc::ServerBuilder builder;
  int port = 0;
  const std::string address = absl::GetFlag(FLAGS_listen_address);
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  transport.Register(builder);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  const auto server = builder.BuildAndStart();
  if (server == nullptr) {
    std::cerr << "cannot listen on " << address << "\n";
    return 1;
  }
  transport.Start();
  const std::string bound =
      address.rfind("unix:", 0) == 0 ? address : address.substr(0, address.rfind(':') + 1) + std::to_string(port);
  std::ofstream(absl::GetFlag(FLAGS_port_file)) << bound << "\n";

  int signal = 0;
  sigwait(&signals, &signal);
  server->Shutdown(std::chrono::system_clock::now());
  transport.Stop();
  return 0;
}
