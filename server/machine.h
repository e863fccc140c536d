// What this process may use of the machine: the machine itself, cut down by affinity and by control groups.
#pragma once

#include <cstddef>
#include <filesystem>

namespace lossd::server {

struct Machine {
  int cores = 1;  // whole ones, at least 1
  size_t memory_bytes = 0;
};

// `root` is "/" except in tests. Reads control groups of version 2 and, where those say nothing, of version 1.
Machine DetectMachine(const std::filesystem::path& root = "/");

}  // namespace lossd::server
