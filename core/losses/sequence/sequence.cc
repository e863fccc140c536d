// Alignments of a sequence of labels with a longer one of predictions. Add a loss: include it, name it in Members.
#include "core/simd/targets.h"
// Above Highway.
#include "core/losses/topics.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/losses/sequence/sequence.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/losses/sequence/ctc-inl.h"
#include "core/losses/sequence/ctc_batch_cost-inl.h"
#include "core/losses/sequence/rnnt-inl.h"
#include "core/simd/table-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using SequenceMembers = Losses<Ctc, CtcBatchCost, Rnnt>;

std::span<const Loss> SequenceTable() { return TableOf(SequenceMembers()); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(SequenceTable);
std::span<const Loss> SequenceLosses() { return HWY_DYNAMIC_DISPATCH(SequenceTable)(); }

}  // namespace lossd
#endif  // HWY_ONCE
