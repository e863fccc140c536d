// A call with many messages each way, as its method sees it.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <functional>
#include <memory>
#include <span>

#include "core/tensor/segment.h"

namespace lossd::server {

// Where a stream puts what it has to say. Messages leave in order; Finish comes after them and is said once.
class StreamWriter {
 public:
  virtual void Send(grpc::ByteBuffer message) = 0;
  virtual void Finish(const grpc::Status& status) = 0;

 protected:
  ~StreamWriter() = default;
};

// The method's side of one such call. All of it runs on the thread of a completion queue: nothing may block. The next
// message is read when all that was sent has been taken by the transport, so that a peer who does not read cannot fill
// memory.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual void OnMessage(std::span<const Segment> message, StreamWriter& writer) = 0;
  // The peer has no more messages.
  virtual void OnEnd(StreamWriter& writer) = 0;
  // Transport::Wake: something that the stream watches may have changed.
  virtual void OnWake(StreamWriter& writer) = 0;
};

using StreamFactory = std::function<std::unique_ptr<Stream>()>;

}  // namespace lossd::server
