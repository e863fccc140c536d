#include "proto/wire/byte_buffer.h"

#include <string>
#include <variant>

namespace lossd::wire {

ReceivedBytes::ReceivedBytes(const grpc::ByteBuffer& buffer) {
  if (!buffer.Valid() || !buffer.Dump(&slices_).ok()) return;
  segments_.reserve(slices_.size());
  for (const grpc::Slice& slice : slices_) {
    segments_.push_back({reinterpret_cast<const std::byte*>(slice.begin()), slice.size()});
    size_bytes_ += slice.size();
  }
}

grpc::ByteBuffer MakeByteBuffer(std::span<const Piece> pieces, SliceMaker make_slice) {
  std::vector<grpc::Slice> slices;
  slices.reserve(pieces.size());
  for (const Piece& piece : pieces) {
    const auto* made = std::get_if<std::string>(&piece);
    slices.push_back(made != nullptr ? grpc::Slice(*made) : make_slice(std::get<Segment>(piece)));
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

size_t SizeBytes(std::span<const Piece> pieces) {
  size_t size = 0;
  for (const Piece& piece : pieces) {
    const auto* made = std::get_if<std::string>(&piece);
    size += made != nullptr ? made->size() : std::get<Segment>(piece).size;
  }
  return size;
}

}  // namespace lossd::wire
