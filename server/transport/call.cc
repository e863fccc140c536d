#include "server/transport/call.h"

#include <algorithm>
#include <string>
#include <utility>

#include "server/transport/transport.h"
#include "spdlog/fmt/fmt.h"

namespace lossd::server {
namespace {

using std::chrono::steady_clock;

// How long before its deadline a call that was cancelled counts as one whose deadline passed.
constexpr std::chrono::milliseconds kDeadlineSlack{50};

// When a refused caller may come back. gRPC clients do not add jitter to a server's pushback, so the answers are
// spread: callers refused together would otherwise return together.
int NextPushbackMs() {
  constexpr int kMinMs = 50, kSpreadMs = 100, kStrideMs = 61;  // coprime, so that the strides visit all of the spread
  static std::atomic<unsigned> count{0};
  return kMinMs + static_cast<int>(count.fetch_add(1, std::memory_order_relaxed) * kStrideMs % kSpreadMs);
}

}  // namespace

std::string_view Name(Refusal refusal) {
  constexpr std::string_view kNames[kNumRefusals] = {"malformed_size", "too_large", "larger_than_declared",
                                                     "queue_full", "stalled"};
  return kNames[static_cast<size_t>(refusal)];
}

Call::Call(CallQueue& queue) : queue_(queue) { context_.AsyncNotifyWhenDone(&done_); }
Call::~Call() = default;

void Call::Post(CallQueue& queue) {
  auto* call = new Call(queue);
  queue.transport().service_.RequestCall(&call->context_, &call->stream_, queue.queue(), queue.queue(),
                                         &call->arrived_);
}

void Call::OnEvent(Event event, bool ok) {
  switch (event) {
    case Event::kArrived:
      if (!ok) {  // gRPC shuts down; no further event comes
        queue_.transport().closed_.store(true, std::memory_order_relaxed);
        delete this;
        return;
      }
      OnArrived();
      return;
    case Event::kGranted:
      OnGranted();
      break;
    case Event::kMessage:
      OnMessage(ok);
      break;
    case Event::kAnswered:
      if (pipeline_) {
        pipeline_->OnAnswered();
      } else {
        FinishNow(status_);
      }
      break;
    case Event::kWritten:
      OnWritten(ok);
      break;
    case Event::kFinished:
      delivered_ = ok;
      break;
    case Event::kDone:
      OnDone();
      break;
    case Event::kPosted:
    case Event::kTick:
    case Event::kRelease:
    case Event::kWake:
    case Event::kDrain:
    case Event::kStop:
      break;
  }
  if (--pending_events_ > 0) return;
  Report();
  queue_.Remove(position_);
  queue_.UnexpectQuiet(this);
  CallQueue::Counts& counts = queue_.counts();
  std::atomic<int64_t>& count = counts.Of(*method_);
  delete this;  // gives its bytes back
  counts.activity.fetch_add(1, std::memory_order_relaxed);
  if (count.fetch_sub(1) == 1) count.notify_all();
}

void Call::OnArrived() {
  Post(queue_);
  Transport& transport = queue_.transport();
  queue_.counts().activity.fetch_add(1, std::memory_order_relaxed);
  started_ = steady_clock::now();
  position_ = queue_.Add(this);
  method_ = &transport.Find(context_.method());
  size_ = RequestSize(method_->max_request_bytes);
  queue_.counts().Of(*method_).fetch_add(1, std::memory_order_relaxed);
  if (method_->observer != nullptr) method_->observer->OnStarted();
  if (transport.holding_.load(std::memory_order_relaxed)) {
    Enter(State::kHeld);
  } else {
    Begin();
  }
}

void Call::GoOn() {
  if (state_ == State::kHeld) Begin();
}

void Call::Begin() {
  if (method_->stream != nullptr) {
    Enter(State::kStreaming);
    streaming_.emplace(method_->stream(), static_cast<StreamOperations&>(*this));
    streaming_->Begin();
    return;
  }
  if (method_->requests != nullptr) {
    BeginRequests();
    return;
  }
  if (method_->handler == nullptr) {
    FinishNow({grpc::StatusCode::UNIMPLEMENTED, method_->unimplemented.empty()
                                                    ? fmt::format("unknown method {}", context_.method())
                                                    : method_->unimplemented});
    return;
  }
  Admit();
}

void Call::Admit() {
  Refusal refusal{};
  if (const grpc::Status status = size_.Read(context_, &refusal); !status.ok()) {
    Refuse(refusal, status);
    return;
  }
  if (method_->reserve_factor == 0) {
    Read();
    return;
  }
  ticket_.emplace(queue_.transport().admission_, [this] { AnnounceGrant(); });
  switch (ticket_->Ask(size_.most_bytes() * method_->reserve_factor + kCallOverheadBytes)) {
    case Admission::Verdict::kGranted:
      Read();
      return;
    case Admission::Verdict::kWaiting:
      ++pending_events_;
      Enter(State::kWaiting);
      return;
    case Admission::Verdict::kRefused:
      Refuse(Refusal::kQueueFull, {grpc::StatusCode::RESOURCE_EXHAUSTED,
                                   "the server is at its memory budget and as many calls as it lets wait are waiting"});
      return;
  }
}

void Call::AnnounceAnswer() {
  ++pending_events_;
  queue_.Post(answered_);
}

void Call::OnGranted() {
  if (pipeline_) {
    pipeline_->OnGranted();
  } else if (cancellation_.cancelled()) {
    FinishNow(StatusOfCancellation());
  } else {
    Read();
  }
}

void Call::Read() {
  Enter(State::kReading);
  StartRead();
}

void Call::StartRead() {
  ++pending_events_;
  request_buffer_.Clear();  // whoever reads the message before holds its slices
  stream_.Read(&request_buffer_, &message_);
}

void Call::OnMessage(bool ok) {
  if (streaming_ || pipeline_) {
    OnStreamMessage(ok);
    return;
  }
  if (state_ == State::kFinishing) return;  // ended as stalled
  if (!ok) {
    // Vanished peers end here too: the status then goes nowhere.
    FinishNow(cancellation_.cancelled() ? StatusOfCancellation()
                                        : grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                                                       "no request message came; a unary call carries exactly one"));
    return;
  }
  received_bytes_ = request_buffer_.Length();
  if (method_->observer != nullptr) method_->observer->OnReceived(request_bytes());
  Refusal refusal{};
  if (const grpc::Status status = size_.Check(request_bytes(), &refusal); !status.ok()) {
    Refuse(refusal, status);
    return;
  }
  Handle();
}

