#include "server/transport/call.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <string>
#include <utility>

#include "core/limits.h"
#include "server/transport/transport.h"
#include "spdlog/fmt/fmt.h"

namespace lossd::server {
namespace {

using std::chrono::steady_clock;

// What a call takes beside its message: its own object, its headers, and what HTTP/2 flow control lets a peer send
// ahead while the call waits (64 KiB is the initial window of a stream).
constexpr size_t kCallOverheadBytes = 64 << 10;

// How long before its deadline a call that was cancelled counts as one whose deadline passed.
constexpr std::chrono::milliseconds kDeadlineSlack{50};

// When a refused caller may come back. gRPC clients do not add jitter to a server's pushback, so the answers are
// spread: callers refused together would otherwise return together.
int NextPushbackMs() {
  constexpr int kMinMs = 50, kSpreadMs = 100, kStrideMs = 61;  // coprime, so that the strides visit all of the spread
  static std::atomic<unsigned> count{0};
  return kMinMs + static_cast<int>(count.fetch_add(1, std::memory_order_relaxed) * kStrideMs % kSpreadMs);
}

bool ParseDecimal(std::string_view text, size_t* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

// Nothing where it was not declared; a status where it is no number.
grpc::Status ReadDeclaredBytes(const grpc::ServerContext& context, std::optional<size_t>* declared) {
  const auto& metadata = context.client_metadata();
  const auto [begin, end] = metadata.equal_range({kDeclaredBytesKey.data(), kDeclaredBytesKey.size()});
  if (begin == end) return grpc::Status::OK;
  const std::string_view text(begin->second.data(), begin->second.size());
  size_t bytes = 0;
  if (std::next(begin) != end || !ParseDecimal(text, &bytes)) {
    return {grpc::StatusCode::INVALID_ARGUMENT,
            fmt::format("metadata {} = \"{}\"; expected one decimal number, the size of the request message in bytes",
                        kDeclaredBytesKey, text.substr(0, kMaxEcho))};
  }
  *declared = bytes;
  return grpc::Status::OK;
}

grpc::Status TooLarge(size_t bytes, size_t limit) {
  return {grpc::StatusCode::RESOURCE_EXHAUSTED,
          fmt::format("request message of {} bytes; this server takes at most {} for this method", bytes, limit)};
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
      --pending_events_;
      OnGranted();
      break;
    case Event::kMessage:
      --pending_events_;
      OnMessage(ok);
      break;
    case Event::kWritten:
      --pending_events_;
      streaming_->OnWritten(ok);
      break;
    case Event::kFinished:
      --pending_events_;
      delivered_ = ok;
      break;
    case Event::kDone:
      --pending_events_;
      OnDone();
      break;
    case Event::kTick:
    case Event::kRelease:
    case Event::kWake:
      break;
  }
  if (pending_events_ > 0) return;
  Report();
  queue_.Remove(position_);
  Transport& transport = queue_.transport();
  std::atomic<int64_t>& count = transport.CountOf(*method_);
  delete this;  // gives its bytes back
  transport.activity_.fetch_add(1, std::memory_order_relaxed);
  if (count.fetch_sub(1) == 1) count.notify_all();
}

void Call::OnArrived() {
  Post(queue_);
  Transport& transport = queue_.transport();
  transport.activity_.fetch_add(1, std::memory_order_relaxed);
  started_ = steady_clock::now();
  position_ = queue_.Add(this);
  method_ = &transport.Find(context_.method());
  transport.CountOf(*method_).fetch_add(1, std::memory_order_relaxed);
  if (method_->observer != nullptr) method_->observer->OnStarted();
  if (transport.holding_.load(std::memory_order_relaxed)) {
    Enter(State::kHeld);
  } else {
    Begin();
  }
}

void Call::GoOn() {
  if (state_.load(std::memory_order_acquire) == State::kHeld) Begin();
}

void Call::Begin() {
  if (method_->stream != nullptr) {
    Enter(State::kStreaming);
    streaming_.emplace(method_->stream(), static_cast<StreamOperations&>(*this));
    streaming_->Begin();
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
  if (const auto status = ReadDeclaredBytes(context_, &declared_bytes_); !status.ok()) {
    Refuse(Refusal::kMalformedSize, status);
    return;
  }
  const size_t request_bytes = declared_bytes_.value_or(method_->max_request_bytes);
  if (request_bytes > method_->max_request_bytes) {
    Refuse(Refusal::kTooLarge, TooLarge(request_bytes, method_->max_request_bytes));
    return;
  }
  if (method_->reserve_factor == 0) {
    Read();
    return;
  }
  ticket_.emplace(queue_.transport().admission_, [this] {  // on the thread of whoever freed the bytes: see invariant 1
    alarm_.emplace();
    alarm_->Set(queue_.queue(), std::chrono::system_clock::now(), &granted_);
  });
  switch (ticket_->Ask(request_bytes * method_->reserve_factor + kCallOverheadBytes)) {
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

void Call::OnGranted() {
  if (cancellation_.cancelled()) {
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
  stream_.Read(&request_buffer_, &message_);
}

void Call::StartWrite(const grpc::ByteBuffer& message) {
  ++pending_events_;
  sent_bytes_ += message.Length();
  stream_.Write(message, &written_);
}

void Call::OnStreamMessage(bool ok) {
  if (!ok) {
    streaming_->OnMessage(nullptr);
    return;
  }
  const size_t bytes = request_buffer_.Length();
  received_bytes_ += bytes;
  if (method_->observer != nullptr) method_->observer->OnReceived(bytes);
  if (bytes > method_->max_request_bytes) {
    if (method_->observer != nullptr) method_->observer->OnRefused(Refusal::kTooLarge);
    streaming_->End(TooLarge(bytes, method_->max_request_bytes));
    return;
  }
  streaming_->OnMessage(&request_buffer_);
}

void Call::OnMessage(bool ok) {
  if (streaming_) {
    OnStreamMessage(ok);
    return;
  }
  if (state_.load(std::memory_order_acquire) == State::kFinishing) return;  // ended as stalled
  if (!ok) {
    // Vanished peers end here too: the status then goes nowhere.
    FinishNow(cancellation_.cancelled() ? StatusOfCancellation()
                                        : grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                                                       "no request message came; a unary call carries exactly one"));
    return;
  }
  received_bytes_ = request_buffer_.Length();
  if (method_->observer != nullptr) method_->observer->OnReceived(request_bytes());
  if (request_bytes() > method_->max_request_bytes) {
    Refuse(Refusal::kTooLarge, TooLarge(request_bytes(), method_->max_request_bytes));
    return;
  }
  if (request_bytes() > declared_bytes_.value_or(request_bytes())) {
    Refuse(Refusal::kLargerThanDeclared,
           {grpc::StatusCode::INVALID_ARGUMENT, fmt::format("request message of {} bytes; metadata {} declared {}",
                                                            request_bytes(), kDeclaredBytesKey, *declared_bytes_)});
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
  const State state = state_.load(std::memory_order_acquire);
  if (streaming_) {
    streaming_->End(StatusOfCancellation());
  } else if (state == State::kHeld) {
    FinishNow(StatusOfCancellation());
  } else if (state == State::kWaiting && ticket_->Withdraw()) {
    --pending_events_;
    FinishNow(StatusOfCancellation());
  }
}

void Call::EndIfStalled(steady_clock::time_point limit) {
  const State state = state_.load(std::memory_order_acquire);
  if (entered_.load(std::memory_order_relaxed) > limit || cancellation_.cancelled()) return;
  if (state == State::kReading) {
    Refuse(Refusal::kStalled,
           {grpc::StatusCode::RESOURCE_EXHAUSTED,
            "the request message did not arrive in time, while other calls waited for the memory reserved for it"});
  } else if (state == State::kFinishing && ticket_.has_value()) {
    if (method_->observer != nullptr) method_->observer->OnRefused(Refusal::kStalled);
    cancellation_.Cancel();
    context_.TryCancel();
  }
}

void Call::Refuse(Refusal refusal, const grpc::Status& status) {
  if (method_->observer != nullptr) method_->observer->OnRefused(refusal);
  if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
    context_.AddTrailingMetadata(std::string(kPushbackKey),
                                 refusal == Refusal::kTooLarge ? "-1" : std::to_string(NextPushbackMs()));
  }
  FinishNow(status);
}

void Call::Finish(const grpc::Status& status, grpc::ByteBuffer response) {
  status_ = status;
  request_ = wire::ReceivedBytes();  // the answer may take as much memory again
  Enter(State::kFinishing);
  // The operation's end may delete this call before the line that starts it returns.
  if (status.ok() && !streaming_) {
    sent_bytes_ = response.Length();
    stream_.WriteAndFinish(response, grpc::WriteOptions(), status, &finished_);
  } else {
    stream_.Finish(status, &finished_);
  }
}

void Call::Enter(State state) {
  entered_.store(steady_clock::now(), std::memory_order_relaxed);
  state_.store(state, std::memory_order_release);
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
  method_->observer->OnFinished({.method = context_.method(),
                                 .status = status,
                                 .duration = steady_clock::now() - started_,
                                 .received_bytes = received_bytes_,
                                 .sent_bytes = delivered_ ? sent_bytes_ : 0,
                                 .context = context_});
}

}  // namespace lossd::server
