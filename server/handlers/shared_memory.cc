#include "server/handlers/shared_memory.h"

#include <string>

namespace lossd::server {

ConvertedValues NewConvertedValues(const HandlerContext& context, UnaryCall& call, size_t* copied) {
  ConvertedValues converted;
  converted.known_regions = context.regions;
  converted.reserve = [&call, copied](size_t bytes) {
    if (!call.Settle(call.request_bytes() + *copied + bytes)) return false;
    *copied += bytes;
    return true;
  };
  return converted;
}

bool IsSmall(const HandlerContext& context, const UnaryCall& call) {
  if (call.request_bytes() > kInlineRequestBytes) return false;
  if (context.regions == nullptr) return true;
  // A request of a hundred bytes may refer to a gigabyte. All names of regions begin alike, so that a look at the bytes
  // tells, before anything is decoded; one that merely looks so goes to another thread for nothing.
  std::string bytes;
  bytes.reserve(call.request_bytes());
  for (const Segment& segment : call.request().segments()) {
    bytes.append(reinterpret_cast<const char*>(segment.data), segment.size);
  }
  return bytes.find(Regions::kPrefix) == std::string::npos;
}

}  // namespace lossd::server
