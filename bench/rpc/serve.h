// What the servers beside lossd share: flags, the port file, the end.
#pragma once

#include <grpcpp/server_builder.h>

#include <functional>

namespace lossd::bench {

// First thing in main: leaves SIGTERM to Serve and parses the flags --listen_address and --port_file, and the caller's.
void ParseServerFlags(int argc, char** argv);

struct Hooks {
  std::function<void(grpc::ServerBuilder&)> add;  // services, before it is started
  std::function<void()> start = [] {};
  std::function<void()> stop = [] {};  // after the last call
};

// Serves until SIGTERM. The exit status of main.
int Serve(const Hooks& hooks);

}  // namespace lossd::bench
