// The handwritten digits of client/demo/data.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace lossd::demo {

inline constexpr size_t kPixels = 64;
inline constexpr size_t kClasses = 10;

// N images: pixels [N, 64] in [0, 1], labels [N].
struct Dataset {
  std::vector<float> pixels;
  std::vector<int32_t> labels;

  size_t size() const { return labels.size(); }
};

// NOT_FOUND where there is no such file; INVALID_ARGUMENT, with the line, where it is not what data/README.md
// describes.
absl::StatusOr<Dataset> ReadDigits(const std::string& path);

// The images with these numbers, in this order.
Dataset Select(const Dataset& dataset, std::span<const size_t> indices);

// 0 to count - 1 in random order; the same for the same generator on every platform.
std::vector<size_t> Permutation(size_t count, std::mt19937_64& random);

}  // namespace lossd::demo
