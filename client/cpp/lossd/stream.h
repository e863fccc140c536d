// Many calls over one stream: a small call costs its bytes and its arithmetic, and not a call of its own.
//
//   auto stream = client->OpenGradientStream({});
//   for (const Batch& batch : batches) {
//     if (auto sent = stream->Send(CallFor(batch)); !sent.ok()) return sent;
//     if (stream->unanswered() < 16) continue;  // keep some on their way
//     auto result = stream->Receive();          // of the oldest request without an answer
//     ...
//   }
//   while (stream->unanswered() > 0) { auto result = stream->Receive(); ... }
//   absl::Status status = stream->Finish();
//
// Errors. A request that the server refuses ends the stream: the requests before it are answered, then Receive returns
// the status, whose message says which request it was; those behind it are not answered, and may be sent again on a new
// stream. A server that shuts down answers what it has read and ends the stream with UNAVAILABLE. Nothing is tried
// again by itself. Streams share a connection of their own, beside that of the client's other calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lossd/client.h"

namespace lossd {

class MessageStream;

struct StreamOptions {
  // Largest request. The server keeps room for one while it waits for the next, so say no more than you need; 4 MiB is
  // what gRPC takes elsewhere.
  size_t max_request_bytes = size_t{4} << 20;
  absl::Duration timeout = absl::InfiniteDuration();  // of the whole stream
};

// One stream. Not thread-safe; movable, a moved-from stream can only be destroyed or assigned to. LossCall::timeout
// means nothing here. Outlives its client.
template <class Result>
class LossStream {
 public:
  LossStream(LossStream&&) noexcept;
  LossStream& operator=(LossStream&&) noexcept;
  ~LossStream();  // cancels what was not finished

  // Sends one request, without waiting for its answer; waits where the server takes no more for now. The memory that
  // the call borrows is free again when this returns.
  [[nodiscard]] absl::Status Send(const LossCall& call);
  // The answer of the oldest request that has none yet. FAILED_PRECONDITION where all have been answered.
  [[nodiscard]] absl::StatusOr<Result> Receive();
  // Requests that were sent and whose answers were not received. Answers wait in this client's memory.
  int64_t unanswered() const { return unanswered_; }
  // Says that no more requests come, and waits for the end. Answers that were not received are lost.
  [[nodiscard]] absl::Status Finish();

 private:
  friend class Client;
  explicit LossStream(std::unique_ptr<MessageStream> messages);

  std::unique_ptr<MessageStream> messages_;
  int64_t unanswered_ = 0;
};

using EvaluateStream = LossStream<EvaluateResult>;
using GradientStream = LossStream<GradientResult>;

}  // namespace lossd
