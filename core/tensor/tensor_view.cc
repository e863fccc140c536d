#include "core/tensor/tensor_view.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "core/errors.h"
#include "core/limits.h"

namespace lossd {

absl::StatusOr<TensorView> TensorView::Make(std::string_view name, DType dtype, Shape shape, Segments segments) {
  if (shape.size() > kMaxRank) return error::RankTooLarge(name, shape.size());
  const std::optional<size_t> count = ElementCount(shape);
  constexpr size_t kMaxBytes = std::numeric_limits<int64_t>::max();
  if (!count.has_value() || *count > kMaxBytes / SizeOf(dtype)) return error::BadShape(name, shape);

  TensorView view;
  view.dtype_ = dtype;
  view.count_ = *count;
  const size_t bytes = view.Take(std::move(segments));
  if (bytes != view.size_bytes()) return error::WrongByteCount(name, dtype, shape, bytes, view.size_bytes());
  view.shape_ = std::move(shape);
  return view;
}

bool TensorView::Move(Segments segments) {
  TensorView moved;
  if (moved.Take(std::move(segments)) != size_bytes()) return false;
  segments_ = std::move(moved.segments_);
  ends_ = std::move(moved.ends_);
  return true;
}

size_t TensorView::Take(Segments segments) {
  size_t bytes = 0;
  for (const Segment& segment : segments) {
    if (segment.size == 0) continue;
    bytes += segment.size;
    segments_.push_back(segment);
    ends_.push_back(bytes);
  }
  return bytes;
}

const std::byte* TensorView::Block(size_t begin, size_t count, std::byte* scratch) const {
  const size_t element = SizeOf(dtype_);
  const size_t from = begin * element;
  size_t left = count * element;
  if (left == 0) return scratch;
  if (segments_.size() == 1) return segments_[0].data + from;
  size_t i = std::upper_bound(ends_.begin(), ends_.end(), from) - ends_.begin();
  size_t offset = from - (ends_[i] - segments_[i].size);
  if (segments_[i].size - offset >= left) return segments_[i].data + offset;
  for (std::byte* out = scratch; left > 0; ++i, offset = 0) {
    const size_t take = std::min(left, segments_[i].size - offset);
    std::memcpy(out, segments_[i].data + offset, take);
    out += take;
    left -= take;
  }
  return scratch;
}

}  // namespace lossd
