// The turn-taking of a call with many messages: one operation of each kind at a time, in the order that Stream
// promises. Private to the transport.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "server/transport/stream.h"

namespace lossd::server {

// What the turns are made of. Each operation ends in the event of the same name, on the queue's thread.
class StreamOperations {
 public:
  virtual void StartRead() = 0;  // OnMessage
  // OnWritten. `more`: another write follows soon, and this one need not leave before.
  virtual void StartWrite(const grpc::ByteBuffer& message, bool more) = 0;
  virtual void StartFinish(const grpc::Status& status) = 0;  // nothing more is asked of this object

 protected:
  ~StreamOperations() = default;
};

class StreamCall final : public StreamWriter {
 public:
  StreamCall(std::unique_ptr<Stream> stream, StreamOperations& operations)
      : stream_(std::move(stream)), operations_(operations) {}

  void Send(grpc::ByteBuffer message) override { unsent_.push_back(std::move(message)); }
  void Finish(const grpc::Status& status) override {
    if (!end_) end_ = status;
  }

  void Begin() { Advance(); }
  // null: the peer has no more messages, or is gone.
  void OnMessage(const grpc::ByteBuffer* message);
  void OnWritten(bool ok);
  void OnWake();
  // The call is over, whatever the stream still has to say.
  void End(const grpc::Status& status);

 private:
  void Advance();

  const std::unique_ptr<Stream> stream_;
  StreamOperations& operations_;
  std::deque<grpc::ByteBuffer> unsent_;  // the front is being written while writing_
  std::optional<grpc::Status> end_;
  bool reading_ = false, writing_ = false, peer_ended_ = false, finished_ = false;
};

}  // namespace lossd::server
