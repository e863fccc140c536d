// What the transport and the methods that it serves know of each other: a method, and who watches its calls.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "server/transport/request_stream.h"
#include "server/transport/stream.h"
#include "server/transport/unary_call.h"

namespace lossd::server {

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
  size_t received_bytes = 0;          // of all its messages
  size_t sent_bytes = 0;
  const grpc::ServerContext& context;
};

// Sees the calls of one method. Called on the threads of the completion queues: thread-safe, and must not block.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  virtual void OnStarted() = 0;
  virtual void OnReceived(size_t bytes) = 0;  // a request message
  virtual void OnSent(size_t bytes) = 0;      // a response message, which the transport has taken
  virtual void OnRefused(Refusal refusal) = 0;
  virtual void OnFinished(const FinishedCall& call) = 0;
};

struct Method {
  std::string name;               // "/package.Service/Method"
  UnaryHandler handler;           // of a unary method
  RequestStreamFactory requests;  // of a method with many requests; one for each call
  StreamFactory stream;           // of a method with many small messages; the same. It takes no part in admission.
  std::string unimplemented;      // where all three are empty, the sentence with which a call is answered, unread
  // Largest request message. Also what a call is taken to send that does not declare its size.
  size_t max_request_bytes = 0;
  // Bytes of a request in the worst case (itself, its response, workspace), as a multiple of its message. 0: calls are
  // small and never wait, for what must be answered under any load.
  size_t reserve_factor = 1;
  CallObserver* observer = nullptr;  // may be null; outlives the transport
};

}  // namespace lossd::server
