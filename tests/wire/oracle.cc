#include "tests/wire/oracle.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/stubs/common.h"
#include "proto/wire/payload.h"

namespace lossd::wire {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Each segment in a block of its own, so that a sanitizer sees a step beyond its end.
struct Blocks {
  std::vector<std::unique_ptr<std::byte[]>> owners;
  std::vector<Segment> segments;
};

Blocks Cut(std::string_view bytes, std::span<const size_t> cuts) {
  std::vector<size_t> ends(cuts.begin(), cuts.end());
  for (size_t& end : ends) end = std::min(end, bytes.size());
  ends.push_back(bytes.size());
  std::sort(ends.begin(), ends.end());
  Blocks blocks;
  size_t begin = 0;
  for (const size_t end : ends) {
    blocks.owners.push_back(std::make_unique<std::byte[]>(end - begin));
    std::copy_n(reinterpret_cast<const std::byte*>(bytes.data()) + begin, end - begin, blocks.owners.back().get());
    blocks.segments.push_back({blocks.owners.back().get(), end - begin});
    begin = end;
  }
  return blocks;
}

bool LiesIn(const Segment& part, std::span<const Segment> segments) {
  return std::any_of(segments.begin(), segments.end(), [&](const Segment& segment) {
    return part.data >= segment.data && part.data + part.size <= segment.data + segment.size;
  });
}

// Puts the payloads where the handles are. Empty, or what is wrong with a handle.
std::string Inflate(Message* message, const Payloads& payloads, std::span<const Segment> segments) {
  if (auto* tensor = dynamic_cast<v1::Tensor*>(message); tensor != nullptr && tensor->data_case() == v1::Tensor::kRaw) {
    const Segments* payload = payloads.Find(*tensor);
    if (payload == nullptr) return "a raw that is no handle";
    std::string raw;
    for (const Segment& part : *payload) {
      if (!LiesIn(part, segments)) return "a payload outside of the bytes that were given";
      raw.append(reinterpret_cast<const char*>(part.data), part.size);
    }
    tensor->set_raw(raw);
  }
  const auto* reflection = message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const int count = field->is_repeated() ? reflection->FieldSize(*message, field) : 1;
    for (int i = 0; i < count; ++i) {
      Message* nested = field->is_repeated() ? reflection->MutableRepeatedMessage(message, field, i)
                                             : reflection->MutableMessage(message, field);
      if (std::string wrong = Inflate(nested, payloads, segments); !wrong.empty()) return wrong;
    }
  }
  return "";
}

// In a fixed order; equal bytes are equal messages, NaN and unknown fields included.
std::string Canonical(const Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    message.SerializePartialToCodedStream(&out);
  }
  return bytes;
}

std::string Concatenate(std::span<const Piece> pieces) {
  std::string bytes;
  for (const Piece& piece : pieces) {
    if (const auto* made = std::get_if<std::string>(&piece)) {
      bytes.append(*made);
    } else {
      const auto& payload = std::get<Segment>(piece);
      bytes.append(reinterpret_cast<const char*>(payload.data), payload.size);
    }
  }
  return bytes;
}

}  // namespace

std::string Disagreement(const Message& type, std::string_view bytes, std::span<const size_t> cuts) {
  const std::unique_ptr<Message> expected(type.New());
  const bool accepted = expected->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));

  const Blocks blocks = Cut(bytes, cuts);
  const std::unique_ptr<Message> skeleton(type.New());
  Payloads payloads;
  const absl::Status status = Decode(blocks.segments, skeleton.get(), &payloads);
  if (status.ok() != accepted) {
    return absl::StrCat("protobuf ", accepted ? "accepts" : "refuses", " the message; Decode: ", status.ToString());
  }
  if (!accepted) return "";

  const std::string encoded = Concatenate(Encode(*skeleton, payloads));
  if (std::string wrong = Inflate(skeleton.get(), payloads, blocks.segments); !wrong.empty()) return wrong;
  if (Canonical(*skeleton) != Canonical(*expected)) {
    return absl::StrCat("decoded to ", skeleton->ShortDebugString(), "; expected ", expected->ShortDebugString());
  }
  const std::unique_ptr<Message> again(type.New());
  if (!again->ParseFromString(encoded)) return "protobuf refuses what Encode wrote";
  if (Canonical(*again) != Canonical(*expected)) {
    return absl::StrCat("encoded as ", again->ShortDebugString(), "; expected ", expected->ShortDebugString());
  }
  if (encoded.size() != expected->ByteSizeLong()) return "Encode wrote more bytes than protobuf";
  return "";
}

void SilenceProtobuf() {
#if GOOGLE_PROTOBUF_VERSION < 4022000  // later ones log through Abseil
  google::protobuf::SetLogHandler(nullptr);
#endif
}

}  // namespace lossd::wire
