// A call whose tensors lie in memory shared with the server.
#pragma once

#include "bench/rpc/process.h"
#include "bench/rpc/results.h"

namespace lossd::bench {

// Calls on 64 MiB of shared tensors, and the same evaluation on the same memory in this process, on one thread each, in
// turn: rows of "shared", in milliseconds. Throws std::runtime_error where the server fails.
void MeasureSharedMemory(const Command& lossd, int rounds, Results& results);

}  // namespace lossd::bench
