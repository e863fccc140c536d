// From gRPC's status to Abseil's: the only place where that happens.
#pragma once

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace lossd {

// Same code, same message. A code that gRPC does not define becomes UNKNOWN.
absl::Status ToAbslStatus(const grpc::Status& status);

}  // namespace lossd
