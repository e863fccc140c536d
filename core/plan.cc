#include "core/plan.h"

#include <algorithm>

#include "core/reduce.h"
#include "core/workspace.h"

namespace lossd {

size_t ItemsInBlock(const Problem& problem) {
  // A batch loss is one coupled problem: one block, one strip.
  if (problem.batch()) return problem.num_items;
  return std::max<size_t>(1, kBlockElements / std::max<size_t>(1, problem.width));
}

Plan MakePlan(const Problem& problem) { return MakePlan(problem, problem.num_items); }

Plan MakePlan(const Problem& problem, size_t num_items) {
  Plan plan;
  if (num_items == 0) return plan;
  const size_t width = std::max<size_t>(1, problem.width);
  plan.items_per_block = std::min(ItemsInBlock(problem), num_items);
  const size_t strip_elements = problem.one_pass() ? kOnePassStripElements : kStripElements;
  plan.items_per_strip = problem.batch()    ? num_items
                         : problem.finishes ? plan.items_per_block  // nothing is done to its slopes after the kernel
                                            : std::clamp<size_t>(strip_elements / width, 1, num_items);
  plan.num_blocks = (num_items + plan.items_per_block - 1) / plan.items_per_block;
  const size_t block_elements = plan.items_per_block * width;
  plan.blocks_per_shard = std::max<size_t>(1, kShardElements / block_elements);
  plan.num_shards = (plan.num_blocks + plan.blocks_per_shard - 1) / plan.blocks_per_shard;
  plan.workspace_bytes = Workspace::Bytes(problem, plan.items_per_strip);
  plan.partial_bytes = plan.num_blocks * sizeof(Partial);
  return plan;
}

}  // namespace lossd
