#include "server/admission.h"

#include <algorithm>
#include <cassert>

namespace lossd::server {

Admission::Load Admission::load() const {
  const std::lock_guard lock(mutex_);
  return load_;
}

std::vector<Admission::Ticket*> Admission::GrantWaiting() {
  std::vector<Ticket*> granted;
  while (!waiting_.empty() && waiting_.front()->bytes_ <= budget_bytes_ - load_.granted_bytes) {
    Ticket* ticket = waiting_.front();
    waiting_.pop_front();
    ticket->state_ = Ticket::State::kGranted;
    load_.waiting_calls -= 1;
    load_.granted_calls += 1;
    load_.granted_bytes += ticket->bytes_;
    granted.push_back(ticket);
  }
  return granted;
}

void Admission::Announce(const std::vector<Ticket*>& tickets) {
  for (Ticket* ticket : tickets) ticket->on_granted_();
}

Admission::Ticket::~Ticket() {
  assert(state_ != State::kWaiting);
  if (state_ != State::kGranted) return;
  std::vector<Ticket*> next;
  {
    const std::lock_guard lock(admission_.mutex_);
    admission_.load_.granted_bytes -= bytes_;
    admission_.load_.granted_calls -= 1;
    next = admission_.GrantWaiting();
  }
  Announce(next);
}

Admission::Verdict Admission::Ticket::Ask(size_t bytes) {
  assert(state_ == State::kNew);
  bytes_ = std::min(bytes, admission_.budget_bytes_);
  const std::lock_guard lock(admission_.mutex_);
  Load& load = admission_.load_;
  if (admission_.waiting_.empty() && bytes_ <= admission_.budget_bytes_ - load.granted_bytes) {
    state_ = State::kGranted;
    load.granted_bytes += bytes_;
    load.granted_calls += 1;
    return Verdict::kGranted;
  }
  if (load.waiting_calls >= admission_.max_waiting_) return Verdict::kRefused;
  state_ = State::kWaiting;
  position_ = admission_.waiting_.insert(admission_.waiting_.end(), this);
  load.waiting_calls += 1;
  return Verdict::kWaiting;
}

bool Admission::Ticket::Withdraw() {
  std::vector<Ticket*> next;
  {
    const std::lock_guard lock(admission_.mutex_);
    if (state_ != State::kWaiting) return false;
    admission_.waiting_.erase(position_);
    admission_.load_.waiting_calls -= 1;
    state_ = State::kNew;
    next = admission_.GrantWaiting();  // the one behind may be smaller
  }
  Announce(next);
  return true;
}

bool Admission::Ticket::Settle(size_t bytes) {
  std::vector<Ticket*> next;
  {
    const std::lock_guard lock(admission_.mutex_);
    assert(state_ == State::kGranted);
    size_t& granted_bytes = admission_.load_.granted_bytes;
    if (bytes > bytes_ && bytes - bytes_ > admission_.budget_bytes_ - granted_bytes) return false;
    granted_bytes = granted_bytes - bytes_ + bytes;
    bytes_ = bytes;
    next = admission_.GrantWaiting();
  }
  Announce(next);
  return true;
}

}  // namespace lossd::server
