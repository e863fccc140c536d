// Counts what operator new is asked for. Linked into a program, it replaces that operator there.
#pragma once

#include <cstddef>

namespace lossd::bench {

// Calls of operator new on this thread since it began.
size_t Allocations();

}  // namespace lossd::bench
