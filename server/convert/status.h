// From core's errors to gRPC's, in one function.
#pragma once

#include <grpcpp/support/status.h>

#include <cstddef>

#include "absl/status/status.h"

namespace lossd::server {

// A status message travels in a header, percent-encoded to up to three times its size, and clients accept 8 KiB of
// headers.
inline constexpr size_t kMaxStatusMessage = 1024;

// The same code; the message cut to kMaxStatusMessage bytes, never inside a UTF-8 character.
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace lossd::server
