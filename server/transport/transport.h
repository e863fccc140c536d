// Serves methods on completion queues, headers first. (Calls with many messages go their own way from the first on:
// request_pipeline.h, stream.h.)
//
// No service is registered with gRPC, so every call arrives at one AsyncGenericService. It surfaces when its
// headers are there and its message is still with the peer: this is where a call is refused at no cost, because gRPC
// checks its own limit on messages only after the whole message lies in memory.
//
//   arrived --[held]--> ask --[waiting]--> granted --> reading --message--> handling --Finish--> finishing --> gone
//
// Invariants
//  1. A completion queue has one thread, and all events of a call come through one queue: the state of a call needs
//     no lock. Other threads reach it only through Cancellation, Finish, and an event of that queue.
//  2. Nothing on that thread blocks. Handlers may compute there only as long as handing over would take; longer work
//     goes to UnaryCall::RunLong.
//  3. A call is deleted when its last operation and its done-notification are through, whatever happened in between.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/admission.h"
#include "server/transport/method.h"
#include "server/transport/workers.h"

namespace lossd::server {

// Request metadata: the size of the message in bytes, decimal.
inline constexpr std::string_view kDeclaredBytesKey = "lossd-request-bytes";
// Trailing metadata of RESOURCE_EXHAUSTED, understood by every gRPC client with a retry policy. -1: do not try again.
inline constexpr std::string_view kPushbackKey = "grpc-retry-pushback-ms";

struct TransportOptions {
  int num_queues = 1;
  int num_threads = 1;  // that do long work (UnaryCall::RunLong), beside those that wait for events
  // While other calls wait for bytes, a peer that keeps its reservation this long without sending its message, or
  // without taking its answer, loses it.
  std::chrono::milliseconds stall_timeout = std::chrono::seconds(10);
};

class Call;
class CallQueue;

class Transport {
 public:
  // `other` sees calls of methods that are not in the table (which are answered UNIMPLEMENTED); may be null.
  // `admission` and the observers outlive the transport.
  Transport(std::vector<Method> methods, CallObserver* other, Admission& admission, const TransportOptions& options);
  ~Transport();  // REQUIRES: Stop was called, or Start never

  // Adds the generic service and its queues. Before BuildAndStart.
  void Register(grpc::ServerBuilder& builder);
  // Starts the threads. After BuildAndStart.
  void Start();
  // From now on calls that arrive are held: they go no further until Release. For a shutdown that loses no call. gRPC
  // cancels what arrives once Server::Shutdown has begun, also what was on its way before the client could know; so the
  // callers are made to wait first, and are served when their connections have been told to take no more calls.
  void Hold() { holding_.store(true, std::memory_order_relaxed); }
  // Lets held calls go on. Once, after Hold, and before Stop.
  void Release();

  // Has calls with many requests answer what they have read, and end. Once, before Stop.
  void DrainRequests();

  // Has every stream look at what it watches, soon. From any thread, between Start and Stop; one thread at a time.
  void Wake();

  // Changes whenever a call arrives or is gone.
  uint64_t activity() const;
  // gRPC has begun to shut down: no further call will arrive.
  bool closed() const { return closed_.load(std::memory_order_relaxed); }

  // Waits for the last call to be gone and ends the threads. After Server::Shutdown has returned.
  void Stop();

  // Calls that have arrived and are not gone; streams, which may last for ever, are not among them.
  int64_t num_calls() const;

 private:
  friend class Call;
  friend class CallQueue;

  const Method& Find(std::string_view name) const;

  const TransportOptions options_;
  Admission& admission_;
  Method unknown_;  // what a call of a method that is not in the table gets
  std::vector<Method> methods_;
  absl::flat_hash_map<std::string_view, const Method*> by_name_;
  grpc::AsyncGenericService service_;
  std::atomic<bool> holding_{false};
  std::atomic<bool> closed_{false};
  std::vector<std::unique_ptr<CallQueue>> queues_;
  Workers workers_;  // the first to end: it refers to calls
};

}  // namespace lossd::server
