// Reads the protobuf wire format from bytes that lie in several segments.
//
// Accepts what protobuf's own parser accepts: a tag of at most five bytes of which the low 32 bits count, a length of
// at most five bytes below 2^31, a value of at most ten.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "core/tensor/segment.h"

namespace lossd::wire {

enum class WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLength = 2, kStartGroup = 3, kEndGroup = 4, kFixed32 = 5 };

constexpr WireType TypeOf(uint32_t tag) { return static_cast<WireType>(tag & 7); }
constexpr uint32_t NumberOf(uint32_t tag) { return tag >> 3; }

// A place in the bytes; a small value, copied to remember a place. Every function that returns bool returns false for
// malformed or missing bytes, and the cursor is then good for nothing.
class Cursor {
 public:
  // `bytes` and what they point at must outlive the cursor.
  explicit Cursor(std::span<const Segment> bytes) : next_(bytes.data()), last_(bytes.data() + bytes.size()) {
    for (const Segment& segment : bytes) later_ += segment.size;
  }

  // Bytes from here to the end of all segments.
  size_t left() const { return static_cast<size_t>(end_ - at_) + later_; }

  bool ReadTag(uint32_t* tag) {
    uint64_t value = 0;
    if (!ReadVarint(kMaxTagBytes, &value)) return false;
    *tag = static_cast<uint32_t>(value);
    return NumberOf(*tag) != 0;
  }

  // Does not check that so many bytes follow.
  bool ReadLength(size_t* length) {
    uint64_t value = 0;
    if (!ReadVarint(kMaxLengthBytes, &value) || value > kMaxLength) return false;
    *length = static_cast<size_t>(value);
    return true;
  }

  // Past the value of a field whose tag was read. A group is skipped whole.
  bool SkipField(uint32_t tag) {
    size_t length = 0;
    uint64_t value = 0;
    switch (TypeOf(tag)) {
      case WireType::kVarint:
        return ReadVarint(kMaxVarintBytes, &value);
      case WireType::kFixed64:
        return Skip(8);
      case WireType::kLength:
        return ReadLength(&length) && Skip(length);
      case WireType::kStartGroup:
        return SkipGroup();
      case WireType::kFixed32:
        return Skip(4);
      case WireType::kEndGroup:
        break;
    }
    return false;
  }

  // Appends the next `count` bytes. REQUIRES: count <= left().
  void Copy(size_t count, std::string* out) {
    Runs(count, [out](const std::byte* data, size_t size) { out->append(reinterpret_cast<const char*>(data), size); });
  }

  // Appends the segments that the next `count` bytes are. REQUIRES: count <= left().
  void Take(size_t count, Segments* out) {
    Runs(count, [out](const std::byte* data, size_t size) { out->push_back({data, size}); });
  }

 private:
  static constexpr int kMaxTagBytes = 5;
  static constexpr int kMaxLengthBytes = 5;
  static constexpr int kMaxVarintBytes = 10;
  static constexpr uint64_t kMaxLength = 0x7fffffff;  // protobuf's lengths are ints

  bool ReadVarint(int max_bytes, uint64_t* value) {
    uint64_t result = 0;
    for (int i = 0; i < max_bytes; ++i) {
      if (at_ == end_ && !NextSegment()) return false;
      const auto byte = static_cast<uint64_t>(*at_++);
      result |= (byte & 0x7f) << (7 * i);
      if (byte < 0x80) {
        *value = result;
        return true;
      }
    }
    return false;
  }

  bool Skip(size_t count) {
    if (count > left()) return false;
    Runs(count, [](const std::byte*, size_t) {});
    return true;
  }

  // Without recursion, so that depth costs no stack. Whether an end matches its start is left to protobuf, which parses
  // a copy of the same bytes.
  bool SkipGroup() {
    for (size_t depth = 1; depth > 0;) {
      uint32_t tag = 0;
      if (!ReadTag(&tag)) return false;
      if (TypeOf(tag) == WireType::kStartGroup) {
        ++depth;
      } else if (TypeOf(tag) == WireType::kEndGroup) {
        --depth;
      } else if (!SkipField(tag)) {
        return false;
      }
    }
    return true;
  }

  template <class Function>
  void Runs(size_t count, const Function& function) {
    while (count > 0) {
      if (at_ == end_ && !NextSegment()) return;
      const size_t run = std::min(count, static_cast<size_t>(end_ - at_));
      function(at_, run);
      at_ += run;
      count -= run;
    }
  }

  // To the next segment that is not empty.
  bool NextSegment() {
    while (next_ != last_) {
      at_ = next_->data;
      end_ = at_ + next_->size;
      later_ -= next_->size;
      ++next_;
      if (at_ != end_) return true;
    }
    return false;
  }

  const std::byte* at_ = nullptr;
  const std::byte* end_ = nullptr;  // of the segment that at_ is in
  const Segment* next_;             // the segments from here on are untouched
  const Segment* last_;
  size_t later_ = 0;  // bytes in those
};

}  // namespace lossd::wire
