// The threads that do long work for the transport. They sleep until there is some, and wake one at a time.
//
// TBB, which shares one request's shards out among threads, is the wrong tool to hand requests over: its threads look
// for work for a while before they sleep. Each changed context 5,300 times in a few seconds of 2 MiB calls.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace lossd::server {

class Workers {
 public:
  explicit Workers(int num_threads);
  ~Workers();  // waits for all work

  // Does `work` soon, on one of the threads, in order of arrival. Thread-safe.
  void Do(std::function<void()> work);

 private:
  struct Sleeper {
    std::condition_variable woken;
    bool awake = true;
  };

  void Run(Sleeper& self);

  std::mutex mutex_;  // guards what follows
  std::deque<std::function<void()>> work_;
  std::vector<Sleeper*> asleep_;  // the last to fall asleep wakes first: its caches are the warmest
  bool ending_ = false;

  std::deque<Sleeper> sleepers_;
  std::vector<std::thread> threads_;
};

}  // namespace lossd::server
