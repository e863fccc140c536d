#include "server/build_info.h"

#include <google/protobuf/stubs/common.h>
#include <grpcpp/grpcpp.h>

#include "core/registry.h"

namespace lossd::server {

BuildInfo GetBuildInfo() {
  return {.version = LOSSD_VERSION,
          .grpc = grpc::Version(),
          .protobuf = google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION),
          .simd = std::string(InstructionSet())};
}

}  // namespace lossd::server
