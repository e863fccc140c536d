#include "core/executor.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace lossd {
namespace {

TEST(Executor, RunsEveryShardOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    Executor executor(threads);
    EXPECT_EQ(executor.num_threads(), threads);
    for (const size_t shards : {0, 1, 2, 100}) {
      std::vector<std::atomic<int>> runs(shards);
      EXPECT_TRUE(executor.ForEachShard(shards, Cancellation(), [&](size_t shard) { ++runs[shard]; }));
      for (const auto& count : runs) EXPECT_EQ(count, 1);
    }
  }
}

TEST(Executor, OneShardRunsOnTheCallingThread) {
  Executor executor(4);
  const auto here = std::this_thread::get_id();
  EXPECT_TRUE(executor.ForEachShard(1, Cancellation(), [&](size_t) { EXPECT_EQ(std::this_thread::get_id(), here); }));
}

TEST(Executor, ShardsRunOnSeveralThreadsAtOnce) {
  Executor executor(2);
  // Each shard waits for the other: one thread alone would never get past the first.
  std::mutex mutex;
  std::condition_variable both;
  int arrived = 0;
  EXPECT_TRUE(executor.ForEachShard(2, Cancellation(), [&](size_t) {
    std::unique_lock<std::mutex> lock(mutex);
    ++arrived;
    both.notify_all();
    EXPECT_TRUE(both.wait_for(lock, std::chrono::seconds(60), [&] { return arrived == 2; }));
  }));
}

TEST(Executor, CancellationLeavesOutShardsThatHaveNotBegun) {
  for (const int threads : {1, 2}) {
    Executor executor(threads);
    Cancellation cancellation;
    std::atomic<int> runs{0};
    EXPECT_FALSE(executor.ForEachShard(10000, cancellation, [&](size_t) {
      ++runs;
      cancellation.Cancel();
    }));
    EXPECT_LE(runs, threads);
    EXPECT_FALSE(executor.ForEachShard(1, cancellation, [&](size_t) { FAIL(); }));
  }
}

TEST(Executor, ManyCallersAtOnceEachGetAllTheirShards) {
  Executor executor(3);
  std::atomic<int> shards{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] {
      for (int j = 0; j < 50; ++j) {
        EXPECT_TRUE(executor.ForEachShard(20, Cancellation(), [&](size_t) { ++shards; }));
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(shards, 8 * 50 * 20);
}

TEST(Executor, BesideAsManyCallersAsThreadsShardsStayOnTheirCallersThread) {
  Executor executor(2);
  std::mutex mutex;
  std::condition_variable changed;
  bool entered = false, over = false;
  std::thread other([&] {
    executor.ForEachShard(2, Cancellation(), [&](size_t) {
      std::unique_lock<std::mutex> lock(mutex);
      entered = true;
      changed.notify_all();
      changed.wait(lock, [&] { return over; });
    });
  });
  {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return entered; });
  }
  const auto here = std::this_thread::get_id();
  EXPECT_TRUE(executor.ForEachShard(10, Cancellation(), [&](size_t) { EXPECT_EQ(std::this_thread::get_id(), here); }));
  {
    const std::lock_guard<std::mutex> lock(mutex);
    over = true;
  }
  changed.notify_all();
  other.join();
}

}  // namespace
}  // namespace lossd
