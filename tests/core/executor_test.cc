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

TEST(Executor, EnqueuedWorkRunsElsewhereAndMayUseShards) {
  std::atomic<int> shards{0}, jobs{0};
  {
    Executor executor(2);
    for (int i = 0; i < 50; ++i) {
      executor.Enqueue([&] {
        executor.ForEachShard(20, Cancellation(), [&](size_t) { ++shards; });
        ++jobs;
      });
    }
  }  // waits
  EXPECT_EQ(jobs, 50);
  EXPECT_EQ(shards, 1000);
}

}  // namespace
}  // namespace lossd
