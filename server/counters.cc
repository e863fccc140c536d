#include "server/counters.h"

#include <prometheus/metric_type.h>

#include <algorithm>
#include <limits>
#include <new>
#include <stdexcept>

#include "server/sharding.h"

namespace lossd::server {
namespace {

// Numbers that a shard has room for: several times those of all losses and methods. Memory that no series uses is never
// touched.
constexpr size_t kMostNumbers = 16 << 10;

double Seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

Counters::Counters() : shards_(NumShards()) {
  for (Shard& shard : shards_) {
    void* const memory = std::aligned_alloc(kCacheLineBytes, kMostNumbers * sizeof(std::atomic<uint64_t>));
    if (memory == nullptr) throw std::bad_alloc();
    shard.reset(static_cast<std::atomic<uint64_t>*>(memory));
  }
}

void Counters::Add(size_t at, uint64_t amount) const {
  shards_[ThreadNumber() & (shards_.size() - 1)][at].fetch_add(amount, std::memory_order_relaxed);
}

uint64_t Counters::Sum(size_t at) const {
  uint64_t sum = 0;
  for (const Shard& shard : shards_) sum += shard[at].load(std::memory_order_relaxed);
  return sum;
}

size_t Counters::Reserve(size_t numbers) {
  if (numbers > kMostNumbers - used_) throw std::length_error("more series than a shard has room for");
  for (const Shard& shard : shards_) std::uninitialized_fill_n(&shard[used_], numbers, uint64_t{0});
  return std::exchange(used_, used_ + numbers);
}

Counters::Family& Counters::FamilyOf(const std::string& name, const std::string& help,
                                     std::span<const std::chrono::nanoseconds> bounds) {
  for (Family& family : families_) {
    if (family.name == name) return family;
  }
  return families_.emplace_back(Family{name, help, bounds, {}});
}

Counters::Counter Counters::AddCounter(const std::string& name, const std::string& help, const Labels& labels) {
  Counter counter;
  counter.counters_ = this;
  counter.at_ = Reserve(1);
  FamilyOf(name, help, {}).series.push_back({labels, counter.at_});
  return counter;
}

Counters::Histogram Counters::AddHistogram(const std::string& name, const std::string& help, const Labels& labels,
                                           std::span<const std::chrono::nanoseconds> bounds) {
  Histogram histogram;
  histogram.counters_ = this;
  histogram.at_ = Reserve(bounds.size() + 2);
  histogram.bounds_ = bounds;
  FamilyOf(name, help, bounds).series.push_back({labels, histogram.at_});
  return histogram;
}

void Counters::Histogram::Observe(std::chrono::nanoseconds time) const {
  const size_t bucket = std::lower_bound(bounds_.begin(), bounds_.end(), time) - bounds_.begin();
  counters_->Add(at_ + bucket, 1);
  counters_->Add(at_ + bounds_.size() + 1, static_cast<uint64_t>(std::max<int64_t>(0, time.count())));
}

prometheus::ClientMetric Counters::Read(const Family& family, const Series& series) const {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : series.labels) metric.label.push_back({name, value});
  if (family.bounds.empty()) {
    metric.counter.value = static_cast<double>(Sum(series.at));
    return metric;
  }
  auto& histogram = metric.histogram;
  for (size_t i = 0; i <= family.bounds.size(); ++i) {  // cumulative, and counted from what the buckets say
    histogram.sample_count += Sum(series.at + i);
    const bool last = i == family.bounds.size();
    histogram.bucket.push_back(
        {histogram.sample_count, last ? std::numeric_limits<double>::infinity() : Seconds(family.bounds[i])});
  }
  histogram.sample_sum = static_cast<double>(Sum(series.at + family.bounds.size() + 1)) * 1e-9;
  return metric;
}

std::vector<prometheus::MetricFamily> Counters::Collect() const {
  std::vector<prometheus::MetricFamily> all;
  for (const Family& family : families_) {
    const auto type = family.bounds.empty() ? prometheus::MetricType::Counter : prometheus::MetricType::Histogram;
    prometheus::MetricFamily& collected =
        all.emplace_back(prometheus::MetricFamily{family.name, family.help, type, {}});
    for (const Series& series : family.series) collected.metric.push_back(Read(family, series));
  }
  return all;
}

}  // namespace lossd::server
