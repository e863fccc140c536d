#include "server/build_info.h"

#include <google/protobuf/stubs/common.h>
#include <grpcpp/grpcpp.h>
#include <hwy/targets.h>

namespace lossd::server {

BuildInfo GetBuildInfo() {
  const auto best = hwy::SupportedTargets() & -hwy::SupportedTargets();  // a lower bit is a better target
  return {.version = LOSSD_VERSION,
          .grpc = grpc::Version(),
          .protobuf = google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION),
          .simd = hwy::TargetName(best)};
}

}  // namespace lossd::server
