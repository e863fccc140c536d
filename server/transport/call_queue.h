// A completion queue, its thread, and the calls on it. Private to the transport.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "server/sharding.h"
#include "server/transport/method.h"

namespace lossd::server {

class Call;
class Transport;

enum class Event {
  kArrived,
  kGranted,
  kMessage,
  kAnswered,
  kWritten,
  kFinished,
  kDone,
  kPosted,
  kTick,
  kRelease,
  kWake,
  kDrain,
  kStop,
};

class EventTarget {
 public:
  virtual void OnEvent(Event event, bool ok) = 0;

 protected:
  ~EventTarget() = default;
};

// What a completion queue carries as its tag.
struct EventTag {
  EventTarget* target;
  Event event;
};

class CallQueue final : private EventTarget {
 public:
  using Position = std::list<Call*>::iterator;

  // Of this queue alone: those of others change on other threads. Written on the queue's thread, read by any.
  struct alignas(kCacheLineBytes) Counts {
    std::atomic<int64_t> num_calls{0}, num_streams{0};  // that have arrived and are not gone
    std::atomic<uint64_t> activity{0};                  // changes whenever a call arrives or is gone
    std::atomic<int64_t>& Of(const Method& method) { return method.stream == nullptr ? num_calls : num_streams; }
  };

  CallQueue(Transport& transport, std::unique_ptr<grpc::ServerCompletionQueue> queue);

  Transport& transport() { return transport_; }
  grpc::ServerCompletionQueue* queue() { return queue_.get(); }
  Counts& counts() { return counts_; }

  void Start();
  void Stop();  // joins the thread

  // Has `event` happen on the queue's thread, soon. From any thread, between Start and Stop.
  void Post(const EventTag& event);

  void Release() { Post(release_); }  // lets the held calls go on; once
  void Wake() { Post(wake_); }        // wakes the streams
  void Drain() { Post(drain_); }      // has the calls with many requests end; once

  bool IsThisThread() const;

  // Has Call::OnQuiet called once, when no event is ready, or after a few that were. False: not on the queue's thread,
  // and nothing will be called.
  bool ExpectQuiet(Call* call);
  void UnexpectQuiet(Call* call);

  // The calls that have arrived and are not gone. On the queue's thread.
  Position Add(Call* call) { return calls_.insert(calls_.end(), call); }
  void Remove(Position position) { calls_.erase(position); }

 private:
  void OnEvent(Event event, bool ok) override;
  void Run();
  bool Next(EventTag** event, bool* ok);
  void TellQuiet();

  Transport& transport_;
  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  EventTag posted_event_{this, Event::kPosted};
  EventTag tick_{this, Event::kTick};
  EventTag release_{this, Event::kRelease};
  EventTag wake_{this, Event::kWake};
  EventTag drain_{this, Event::kDrain};
  EventTag stop_{this, Event::kStop};
  grpc::Alarm tick_alarm_;
  bool stopping_ = false;

  std::mutex posted_mutex_;
  std::vector<EventTag> posted_;  // guarded by posted_mutex_, as is:
  grpc::Alarm posted_alarm_;      // set while posted_ is not empty
  Counts counts_;
  std::list<Call*> calls_;
  std::vector<Call*> expect_quiet_;
  int events_since_expected_ = 0;
  std::thread::id id_;  // of the thread; written before the first event
  std::thread thread_;
};

}  // namespace lossd::server
