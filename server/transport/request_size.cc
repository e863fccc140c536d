#include "server/transport/request_size.h"

#include <charconv>
#include <iterator>
#include <string_view>

#include "core/limits.h"
#include "server/transport/transport.h"
#include "spdlog/fmt/fmt.h"

namespace lossd::server {
namespace {

bool ParseDecimal(std::string_view text, size_t* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

grpc::Status TooLarge(size_t bytes, size_t limit) {
  return {grpc::StatusCode::RESOURCE_EXHAUSTED,
          fmt::format("request message of {} bytes; this server takes at most {} for this method", bytes, limit)};
}

}  // namespace

grpc::Status RequestSize::Read(const grpc::ServerContext& context, Refusal* refusal) {
  const auto& metadata = context.client_metadata();
  const auto [begin, end] = metadata.equal_range({kDeclaredBytesKey.data(), kDeclaredBytesKey.size()});
  if (begin == end) return grpc::Status::OK;
  const std::string_view text(begin->second.data(), begin->second.size());
  size_t bytes = 0;
  if (std::next(begin) != end || !ParseDecimal(text, &bytes)) {
    *refusal = Refusal::kMalformedSize;
    return {grpc::StatusCode::INVALID_ARGUMENT,
            fmt::format("metadata {} = \"{}\"; expected one decimal number, the size of the request message in bytes",
                        kDeclaredBytesKey, text.substr(0, kMaxEcho))};
  }
  declared_ = bytes;
  if (bytes <= max_bytes_) return grpc::Status::OK;
  *refusal = Refusal::kTooLarge;
  return TooLarge(bytes, max_bytes_);
}

grpc::Status RequestSize::Check(size_t bytes, Refusal* refusal) const {
  if (bytes > max_bytes_) {
    *refusal = Refusal::kTooLarge;
    return TooLarge(bytes, max_bytes_);
  }
  if (bytes > most_bytes()) {
    *refusal = Refusal::kLargerThanDeclared;
    return {grpc::StatusCode::INVALID_ARGUMENT,
            fmt::format("request message of {} bytes; metadata {} declared {}", bytes, kDeclaredBytesKey, *declared_)};
  }
  return grpc::Status::OK;
}

}  // namespace lossd::server
