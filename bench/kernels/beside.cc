#include "bench/kernels/beside.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <numeric>
#include <thread>

namespace lossd::bench {
namespace {

// Calls body(begin, end) for equal parts of [0, count), one a thread, the calling one among them.
void InParts(int threads, size_t count, const std::function<void(size_t, size_t)>& body) {
  std::vector<std::thread> others;
  const auto part = [&](int i) { return count / static_cast<size_t>(threads) * static_cast<size_t>(i); };
  for (int i = 1; i < threads; ++i) {
    others.emplace_back([&, i] { body(part(i), i + 1 == threads ? count : part(i + 1)); });
  }
  body(0, threads == 1 ? count : part(1));
  for (std::thread& other : others) other.join();
}

// Memory of the limits, as large as the largest work so far: `from` is read, `to` written.
struct Limits {
  std::vector<uint64_t> from, to;
  void Fit(size_t words) {
    if (from.size() >= words) return;
    from.assign(words, 1);
    to.assign(words, 0);
  }
};

}  // namespace

double Threads::Now() const {
  if (count > 1) return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void RunBeside(benchmark::State& state, Threads threads, size_t bytes, size_t elements, size_t repeats,
               const std::function<void()>& work) {
  static Limits& limits = *new Limits;
  const size_t words = std::max<size_t>(2, bytes / sizeof(uint64_t));
  limits.Fit(words);
  const auto copy = [&] {
    InParts(threads.count, words / 2, [&](size_t begin, size_t end) {
      std::memcpy(limits.to.data() + begin, limits.from.data() + begin, (end - begin) * sizeof(uint64_t));
    });
    benchmark::ClobberMemory();
  };
  const auto read = [&] {
    InParts(threads.count, words, [&](size_t begin, size_t end) {
      benchmark::DoNotOptimize(std::accumulate(&limits.from[begin], &limits.from[begin] + (end - begin), uint64_t{0}));
    });
  };
  const auto time = [&](const auto& body) {
    const double begin = threads.Now();
    for (size_t i = 0; i < repeats; ++i) body();
    return (threads.Now() - begin) / static_cast<double>(repeats);
  };
  work();
  copy();
  read();
  std::vector<double> works, of_memcpy, of_read;
  for (auto _ : state) {
    const double worked = time(work);
    state.SetIterationTime(worked * static_cast<double>(repeats));
    works.push_back(worked);
    of_memcpy.push_back(time(copy) / worked);
    of_read.push_back(time(read) / worked);
  }
  const double worked = Median(works);
  state.counters["ns_per_element"] = worked * 1e9 / static_cast<double>(elements);
  state.counters["gb_per_second"] = static_cast<double>(bytes) * 1e-9 / worked;
  state.counters["of_memcpy"] = Median(of_memcpy);
  state.counters["of_read"] = Median(of_read);
}

void RunScaled(benchmark::State& state, int threads, const std::function<void(Executor&)>& work) {
  const Threads wall{2};
  const auto time = [&](int count) {
    Executor executor(count);
    work(executor);
    const double begin = wall.Now();
    work(executor);
    return wall.Now() - begin;
  };
  std::vector<double> speedups;
  for (auto _ : state) {
    const double one = time(1), all = time(threads);
    state.SetIterationTime(all);
    speedups.push_back(one / all);
  }
  state.counters["speedup"] = Median(speedups);
  state.counters["threads"] = threads;
}

}  // namespace lossd::bench
