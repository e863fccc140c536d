#include "server/convert/status.h"

#include <string>
#include <string_view>

namespace lossd::server {

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  std::string message(status.message());
  if (message.size() > kMaxStatusMessage) {
    constexpr std::string_view kEllipsis = "...";
    size_t end = kMaxStatusMessage - kEllipsis.size();
    while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xC0) == 0x80) --end;  // a continuation byte
    message.resize(end);
    message += kEllipsis;
  }
  return {static_cast<grpc::StatusCode>(status.raw_code()), message};  // both number the canonical codes alike
}

}  // namespace lossd::server
