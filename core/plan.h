// How a problem is cut into pieces: a function of shapes alone, so that the same request gives the same bits on any
// number of threads.
#pragma once

#include <cstddef>

#include "core/problem.h"

namespace lossd {

// Elements in a strip, which goes through the kernel, the sums and the stores at one go: four runs of 512 doubles fill
// half of the smallest L1. Also short enough that while one step computes the next one's memory is already on its way:
// the three loops of squared error alone, from memory, took 8.3 ms in strips of 512 floats, 10.0 of 1024, 15.2 of 4096,
// where memcpy of as many bytes took 8.5.
inline constexpr size_t kStripElements = 512;

// The same where the kernel's pass is the only one (Problem::one_pass): nothing waits in L1, and what a strip costs by
// itself is paid less often: squared error and its gradient in L2 took 0.24 ns an element in strips of 512, 0.19 of 2048,
// 0.18 of 4096.
inline constexpr size_t kOnePassStripElements = 2048;

// Elements in a block, the unit that reports a partial sum; those of blocks are merged in block order.
inline constexpr size_t kBlockElements = 4096;

// Elements in a shard, the unit that a thread takes: 256 Ki floats take 0.1 ms (squared error) to 0.6 ms (log-cosh)
// with their gradient, long beside waking a thread. Calls below that are not cut: a busy server has other calls for its
// threads.
inline constexpr size_t kShardElements = 64 * kBlockElements;

struct Plan {
  size_t items_per_strip = 0;  // whole items; a row wider than kStripElements is a strip of its own,
                               // and a block is one where the kernel finishes its slopes
  size_t items_per_block = 0;  // the same
  size_t num_blocks = 0;
  size_t blocks_per_shard = 0;
  size_t num_shards = 0;
  size_t workspace_bytes = 0;  // scratch of one worker
  size_t partial_bytes = 0;    // partial sums of all blocks
};

Plan MakePlan(const Problem& problem);
// Of `num_items` of its items.
Plan MakePlan(const Problem& problem, size_t num_items);

// Items in a block that is full.
size_t ItemsInBlock(const Problem& problem);

}  // namespace lossd
