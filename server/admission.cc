#include "server/admission.h"

#include <algorithm>
#include <cassert>

namespace lossd::server {
namespace {

// What a purse holds at most: some dozens of small calls.
constexpr size_t kMostInPurse = 4 << 20;

// What all purses together may keep from others is no more than this share of the budget.
constexpr size_t kPursesShare = 8;

// A budget this small has no purses.
constexpr size_t kLeastInPurse = 64 << 10;

size_t PurseLimit(size_t budget_bytes) {
  const size_t limit = std::min(kMostInPurse, budget_bytes / kPursesShare / NumShards());
  return limit < kLeastInPurse ? 0 : limit;
}

}  // namespace

Admission::Admission(size_t budget_bytes, size_t max_waiting)
    : budget_bytes_(budget_bytes),
      max_waiting_(max_waiting),
      purse_limit_(PurseLimit(budget_bytes)),
      purses_(NumShards()),
      free_(budget_bytes) {}

Admission::Load Admission::load() const {
  const std::lock_guard lock(mutex_);
  Load load{.granted_bytes = budget_bytes_ - free_, .granted_calls = 0, .waiting_calls = waiting_.size()};
  int64_t num_grants = 0;
  for (Purse& purse : purses_) {
    const std::lock_guard purse_lock(purse.mutex);
    load.granted_bytes -= purse.bytes;
    num_grants += purse.num_grants;
  }
  load.granted_calls = static_cast<size_t>(num_grants);
  return load;
}

Admission::Purse& Admission::PurseOfThread() { return purses_[ThreadNumber() & (purses_.size() - 1)]; }

void Admission::Count(Purse& purse, int64_t num_grants) {
  const std::lock_guard lock(purse.mutex);
  purse.num_grants += num_grants;
}

bool Admission::TakeFrom(Purse& purse, size_t bytes, int64_t num_grants) {
  const std::lock_guard lock(purse.mutex);
  if (bytes > purse.bytes) return false;
  purse.bytes -= bytes;
  purse.num_grants += num_grants;
  return true;
}

bool Admission::PutInto(Purse& purse, size_t bytes, int64_t num_grants) {
  const std::lock_guard lock(purse.mutex);
  // Read under the lock: whoever sets it empties this purse afterwards, and so sees what was put in before.
  if (hungry_.load(std::memory_order_relaxed) || bytes > purse_limit_ - purse.bytes) return false;
  purse.bytes += bytes;
  purse.num_grants -= num_grants;
  return true;
}

bool Admission::TakeCentrally(Purse& purse, size_t bytes) {
  if (bytes > free_) {
    hungry_.store(true, std::memory_order_relaxed);
    EmptyPurses();
    if (bytes > free_) return false;
    hungry_.store(!waiting_.empty(), std::memory_order_relaxed);
  }
  free_ -= bytes;
  // Something for the calls to come, where there is plenty.
  const size_t advance = purse_limit_ / 2;
  if (bytes <= advance && free_ > budget_bytes_ / 2) {
    const std::lock_guard lock(purse.mutex);
    const size_t added = std::min(advance, purse_limit_ - purse.bytes);
    purse.bytes += added;
    free_ -= added;
  }
  return true;
}

void Admission::EmptyPurses() {
  for (Purse& purse : purses_) {
    const std::lock_guard lock(purse.mutex);
    free_ += purse.bytes;
    purse.bytes = 0;
  }
}

void Admission::GiveBack(Purse& purse, size_t bytes, int64_t num_grants) {
  if (PutInto(purse, bytes, num_grants)) return;
  std::vector<Ticket*> next;
  {
    const std::lock_guard lock(mutex_);
    Count(purse, -num_grants);
    free_ += bytes;
    next = GrantWaiting();
  }
  Announce(next);
}

std::vector<Admission::Ticket*> Admission::GrantWaiting() {
  std::vector<Ticket*> granted;
  while (!waiting_.empty() && waiting_.front()->bytes_ <= free_) {
    Ticket* ticket = waiting_.front();
    waiting_.pop_front();
    ticket->state_ = Ticket::State::kGranted;
    free_ -= ticket->bytes_;
    Count(ticket->purse_, 1);
    granted.push_back(ticket);
  }
  hungry_.store(!waiting_.empty(), std::memory_order_relaxed);
  return granted;
}

void Admission::Announce(const std::vector<Ticket*>& tickets) {
  for (Ticket* ticket : tickets) ticket->on_granted_();
}

Admission::Ticket::~Ticket() {
  assert(state_ != State::kWaiting);
  if (state_ == State::kGranted) admission_.GiveBack(purse_, bytes_, 1);
}

Admission::Verdict Admission::Ticket::Ask(size_t bytes) {
  assert(state_ == State::kNew);
  bytes_ = std::min(bytes, admission_.budget_bytes_);
  if (admission_.TakeFrom(purse_, bytes_, 1)) {
    state_ = State::kGranted;
    return Verdict::kGranted;
  }
  const std::lock_guard lock(admission_.mutex_);
  if (admission_.waiting_.empty() && admission_.TakeCentrally(purse_, bytes_)) {
    Count(purse_, 1);
    state_ = State::kGranted;
    return Verdict::kGranted;
  }
  if (admission_.waiting_.size() >= admission_.max_waiting_) {
    admission_.hungry_.store(!admission_.waiting_.empty(), std::memory_order_relaxed);
    return Verdict::kRefused;
  }
  state_ = State::kWaiting;
  position_ = admission_.waiting_.insert(admission_.waiting_.end(), this);
  return Verdict::kWaiting;
}

bool Admission::Ticket::Withdraw() {
  std::vector<Ticket*> next;
  {
    const std::lock_guard lock(admission_.mutex_);
    if (state_ != State::kWaiting) return false;
    admission_.waiting_.erase(position_);
    state_ = State::kNew;
    next = admission_.GrantWaiting();  // the one behind may be smaller
  }
  Announce(next);
  return true;
}

bool Admission::Ticket::Settle(size_t bytes) {
  assert(state_ == State::kGranted);
  if (bytes <= bytes_) {
    const size_t less = bytes_ - bytes;
    bytes_ = bytes;
    admission_.GiveBack(purse_, less, 0);
    return true;
  }
  const size_t more = bytes - bytes_;
  if (!admission_.TakeFrom(purse_, more, 0)) {
    const std::lock_guard lock(admission_.mutex_);
    if (!admission_.TakeCentrally(purse_, more)) {
      admission_.hungry_.store(!admission_.waiting_.empty(), std::memory_order_relaxed);
      return false;
    }
  }
  bytes_ = bytes;
  return true;
}

}  // namespace lossd::server
