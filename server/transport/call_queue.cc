#include "server/transport/call_queue.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "server/transport/call.h"
#include "server/transport/transport.h"

namespace lossd::server {
namespace {

// Calls asked for in advance. An arrival replaces itself at once, so this is the burst that a queue takes between two
// turns of its thread without sending gRPC to its list of unmatched calls.
constexpr int kPostedCalls = 64;

// How often stalled calls are looked for: a fraction of any sensible stall timeout.
constexpr std::chrono::milliseconds kTick{250};

// Events after which a queue that is never quiet counts as if it were: about 16 answers of one stream. What a system
// call costs is then a small part of each; 64 was not measurably cheaper.
constexpr int kMostEventsUnquiet = 32;

}  // namespace

CallQueue::CallQueue(Transport& transport, std::unique_ptr<grpc::ServerCompletionQueue> queue)
    : transport_(transport), queue_(std::move(queue)) {}

void CallQueue::Start() {
  for (int i = 0; i < kPostedCalls; ++i) Call::Post(*this);
  tick_alarm_.Set(queue_.get(), std::chrono::system_clock::now() + kTick, &tick_);
  thread_ = std::thread([this] { Run(); });
}

void CallQueue::Stop() {
  if (thread_.joinable()) {
    // The thread shuts its queue down itself: an alarm that is set on a queue which another thread just shut down ends
    // the process.
    Post(stop_);
    thread_.join();
    return;
  }
  queue_->Shutdown();
  void* tag;
  bool ok;
  while (queue_->Next(&tag, &ok)) {
  }
}

void CallQueue::Post(const EventTag& event) {
  const std::lock_guard lock(posted_mutex_);
  posted_.push_back(event);
  if (posted_.size() != 1) return;
  // At once: a deadline of now is rounded up to the next millisecond.
  posted_alarm_.Set(queue_.get(), gpr_inf_past(GPR_CLOCK_REALTIME), &posted_event_);
}

bool CallQueue::IsThisThread() const { return std::this_thread::get_id() == id_; }

void CallQueue::Run() {
  pthread_setname_np(pthread_self(), "lossd-queue");
  id_ = std::this_thread::get_id();
  EventTag* event;
  bool ok;
  while (Next(&event, &ok)) event->target->OnEvent(event->event, ok);
}

bool CallQueue::Next(EventTag** event, bool* ok) {
  void* tag = nullptr;
  while (!expect_quiet_.empty()) {
    // A deadline in the past: looks at the sockets once and does not wait.
    const bool full = ++events_since_expected_ > kMostEventsUnquiet;
    const auto next =
        full ? grpc::CompletionQueue::TIMEOUT : queue_->AsyncNext(&tag, ok, gpr_inf_past(GPR_CLOCK_REALTIME));
    if (next == grpc::CompletionQueue::TIMEOUT) {
      TellQuiet();
      continue;
    }
    *event = static_cast<EventTag*>(tag);
    return next == grpc::CompletionQueue::GOT_EVENT;
  }
  const bool came = queue_->Next(&tag, ok);
  *event = static_cast<EventTag*>(tag);
  return came;
}

bool CallQueue::ExpectQuiet(Call* call) {
  if (!IsThisThread()) return false;
  if (expect_quiet_.empty()) events_since_expected_ = 0;
  if (std::find(expect_quiet_.begin(), expect_quiet_.end(), call) == expect_quiet_.end()) expect_quiet_.push_back(call);
  return true;
}

void CallQueue::UnexpectQuiet(Call* call) { std::erase(expect_quiet_, call); }

void CallQueue::TellQuiet() {
  const std::vector<Call*> calls = std::exchange(expect_quiet_, {});
  for (Call* const call : calls) call->OnQuiet();
}

void CallQueue::OnEvent(Event event, bool ok) {
  if (event == Event::kPosted) {
    std::vector<EventTag> posted;
    {
      const std::lock_guard lock(posted_mutex_);
      posted.swap(posted_);
    }
    for (const EventTag& tag : posted) tag.target->OnEvent(tag.event, true);
    return;
  }
  if (event == Event::kRelease) {
    for (Call* call : calls_) call->GoOn();
    return;
  }
  if (event == Event::kWake) {
    for (Call* call : calls_) call->Wake();
    return;
  }
  if (event == Event::kDrain) {
    for (Call* call : calls_) call->Drain();
    return;
  }
  if (event == Event::kStop) {
    stopping_ = true;
    tick_alarm_.Cancel();
    queue_->Shutdown();
    return;
  }
  if (!ok || stopping_) return;
  if (transport_.admission_.load().waiting_calls > 0) {
    const auto limit = std::chrono::steady_clock::now() - transport_.options_.stall_timeout;
    for (Call* call : calls_) call->EndIfStalled(limit);
  }
  tick_alarm_.Set(queue_.get(), std::chrono::system_clock::now() + kTick, &tick_);
}

}  // namespace lossd::server
