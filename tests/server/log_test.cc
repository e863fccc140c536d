#include "server/log.h"

#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace lossd::server {
namespace {

// Read by a JSON parser that is not ours.
google::protobuf::Struct Parse(const std::string& fields) {
  google::protobuf::Struct object;
  const auto status = google::protobuf::util::JsonStringToMessage("{" + fields + "}", &object);
  EXPECT_TRUE(status.ok()) << status.ToString() << "\n" << fields;
  return object;
}

TEST(FormatFields, TextQuotesWhatCouldBeMisread) {
  EXPECT_EQ(FormatFields(LogFormat::kText, "call", {{"a", "x"}, {"n", 3}, {"t", true}, {"d", 1.5}}),
            "call a=x n=3 t=true d=1.5");
  EXPECT_EQ(FormatFields(LogFormat::kText, "call", {{"a", "x y"}, {"b", ""}, {"c", "p=q"}}),
            R"(call a="x y" b="" c="p=q")");
  EXPECT_EQ(FormatFields(LogFormat::kText, "call", {{"a", "x\n2026 error forged"}}),
            R"(call a="x\u000a2026 error forged")");
}

TEST(FormatFields, JsonKeepsTypes) {
  const auto object = Parse(FormatFields(LogFormat::kJson, "call", {{"a", "x"}, {"n", -3}, {"t", false}, {"d", 0.25}}));
  EXPECT_EQ(object.fields().at("message").string_value(), "call");
  EXPECT_EQ(object.fields().at("a").string_value(), "x");
  EXPECT_EQ(object.fields().at("n").number_value(), -3);
  EXPECT_TRUE(object.fields().at("t").has_bool_value());
  EXPECT_EQ(object.fields().at("d").number_value(), 0.25);
}

TEST(FormatFields, JsonSurvivesEveryByte) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text = {'<', static_cast<char>(first), static_cast<char>(second), '>'};
      const std::string line = FormatFields(LogFormat::kJson, "m", {{"f", text}});
      EXPECT_EQ(line.find('\n'), std::string::npos);
      const std::string back = Parse(line).fields().at("f").string_value();
      EXPECT_EQ(back.front(), '<');
      EXPECT_EQ(back.back(), '>');
      if (first < 0x80 && second < 0x80) {
        EXPECT_EQ(back, text);
      }
    }
  }
}

TEST(FormatFields, JsonKeepsUtf8AndReplacesWhatIsNone) {
  for (const std::string text : {"\u00e4\u20ac\U0001F600", "\"\\/", "\u07ff\u0800\uffff\U0010ffff"}) {
    EXPECT_EQ(Parse(FormatFields(LogFormat::kJson, "m", {{"f", text}})).fields().at("f").string_value(), text);
  }
  // Overlong, a surrogate, beyond U+10FFFF, and a character that ends too early.
  for (const std::string text : {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82"}) {
    const std::string back = Parse(FormatFields(LogFormat::kJson, "m", {{"f", text}})).fields().at("f").string_value();
    EXPECT_EQ(back.substr(0, 3), "\uFFFD");
  }
}

TEST(FormatFields, JsonHasNoNaN) {
  for (const double value : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_TRUE(Parse(FormatFields(LogFormat::kJson, "m", {{"f", value}})).fields().at("f").has_string_value());
  }
}

TEST(LogThrottle, LetsABurstThroughAndCountsTheRest) {
  using std::chrono::seconds;
  using Clock = std::chrono::steady_clock;
  LogThrottle throttle(2);
  int64_t suppressed = 0;
  const Clock::time_point begin(seconds(100));
  EXPECT_TRUE(throttle.Allow(begin, &suppressed));
  EXPECT_TRUE(throttle.Allow(begin, &suppressed));
  EXPECT_FALSE(throttle.Allow(begin, &suppressed));
  EXPECT_FALSE(throttle.Allow(begin, &suppressed));
  EXPECT_EQ(suppressed, 0);
  EXPECT_TRUE(throttle.Allow(begin + seconds(1), &suppressed));
  EXPECT_EQ(suppressed, 2);
  EXPECT_TRUE(throttle.Allow(begin + seconds(1), &suppressed));
  EXPECT_EQ(suppressed, 0);
}

}  // namespace
}  // namespace lossd::server
