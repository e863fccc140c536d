// A tensor that lies in somebody else's buffers.
#pragma once

#include <cstddef>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "core/tensor/dtype.h"
#include "core/tensor/segment.h"
#include "core/tensor/shape.h"

namespace lossd {

// Little-endian, row-major, at any alignment, in one or more segments. Borrows the bytes: they must outlive the view.
// Immutable after Make; safe to read from many threads.
class TensorView {
 public:
  // `name` is the field that an error names. INVALID_ARGUMENT: a negative size, a size in bytes beyond 63 bits, more
  // axes than kMaxRank, or segments whose bytes are not SizeOf(dtype) * product(shape).
  static absl::StatusOr<TensorView> Make(std::string_view name, DType dtype, Shape shape, Segments segments);

  // Makes this a view of other bytes, of the same dtype and shape. False, and nothing changed: they are not as many.
  bool Move(Segments segments);

  // Says that somebody else may write to the bytes while they are read. What is read twice may then differ; whoever
  // would leave its bounds by that reads a copy.
  void SetChanges() { changes_ = true; }
  bool changes() const { return changes_; }

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  size_t count() const { return count_; }  // elements
  size_t size_bytes() const { return count_ * SizeOf(dtype_); }
  const Segments& segments() const { return segments_; }

  // `count` elements from element `begin` on, contiguous: a pointer into the segment that holds them all, else
  // `scratch`, filled. REQUIRES: begin + count <= this->count(); scratch holds count * SizeOf(dtype()) bytes.
  const std::byte* Block(size_t begin, size_t count, std::byte* scratch) const;

  // The elements from element `begin` on that lie whole in the segment where that one begins: none where it does not
  // itself. REQUIRES: begin < count().
  struct Elements {
    const std::byte* data;
    size_t count;
  };
  Elements Contiguous(size_t begin) const;

  // For who may write to the bytes though the view may not. Where those elements lie, or null if not in one segment.
  std::byte* Find(size_t begin, size_t count) const;
  // Writes `count` elements from `from` over those from element `begin` on.
  void Overwrite(size_t begin, size_t count, const std::byte* from) const;

 private:
  TensorView() = default;

  // Where a byte of the tensor lies. REQUIRES: it has so many.
  struct Position {
    size_t segment, offset;
  };
  Position At(size_t byte) const;

  // Calls body(data, size) for the pieces of `size` bytes from byte `begin` on.
  template <class Body>
  void EachPiece(size_t begin, size_t size, const Body& body) const;

  // Bytes of the segments, of which the empty ones are dropped.
  size_t Take(Segments segments);

  DType dtype_ = DType::kF32;
  Shape shape_;
  size_t count_ = 0;
  bool changes_ = false;
  Segments segments_;                    // none of them empty
  absl::InlinedVector<size_t, 2> ends_;  // ends_[i]: bytes in segments 0..i
};

}  // namespace lossd
