// The codec against protobuf's own parser, and its promises about copying.
#include "proto/wire/payload.h"

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lossd/v1/loss_service.pb.h"
#include "tests/wire/oracle.h"
#include "tests/wire/random_message.h"

namespace lossd::wire {
namespace {

using google::protobuf::Message;
using ::testing::HasSubstr;

const std::vector<const Message*>& Types() {
  static const std::vector<const Message*> types = {
      &v1::EvaluateRequest::default_instance(),  &v1::GradientRequest::default_instance(),
      &v1::EvaluateResponse::default_instance(), &v1::GradientResponse::default_instance(),
      &v1::Tensor::default_instance(),           &v1::EvaluateBatchRequest::default_instance(),
      &v1::Objective::default_instance(),  // holds no tensor
  };
  return types;
}

std::vector<size_t> EveryOffset(size_t size) {
  std::vector<size_t> cuts(size);
  for (size_t i = 0; i < size; ++i) cuts[i] = i;
  return cuts;
}

// One seed per test run of a loop, printed by every failure.
void ExpectAgreement(const Message& type, const std::string& bytes, std::span<const size_t> cuts, uint64_t seed) {
  const std::string wrong = Disagreement(type, bytes, cuts);
  ASSERT_EQ(wrong, "") << type.GetTypeName() << ", seed " << seed << ", cuts " << ::testing::PrintToString(cuts)
                       << ", bytes \"" << absl::CHexEscape(bytes) << '"';
}

class QuietProtobuf : public ::testing::Environment {
  void SetUp() override { SilenceProtobuf(); }
};
const auto* const kQuiet = ::testing::AddGlobalTestEnvironment(new QuietProtobuf);

TEST(Payload, AgreesWithProtobufOnRandomMessages) {
  for (uint64_t seed = 0; seed < 1500; ++seed) {
    Random random(seed);
    for (const Message* type : Types()) {
      const std::unique_ptr<Message> message(type->New());
      Fill(random, message.get());
      const std::string bytes = message->SerializeAsString();
      ASSERT_NO_FATAL_FAILURE(ExpectAgreement(*type, bytes, RandomCuts(random, bytes.size()), seed));
    }
  }
}

TEST(Payload, AgreesWithProtobufOnRandomFieldSequences) {
  for (uint64_t seed = 0; seed < 20000; ++seed) {
    Random random(seed);
    const std::string bytes = RandomWire(random);
    for (const Message* type : Types()) {
      ASSERT_NO_FATAL_FAILURE(ExpectAgreement(*type, bytes, RandomCuts(random, bytes.size()), seed));
    }
  }
}

TEST(Payload, AgreesWithProtobufOnMutatedMessages) {
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    Random random(seed);
    const Message& type = *Types()[seed % Types().size()];
    const std::unique_ptr<Message> message(type.New());
    Fill(random, message.get(), 3);
    std::string bytes = message->SerializeAsString();
    if (bytes.empty()) continue;
    for (int mutation = 0; mutation < 6; ++mutation) {
      bytes[Below(random, bytes.size())] = static_cast<char>(random());
      ASSERT_NO_FATAL_FAILURE(ExpectAgreement(type, bytes, RandomCuts(random, bytes.size()), seed));
    }
  }
}

TEST(Payload, AgreesWithProtobufAtEveryTruncationAndEveryCut) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    const std::string bytes = RandomWire(random, 3);
    for (const Message* type : Types()) {
      for (size_t size = 0; size <= bytes.size() && size < 400; ++size) {
        const std::string head = bytes.substr(0, size);
        ASSERT_NO_FATAL_FAILURE(ExpectAgreement(*type, head, EveryOffset(size), seed));
        ASSERT_NO_FATAL_FAILURE(ExpectAgreement(*type, bytes, std::vector<size_t>{size, size}, seed));
      }
    }
  }
}

// Lets tests write bytes as a protobuf encoder would not.
std::string Field(int number, const std::string& content) {
  std::string out;
  for (uint64_t value : {static_cast<uint64_t>(number) << 3 | 2, static_cast<uint64_t>(content.size())}) {
    for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
    out.push_back(static_cast<char>(value));
  }
  return out + content;
}

