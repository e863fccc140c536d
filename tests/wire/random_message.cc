#include "tests/wire/random_message.h"

#include <cstdint>

#include "google/protobuf/descriptor.h"

namespace lossd::wire {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Sizes around a handle's 4 bytes, around a one-byte length, and around the size from which Encode does not copy.
std::string RandomBytes(Random& random) {
  constexpr size_t kSizes[] = {0, 1, 3, 4, 4, 5, 40, 127, 128, 2047, 2048, 5000};
  std::string bytes(kSizes[Below(random, std::size(kSizes))], '\0');
  if (Below(random, 2) == 0) {
    for (char& byte : bytes) byte = static_cast<char>(Below(random, 256));
  }
  return bytes;
}

void FillField(Random& random, Message* message, const FieldDescriptor* field, int depth) {
  const auto* r = message->GetReflection();
  const bool repeated = field->is_repeated();
  const auto number = static_cast<int64_t>(random() >> Below(random, 64));
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT64:
      return repeated ? r->AddInt64(message, field, number) : r->SetInt64(message, field, number);
    case FieldDescriptor::CPPTYPE_UINT64:
      return r->SetUInt64(message, field, static_cast<uint64_t>(number));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return repeated ? r->AddDouble(message, field, 0.5) : r->SetDouble(message, field, -1.5);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return repeated ? r->AddFloat(message, field, 0.25f) : r->SetFloat(message, field, 0.25f);
    case FieldDescriptor::CPPTYPE_BOOL:
      return repeated ? r->AddBool(message, field, true) : r->SetBool(message, field, true);
    case FieldDescriptor::CPPTYPE_ENUM:
      return repeated ? r->AddEnumValue(message, field, static_cast<int>(Below(random, 9)))
                      : r->SetEnumValue(message, field, static_cast<int>(Below(random, 9)));
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text =
          field->type() == FieldDescriptor::TYPE_BYTES ? RandomBytes(random) : std::string(Below(random, 9), 'n');
      return repeated ? r->AddString(message, field, text) : r->SetString(message, field, text);
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (depth == 0) return;
      return Fill(random, repeated ? r->AddMessage(message, field) : r->MutableMessage(message, field), depth - 1);
    default:
      return;  // v1 has no other types
  }
}

// Now and then with more bytes than needed.
std::string Varint(Random& random, uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
  if (Below(random, 12) == 0) {
    for (size_t extra = 1 + Below(random, 4); extra > 0; --extra) {
      out.back() = static_cast<char>(out.back() | 0x80);
      out.push_back('\0');
    }
  }
  return out;
}

std::string Length(Random& random, size_t size) {
  if (Below(random, 60) == 0) size += Below(random, 3);
  if (Below(random, 200) == 0) return Varint(random, random());
  return Varint(random, size);
}

}  // namespace

void Fill(Random& random, Message* message, int depth) {
  const auto* descriptor = message->GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    if (Below(random, 2) == 0) continue;
    for (size_t n = field->is_repeated() ? Below(random, 4) : 1; n > 0; --n) FillField(random, message, field, depth);
  }
}

std::string RandomWire(Random& random, int depth) {
  std::string out;
  for (size_t n = Below(random, 6); n > 0; --n) {
    // The fields of requests and tensors, map entries' 1 and 2, and strangers.
    constexpr uint64_t kNumbers[] = {1, 2, 2, 3, 4, 5, 6, 6, 11, 11, 15, 16, 16, 16, 17, 19, (1 << 29) - 1};
    uint64_t number = kNumbers[Below(random, std::size(kNumbers))];
    if (Below(random, 150) == 0) number = 0;
    const uint64_t type = Below(random, 3) > 0 ? 2 : Below(random, 40) == 0 ? Below(random, 8) : Below(random, 4);
    out += Varint(random, number << 3 | type);
    switch (type) {
      case 0:
        out += Varint(random, random() >> Below(random, 64));
        break;
      case 1:
        out.append(8, '\1');
        break;
      case 2: {
        const std::string content =
            depth > 0 && Below(random, 4) > 0 ? RandomWire(random, depth - 1) : std::string(Below(random, 6), '\0');
        out += Length(random, content.size()) + content;
        break;
      }
      case 3:
        if (depth > 0) out += RandomWire(random, depth - 1);
        out += Varint(random, (Below(random, 30) == 0 ? 1 : number) << 3 | 4);
        break;
      case 5:
        out.append(4, '\1');
        break;
      default:
        break;
    }
  }
  return out;
}

std::vector<size_t> RandomCuts(Random& random, size_t size) {
  std::vector<size_t> cuts(Below(random, 5));
  for (size_t& cut : cuts) cut = Below(random, size + 1);
  return cuts;
}

}  // namespace lossd::wire
