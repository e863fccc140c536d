// A library for LD_PRELOAD: counts calls of the allocator and of memcpy, then passes them on to whoever would have had
// them (tcmalloc in lossd, the C library elsewhere). Counts go to the page that BENCH_COUNTERS names.
//
// Operators new are counted beside malloc because tcmalloc brings its own; where they end in malloc, the inner call is
// not counted again.
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>

#include "bench/rpc/counters.h"

namespace {

using lossd::bench::CounterPage;

CounterPage* MapPage() {
  const char* const path = std::getenv(lossd::bench::kCountersVariable);
  const int file = path == nullptr ? -1 : open(path, O_RDWR);
  if (file < 0) return nullptr;
  void* const page = mmap(nullptr, sizeof(CounterPage), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  return page == MAP_FAILED ? nullptr : static_cast<CounterPage*>(page);
}

// Set when this library is initialised; what happens before is not counted.
CounterPage* page = nullptr;
__attribute__((constructor)) void Begin() { page = MapPage(); }

// initial-exec: the first use in a thread must not allocate.
__attribute__((tls_model("initial-exec"))) thread_local int depth = 0;

class Allocation {
 public:
  explicit Allocation(size_t bytes) {
    if (depth++ > 0 || page == nullptr) return;
    page->allocations.fetch_add(1, std::memory_order_relaxed);
    page->allocated_bytes.fetch_add(bytes, std::memory_order_relaxed);
  }
  ~Allocation() { --depth; }
};

void CountCopy(size_t bytes) {
  if (bytes == 0 || page == nullptr) return;
  page->copied_bytes[std::bit_width(bytes) - 1].fetch_add(bytes, std::memory_order_relaxed);
}

template <class Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

// memcpy is called before anything can be looked up; the next one is then not there yet.
using Copy = void*(void*, const void*, size_t);
Copy* next_memcpy = nullptr;
Copy* next_memmove = nullptr;
__attribute__((constructor)) void FindCopies() {
  next_memcpy = Next<Copy>("memcpy");
  next_memmove = Next<Copy>("memmove");
}

// volatile: or the compiler makes memmove of it again.
void* CopyByBytes(void* to, const void* from, size_t bytes) {
  auto* const out = static_cast<volatile char*>(to);
  const auto* const in = static_cast<const volatile char*>(from);
  if (out < in) {
    for (size_t i = 0; i < bytes; ++i) out[i] = in[i];
  } else {
    for (size_t i = bytes; i > 0; --i) out[i - 1] = in[i - 1];
  }
  return to;
}

}  // namespace

// The C library declares some of these with attributes that a definition need not repeat.
#pragma GCC diagnostic ignored "-Wmissing-attributes"

extern "C" {

void* malloc(size_t bytes) {
  static auto* const next = Next<void*(size_t)>("malloc");
  const Allocation allocation(bytes);
  return next(bytes);
}

void* calloc(size_t count, size_t size) {
  static auto* const next = Next<void*(size_t, size_t)>("calloc");
  const Allocation allocation(count * size);
  return next(count, size);
}

void* realloc(void* memory, size_t bytes) {
  static auto* const next = Next<void*(void*, size_t)>("realloc");
  const Allocation allocation(bytes);
  return next(memory, bytes);
}

int posix_memalign(void** memory, size_t alignment, size_t bytes) {
  static auto* const next = Next<int(void**, size_t, size_t)>("posix_memalign");
  const Allocation allocation(bytes);
  return next(memory, alignment, bytes);
}

void* aligned_alloc(size_t alignment, size_t bytes) {
  static auto* const next = Next<void*(size_t, size_t)>("aligned_alloc");
  const Allocation allocation(bytes);
  return next(alignment, bytes);
}

void* memcpy(void* to, const void* from, size_t bytes) {
  CountCopy(bytes);
  return next_memcpy == nullptr ? CopyByBytes(to, from, bytes) : next_memcpy(to, from, bytes);
}

void* memmove(void* to, const void* from, size_t bytes) {
  CountCopy(bytes);
  return next_memmove == nullptr ? CopyByBytes(to, from, bytes) : next_memmove(to, from, bytes);
}

// What a program that was built with _FORTIFY_SOURCE calls; gRPC is.
void* __memcpy_chk(void* to, const void* from, size_t bytes, size_t room) {
  if (bytes > room) abort();
  return memcpy(to, from, bytes);
}

void* __memmove_chk(void* to, const void* from, size_t bytes, size_t room) {
  if (bytes > room) abort();
  return memmove(to, from, bytes);
}

}  // extern "C"

// The operators that others end in.
void* operator new(size_t bytes) {
  static auto* const next = Next<void*(size_t)>("_Znwm");
  const Allocation allocation(bytes);
  return next(bytes);
}

void* operator new[](size_t bytes) {
  static auto* const next = Next<void*(size_t)>("_Znam");
  const Allocation allocation(bytes);
  return next(bytes);
}

void* operator new(size_t bytes, const std::nothrow_t& tag) noexcept {
  static auto* const next = Next<void*(size_t, const std::nothrow_t&)>("_ZnwmRKSt9nothrow_t");
  const Allocation allocation(bytes);
  return next(bytes, tag);
}

void* operator new(size_t bytes, std::align_val_t alignment) {
  static auto* const next = Next<void*(size_t, std::align_val_t)>("_ZnwmSt11align_val_t");
  const Allocation allocation(bytes);
  return next(bytes, alignment);
}
