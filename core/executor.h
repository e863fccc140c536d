// Runs the shards of a plan on TBB threads, or inline.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

#include "absl/functional/function_ref.h"

namespace lossd {

// Set once, from any thread; shards look at it before every block. Outlives the work that it is given to.
class Cancellation {
 public:
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};
};

// Thread-safe; shared by all requests of a process.
class Executor {
 public:
  // `num_threads` >= 1 take part in parallel work, the calling thread among them.
  explicit Executor(int num_threads);
  ~Executor();

  int num_threads() const;

  // Calls body(shard) once for each shard in [0, num_shards), in any order, on any threads; returns when all have
  // returned. A cancelled run leaves out shards that have not begun; false says that some were left out.
  // One shard runs inline.
  bool ForEachShard(size_t num_shards, const Cancellation& cancellation, absl::FunctionRef<void(size_t)> body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lossd
