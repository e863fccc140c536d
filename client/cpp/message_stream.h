// A call with many messages each way, driven by the thread that uses it.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/cpp/borrowed_slices.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/generic/generic_stub.h"
#include "proto/wire/byte_buffer.h"
#include "proto/wire/payload.h"

namespace lossd {

// Not thread-safe. Answers are read whenever a function waits, so that a server that must get rid of them before it
// reads on never waits for this client; they lie here until they are received.
class MessageStream {
 public:
  // `max_request_bytes` is declared to the server and is the limit of every message.
  MessageStream(std::shared_ptr<grpc::Channel> channel, const std::string& method, absl::Time deadline,
                size_t max_request_bytes);
  ~MessageStream();  // cancels what was not finished

  // Returns when nothing refers to the memory of the message's payloads any more. RESOURCE_EXHAUSTED for a message over
  // the limit, which is not sent; otherwise the status with which the call has ended.
  absl::Status Send(std::span<const wire::Piece> message);
  // No further Send.
  void EndSending();
  // The next message of the server. Where there is none, the status with which the call has ended; OUT_OF_RANGE where
  // that is OK.
  absl::Status Receive(wire::ReceivedBytes* message);
  // Waits for the end; messages that were not received are dropped. After EndSending.
  absl::Status Finish();

  bool ended() const { return ended_; }
  bool has_message() const { return !received_.empty(); }

 private:
  enum Step { kStart, kWrite, kWritesDone, kRead, kFinish };
  static void* Tag(Step step) { return reinterpret_cast<void*>(step + 1); }  // NOLINT(performance-no-int-to-ptr)

  // Takes one event, if one comes before the deadline.
  void Poll(absl::Time deadline);
  void OnEvent(Step step, bool ok);
  absl::Status EndStatus() const;

  const std::string method_;
  const size_t max_request_bytes_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  BorrowedSlices borrowed_;
  grpc::ByteBuffer reading_;
  std::deque<wire::ReceivedBytes> received_;
  grpc::Status status_;
  bool started_ = false, writing_ = false, sending_ended_ = false, ended_ = false;
};

}  // namespace lossd
