// The closed loop of closed_loop.h over one stream: a number of requests always in flight, each answer followed at once
// by the next request.
#pragma once

#include "bench/rpc/closed_loop.h"

namespace lossd::bench {

// `load.method` takes and gives streams. Counts requests as calls. One thread of this process. Throws
// std::runtime_error when the stream ends early.
Measured RunStream(const std::shared_ptr<grpc::Channel>& channel, const Load& load);

}  // namespace lossd::bench
