// Both directions walk the wire format, not the message: copying fields they need not understand is what keeps them
// short, and protobuf remains the only judge of what those fields mean.
//
// Decode copies every field verbatim except those that lead to a tensor. `Tensor.raw` becomes a handle; a message
// around it gets a new length. Nothing that arrived can pass for a handle, because each and every `raw` is replaced.
#include "proto/wire/payload.h"

#include <array>
#include <cassert>
#include <climits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "proto/wire/cursor.h"
#include "proto/wire/tensor_fields.h"

namespace lossd::wire {
namespace {

using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

constexpr size_t kHandleBytes = 4;

// A length is written in this many bytes, padded, where it is not known beforehand. Parsers accept that, and nobody but
// protobuf in this process reads a skeleton.
constexpr size_t kPaddedLengthBytes = 5;

// Bytes that the messages around tensors may grow by in a skeleton: enough for a request with all of its tensors.
constexpr size_t kUsualGrowth = 256;

// What protobuf can parse in one piece.
constexpr size_t kMaxMessageBytes = INT_MAX;

std::array<char, kHandleBytes> HandleBytes(size_t handle) {
  std::array<char, kHandleBytes> bytes;
  for (size_t i = 0; i < kHandleBytes; ++i) bytes[i] = static_cast<char>(handle >> (8 * i) & 0xff);
  return bytes;
}

size_t HandleOf(std::string_view bytes) {
  size_t handle = 0;
  for (size_t i = 0; i < kHandleBytes; ++i)
    handle |= static_cast<size_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return handle;
}

void AppendVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

void WritePaddedLength(size_t length, char* out) {
  for (size_t i = 0; i < kPaddedLengthBytes; ++i) {
    out[i] = static_cast<char>((length >> (7 * i) & 0x7f) | (i + 1 < kPaddedLengthBytes ? 0x80 : 0));
  }
}

size_t VarintSize(uint64_t value) { return CodedOutputStream::VarintSize64(value); }

class Decoder {
 public:
  Decoder(std::span<const Segment> bytes, std::string* skeleton, absl::InlinedVector<Segments, 4>* payloads)
      : cursor_(bytes), skeleton_(*skeleton), payloads_(payloads) {}

  // False for malformed bytes.
  bool Run(const TensorFields& fields) {
    if (fields.empty()) {
      cursor_.Copy(cursor_.left(), &skeleton_);
      return true;
    }
    return Message(fields, 0, CodedInputStream::GetDefaultRecursionLimit());
  }

 private:
  // The message that ends where `stop` bytes are left. `depth` messages may still be nested in it.
  bool Message(const TensorFields& fields, size_t stop, int depth) {
    Cursor pending = cursor_;  // what lies between it and cursor_ is still to be copied
    size_t handle = kNoHandle;
    while (cursor_.left() > stop) {
      uint32_t tag = 0;
      if (!cursor_.ReadTag(&tag)) return false;
      // A field with another wire type than it should have is an unknown field to protobuf.
      const auto* field = TypeOf(tag) == WireType::kLength ? fields.Find(NumberOf(tag)) : nullptr;
      if (field == nullptr) {
        if (!cursor_.SkipField(tag)) return false;
        continue;
      }
      CopyFrom(pending);
      size_t length = 0;
      if (!cursor_.ReadLength(&length)) return false;
      if (cursor_.left() < stop || length > cursor_.left() - stop) return false;
      if (field->message == nullptr) {
        Payload(length, &handle);
      } else if (depth == 0 || !Nested(*field->message, length, depth - 1)) {
        return false;
      }
      pending = cursor_;
    }
    if (cursor_.left() != stop) return false;
    CopyFrom(pending);
    return true;
  }

  bool Nested(const TensorFields& fields, size_t length, int depth) {
    const size_t length_at = skeleton_.size();
    skeleton_.append(kPaddedLengthBytes, '\0');
    if (!Message(fields, cursor_.left() - length, depth)) return false;
    WritePaddedLength(skeleton_.size() - length_at - kPaddedLengthBytes, &skeleton_[length_at]);
    return true;
  }

