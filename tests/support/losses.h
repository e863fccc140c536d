// The losses that conformance tests run over: all, or those that LOSSD_GOLDEN_LOSSES=a,b names.
#pragma once

#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "core/registry.h"

namespace lossd::testing {

inline std::vector<Loss> TestedLosses() {
  std::vector<Loss> losses = AllLosses();
  const char* const some = std::getenv("LOSSD_GOLDEN_LOSSES");
  if (some == nullptr) return losses;
  const std::set<std::string> wanted = absl::StrSplit(some, ',');
  std::erase_if(losses, [&](const Loss& loss) { return !wanted.contains(std::string(loss.contract->name)); });
  return losses;
}

}  // namespace lossd::testing
