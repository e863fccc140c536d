// What handlers do for requests that refer to shared memory.
#pragma once

#include <cstddef>

#include "server/convert/request.h"
#include "server/handlers/handlers.h"
#include "server/transport/unary_call.h"

namespace lossd::server {

// Knows the server's regions, and has copies reserved for `call` before they are made; `copied` outlives it and counts
// them.
ConvertedValues NewConvertedValues(const HandlerContext& context, UnaryCall& call, size_t* copied);

// The request may be computed on the thread that read it: its tensors are few bytes, here and not in a region
// elsewhere.
bool IsSmall(const HandlerContext& context, const UnaryCall& call);

}  // namespace lossd::server
