#include "server/transport/request_pipeline.h"

#include <algorithm>
#include <utility>

#include "spdlog/fmt/fmt.h"

namespace lossd::server {
namespace {

// Larger answers leave at once: what a system call costs is little beside them, and gRPC buffers 64 KiB at most.
constexpr size_t kMostHeldBack = 16 << 10;

}  // namespace

class RequestPipeline::Request final : public StreamedRequest {
 public:
  Request(RequestPipeline& pipeline, size_t index) : pipeline_(pipeline), index_(index) {}

  const wire::ReceivedBytes& request() const override { return bytes_; }
  size_t request_bytes() const override { return bytes_.size_bytes(); }
  const Cancellation& cancellation() const override { return pipeline_.cancellation_; }
  bool Settle(size_t bytes) override { return !ticket || ticket->Settle(bytes); }
  bool Keep(size_t bytes) override { return pipeline_.Keep(bytes); }
  void RunLong(std::function<void()> work) override { pipeline_.operations_.RunLong(std::move(work)); }
  void Finish(const grpc::Status& status, grpc::ByteBuffer response) override {
    bytes_ = wire::ReceivedBytes();  // the answer may take as much memory again
    pipeline_.Done(*this, status, &response);
  }

  void Receive(const grpc::ByteBuffer& message) { bytes_ = wire::ReceivedBytes(message); }

  // The status of a request, which says in a call with many which one it is about.
  grpc::Status status() const {
    if (is_end) return answer_status;
    return {answer_status.error_code(),
            fmt::format("request {} (the first is 0): {}", index_, answer_status.error_message())};
  }

  std::optional<Admission::Ticket> ticket;
  bool is_end = false, started = false, done = false;
  grpc::Status answer_status;
  grpc::ByteBuffer answer;

