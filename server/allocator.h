// How long the allocator holds on to memory that calls have freed. For programs that link mimalloc.
#pragma once

#include <mimalloc.h>

namespace lossd::server {

// A busy server needs the memory of one call for the next. By default mimalloc gives it back to the system after 25 ms,
// and every page costs a fault and is cleared again. Kept for a second, the gradient of 16 MiB took a third less CPU
// (scripts/bench rpc); a server that is idle still gives it back.
inline void KeepFreedMemoryAwhile() {
  constexpr long kMilliseconds = 1000;
#if MI_MALLOC_VERSION < 210
  mi_option_set(mi_option_decommit_delay, kMilliseconds);
#else
  mi_option_set(mi_option_purge_delay, kMilliseconds);
#endif
}

}  // namespace lossd::server
