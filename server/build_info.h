// What this binary is.
#pragma once

#include <string>

namespace lossd::server {

struct BuildInfo {
  std::string version;  // of lossd
  std::string grpc;     // libraries, as linked at run time where they say so
  std::string protobuf;
  std::string simd;  // the instruction set that the kernels use on this machine
};

BuildInfo GetBuildInfo();

}  // namespace lossd::server
