// Times a piece of work in turn with its limits, in the same second on the same cores: a copy that moves as many bytes,
// and a sum that reads as many. On a shared machine only such ratios mean anything.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <functional>
#include <vector>

#include "core/executor.h"

namespace lossd::bench {

// On how many threads, and by which clock: CPU time of the one thread, or wall time of all.
struct Threads {
  int count = 1;
  double Now() const;  // seconds
};

double Median(std::vector<double> values);

// Runs `work` once an iteration, which must use manual time, and reports the counters
//   ns_per_element        of `elements`
//   of_memcpy, of_read    the time of the limit over that of the work, medians of the iterations
// `repeats` of each are timed together, where one is too short for the clock.
void RunBeside(benchmark::State& state, Threads threads, size_t bytes, size_t elements, size_t repeats,
               const std::function<void()>& work);

// Runs `work` on one thread and on `threads` in turn, each twice, of which the second time counts (the first wakes the
// threads), by wall time; reports the counter `speedup`, median of the iterations.
void RunScaled(benchmark::State& state, int threads, const std::function<void(Executor&)>& work);

}  // namespace lossd::bench
