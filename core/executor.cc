// A task_arena of our own keeps the threads of the process's default arena out of requests, and its size is exactly
// what the operator asked for.
#include "core/executor.h"

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include <atomic>
#include <optional>

#ifdef LOSSD_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

namespace lossd {
namespace {

// TBB is not instrumented, so the thread sanitizer cannot see it hand work from thread to thread. Under the sanitizer
// this file is compiled without it (TBB's templates would be half seen) and says where work changes hands.
#ifdef LOSSD_THREAD_SANITIZER
void GiveAway(void* token) { __tsan_release(token); }
void TakeOver(void* token) { __tsan_acquire(token); }
#else
void GiveAway(void*) {}
void TakeOver(void*) {}
#endif

}  // namespace

struct Executor::Impl {
  explicit Impl(int num_threads) : num_threads(num_threads), arena(num_threads) {
    if (num_threads > 1) limit.emplace(tbb::global_control::max_allowed_parallelism, static_cast<size_t>(num_threads));
  }

  const int num_threads;
  // The process's, and the smallest of all counts: one thread alone asks TBB for nothing and limits nobody.
  std::optional<tbb::global_control> limit;
  tbb::task_arena arena;
  std::atomic<int> calling{0};  // threads in ForEachShard with more than one shard
};

Executor::Executor(int num_threads) : impl_(std::make_unique<Impl>(num_threads < 1 ? 1 : num_threads)) {}

Executor::~Executor() = default;

int Executor::num_threads() const { return impl_->num_threads; }

bool Executor::ForEachShard(size_t num_shards, const Cancellation& cancellation, absl::FunctionRef<void(size_t)> body) {
  if (num_shards <= 1) {
    if (cancellation.cancelled()) return false;
    if (num_shards == 1) body(0);
    return true;
  }
  // As many callers as threads keep all of these busy: what one of them cut off for another would only wake one more.
  const struct Calling {
    explicit Calling(std::atomic<int>& count) : count(count), before(count.fetch_add(1, std::memory_order_relaxed)) {}
    ~Calling() { count.fetch_sub(1, std::memory_order_relaxed); }
    std::atomic<int>& count;
    const int before;
  } calling(impl_->calling);
  if (calling.before + 1 >= num_threads()) {
    for (size_t shard = 0; shard < num_shards; ++shard) {
      if (cancellation.cancelled()) return false;
      body(shard);
    }
    return true;
  }
  std::atomic<size_t> done{0};
  GiveAway(&done);
  const auto run = [&] {
    tbb::task_group_context context;
    tbb::parallel_for(
        tbb::blocked_range<size_t>(0, num_shards),
        [&](const tbb::blocked_range<size_t>& range) {
          TakeOver(&done);
          for (size_t shard = range.begin(); shard != range.end(); ++shard) {
            if (cancellation.cancelled()) {
              context.cancel_group_execution();
              return;
            }
            body(shard);
            GiveAway(&done);
            done.fetch_add(1, std::memory_order_relaxed);
          }
        },
        context);
  };
  // Isolated: a thread that waits for the last shards of this request must not pick up another request meanwhile.
  impl_->arena.execute([&] { tbb::this_task_arena::isolate(run); });
  TakeOver(&done);
  return done.load() == num_shards;
}

}  // namespace lossd
