// What requests took to compute, by what they ask for.
//
// Handing a request of a few mebibytes to another thread costs about as much as computing it: its bytes, and those of
// its answer, change to the caches of another core and back, and memory to another heap. Computed by the queue's
// thread, 2 and 16 MiB took 0.77 to 1.03 times the CPU. But that thread must not be kept for long, so that it has to be
// known beforehand. A training loop sends the same request with other numbers: its cost is known from the time before.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace lossd::server {

// Thread-safe, without a lock. Forgets, and never mistakes one request for another but by a chance of 1 in 2^40.
class Costs {
 public:
  // What such a request took the times before, about. Nothing where it is not known.
  std::optional<std::chrono::microseconds> Find(std::string_view skeleton, bool gradient) const;
  void Note(std::string_view skeleton, bool gradient, std::chrono::nanoseconds cost);

 private:
  static constexpr size_t kSlots = 256;

  std::array<std::atomic<uint64_t>, kSlots> slots_{};  // 40 bits of a hash above 24 bits of microseconds
};

// CPU time of this thread.
std::chrono::nanoseconds ThreadCpuTime();

// This thread has hardly slept of late: what it computes, it does not spend on messages that wait.
bool ThreadIsBusy();

// Small requests come to this thread: the next ones would wait for whatever it computes for long. Noted with each small
// one, asked with each large one.
void NoteSmallRequest();
bool SmallRequestsCome();

}  // namespace lossd::server
