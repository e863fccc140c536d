// One call on its way through the states of transport.h. Private to the transport.
#pragma once

#include <grpcpp/generic/async_generic_service.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <span>

#include "core/executor.h"
#include "core/tensor/segment.h"
#include "proto/wire/byte_buffer.h"
#include "server/admission.h"
#include "server/transport/call_queue.h"
#include "server/transport/method.h"
#include "server/transport/request_pipeline.h"
#include "server/transport/request_size.h"
#include "server/transport/stream_call.h"

namespace lossd::server {

// What a call takes beside its message: its own object, its headers, and what HTTP/2 flow control lets a peer send
// ahead while the call waits (64 KiB is the initial window of a stream).
inline constexpr size_t kCallOverheadBytes = 64 << 10;

// Owns itself, from the wish for a call to the end of the call that came.
class Call final : public UnaryCall, private EventTarget, private PipelineOperations {
 public:
  // Asks gRPC for the next call on `queue`.
  static void Post(CallQueue& queue);

  const wire::ReceivedBytes& request() const override { return request_; }
  size_t request_bytes() const override { return received_bytes_; }
  const Cancellation& cancellation() const override { return cancellation_; }
  bool Settle(size_t bytes) override { return ticket_->Settle(bytes); }
  void RunLong(std::function<void()> work) override;
  void Finish(const grpc::Status& status, grpc::ByteBuffer response) override;

  // Goes on where it was held. On the queue's thread.
  void GoOn();

  // Lets a stream look at what it watches. On the queue's thread.
  void Wake() {
    if (streaming_) streaming_->OnWake();
  }

  // The server is about to end: a call with many requests answers what it has read, and ends. On the queue's thread.
  void Drain() {
    if (pipeline_) pipeline_->OnDrain();
  }

  // The queue has no event that is ready. On its thread.
  void OnQuiet() {
    if (pipeline_) pipeline_->OnQuiet();
  }

  // Ends the call if it has been waiting for its peer since before `limit`. On the queue's thread.
  void EndIfStalled(std::chrono::steady_clock::time_point limit);

 private:
  enum class State { kPosted, kHeld, kWaiting, kReading, kHandling, kStreaming, kFinishing };

  explicit Call(CallQueue& queue);
  ~Call();

  void OnEvent(Event event, bool ok) override;
  void OnArrived();
  void OnGranted();
  void OnMessage(bool ok);
  void OnStreamMessage(bool ok);
  void OnWritten(bool ok);
  void OnDone();

  void Begin();
  void BeginRequests();
  void Admit();
  void Read();
  void Handle();
  void StartRead() override;
  void StartWrite(const grpc::ByteBuffer& message, bool more) override;
  void StartFinish(const grpc::Status& status) override { FinishNow(status); }
  void ExpectGrant() override { ++pending_events_; }
  void UnexpectGrant() override { --pending_events_; }
  void AnnounceGrant() override { queue_.Post(granted_); }
  void AnnounceAnswer() override;
  bool IsQueueThread() override { return queue_.IsThisThread(); }
  void NoteRefusal(Refusal refusal, const grpc::Status& status) override;
  void HangUp() override;
  bool ExpectQuiet() override { return queue_.ExpectQuiet(this); }
  void Refuse(Refusal refusal, const grpc::Status& status);
  void FinishNow(const grpc::Status& status);
  void Enter(State state);
  grpc::Status StatusOfCancellation() const;
  void Report();

  CallQueue& queue_;
  const Method* method_ = nullptr;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_{&context_};
  EventTag arrived_{this, Event::kArrived}, granted_{this, Event::kGranted}, message_{this, Event::kMessage},
      answered_{this, Event::kAnswered}, written_{this, Event::kWritten}, finished_{this, Event::kFinished},
      done_{this, Event::kDone};

  State state_ = State::kPosted;
  std::chrono::steady_clock::time_point entered_{};
  std::chrono::steady_clock::time_point started_;
  // Events still to come. The done-notification and the end of Finish's operation come once in every call. (Atomic,
  // because other threads announce answers; it reaches 0 on the queue's.)
  std::atomic<int> pending_events_ = 2;
  bool delivered_ = false;  // the answer left
  Cancellation cancellation_;

  RequestSize size_{0};
  std::optional<Admission::Ticket> ticket_;
  grpc::ByteBuffer request_buffer_;
  wire::ReceivedBytes request_;
  size_t received_bytes_ = 0;

  std::optional<StreamCall> streaming_;
  std::optional<RequestPipeline> pipeline_;

  grpc::Status status_;
  grpc::ByteBuffer response_;  // of a unary call, until it is sent
  bool headers_sent_ = false;
  size_t writing_bytes_ = 0;  // of the message that is being sent
  size_t sent_bytes_ = 0;
  CallQueue::Position position_;
};

}  // namespace lossd::server
