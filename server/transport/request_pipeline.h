// The turn-taking of a call with many requests (request_stream.h): reads ahead while requests are being computed, and
// sends their answers in the order of the requests. Private to the transport.
//
//   room for a message --> read --> in flight: [running ... done] --> the front is done: written --> room given back
//
// Invariants
//  1. A message is read only when its worst case has been reserved, and fewer than max_in_flight requests are in
//  flight:
//     a peer that does not read its answers stops its own requests, and holds no more than that.
//  2. One read and one write at a time; the final status comes when nothing runs, nothing is written and nothing in
//  here
//     is on its way to an operation.
//  3. Turns are taken on the queue's thread. Handlers finish on any, so the state has a lock; no operation and no
//  handler
//     is called under it.
//
// Small answers travel together. Every write that gRPC is not told to buffer is a system call, on a stream of small
// requests nearly half of the cost; so the last small answer is held back while the queue has events ready, and what is
// not the last is written with the buffer hint.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "proto/wire/byte_buffer.h"
#include "server/admission.h"
#include "server/transport/method.h"
#include "server/transport/stream_call.h"

namespace lossd::server {

// What the turns are made of, beside those of StreamOperations.
class PipelineOperations : public StreamOperations {
 public:
  virtual void ExpectGrant() = 0;    // OnGranted will come, ...
  virtual void UnexpectGrant() = 0;  // ... or will not after all
  virtual void AnnounceGrant() = 0;  // from any thread: OnGranted, soon
  // Counts the refusal and gives `status` its trailing metadata.
  virtual void NoteRefusal(Refusal refusal, const grpc::Status& status) = 0;
  virtual void HangUp() = 0;
  virtual void RunLong(std::function<void()> work) = 0;  // as UnaryCall has it
  virtual void AnnounceAnswer() = 0;                     // from any thread: OnAnswered, soon
  virtual bool IsQueueThread() = 0;
  // OnQuiet will come soon, when the queue has no event that is ready. False: not on this thread.
  virtual bool ExpectQuiet() = 0;

 protected:
  ~PipelineOperations() = default;
};

// Events come on the queue's thread. The object is gone soon after StartFinish.
class RequestPipeline {
 public:
  struct Limits {
    size_t request_bytes;   // of one message, as declared, or the largest
    size_t reserve_factor;  // as in Method
    size_t overhead_bytes;  // of the call itself
  };

  // All references outlive the pipeline. `cancellation` is the call's.
  RequestPipeline(RequestStream stream, const Limits& limits, Admission& admission, Cancellation& cancellation,
                  PipelineOperations& operations);
  ~RequestPipeline();

  void Begin();
  // null: the peer has no more messages, or is gone.
  void OnMessage(const grpc::ByteBuffer* message);
  void OnAnswered();
  void OnWritten(bool ok);
  void OnGranted();
  // No message is there to be read, so no further answer will come before somebody waits.
  void OnQuiet();
  // A message that cannot be taken: ends the call like a request that fails.
  void OnBadMessage(const grpc::Status& status);
  // The call is over, whatever is in flight.
  void OnCancelled(const grpc::Status& status);
  // Nothing more is read, unless the call is one piece of work.
  void OnDrain();
  // Called now and then while others wait: ends the call if its peer has not moved since before `limit`.
  void EndIfStalled(std::chrono::steady_clock::time_point limit);

 private:
  class Request;
  enum class Claim { kNone, kWaiting, kGranted };
  struct Steps {
    bool read = false;
    Request* write = nullptr;
    bool more = false;  // another answer follows the one that is written
    bool any() const { return read || write != nullptr; }
  };

  std::unique_ptr<Request> NewRequest();
  void Push(std::unique_ptr<Request> request);
  // Takes what is in `answer`.
  void Done(Request& request, const grpc::Status& status, grpc::ByteBuffer* answer);
  // Takes every turn that there is to take. Nothing may touch this object behind it.
  void Go(std::unique_lock<std::mutex> lock);
  Steps Next();
  Request* NextToRun();
  void TakeAnswers(Steps& steps);
  bool MayHoldBack(const Request& front) const;
  bool MayRead() const;
  bool HasRoom();
  bool Reserve(Admission::Ticket& ticket, Claim& claim, size_t bytes);
  void End(const grpc::Status& status);
  bool Keep(size_t bytes);

  const RequestStream stream_;
  const Limits limits_;
  Admission& admission_;
  Cancellation& cancellation_;
  PipelineOperations& operations_;

  std::mutex mutex_;  // guards what follows
  Claim base_claim_ = Claim::kNone, next_claim_ = Claim::kNone;
  std::optional<Admission::Ticket> base_;  // the call itself, and what it keeps
  size_t kept_bytes_ = 0;
  std::unique_ptr<Request> next_;  // has or asks for the reservation of the next message
  std::deque<std::unique_ptr<Request>> in_flight_;
  size_t next_index_ = 0;
  size_t running_ = 0;
  int busy_ = 0;  // in Go: a handler that answers at once comes back into it
  bool starting_ = false, reading_ = false, writing_ = false, peer_ended_ = false, failed_ = false, draining_ = false;
  bool held_back_ = false;  // the front is done, and waits for an answer to travel with, or for OnQuiet, ...
  bool quiet_ = false;      // ... which has come: the front leaves as soon as it can be written
  std::optional<grpc::Status> end_;
  bool finished_ = false;
  uint64_t progress_ = 1, seen_progress_ = 0;  // events that moved the call; as EndIfStalled last saw it
  std::chrono::steady_clock::time_point seen_at_{};
};

}  // namespace lossd::server
