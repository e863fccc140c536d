#include "bench/rpc/counters.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

namespace lossd::bench {

Counters::Counters() : path_((std::filesystem::temp_directory_path() / "lossd_counters_XXXXXX").string()) {
  const int file = mkstemp(path_.data());
  if (file < 0 || ftruncate(file, sizeof(CounterPage)) != 0) throw std::runtime_error("cannot make " + path_);
  void* const page = mmap(nullptr, sizeof(CounterPage), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (page == MAP_FAILED) throw std::runtime_error("cannot map " + path_);
  page_ = static_cast<CounterPage*>(page);
}

Counters::~Counters() {
  munmap(page_, sizeof(CounterPage));
  unlink(path_.c_str());
}

std::string Counters::preload() const { return std::string("LD_PRELOAD=") + LOSSD_COUNT_CALLS; }
std::string Counters::file() const { return std::string(kCountersVariable) + "=" + path_; }

Counts Counters::Read(size_t min_copy, size_t max_copy) const {
  Counts counts{.allocations = static_cast<double>(page_->allocations.load()),
                .allocated_bytes = static_cast<double>(page_->allocated_bytes.load())};
  for (size_t i = 0; i < page_->copied_bytes.size(); ++i) {
    const size_t size = size_t{1} << i;
    if (size >= min_copy && size < max_copy) counts.copied_bytes += static_cast<double>(page_->copied_bytes[i].load());
  }
  return counts;
}

}  // namespace lossd::bench