  // One Tensor keeps one payload however often `raw` occurs in it: the last one counts, and a message of empty ones
  // must not fill the memory.
  void Payload(size_t length, size_t* handle) {
    if (*handle == kNoHandle) {
      *handle = payloads_->size();
      payloads_->emplace_back();
    }
    Segments& payload = (*payloads_)[*handle];
    payload.clear();
    cursor_.Take(length, &payload);
    AppendVarint(kHandleBytes, &skeleton_);
    const auto bytes = HandleBytes(*handle);
    skeleton_.append(bytes.data(), bytes.size());
  }

  void CopyFrom(Cursor from) { from.Copy(from.left() - cursor_.left(), &skeleton_); }

  static constexpr size_t kNoHandle = SIZE_MAX;

  Cursor cursor_;
  std::string& skeleton_;
  absl::InlinedVector<Segments, 4>* payloads_;
};

class Encoder {
 public:
  explicit Encoder(const Payloads& payloads) : payloads_(payloads) {}

  Pieces Run(const TensorFields& fields, const std::string& skeleton) {
    const Segment bytes{reinterpret_cast<const std::byte*>(skeleton.data()), skeleton.size()};
    Cursor measured({&bytes, 1});
    Measure(fields, &measured, 0);
    Cursor cursor({&bytes, 1});
    run_.reserve(skeleton.size() + inline_bytes_ + kUsualGrowth);
    Write(fields, &cursor, 0);
    if (!run_.empty()) pieces_.emplace_back(std::move(run_));
    return std::move(pieces_);
  }

 private:
  // Bytes that the message will have. Remembers those of the messages around tensors, outermost first.
  size_t Measure(const TensorFields& fields, Cursor* cursor, size_t stop) {
    size_t total = 0;
    while (cursor->left() > stop) {
      const size_t before = cursor->left();
      const auto [field, length] = Next(fields, cursor);
      if (field == nullptr) {
        total += before - cursor->left();
        continue;
      }
      size_t content = 0;
      if (field->message == nullptr) {
        for (const Segment& segment : PayloadAt(cursor, length)) {
          content += segment.size;
          if (segment.size < kInlineBytes) inline_bytes_ += segment.size;
        }
      } else {
        const size_t index = sizes_.size();
        sizes_.push_back(0);
        content = Measure(*field->message, cursor, cursor->left() - length);
        sizes_[index] = content;
      }
      total += VarintSize(TagOf(*field)) + VarintSize(content) + content;
    }
    return total;
  }

  // The same walk; writes what Measure counted.
  void Write(const TensorFields& fields, Cursor* cursor, size_t stop) {
    while (cursor->left() > stop) {
      Cursor from = *cursor;
      const auto [field, length] = Next(fields, cursor);
      if (field == nullptr) {
        from.Copy(from.left() - cursor->left(), &run_);
        continue;
      }
      AppendVarint(TagOf(*field), &run_);
      if (field->message == nullptr) {
        WritePayload(PayloadAt(cursor, length));
      } else {
        AppendVarint(sizes_[next_size_++], &run_);
        Write(*field->message, cursor, cursor->left() - length);
      }
    }
  }

  void WritePayload(const Segments& payload) {
    size_t content = 0;
    for (const Segment& segment : payload) content += segment.size;
    AppendVarint(content, &run_);
    for (const Segment& segment : payload) {
      if (segment.size < kInlineBytes) {
        run_.append(reinterpret_cast<const char*>(segment.data), segment.size);
        continue;
      }
      if (!run_.empty()) pieces_.emplace_back(std::exchange(run_, std::string()));
      pieces_.emplace_back(segment);
    }
  }

  // Past a field's tag and, where it leads to a tensor, its length; past the whole field otherwise.
  static std::pair<const TensorFields::Field*, size_t> Next(const TensorFields& fields, Cursor* cursor) {
    uint32_t tag = 0;
    size_t length = 0;
    [[maybe_unused]] bool well_formed = cursor->ReadTag(&tag);
    const auto* field = TypeOf(tag) == WireType::kLength ? fields.Find(NumberOf(tag)) : nullptr;
    well_formed = well_formed && (field == nullptr ? cursor->SkipField(tag) : cursor->ReadLength(&length));
    assert(well_formed);  // protobuf wrote it
    return {field, length};
  }