void Call::Handle() {
  Enter(State::kHandling);
  request_ = wire::ReceivedBytes(request_buffer_);
  request_buffer_.Clear();
  method_->handler(*this);
}

void Call::OnDone() {
  cancellation_.Cancel();  // means nothing to a call that has been answered
  const State state = state_;
  if (streaming_) {
    streaming_->End(StatusOfCancellation());
  } else if (pipeline_) {
    pipeline_->OnCancelled(StatusOfCancellation());
  } else if (state == State::kHeld) {
    FinishNow(StatusOfCancellation());
  } else if (state == State::kWaiting && ticket_->Withdraw()) {
    --pending_events_;
    FinishNow(StatusOfCancellation());
  }
}

void Call::EndIfStalled(steady_clock::time_point limit) {
  if (pipeline_) {
    pipeline_->EndIfStalled(limit);
    return;
  }
  const State state = state_;
  if (entered_ > limit || cancellation_.cancelled()) return;
  if (state == State::kReading) {
    Refuse(Refusal::kStalled,
           {grpc::StatusCode::RESOURCE_EXHAUSTED,
            "the request message did not arrive in time, while other calls waited for the memory reserved for it"});
  } else if (state == State::kFinishing && ticket_.has_value()) {
    if (method_->observer != nullptr) method_->observer->OnRefused(Refusal::kStalled);
    HangUp();
  }
}

void Call::HangUp() {
  cancellation_.Cancel();
  context_.TryCancel();
}

void Call::Refuse(Refusal refusal, const grpc::Status& status) {
  NoteRefusal(refusal, status);
  FinishNow(status);
}

void Call::NoteRefusal(Refusal refusal, const grpc::Status& status) {
  if (method_->observer != nullptr) method_->observer->OnRefused(refusal);
  if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
    context_.AddTrailingMetadata(std::string(kPushbackKey),
                                 refusal == Refusal::kTooLarge ? "-1" : std::to_string(NextPushbackMs()));
  }
}

void Call::RunLong(std::function<void()> work) { queue_.transport().workers_.Do(std::move(work)); }

void Call::Finish(const grpc::Status& status, grpc::ByteBuffer response) {
  response_.Swap(&response);
  if (queue_.IsThisThread()) {
    FinishNow(status);
    return;
  }
  // Where two threads meet in one connection, gRPC has threads of its own do the rest, with more changes of context
  // than this one.
  status_ = status;
  AnnounceAnswer();
}

void Call::FinishNow(const grpc::Status& status) {
  status_ = status;
  request_ = wire::ReceivedBytes();  // the answer may take as much memory again
  Enter(State::kFinishing);
  if (!status.ok() || streaming_ || pipeline_) {
    stream_.Finish(status, &finished_);
    return;
  }
  grpc::ByteBuffer response;  // gRPC holds the slices from here on, and lets go of each when it is sent
  response.Swap(&response_);
  writing_bytes_ = response.Length();
  stream_.WriteAndFinish(response, grpc::WriteOptions(), status, &finished_);
}

void Call::Enter(State state) {
  entered_ = steady_clock::now();
  state_ = state;
}

grpc::Status Call::StatusOfCancellation() const {
  // A client gives up at its own deadline, which lies before ours by the time that its headers took to get here.
  const auto left = context_.deadline() - std::chrono::system_clock::now();
  const auto whole = left + (steady_clock::now() - started_);
  if (left <= std::min<std::chrono::nanoseconds>(kDeadlineSlack, whole / 2)) {
    return {grpc::StatusCode::DEADLINE_EXCEEDED, "the deadline passed"};
  }
  return {grpc::StatusCode::CANCELLED, "the caller cancelled the call"};
}

void Call::Report() {
  if (method_->observer == nullptr) return;
  const grpc::Status status = delivered_ ? status_ : StatusOfCancellation();
  if (status.ok() && !streaming_ && !pipeline_) {
    sent_bytes_ = writing_bytes_;
    method_->observer->OnSent(sent_bytes_);
  }
  method_->observer->OnFinished({.method = context_.method(),
                                 .status = status,
                                 .duration = steady_clock::now() - started_,
                                 .received_bytes = received_bytes_,
                                 .sent_bytes = sent_bytes_,
                                 .context = context_});
}

}  // namespace lossd::server
