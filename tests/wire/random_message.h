// Random messages and random bytes that look like messages.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "google/protobuf/message.h"

namespace lossd::wire {

using Random = std::mt19937_64;

// In [0, limit).
inline size_t Below(Random& random, size_t limit) {
  return std::uniform_int_distribution<size_t>(0, limit - 1)(random);
}

// Fills about half of the fields, and of those of the messages in it.
void Fill(Random& random, google::protobuf::Message* message, int depth = 4);

// A field sequence written by hand: mostly well-formed, with overlong varints, groups, unknown fields, wrong wire types
// and repeated occurrences; now and then a wrong length, a field number 0 or a stray end of a group.
std::string RandomWire(Random& random, int depth = 4);

// Up to four offsets into `size` bytes.
std::vector<size_t> RandomCuts(Random& random, size_t size);

}  // namespace lossd::wire
