// Runs a check on every instruction set that lossd is compiled for and this machine has.
#pragma once

#include "core/simd/targets.h"
// After targets.h.
#include <vector>

#include "gtest/gtest.h"
#include "hwy/targets.h"

namespace lossd::testing {

inline std::vector<int64_t> SimdTargets() { return hwy::SupportedAndGeneratedTargets(); }

// Targets that share the promise of equal bits.
inline bool HasFma(int64_t target) { return (target & (HWY_AVX2 | HWY_AVX3 | HWY_NEON)) != 0; }

// Dispatches to `target` while it lives.
class OnTarget {
 public:
  explicit OnTarget(int64_t target) : trace_("", 0, hwy::TargetName(target)) {
    hwy::SetSupportedTargetsForTest(target);
  }
  ~OnTarget() { hwy::SetSupportedTargetsForTest(0); }

 private:
  ::testing::ScopedTrace trace_;
};

}  // namespace lossd::testing
