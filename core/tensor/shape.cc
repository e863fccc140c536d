#include "core/tensor/shape.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace lossd {

std::optional<size_t> ElementCount(std::span<const int64_t> shape) {
  if (std::any_of(shape.begin(), shape.end(), [](int64_t size) { return size < 0; })) return std::nullopt;
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  int64_t count = 1;
  for (const int64_t size : shape) {
    if (size > std::numeric_limits<int64_t>::max() / count) return std::nullopt;
    count *= size;
  }
  return static_cast<size_t>(count);
}

std::string ToString(std::span<const int64_t> shape) { return absl::StrCat("[", absl::StrJoin(shape, ", "), "]"); }

}  // namespace lossd
