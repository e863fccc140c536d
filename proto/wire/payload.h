// Protobuf messages without their tensor bytes.
//
// The bytes of a tensor make up almost all of a message, and generated code would copy them into a std::string. This
// codec takes a message apart into a *skeleton*, an ordinary protobuf message, and *payloads*, the tensors' bytes where
// they lie. In a skeleton every `Tensor.raw` holds a handle, four bytes that number a payload. Protobuf itself parses
// the skeleton, so merging, last-one-wins of oneof, maps and unknown fields behave exactly as in any other protobuf
// program.
//
// Invariants
//  1. Decode(Encode(m)) is m, and Decode accepts a message if and only if generated code would parse it.
//  2. No payload byte is copied, except in Encode where a segment of it is smaller than kInlineBytes.
//  3. Which fields hold tensors is read from the descriptor: a new message needs nothing here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "core/tensor/segment.h"
#include "google/protobuf/message.h"
#include "lossd/v1/tensor.pb.h"

namespace lossd::wire {

// Below this Encode copies a payload's segment next to its header: another slice costs more than the copy.
inline constexpr size_t kInlineBytes = 2048;

class Payloads;

// Takes the message in `bytes` apart, as Decode does, and leaves its skeleton as bytes: those of a message of type
// `type`, for Parse. Two messages that differ in nothing but payloads of tensors have the same bytes there. What both
// held is dropped.
absl::Status TakeApart(std::span<const Segment> bytes, const google::protobuf::Descriptor* type, std::string* skeleton,
                       Payloads* payloads, size_t max_skeleton_bytes = std::numeric_limits<int32_t>::max());
absl::Status Parse(std::string_view skeleton, google::protobuf::Message* message);

// Both of it. Takes the message in `bytes` apart; what `payloads` held is dropped. The payloads point into `bytes`.
// INVALID_ARGUMENT for a message that is malformed, and for one whose skeleton takes more than `max_skeleton_bytes` on
// the wire (protobuf may make 28 bytes of memory of one on the wire); `skeleton` is then undefined. Any message type
// that holds lossd.v1.Tensor somewhere (or nowhere).
absl::Status Decode(std::span<const Segment> bytes, google::protobuf::Message* skeleton, Payloads* payloads,
                    size_t max_skeleton_bytes = std::numeric_limits<int32_t>::max());

// The payloads of one message, by handle.
class Payloads {
 public:
  // Points tensor->raw at `bytes`; they must outlive every use of the payload.
  void Attach(v1::Tensor* tensor, Segments bytes);
  // The bytes of a tensor whose data is `raw`; null when the handle is none of ours.
  const Segments* Find(const v1::Tensor& tensor) const;
  size_t size() const { return payloads_.size(); }
  size_t size_bytes() const;  // of all together
  const Segments& operator[](size_t handle) const { return payloads_[handle]; }

 private:
  friend absl::Status TakeApart(std::span<const Segment>, const google::protobuf::Descriptor*, std::string*, Payloads*,
                                size_t);

  absl::InlinedVector<Segments, 4> payloads_;  // room for a usual request
};

// One run of an encoded message: bytes made here, or a payload to be sent as it lies.
using Piece = std::variant<std::string, Segment>;
using Pieces = absl::InlinedVector<Piece, 4>;

// Puts a message together: its bytes on the wire are the pieces in order. The pieces point at the payloads' bytes.
// REQUIRES: every `Tensor.raw` in `skeleton` was set by Decode or by Attach on `payloads`. Protobuf's parsers refuse a
// message of 2 GiB or more; whether the sum of the pieces is below that is for the caller to check.
Pieces Encode(const google::protobuf::Message& skeleton, const Payloads& payloads);

}  // namespace lossd::wire
