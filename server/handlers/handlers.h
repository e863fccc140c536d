// One function per RPC: from a call whose message has been read to its answer.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>

#include "core/executor.h"
#include "core/plan.h"
#include "core/problem.h"
#include "server/handlers/costs.h"
#include "server/shared_memory/regions.h"
#include "server/transport/request_stream.h"
#include "server/transport/unary_call.h"

namespace lossd::server {

// What the handlers share. Outlives every call.
struct HandlerContext {
  Executor& executor;
  // Told about every problem that is about to be evaluated; thread-safe. For the metrics.
  std::function<void(const Problem&, const Plan&)> on_evaluation;
  const Regions* regions = nullptr;  // null: no memory is shared
  // As many calls are under way as there are threads, or more. Null: never.
  std::function<bool()> is_crowded = nullptr;
  Executor* alone = nullptr;  // of one thread
  Costs* costs = nullptr;     // null: none is known
};

// Requests up to this size are computed on the thread that read them: 4,096 pairs of floats take 2 to 9 us
// (scripts/bench kernels), and a hand-over to a thread that sleeps, and back, 8 to 11 us of CPU.
inline constexpr size_t kInlineRequestBytes = 32 << 10;

// Larger ones are where they are known to take no longer than this, the thread has time to spare, and no small ones
// come to it: all other calls of the queue wait meanwhile, as they wait for the bytes of such a request to be read. 16
// MiB of squared errors take 2 ms.
inline constexpr std::chrono::milliseconds kLongestInline{4};

// Requests of one stream that are in flight: twice what stream_bench keeps on its way, so that a caller with a longer
// round trip is not held up. Large ones are bounded by the memory budget before.
inline constexpr size_t kStreamedInFlight = 64;

// Most that protobuf itself parses of a request: names, params, and tensors typed by hand as lists. Lists grow when
// they are parsed (a label of one byte becomes eight), before Settle can see them; this bounds what a thread holds
// unreserved.
inline constexpr size_t kMaxSkeletonBytes = 4 << 20;

void Evaluate(HandlerContext& context, UnaryCall& call);
void Gradient(HandlerContext& context, UnaryCall& call);
// One call of EvaluateBatch.
RequestStream EvaluateBatch(HandlerContext& context);
void ListLosses(UnaryCall& call);
void DescribeLoss(UnaryCall& call);

}  // namespace lossd::server
