// What a program asked of its allocator and of memcpy, counted by a library that is loaded before all others
// (count_calls.cc) and read by the process that started the program.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace lossd::bench {

// Laid over a file that both processes map. Zeros to begin with.
struct CounterPage {
  std::atomic<uint64_t> allocations;
  std::atomic<uint64_t> allocated_bytes;
  // Bytes of memcpy and memmove by the size of the single copy: [i] has those of 2^i up to 2^(i+1) bytes.
  std::array<std::atomic<uint64_t>, 48> copied_bytes;
};

// Names the file, in the environment of the program that is counted.
inline constexpr char kCountersVariable[] = "BENCH_COUNTERS";

struct Counts {
  double allocations = 0;
  double allocated_bytes = 0;
  double copied_bytes = 0;
};

// The reader's side. Calls that the compiler has turned into moves are not calls and are not counted; nor is what the
// kernel copies between a socket and the program.
class Counters {
 public:
  Counters();  // throws std::runtime_error when there is no room for a file of one page
  Counters(const Counters&) = delete;
  ~Counters();

  // Entries "NAME=value" for the environment of the program: the library and the file.
  std::string preload() const;
  std::string file() const;

  // Up to now. Copies of fewer than `min_copy` bytes (a power of two), or of `max_copy` and more, are left out.
  Counts Read(size_t min_copy = 1, size_t max_copy = size_t{1} << 47) const;

 private:
  std::string path_;
  CounterPage* page_;
};

}  // namespace lossd::bench
