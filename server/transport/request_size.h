// How large a call's request messages may be: what its headers declare, and what its method takes. Private to the
// transport.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <cstddef>
#include <optional>

#include "server/transport/method.h"

namespace lossd::server {

class RequestSize {
 public:
  explicit RequestSize(size_t max_bytes) : max_bytes_(max_bytes) {}

  // Takes what the headers declare. Where they declare nonsense, or more than `max_bytes`, a status and why.
  grpc::Status Read(const grpc::ServerContext& context, Refusal* refusal);

  // Of one message at most.
  size_t most_bytes() const { return declared_.value_or(max_bytes_); }

  // Why a message that has come cannot be taken; OK where it can.
  grpc::Status Check(size_t bytes, Refusal* refusal) const;

 private:
  size_t max_bytes_;
  std::optional<size_t> declared_;
};

}  // namespace lossd::server
