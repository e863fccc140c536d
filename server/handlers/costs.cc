#include "server/handlers/costs.h"

#include <time.h>

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"

namespace lossd::server {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

constexpr int kCostBits = 24;
constexpr uint64_t kCostMask = (uint64_t{1} << kCostBits) - 1;

// For how long a small request counts: who sends ten a second or more does not wait for large ones to be computed.
constexpr std::chrono::milliseconds kSmallRequestCounts{100};

thread_local uint64_t num_small_requests = 0;

uint64_t HashOf(std::string_view skeleton, bool gradient) {
  return absl::Hash<std::pair<std::string_view, bool>>()({skeleton, gradient});
}

}  // namespace

std::optional<microseconds> Costs::Find(std::string_view skeleton, bool gradient) const {
  const uint64_t hash = HashOf(skeleton, gradient);
  const uint64_t slot = slots_[hash % kSlots].load(std::memory_order_relaxed);
  if (slot == 0 || ((slot ^ hash) & ~kCostMask) != 0) return std::nullopt;
  return microseconds(slot & kCostMask);
}

void Costs::Note(std::string_view skeleton, bool gradient, nanoseconds cost) {
  const uint64_t hash = HashOf(skeleton, gradient);
  const int64_t measured = cost.count() / 1000 + 1;
  const auto known = Find(skeleton, gradient);
  const int64_t mean = known ? (3 * known->count() + measured) / 4 : measured;
  const uint64_t slot = (hash & ~kCostMask) | std::min<uint64_t>(static_cast<uint64_t>(mean), kCostMask);
  slots_[hash % kSlots].store(slot, std::memory_order_relaxed);
}

nanoseconds ThreadCpuTime() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

bool ThreadIsBusy() {
  constexpr auto kWindow = std::chrono::milliseconds(10);
  constexpr double kBusyShare = 0.9;
  struct Window {
    steady_clock::time_point begin = steady_clock::now();
    nanoseconds cpu = ThreadCpuTime();
    bool busy = false;
  };
  thread_local Window window;
  const auto now = steady_clock::now();
  if (const nanoseconds past = now - window.begin; past >= kWindow) {
    const nanoseconds cpu = ThreadCpuTime();
    const double share = std::chrono::duration<double>(cpu - window.cpu) / std::chrono::duration<double>(past);
    window = {.begin = now, .cpu = cpu, .busy = share > kBusyShare};
  }
  return window.busy;
}

void NoteSmallRequest() { ++num_small_requests; }

// The clock is read for large requests alone: a small one counts from the next large one on.
bool SmallRequestsCome() {
  struct Seen {
    uint64_t count = 0;
    steady_clock::time_point last{};
  };
  thread_local Seen seen;
  const auto now = steady_clock::now();
  if (seen.count != num_small_requests) {
    seen = {.count = num_small_requests, .last = now};
    return true;
  }
  return seen.count != 0 && now - seen.last < kSmallRequestCounts;
}

}  // namespace lossd::server