std::string Repeat(const std::string& text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

struct WireCase {
  const char* name;
  std::string bytes;  // of an EvaluateRequest
  bool accepted;
};

std::vector<WireCase> WireCases() {
  const std::string raw = Field(16, "12345678");
  const std::string floats = Field(3, Field(1, std::string(8, '\0')));
  const std::string entry = Field(1, "a") + Field(2, raw);
  return {
      {"nothing", "", true},
      {"a handle sent as raw is data", Field(6, Field(16, std::string(4, '\0'))), true},
      {"y_pred twice is merged, the later raw wins", Field(6, raw) + Field(6, Field(16, "x")), true},
      {"y_pred twice is merged, shape beside raw", Field(6, raw) + Field(6, Field(2, "\x08")), true},
      {"floats after raw", Field(6, raw + floats), true},
      {"raw after floats", Field(6, floats + raw), true},
      {"raw, floats, raw", Field(6, raw + floats + Field(16, "")), true},
      {"floats in a later occurrence", Field(6, raw) + Field(6, floats), true},
      {"map entry", Field(11, entry), true},
      {"map entry with two values", Field(11, entry + Field(2, Field(2, "\x02"))), true},
      {"map entry, value before key", Field(11, Field(2, raw) + Field(1, "a")), true},
      {"map key twice", Field(11, entry) + Field(11, Field(1, "a") + Field(2, Field(16, "new"))), true},
      {"map entry without value", Field(11, Field(1, "a")), true},
      {"raw as varint is unknown", Field(6, std::string("\x80\x01\x05", 3)), true},
      {"y_pred as varint is unknown", std::string("\x30\x05", 2), true},
      {"y_pred as group is unknown", "\x33" + raw + "\x34", true},
      {"group in a group", "\x33\x9b\x01\x9c\x01\x34", true},
      {"group that is not ended", "\x33" + raw, false},
      {"group ended by another's end", "\x33\x3c", false},
      {"group ended outside of its message", Field(6, "\x33") + "\x34", false},
      {"end of a group alone", "\x34", false},
      {"groups, 100 deep", Repeat("\x33", 100) + Repeat("\x34", 100), true},
      {"groups, 101 deep", Repeat("\x33", 101) + Repeat("\x34", 101), false},
      {"groups, a million deep", Repeat("\x33", 1'000'000), false},
      {"wire type 6", "\x36", false},
      {"wire type 7", "\x37", false},
      {"field number 0", std::string("\x02\x00", 2), false},
      {"tag 0", std::string("\x00", 1), false},
      {"tag of two bytes", "\xb2" + std::string("\x00", 1) + Field(6, raw).substr(1), true},
      {"tag of five bytes with bits beyond 32", "\xb2\x80\x80\x80\x10" + Field(6, raw).substr(1), true},
      {"tag of six bytes", "\xb2\x80\x80\x80\x80" + std::string("\x00", 1) + Field(6, raw).substr(1), false},
      {"length of five bytes", "\x32\x8b\x80\x80\x80" + std::string("\x00", 1) + Field(6, raw).substr(2), true},
      {"length of six bytes", "\x32\x8b\x80\x80\x80\x80" + std::string("\x00", 1) + Field(6, raw).substr(2), false},
      {"length of 2^31", "\x32\x80\x80\x80\x80\x08", false},
      {"length of 2^63", "\x32\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", false},
      {"length of 2^64 - 1", "\x32\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", false},
      {"length beyond the message", "\x32\x05" + raw.substr(0, 4), false},
      {"raw beyond its tensor", Field(6, "\x82\x01\x05") + "12345", false},
      {"tag cut by its message's end", Field(6, "\x82") + "\x01\x01x", false},
      {"length cut by its message's end", Field(6, "\x82\x01") + "\x01x", false},
      {"varint of ten bytes", "\x30" + std::string(9, '\xff') + "\x01", true},
      {"varint of eleven bytes", "\x30" + std::string(10, '\xff') + "\x01", false},
      {"fixed64 cut short", Field(6, "\x09" + std::string(7, '\0')), false},
      {"fixed32 cut short", Field(6, "\x0d" + std::string(3, '\0')), false},
      {"loss that is not UTF-8", Field(1, "\xff\xfe"), false},
  };
}

TEST(Payload, AcceptsWhatProtobufAccepts) {
  for (const WireCase& c : WireCases()) {
    SCOPED_TRACE(c.name);
    v1::EvaluateRequest message;
    EXPECT_EQ(message.ParseFromString(c.bytes), c.accepted) << "protobuf itself";
    for (const std::vector<size_t>& cuts :
         {std::vector<size_t>{}, EveryOffset(std::min<size_t>(c.bytes.size(), 999))}) {
      EXPECT_EQ(Disagreement(message, c.bytes, cuts), "");
    }
  }
}

TEST(Payload, NamesTheMessageThatIsMalformed) {
  v1::GradientRequest skeleton;
  Payloads payloads;
  const Segment segment{reinterpret_cast<const std::byte*>("\x36"), 1};
  const absl::Status status = Decode({&segment, 1}, &skeleton, &payloads);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("lossd.v1.GradientRequest"));
}

