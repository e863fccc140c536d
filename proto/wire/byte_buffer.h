// Between gRPC's buffers and the codec's segments, without copying.
#pragma once

#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "core/tensor/segment.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/slice.h"
#include "proto/wire/payload.h"

namespace lossd::wire {

// The bytes of a received message where gRPC put them, kept alive. Movable: the segments stay where they are. Not
// thread-safe while it is filled; afterwards safe to read from many threads.
class ReceivedBytes {
 public:
  ReceivedBytes() = default;
  // Empty where `buffer` is empty or cannot be read.
  explicit ReceivedBytes(const grpc::ByteBuffer& buffer);
  ReceivedBytes(ReceivedBytes&&) = default;
  ReceivedBytes& operator=(ReceivedBytes&&) = default;

  std::span<const Segment> segments() const { return segments_; }
  size_t size_bytes() const { return size_bytes_; }
  const std::vector<grpc::Slice>& slices() const { return slices_; }  // segments()[i] is slices()[i]

 private:
  std::vector<grpc::Slice> slices_;  // a small slice holds its bytes itself, so these must not move
  std::vector<Segment> segments_;
  size_t size_bytes_ = 0;
};

// Parts of a received message as slices of their own, which keep the bytes alive when the message is gone. It is looked
// for from where the last one was found: in the order of the message, a part costs a step. Not thread-safe.
class ReceivedParts {
 public:
  explicit ReceivedParts(const ReceivedBytes& message) : message_(message) {}
  // An empty slice: not of this message, or not in one of its segments.
  grpc::Slice Find(Segment part);

 private:
  const ReceivedBytes& message_;
  size_t last_ = 0;
};

// A slice of exactly the bytes of the segment, which keeps them alive or has somebody told when it lets go of them.
// Called once per segment, in order, before MakeByteBuffer returns.
using SliceMaker = absl::FunctionRef<grpc::Slice(Segment)>;

// The message to send. Strings are copied into slices (they are short: a header each); payloads are sent from the slice
// that `make_slice` returns for them, for example a part of a slice that the caller allocated and wrote:
//
//   MakeByteBuffer(pieces, [&](Segment payload) { return gradient.sub(begin, begin + payload.size); })
grpc::ByteBuffer MakeByteBuffer(std::span<const Piece> pieces, SliceMaker make_slice);

// Total of the pieces: the size of the message.
size_t SizeBytes(std::span<const Piece> pieces);

}  // namespace lossd::wire
