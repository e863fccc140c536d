// grpc.reflection v1 and v1alpha over our own transport: what grpcurl and ghz ask before they can call. gRPC's own
// plugin has v1alpha alone, and brings threads that take turns at the sockets with ours.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/transport/stream.h"

namespace lossd::server {

// Answers from the descriptors that are linked into this program. `services` is what list_services shows.
// The two versions have the same messages on the wire.
std::unique_ptr<Stream> Reflect(const std::vector<std::string>& services);

}  // namespace lossd::server
