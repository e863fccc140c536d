#include "core/plan.h"

#include <algorithm>

#include "core/reduce.h"
#include "core/workspace.h"

namespace lossd {

Plan MakePlan(const Problem& problem) {
  Plan plan;
  if (problem.num_items == 0) return plan;
  const size_t width = std::max<size_t>(1, problem.width);
  const auto items_in = [&](size_t elements) {
    // A batch loss is one coupled problem: one strip.
    return problem.batch() ? problem.num_items : std::clamp<size_t>(elements / width, 1, problem.num_items);
  };
  plan.items_per_strip = items_in(kStripElements);
  plan.items_per_block = items_in(kBlockElements);
  plan.num_blocks = (problem.num_items + plan.items_per_block - 1) / plan.items_per_block;
  const size_t block_elements = plan.items_per_block * width;
  plan.blocks_per_shard = std::max<size_t>(1, kShardElements / block_elements);
  plan.num_shards = (plan.num_blocks + plan.blocks_per_shard - 1) / plan.blocks_per_shard;
  plan.workspace_bytes = Workspace::Bytes(problem, plan.items_per_strip);
  plan.partial_bytes = plan.num_blocks * sizeof(Partial);
  return plan;
}

}  // namespace lossd
