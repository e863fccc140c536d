#include "server/transport/workers.h"

#include <pthread.h>

#include <utility>

namespace lossd::server {

Workers::Workers(int num_threads) {
  for (int i = 0; i < num_threads; ++i) {
    threads_.emplace_back([this, &self = sleepers_.emplace_back()] { Run(self); });
  }
}

Workers::~Workers() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    for (Sleeper* const sleeper : asleep_) {
      sleeper->awake = true;
      sleeper->woken.notify_one();
    }
    asleep_.clear();
  }
  for (std::thread& thread : threads_) thread.join();
}

void Workers::Do(std::function<void()> work) {
  Sleeper* next = nullptr;
  {
    const std::lock_guard lock(mutex_);
    work_.push_back(std::move(work));
    if (asleep_.empty()) return;
    next = asleep_.back();
    asleep_.pop_back();
    next->awake = true;
  }
  next->woken.notify_one();
}

void Workers::Run(Sleeper& self) {
  pthread_setname_np(pthread_self(), "lossd-worker");
  std::unique_lock lock(mutex_);
  while (true) {
    if (!work_.empty()) {
      const std::function<void()> work = std::move(work_.front());
      work_.pop_front();
      lock.unlock();
      work();
      lock.lock();
    } else if (ending_) {
      return;
    } else {
      self.awake = false;
      asleep_.push_back(&self);
      self.woken.wait(lock, [&] { return self.awake; });
    }
  }
}

}  // namespace lossd::server
