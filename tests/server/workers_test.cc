#include "server/transport/workers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace lossd::server {
namespace {

TEST(Workers, DoAllWorkBeforeTheyEnd) {
  std::atomic<int> done{0};
  {
    Workers workers(2);
    std::vector<std::thread> givers;
    for (int i = 0; i < 4; ++i) {
      givers.emplace_back([&] {
        for (int j = 0; j < 500; ++j) workers.Do([&] { ++done; });
      });
    }
    for (std::thread& giver : givers) giver.join();
  }
  EXPECT_EQ(done, 2000);
}

TEST(Workers, WorkMayBringWork) {
  std::atomic<int> done{0};
  {
    Workers workers(1);
    workers.Do([&] { workers.Do([&] { workers.Do([&] { ++done; }); }); });
  }
  EXPECT_EQ(done, 1);
}

TEST(Workers, AsManyWorkAtATimeAsThereAreInOrder) {
  constexpr int kThreads = 3, kWork = 10;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<int> begun;
  bool over = false;
  {
    Workers workers(kThreads);
    for (int i = 0; i < kWork; ++i) {
      workers.Do([&, i] {
        std::unique_lock lock(mutex);
        begun.push_back(i);
        changed.notify_all();
        changed.wait(lock, [&] { return over; });
      });
    }
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return begun.size() == kThreads; }));
    for (const int i : begun) EXPECT_LT(i, kThreads);
    over = true;
    changed.notify_all();
  }
  EXPECT_EQ(begun.size(), static_cast<size_t>(kWork));
}

}  // namespace
}  // namespace lossd::server
