// Counters and histograms that many threads add to and that are read once in a while.
//
// A counter that all threads share would send its cache line from core to core with every call. Here each thread adds
// to numbers of its own, and whoever reads the page adds them up. Threads beyond the number of shards share one with
// another, which costs time and no count.
#pragma once

#include <prometheus/client_metric.h>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace lossd::server {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Counters final : public prometheus::Collectable {
 public:
  // Handles. Cheap to copy, thread-safe, outlived by the Counters that made them.
  class Counter {
   public:
    void Add(uint64_t amount = 1) const { counters_->Add(at_, amount); }

   private:
    friend class Counters;
    const Counters* counters_ = nullptr;
    size_t at_ = 0;
  };
  class Histogram {
   public:
    void Observe(std::chrono::nanoseconds time) const;

   private:
    friend class Counters;
    const Counters* counters_ = nullptr;
    size_t at_ = 0;  // one for each bound, one beyond them, and the sum in nanoseconds
    std::span<const std::chrono::nanoseconds> bounds_;
  };

  Counters();
  Counters(const Counters&) = delete;

  // New series of the family `name`, which is made where it is new. Before other threads read or count. `bounds`, in
  // order, outlives this.
  Counter AddCounter(const std::string& name, const std::string& help, const Labels& labels);
  Histogram AddHistogram(const std::string& name, const std::string& help, const Labels& labels,
                         std::span<const std::chrono::nanoseconds> bounds);

  // What was counted up to about now. Thread-safe.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  struct Series {
    Labels labels;
    size_t at;
  };
  struct Family {
    std::string name, help;
    std::span<const std::chrono::nanoseconds> bounds;  // of a histogram
    std::vector<Series> series;
  };
  struct Free {
    void operator()(std::atomic<uint64_t>* numbers) const { std::free(numbers); }
  };
  // Numbers of all series, of one thread.
  using Shard = std::unique_ptr<std::atomic<uint64_t>[], Free>;

  void Add(size_t at, uint64_t amount) const;
  uint64_t Sum(size_t at) const;
  size_t Reserve(size_t numbers);
  Family& FamilyOf(const std::string& name, const std::string& help, std::span<const std::chrono::nanoseconds> bounds);
  prometheus::ClientMetric Read(const Family& family, const Series& series) const;

  std::vector<Shard> shards_;
  size_t used_ = 0;
  std::vector<Family> families_;
};

}  // namespace lossd::server