  // Past a handle of `length` bytes.
  const Segments& PayloadAt(Cursor* cursor, size_t length) {
    static const Segments kNothing;
    handle_.clear();
    cursor->Copy(length, &handle_);
    assert(length == kHandleBytes && HandleOf(handle_) < payloads_.size());
    if (length != kHandleBytes || HandleOf(handle_) >= payloads_.size()) return kNothing;
    return payloads_[HandleOf(handle_)];
  }

  static uint64_t TagOf(const TensorFields::Field& field) {
    return static_cast<uint64_t>(field.number) << 3 | static_cast<uint64_t>(WireType::kLength);
  }

  const Payloads& payloads_;
  absl::InlinedVector<size_t, 16> sizes_;
  size_t next_size_ = 0;
  size_t inline_bytes_ = 0;
  std::string handle_;
  std::string run_;  // bytes made since the last piece
  Pieces pieces_;
};

absl::Status NotWellFormed(const std::string& type) {
  return absl::InvalidArgumentError(absl::StrCat("not a well-formed ", type, " in protobuf's wire format"));
}

// A map with two entries has the same bytes each time.
std::string SerializeInFixedOrder(const google::protobuf::Message& message) {
  std::string bytes(message.ByteSizeLong(), '\0');
  google::protobuf::io::ArrayOutputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  CodedOutputStream out(&stream);
  out.SetSerializationDeterministic(true);
  message.SerializeWithCachedSizes(&out);
  out.Trim();
  return bytes;
}

}  // namespace

void Payloads::Attach(v1::Tensor* tensor, Segments bytes) {
  const auto handle = HandleBytes(payloads_.size());
  tensor->set_raw(handle.data(), handle.size());
  payloads_.push_back(std::move(bytes));
}

size_t Payloads::size_bytes() const {
  size_t bytes = 0;
  for (const Segments& payload : payloads_) {
    for (const Segment& segment : payload) bytes += segment.size;
  }
  return bytes;
}

const Segments* Payloads::Find(const v1::Tensor& tensor) const {
  if (tensor.data_case() != v1::Tensor::kRaw || tensor.raw().size() != kHandleBytes) return nullptr;
  const size_t handle = HandleOf(tensor.raw());
  return handle < payloads_.size() ? &payloads_[handle] : nullptr;
}

absl::Status TakeApart(std::span<const Segment> bytes, const google::protobuf::Descriptor* type, std::string* skeleton,
                       Payloads* payloads, size_t max_skeleton_bytes) {
  skeleton->clear();
  payloads->payloads_.clear();
  const bool sound = Decoder(bytes, skeleton, &payloads->payloads_).Run(TensorFields::Of(type)) &&
                     skeleton->size() <= kMaxMessageBytes;
  if (!sound) return NotWellFormed(type->full_name());
  if (skeleton->size() > max_skeleton_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(type->full_name(), " with ", skeleton->size(),
                                                   " bytes beside the raw bytes of its tensors; expected at most ",
                                                   max_skeleton_bytes, ": send large tensors as `raw`"));
  }
  return absl::OkStatus();
}

absl::Status Parse(std::string_view skeleton, google::protobuf::Message* message) {
  return message->ParseFromArray(skeleton.data(), static_cast<int>(skeleton.size()))
             ? absl::OkStatus()
             : NotWellFormed(message->GetTypeName());
}

absl::Status Decode(std::span<const Segment> bytes, google::protobuf::Message* skeleton, Payloads* payloads,
                    size_t max_skeleton_bytes) {
  std::string parsed;
  absl::Status status = TakeApart(bytes, skeleton->GetDescriptor(), &parsed, payloads, max_skeleton_bytes);
  return status.ok() ? Parse(parsed, skeleton) : status;
}

Pieces Encode(const google::protobuf::Message& skeleton, const Payloads& payloads) {
  return Encoder(payloads).Run(TensorFields::Of(skeleton.GetDescriptor()), SerializeInFixedOrder(skeleton));
}

}  // namespace lossd::wire
