// The families' tables, each dispatched once to the instruction set of this machine. The registry joins them.
#pragma once

#include <span>

#include "core/losses/loss.h"

namespace lossd {

// In alphabetical order.
std::span<const Loss> ElementwiseLosses();
std::span<const Loss> RowWithIndexLosses();
std::span<const Loss> RowWithRowLosses();

}  // namespace lossd
