// A call with one request, as its method sees it.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <cstddef>
#include <functional>

#include "core/executor.h"
#include "proto/wire/byte_buffer.h"

namespace lossd::server {

// A call whose message has been read. Handed to a method's handler, which answers it with Finish, once, at any later
// time and from any thread. The transport owns it; it lives until Finish is called, and not a moment longer.
class UnaryCall {
 public:
  // The request's bytes where the network left them. Valid until Finish. gRPC has given them up, and handlers may write
  // over them. (Not so over gRPC's channels within a process, where they are the caller's: lossd must not be served on
  // one.)
  virtual const wire::ReceivedBytes& request() const = 0;
  virtual size_t request_bytes() const = 0;

  // Set when the caller hung up, the deadline passed or the server stops.
  virtual const Cancellation& cancellation() const = 0;

  // Replaces the worst case that was reserved for this call by what it really takes. False: it takes more than was
  // reserved, and the rest is not to be had now; the answer is then RESOURCE_EXHAUSTED.
  [[nodiscard]] virtual bool Settle(size_t bytes) = 0;

  // Does `work`, which may take long, soon, on a thread that is there for such.
  virtual void RunLong(std::function<void()> work) = 0;

  // Sends `response` where `status` is OK, else the status alone.
  virtual void Finish(const grpc::Status& status, grpc::ByteBuffer response) = 0;

 protected:
  ~UnaryCall() = default;
};

// Runs on the thread of a completion queue: must not block. Long work goes to RunLong and takes a reference to the
// call.
using UnaryHandler = std::function<void(UnaryCall&)>;

}  // namespace lossd::server
