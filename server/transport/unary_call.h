// What the transport and the methods that it serves know of each other: a call, a method, and who watches.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "core/executor.h"
#include "core/tensor/segment.h"
#include "server/transport/stream.h"

namespace lossd::server {

// A call whose message has been read. Handed to a method's handler, which answers it with Finish, once, at any later
// time and from any thread. The transport owns it; it lives until Finish is called, and not a moment longer.
class UnaryCall {
 public:
  // The request's bytes in order, where the network left them. Valid until Finish.
  virtual std::span<const Segment> request() const = 0;
  virtual size_t request_bytes() const = 0;

  // Set when the caller hung up, the deadline passed or the server stops.
  virtual const Cancellation& cancellation() const = 0;

  // Replaces the worst case that was reserved for this call by what it really takes. False: it takes more than was
  // reserved, and the rest is not to be had now; the answer is then RESOURCE_EXHAUSTED.
  [[nodiscard]] virtual bool Settle(size_t bytes) = 0;

  // Sends `response` where `status` is OK, else the status alone.
  virtual void Finish(const grpc::Status& status, grpc::ByteBuffer response) = 0;

 protected:
  ~UnaryCall() = default;
};

// Runs on the thread of a completion queue: must not block. Long work goes elsewhere and takes a reference to the call.
using UnaryHandler = std::function<void(UnaryCall&)>;

// Why a call was turned away before its handler saw it.
enum class Refusal {
  kMalformedSize,       // `lossd-request-bytes` is not a number
  kTooLarge,            // larger than the method takes
  kLargerThanDeclared,  // the message is larger than its headers said
  kQueueFull,           // no bytes left, and too many wait already
  kStalled,             // the peer held its reservation without moving, while others waited for it
};
inline constexpr size_t kNumRefusals = 5;
std::string_view Name(Refusal refusal);

// A call that has ended.
struct FinishedCall {
  std::string_view method;  // "/package.Service/Method", as the peer wrote it
  const grpc::Status& status;
  std::chrono::nanoseconds duration;  // from the headers to the last byte of the answer
  size_t received_bytes = 0;
  size_t sent_bytes = 0;
  const grpc::ServerContext& context;
};

// Sees the calls of one method. Called on the threads of the completion queues: thread-safe, and must not block.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  virtual void OnStarted() = 0;
  virtual void OnReceived(size_t bytes) = 0;
  virtual void OnRefused(Refusal refusal) = 0;
  virtual void OnFinished(const FinishedCall& call) = 0;
};

struct Method {
  std::string name;           // "/package.Service/Method"
  UnaryHandler handler;       // of a unary method
  StreamFactory stream;       // of a method with many messages; one for each call. It takes no part in admission.
  std::string unimplemented;  // where both are empty, the sentence with which a call is answered, unread
  // Largest request message. Also what a call is taken to send that does not declare its size.
  size_t max_request_bytes = 0;
  // Bytes of a whole call in the worst case (request, response, workspace), as a multiple of its request. 0: calls are
  // small and never wait, for what must be answered under any load.
  size_t reserve_factor = 1;
  CallObserver* observer = nullptr;  // may be null; outlives the transport
};

}  // namespace lossd::server
