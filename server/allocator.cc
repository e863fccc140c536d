#include "server/allocator.h"

#include <gperftools/malloc_extension.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

namespace lossd::server {
namespace {

constexpr std::chrono::milliseconds kSampling{500};
constexpr size_t kNumSamples = 10;

// Below this nothing is given back: not worth the faults of the next call.
constexpr size_t kLeastReturned = 1 << 20;

// At once, because tcmalloc holds the lock of its pages while it does.
constexpr size_t kPiece = 8 << 20;

size_t FreePages(MallocExtension& allocator) {
  size_t bytes = 0;
  return allocator.GetNumericProperty("tcmalloc.pageheap_free_bytes", &bytes) ? bytes : 0;
}

[[noreturn]] void ReturnForEver() {
  MallocExtension& allocator = *MallocExtension::instance();
  std::array<size_t, kNumSamples> free_bytes{};
  for (size_t turn = 0;; turn = (turn + 1) % kNumSamples) {
    std::this_thread::sleep_for(kSampling);
    free_bytes[turn] = FreePages(allocator);
    const size_t unused = *std::min_element(free_bytes.begin(), free_bytes.end());
    if (unused < kLeastReturned) continue;
    for (size_t returned = 0; returned < unused; returned += kPiece) {
      allocator.ReleaseToSystem(std::min(kPiece, unused - returned));
    }
    free_bytes.fill(0);
  }
}

}  // namespace

void ReturnUnusedMemory() { std::thread(ReturnForEver).detach(); }

}  // namespace lossd::server
