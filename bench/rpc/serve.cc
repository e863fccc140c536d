#include "bench/rpc/serve.h"

#include <grpcpp/security/server_credentials.h>
#include <signal.h>

#include <fstream>
#include <iostream>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"

ABSL_FLAG(std::string, listen_address, "127.0.0.1:0", "HOST:PORT, or unix:/path");
ABSL_FLAG(std::string, port_file, "", "where the bound HOST:PORT is written");

namespace lossd::bench {
namespace {

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  return signals;
}

}  // namespace

void ParseServerFlags(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

int Serve(const Hooks& hooks) {
  grpc::ServerBuilder builder;
  int port = 0;
  const std::string address = absl::GetFlag(FLAGS_listen_address);
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  hooks.add(builder);
  const auto server = builder.BuildAndStart();
  if (server == nullptr) {
    std::cerr << "cannot listen on " << address << "\n";
    return 1;
  }
  hooks.start();
  const bool unix = address.starts_with("unix:");
  const std::string bound = unix ? address : address.substr(0, address.rfind(':') + 1) + std::to_string(port);
  std::ofstream(absl::GetFlag(FLAGS_port_file)) << bound << "\n";

  const sigset_t signals = StopSignals();
  int signal = 0;
  sigwait(&signals, &signal);
  server->Shutdown(std::chrono::system_clock::now());
  hooks.stop();
  return 0;
}

}  // namespace lossd::bench
