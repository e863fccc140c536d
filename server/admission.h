// The budget of bytes that all calls of a server share, and the queue of calls that wait for their part of it.
//
// A call asks when its headers have arrived, before its message is read; what it is granted covers the worst case of
// the whole call. Calls that do not fit wait in order of arrival: a large one at the head is not overtaken by small
// ones behind it, or it would starve.
//
// While nobody waits, what a call gives back goes into the purse of its thread, and the thread's next call is paid from
// there: small calls on different threads meet neither lock nor cache line. As soon as a call does not fit, all purses
// are emptied, and none is filled while somebody waits.
//
// Invariants
//  1. The sum of all grants and purses is at most the budget.
//  2. Nobody waits while the head of the queue would fit.
//  3. Every grant is given back exactly once: by the destructor of its ticket.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <vector>

#include "server/sharding.h"

namespace lossd::server {

class Admission {
 public:
  class Ticket;

  enum class Verdict {
    kGranted,  // go on
    kWaiting,  // `on_granted` will be called, unless Withdraw comes first
    kRefused,  // the queue is full
  };

  struct Load {
    size_t granted_bytes = 0;
    size_t granted_calls = 0;
    size_t waiting_calls = 0;
  };

  // At most `max_waiting` calls wait at a time. Thread-safe. Outlives its tickets.
  Admission(size_t budget_bytes, size_t max_waiting);
  Admission(const Admission&) = delete;

  size_t budget_bytes() const { return budget_bytes_; }
  Load load() const;

 private:
  struct alignas(kCacheLineBytes) Purse {
    std::mutex mutex;        // locked alone, or after Admission::mutex_
    size_t bytes = 0;        // of the budget, granted to no call
    int64_t num_grants = 0;  // to this thread's calls
  };

  Purse& PurseOfThread();
  // A grant from the purse alone, or back into it. False, and nothing done: not enough there, or somebody waits.
  bool TakeFrom(Purse& purse, size_t bytes, int64_t num_grants);
  bool PutInto(Purse& purse, size_t bytes, int64_t num_grants);
  // A grant from what is in no purse, or then from whatever is in one. REQUIRES: mutex_ held.
  bool TakeCentrally(Purse& purse, size_t bytes);
  void EmptyPurses();
  static void Count(Purse& purse, int64_t num_grants);
  // Gives back to a purse or to those who wait.
  void GiveBack(Purse& purse, size_t bytes, int64_t num_grants);

  // Moves waiting tickets that fit from the head of the queue to the granted ones. The caller announces them after it
  // has released the mutex: on_granted may come back here.
  std::vector<Ticket*> GrantWaiting();
  static void Announce(const std::vector<Ticket*>& tickets);

  const size_t budget_bytes_;
  const size_t max_waiting_;
  const size_t purse_limit_;
  mutable std::vector<Purse> purses_;
  mutable std::mutex mutex_;
  size_t free_;                       // in no purse; guarded by mutex_
  std::list<Ticket*> waiting_;        // guarded by mutex_
  std::atomic<bool> hungry_ = false;  // somebody waits, or is about to; written under mutex_
};

// One call's claim. Each function is called by one thread at a time; on_granted comes from whichever thread frees
// bytes.
class Admission::Ticket {
 public:
  Ticket(Admission& admission, std::function<void()> on_granted)
      : admission_(admission), on_granted_(std::move(on_granted)) {}
  Ticket(const Ticket&) = delete;

  // Gives back what was granted. REQUIRES: not waiting, and no call of on_granted still to come.
  ~Ticket();

  // Asks for `bytes`; more than the budget counts as the whole of it, so that the call runs alone. REQUIRES: first
  // call.
  [[nodiscard]] Verdict Ask(size_t bytes);

  // Leaves the queue. False: it was granted in the meantime, and on_granted has been or is about to be called.
  [[nodiscard]] bool Withdraw();

  // Replaces the worst case by the exact number. A larger number is granted only when it fits at once; false leaves the
  // grant as it was. REQUIRES: granted.
  [[nodiscard]] bool Settle(size_t bytes);

 private:
  friend class Admission;
  enum class State { kNew, kWaiting, kGranted };

  Admission& admission_;
  const std::function<void()> on_granted_;
  Purse& purse_ = admission_.PurseOfThread();
  State state_ = State::kNew;  // guarded by admission_.mutex_ while waiting
  size_t bytes_ = 0;
  std::list<Ticket*>::iterator position_;  // while waiting
};

}  // namespace lossd::server
