#include "client/cpp/status.h"

namespace lossd {

absl::Status ToAbslStatus(const grpc::Status& status) {
  // The canonical codes have the same numbers in both.
  const int code = static_cast<int>(status.error_code());
  const bool canonical = code >= 0 && code <= static_cast<int>(absl::StatusCode::kUnauthenticated);
  return absl::Status(canonical ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kUnknown,
                      status.error_message());
}

}  // namespace lossd
