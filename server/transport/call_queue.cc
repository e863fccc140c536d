#include "server/transport/call_queue.h"

#include <pthread.h>

#include <chrono>

#include "server/transport/call.h"
#include "server/transport/transport.h"

namespace lossd::server {
namespace {

// Calls asked for in advance. An arrival replaces itself at once, so this is the burst that a queue takes between two
// turns of its thread without sending gRPC to its list of unmatched calls.
constexpr int kPostedCalls = 64;

// How often stalled calls are looked for: a fraction of any sensible stall timeout.
constexpr std::chrono::milliseconds kTick{250};

}  // namespace

CallQueue::CallQueue(Transport& transport, std::unique_ptr<grpc::ServerCompletionQueue> queue)
    : transport_(transport), queue_(std::move(queue)) {}

void CallQueue::Start() {
  for (int i = 0; i < kPostedCalls; ++i) Call::Post(*this);
  tick_alarm_.Set(queue_.get(), std::chrono::system_clock::now() + kTick, &tick_);
  thread_ = std::thread([this] { Run(); });
}

void CallQueue::Stop() {
  tick_alarm_.Cancel();
  queue_->Shutdown();
  if (thread_.joinable()) {
    thread_.join();
    return;
  }
  void* tag;
  bool ok;
  while (queue_->Next(&tag, &ok)) {
  }
}

void CallQueue::Release() { release_alarm_.Set(queue_.get(), std::chrono::system_clock::now(), &release_); }

void CallQueue::Wake() { wake_alarm_.Set(queue_.get(), std::chrono::system_clock::now(), &wake_); }

void CallQueue::Drain() { drain_alarm_.Set(queue_.get(), std::chrono::system_clock::now(), &drain_); }

void CallQueue::Run() {
  pthread_setname_np(pthread_self(), "lossd-queue");
  void* tag;
  bool ok;
  while (queue_->Next(&tag, &ok)) {
    const auto* event = static_cast<EventTag*>(tag);
    event->target->OnEvent(event->event, ok);
  }
}

void CallQueue::OnEvent(Event event, bool ok) {
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
  if (!ok) return;  // stopping
  if (transport_.admission_.load().waiting_calls > 0) {
    const auto limit = std::chrono::steady_clock::now() - transport_.options_.stall_timeout;
    for (Call* call : calls_) call->EndIfStalled(limit);
  }
  tick_alarm_.Set(queue_.get(), std::chrono::system_clock::now() + kTick, &tick_);
}

}  // namespace lossd::server
