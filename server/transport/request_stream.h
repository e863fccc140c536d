// A call with many requests, each handled like a unary one, as its method sees it.
#pragma once

#include <cstddef>
#include <functional>

#include "server/transport/unary_call.h"

namespace lossd::server {

// One request of the call, or its end. Everything that UnaryCall says holds; beside it:
//   Finish       an answer without bytes (grpc::ByteBuffer()) sends nothing. A status other than OK ends the call with
//   that
//                status, once the requests before this one have been answered; those behind it are not answered.
//   cancellation is set too when a request before this one has failed.
class StreamedRequest : public UnaryCall {
 public:
  // Reserves what the call keeps beyond this request, in bytes; replaces what it kept before. False: it is not to be
  // had now, and nothing has changed.
  [[nodiscard]] virtual bool Keep(size_t bytes) = 0;

 protected:
  ~StreamedRequest() = default;
};

// What one such call does. Handlers run where UnaryHandler runs.
struct RequestStream {
  std::function<void(StreamedRequest&)> on_request;
  // The peer has no more requests, and all have been finished. Empty: the call then ends with OK.
  std::function<void(StreamedRequest&)> on_end = nullptr;
  // Requests that have been read and not been answered, or whose answers the peer has not taken: then no more is read.
  size_t max_in_flight = 1;
  // A request is given to on_request when the one before it is finished. Such a call is one piece of work, which a
  // drain lets finish; others end when what was read has been answered.
  bool one_at_a_time = false;
};

using RequestStreamFactory = std::function<RequestStream()>;

}  // namespace lossd::server
