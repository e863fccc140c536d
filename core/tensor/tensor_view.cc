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

TensorView::Position TensorView::At(size_t byte) const {
  if (segments_.size() == 1) return {0, byte};
  const size_t i = std::upper_bound(ends_.begin(), ends_.end(), byte) - ends_.begin();
  return {i, byte - (ends_[i] - segments_[i].size)};
}

template <class Body>
void TensorView::EachPiece(size_t begin, size_t size, const Body& body) const {
  for (auto [i, offset] = At(begin); size > 0; ++i, offset = 0) {
    const size_t piece = std::min(size, segments_[i].size - offset);
    body(segments_[i].data + offset, piece);
    size -= piece;
  }
}

std::byte* TensorView::Find(size_t begin, size_t count) const {
  const size_t from = begin * SizeOf(dtype_), size = count * SizeOf(dtype_);
  if (size == 0) return nullptr;
  const auto [i, offset] = At(from);
  return segments_[i].size - offset < size ? nullptr : const_cast<std::byte*>(segments_[i].data) + offset;
}

TensorView::Elements TensorView::Contiguous(size_t begin) const {
  const auto [i, offset] = At(begin * SizeOf(dtype_));
  return {segments_[i].data + offset, (segments_[i].size - offset) / SizeOf(dtype_)};
}

const std::byte* TensorView::Block(size_t begin, size_t count, std::byte* scratch) const {
  if (const std::byte* const found = Find(begin, count); found != nullptr) return found;
  std::byte* out = scratch;
  if (count > 0) {
    EachPiece(begin * SizeOf(dtype_), count * SizeOf(dtype_), [&](const std::byte* piece, size_t size) {
      std::memcpy(out, piece, size);
      out += size;
    });
  }
  return scratch;
}

void TensorView::Overwrite(size_t begin, size_t count, const std::byte* from) const {
  if (count == 0) return;
  EachPiece(begin * SizeOf(dtype_), count * SizeOf(dtype_), [&](const std::byte* piece, size_t size) {
    std::memcpy(const_cast<std::byte*>(piece), from, size);
    from += size;
  });
}

}  // namespace lossd
