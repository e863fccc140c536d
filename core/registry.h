// The table of all losses. Names are resolved here and nowhere else.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/losses/loss.h"

namespace lossd {

// Every loss, in alphabetical order of the canonical names, with kernels for the best instruction set of this machine.
std::vector<Loss> AllLosses();

// The instruction set that the kernels were chosen for: "AVX3", "AVX2", "NEON", ...
std::string_view InstructionSet();

struct ResolvedLoss {
  Loss loss;
  InputKind implied = InputKind::kUnspecified;  // by the alias that was used
};

// By canonical name or alias. Letter case and '_', '-', ' ' do not matter. NOT_FOUND suggests near names.
absl::StatusOr<ResolvedLoss> FindLoss(std::string_view name);

}  // namespace lossd