 private:
  RequestPipeline& pipeline_;
  const size_t index_;
  wire::ReceivedBytes bytes_;
};

RequestPipeline::RequestPipeline(RequestStream stream, const Limits& limits, Admission& admission,
                                 Cancellation& cancellation, PipelineOperations& operations)
    : stream_(std::move(stream)),
      limits_(limits),
      admission_(admission),
      cancellation_(cancellation),
      operations_(operations) {}

RequestPipeline::~RequestPipeline() = default;

void RequestPipeline::Begin() { Go(std::unique_lock(mutex_)); }

void RequestPipeline::OnMessage(const grpc::ByteBuffer* message) {
  std::unique_lock lock(mutex_);
  reading_ = false;
  ++progress_;
  if (message == nullptr) {
    peer_ended_ = true;
    next_.reset();
    next_claim_ = Claim::kNone;
    if (stream_.on_end != nullptr && !end_ && !failed_) {
      auto last = NewRequest();
      last->is_end = true;
      Push(std::move(last));
    }
  } else if (!end_) {
    next_->Receive(*message);
    Push(std::move(next_));
    next_claim_ = Claim::kNone;
  }
  Go(std::move(lock));
}

void RequestPipeline::OnBadMessage(const grpc::Status& status) {
  std::unique_lock lock(mutex_);
  reading_ = false;
  failed_ = true;
  auto bad = NewRequest();
  bad->started = bad->done = true;
  bad->answer_status = status;
  Push(std::move(bad));
  Go(std::move(lock));
}

void RequestPipeline::OnWritten(bool ok) {
  std::unique_lock lock(mutex_);
  writing_ = false;
  ++progress_;
  in_flight_.pop_front();  // gives its bytes back
  if (!ok) End({grpc::StatusCode::CANCELLED, "the caller is gone"});
  Go(std::move(lock));
}

void RequestPipeline::OnGranted() {
  std::unique_lock lock(mutex_);
  ++progress_;
  Claim& claim = base_claim_ == Claim::kWaiting ? base_claim_ : next_claim_;
  claim = Claim::kGranted;
  Go(std::move(lock));
}

void RequestPipeline::OnQuiet() {
  std::unique_lock lock(mutex_);
  if (!held_back_ || finished_) return;
  quiet_ = true;
  Go(std::move(lock));
}

void RequestPipeline::OnCancelled(const grpc::Status& status) {
  std::unique_lock lock(mutex_);
  if (finished_) return;
  End(status);
  Go(std::move(lock));
}

void RequestPipeline::OnDrain() {
  std::unique_lock lock(mutex_);
  if (finished_) return;
  draining_ = true;
  Go(std::move(lock));
}

void RequestPipeline::EndIfStalled(std::chrono::steady_clock::time_point limit) {
  std::unique_lock lock(mutex_);
  if (finished_ || end_) return;
  if (progress_ != seen_progress_) {
    seen_progress_ = progress_;
    seen_at_ = std::chrono::steady_clock::now();
    return;
  }
  if (seen_at_ > limit) return;
  if (writing_) {
    operations_.NoteRefusal(Refusal::kStalled, grpc::Status::CANCELLED);
    lock.unlock();
    operations_.HangUp();
    return;
  }
  // A call that is merely idle holds little, if it said how small its messages are.
  const size_t held = limits_.request_bytes * limits_.reserve_factor + kept_bytes_;
  if (!reading_ || !in_flight_.empty() || held <= limits_.overhead_bytes) return;
  const grpc::Status status(
      grpc::StatusCode::RESOURCE_EXHAUSTED,
      "no request came for long, while other calls waited for the memory reserved for it; declare "
      "how large requests are at most, or open a call when there is something to send");
  operations_.NoteRefusal(Refusal::kStalled, status);
  End(status);
  Go(std::move(lock));
}

std::unique_ptr<RequestPipeline::Request> RequestPipeline::NewRequest() {
  return std::make_unique<Request>(*this, next_index_);
}

void RequestPipeline::Push(std::unique_ptr<Request> request) {
  ++next_index_;
  in_flight_.push_back(std::move(request));
}

void RequestPipeline::Done(Request& request, const grpc::Status& status, grpc::ByteBuffer* answer) {
  std::unique_lock lock(mutex_);
  request.done = true;
  request.answer_status = status;
  request.answer.Swap(answer);
  failed_ = failed_ || !status.ok();
  --running_;
  if (operations_.IsQueueThread()) {
    Go(std::move(lock));
  } else {
    operations_.AnnounceAnswer();  // under the lock: or the call might be gone before
  }
}

void RequestPipeline::OnAnswered() { Go(std::unique_lock(mutex_)); }

void RequestPipeline::Go(std::unique_lock<std::mutex> lock) {
  if (finished_) return;
  ++busy_;
  while (true) {
    if (const Steps steps = Next(); steps.any()) {
      lock.unlock();
      if (steps.write != nullptr) operations_.StartWrite(steps.write->answer, steps.more);
      if (steps.read) operations_.StartRead();
      lock.lock();
    } else if (Request* const request = NextToRun(); request != nullptr) {
      request->started = true;
      ++running_;
      // Whoever finishes a request inside its handler leaves the next one to this loop: no recursion.
      starting_ = true;
      lock.unlock();
      (request->is_end ? stream_.on_end : stream_.on_request)(*request);
      lock.lock();
      starting_ = false;
    } else {
      break;
    }
  }
  --busy_;
  const bool waiting = base_claim_ == Claim::kWaiting || next_claim_ == Claim::kWaiting;
  finished_ = end_ && busy_ == 0 && in_flight_.empty() && !writing_ && !waiting;
  if (!finished_) return;
  const grpc::Status status = *end_;
  PipelineOperations& operations = operations_;
  lock.unlock();
  operations.StartFinish(status);
}

RequestPipeline::Steps RequestPipeline::Next() {
  Steps steps;
  TakeAnswers(steps);
  if (!end_ && in_flight_.empty()) {
    if (peer_ended_) {
      End(grpc::Status::OK);
    } else if (draining_ && !stream_.one_at_a_time) {
      End({grpc::StatusCode::UNAVAILABLE, "the server is shutting down; requests without an answer were not read"});
    }
  }
  if (MayRead() && HasRoom()) steps.read = reading_ = true;
  return steps;
}

void RequestPipeline::TakeAnswers(Steps& steps) {
  while (!end_ && !writing_ && !in_flight_.empty() && in_flight_.front()->done) {
    Request& front = *in_flight_.front();
    if (!front.answer_status.ok()) {
      End(front.status());
    } else if (!front.answer.Valid()) {
      in_flight_.pop_front();
    } else {
      steps.more = in_flight_.size() > 1 && in_flight_[1]->done;
      if (!steps.more && MayHoldBack(front)) {
        held_back_ = true;
        return;
      }
      writing_ = true;
      held_back_ = quiet_ = false;
      steps.write = &front;
    }
  }
  if (!end_) return;
  // Those that run are waited for; the others have nobody left to answer to.
  const auto first = in_flight_.begin() + (writing_ ? 1 : 0);
  in_flight_.erase(
      std::remove_if(first, in_flight_.end(), [](const auto& request) { return request->done || !request->started; }),
      in_flight_.end());
}

bool RequestPipeline::MayHoldBack(const Request& front) const {
  return !quiet_ && !peer_ended_ && front.answer.Length() <= kMostHeldBack && (held_back_ || operations_.ExpectQuiet());
}

RequestPipeline::Request* RequestPipeline::NextToRun() {
  if (end_ || starting_ || (stream_.one_at_a_time && running_ > 0)) return nullptr;
  // Started in order: those that are not lie at the back.
  Request* next = nullptr;
  for (auto request = in_flight_.rbegin(); request != in_flight_.rend() && !(*request)->started; ++request) {
    if ((*request)->is_end && running_ > 0) continue;
    next = request->get();
  }
  return next;
}

bool RequestPipeline::MayRead() const {
  return !end_ && !failed_ && !peer_ended_ && !reading_ && in_flight_.size() < stream_.max_in_flight &&
         (!draining_ || stream_.one_at_a_time);
}

bool RequestPipeline::HasRoom() {
  if (!base_) base_.emplace(admission_, [this] { operations_.AnnounceGrant(); });
  if (!Reserve(*base_, base_claim_, limits_.overhead_bytes)) return false;
  if (next_ == nullptr) {
    next_ = NewRequest();
    next_->ticket.emplace(admission_, [this] { operations_.AnnounceGrant(); });
  }
  return Reserve(*next_->ticket, next_claim_, limits_.request_bytes * limits_.reserve_factor);
}

bool RequestPipeline::Reserve(Admission::Ticket& ticket, Claim& claim, size_t bytes) {
  if (claim != Claim::kNone) return claim == Claim::kGranted;
  switch (ticket.Ask(bytes)) {
    case Admission::Verdict::kGranted:
      claim = Claim::kGranted;
      return true;
    case Admission::Verdict::kWaiting:
      claim = Claim::kWaiting;
      operations_.ExpectGrant();
      return false;
    case Admission::Verdict::kRefused:
      break;
  }
  if (!in_flight_.empty()) return false;  // asked again when one of them is through
  const grpc::Status status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                            "the server is at its memory budget and as many calls as it lets wait are waiting");
  operations_.NoteRefusal(Refusal::kQueueFull, status);
  End(status);
  return false;
}

void RequestPipeline::End(const grpc::Status& status) {
  if (end_) return;
  end_ = status;
  if (!status.ok()) cancellation_.Cancel();
  for (auto& [claim, ticket] : {std::pair{&base_claim_, base_ ? &*base_ : nullptr},
                                std::pair{&next_claim_, next_ ? &*next_->ticket : nullptr}}) {
    if (*claim != Claim::kWaiting || !ticket->Withdraw()) continue;
    *claim = Claim::kNone;
    operations_.UnexpectGrant();
  }
}

bool RequestPipeline::Keep(size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (!base_->Settle(limits_.overhead_bytes + bytes)) return false;
  kept_bytes_ = bytes;
  return true;
}

}  // namespace lossd::server