TEST(Payload, DropsWhatThePayloadsHeldBefore) {
  v1::EvaluateRequest skeleton;
  Payloads payloads;
  payloads.Attach(skeleton.mutable_y_true(), Segments{{nullptr, 0}});
  ASSERT_TRUE(Decode({}, &skeleton, &payloads).ok());
  EXPECT_EQ(payloads.size(), 0u);
}

TEST(Payload, FindKnowsItsHandlesOnly) {
  Payloads payloads;
  v1::Tensor tensor;
  EXPECT_EQ(payloads.Find(tensor), nullptr);
  payloads.Attach(&tensor, {});
  EXPECT_EQ(payloads.Find(tensor), &payloads[0]);
  tensor.set_raw(std::string("\x01\x00\x00\x00", 4));
  EXPECT_EQ(payloads.Find(tensor), nullptr);
  tensor.set_raw("12345");
  EXPECT_EQ(payloads.Find(tensor), nullptr);
  tensor.mutable_floats();
  EXPECT_EQ(payloads.Find(tensor), nullptr);
}

TEST(Payload, AMessageFullOfEmptyPayloadsKeepsOne) {
  v1::Tensor skeleton;
  Payloads payloads;
  const std::string bytes = Repeat(Field(16, ""), 100'000);
  const Segment segment{reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()};
  ASSERT_TRUE(Decode({&segment, 1}, &skeleton, &payloads).ok());
  EXPECT_EQ(payloads.size(), 1u);
}

TEST(Payload, EncodeSendsLargePayloadsFromWhereTheyLie) {
  for (const size_t size : {kInlineBytes - 1, kInlineBytes, size_t{1} << 20}) {
    SCOPED_TRACE(size);
    const std::vector<std::byte> bytes(size);
    v1::GradientResponse skeleton;
    Payloads payloads;
    skeleton.set_value(1.5);
    payloads.Attach(&(*skeleton.mutable_gradients())["y_pred"], Segments{{bytes.data(), size}});
    const Pieces pieces = Encode(skeleton, payloads);
    if (size < kInlineBytes) {
      ASSERT_EQ(pieces.size(), 1u);
      continue;
    }
    ASSERT_EQ(pieces.size(), 2u);
    const auto& payload = std::get<Segment>(pieces[1]);
    EXPECT_EQ(payload.data, bytes.data());
    EXPECT_EQ(payload.size, size);
    EXPECT_LT(std::get<std::string>(pieces[0]).size(), 64u);
  }
}

TEST(Payload, EncodesAMapInAFixedOrder) {
  std::vector<std::string> seen;
  for (const bool forwards : {true, false}) {
    v1::GradientResponse skeleton;
    for (int i = 0; i < 20; ++i) {
      (*skeleton.mutable_gradients())[absl::StrCat("input", forwards ? i : 19 - i)].set_dtype(v1::F32);
    }
    seen.push_back(std::get<std::string>(Encode(skeleton, Payloads()).at(0)));
  }
  EXPECT_EQ(seen[0], seen[1]);
}

}  // namespace
}  // namespace lossd::wire
