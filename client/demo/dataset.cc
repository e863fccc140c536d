#include "client/demo/dataset.h"

#include <algorithm>
#include <fstream>
#include <numeric>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace lossd::demo {
namespace {

constexpr int kMaxGrey = 16;

}  // namespace

absl::StatusOr<Dataset> ReadDigits(const std::string& path) {
  std::ifstream in(path);
  if (!in) return absl::NotFoundError(absl::StrCat(path, ": cannot be opened"));
  Dataset dataset;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    std::vector<int> values;
    for (const absl::string_view field : absl::StrSplit(line, ',')) {
      int value = -1;
      if (!absl::SimpleAtoi(field, &value) || value < 0 || value > kMaxGrey) value = -1;
      values.push_back(value);
    }
    if (values.size() != kPixels + 1 || std::ranges::count(values, -1) > 0 ||
        values.back() >= static_cast<int>(kClasses)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", number, ": expected 64 numbers from 0 to 16 and a digit"));
    }
    for (size_t i = 0; i < kPixels; ++i) dataset.pixels.push_back(static_cast<float>(values[i]) / kMaxGrey);
    dataset.labels.push_back(values.back());
  }
  if (dataset.size() == 0) return absl::InvalidArgumentError(absl::StrCat(path, ": no images"));
  return dataset;
}

Dataset Select(const Dataset& dataset, std::span<const size_t> indices) {
  Dataset selected;
  selected.pixels.reserve(indices.size() * kPixels);
  for (const size_t index : indices) {
    const auto image = std::span(dataset.pixels).subspan(index * kPixels, kPixels);
    selected.pixels.insert(selected.pixels.end(), image.begin(), image.end());
    selected.labels.push_back(dataset.labels[index]);
  }
  return selected;
}

// std::shuffle may differ from one standard library to the next.
std::vector<size_t> Permutation(size_t count, std::mt19937_64& random) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  return order;
}

}  // namespace lossd::demo
