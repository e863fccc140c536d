#include "proto/wire/byte_buffer.h"

#include <functional>
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

grpc::Slice ReceivedParts::Find(Segment part) {
  const std::span<const Segment> segments = message_.segments();
  for (size_t step = 0; step < segments.size(); ++step) {
    const size_t i = (last_ + step) % segments.size();
    const Segment& whole = segments[i];
    if (std::less<>()(part.data, whole.data) || !std::less<>()(part.data, whole.data + whole.size)) continue;
    last_ = i;
    const size_t begin = part.data - whole.data;
    if (whole.size - begin < part.size) break;
    return message_.slices()[i].sub(begin, begin + part.size);
  }
  return {};
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
