// State that is kept once for each thread, or for each few, so that threads do not wait for one another's cache lines.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <thread>

namespace lossd::server {

inline constexpr size_t kCacheLineBytes = 64;

// How many shards are worth their memory: queues and workers together are about twice the cores. A power of two.
inline size_t NumShards() {
  constexpr size_t kMost = 64;
  return std::bit_ceil(std::clamp<size_t>(2 * std::thread::hardware_concurrency(), 2, kMost));
}

// Of this thread, in the order in which threads first asked. Threads beyond the number of shards share one with others.
inline size_t ThreadNumber() {
  static std::atomic<size_t> next{0};
  thread_local const size_t number = next.fetch_add(1, std::memory_order_relaxed);
  return number;
}

}  // namespace lossd::server
