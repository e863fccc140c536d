// A server with lossd in it, and calls of it as a caller on the same machine makes them.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/rpc/process.h"
#include "lossd/shared_region.h"
#include "lossd/v1/loss_service.pb.h"

namespace lossd::bench {

// How tensors reach the server: through a socket, or they lie in memory that both see, as does the gradient.
enum class Way { kTcp, kUnix, kSharedMemory };

class Remote {
 public:
  // Starts `program`. Throws std::runtime_error, as do the others.
  Remote(const std::string& program, Way way);

  // The request that Gradient makes from now on, as a message. Writing it is not a part of the calls: a C++ client
  // sends tensors from where they lie, and a caller who shares memory has them there.
  void Prepare(const std::string& message);

  // The value. The gradient then lies in this process's memory, in one piece.
  double Gradient();

 private:
  grpc::ByteBuffer Share(v1::GradientRequest request);

  const Way way_;
  std::string shared_socket_;
  Process process_;
  std::shared_ptr<grpc::Channel> channel_;
  std::optional<SharedRegion> region_;
  grpc::ByteBuffer request_;
  std::vector<std::byte> memory_;
};

}  // namespace lossd::bench
