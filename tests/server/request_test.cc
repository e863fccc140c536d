// From the wire to core's Request: what is understood, and every error that conversion itself makes. Requests are
// written as JSON, as a person would.
#include "server/convert/request.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proto/wire/enums.h"
#include "server/convert/tensor.h"
#include "tests/support/status.h"

namespace lossd::server {
namespace {

using ::lossd::testing::IsOk;
using ::lossd::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

// A message, its payloads and what conversion made of them, kept alive together.
struct Converted {
  v1::GradientRequest message;
  wire::Payloads payloads;
  ConvertedValues values;
  absl::StatusOr<Request> request = absl::UnknownError("");
};

std::unique_ptr<Converted> Convert(const std::string& json, bool gradient = true) {
  auto converted = std::make_unique<Converted>();
  const auto parsed = google::protobuf::util::JsonStringToMessage(json, &converted->message);
  EXPECT_TRUE(parsed.ok()) << parsed.ToString() << "\n" << json;
  auto views = ToViews(converted->message, converted->payloads, gradient, &converted->values);
  converted->request = views.ok() ? ToRequest(converted->message, *std::move(views), gradient) : views.status();
  return converted;
}

template <class T>
std::vector<T> Values(const TensorView& view) {
  std::vector<T> values(view.count());
  std::vector<std::byte> scratch(view.size_bytes());
  if (!values.empty()) std::memcpy(values.data(), view.Block(0, view.count(), scratch.data()), view.size_bytes());
  return values;
}

TEST(ToRequest, ReadsNameParamsAndOptions) {
  const auto converted = Convert(R"({"loss": "huber", "params": {"delta": 1.5, "a": 2}, "options": {
      "input_kind": "LOGITS", "reduction": "NONE", "divisor": "BATCH", "normalizer": 0.5, "convention": "KERAS",
      "clip_policy": "KERAS_CLIP", "non_finite_policy": "ERROR", "empty_policy": "NAN_VALUE", "axis": -2,
      "last_axis": "MEAN_OF_LAST", "kink_policy": "AVERAGE", "label_smoothing": 0.25, "ignore_index": -100,
      "item_axes": [1, -1]}})");
  ASSERT_THAT(converted->request, IsOk());
  const Request& request = *converted->request;
  EXPECT_EQ(request.loss, "huber");
  EXPECT_THAT(request.params, ElementsAre(Pair("a", ParamValue(2.0)), Pair("delta", ParamValue(1.5))));
  EXPECT_EQ(request.options.input_kind, InputKind::kLogits);
  EXPECT_EQ(request.options.reduction, Reduction::kNone);
  EXPECT_EQ(request.options.divisor, Divisor::kBatch);
  EXPECT_EQ(request.options.normalizer, 0.5);
  EXPECT_EQ(request.options.clip_policy, ClipPolicy::kKeras);
  EXPECT_EQ(request.options.non_finite_policy, NonFinitePolicy::kError);
  EXPECT_EQ(request.options.empty_policy, EmptyPolicy::kNan);
  EXPECT_EQ(request.options.convention, Convention::kKeras);
  EXPECT_EQ(request.options.last_axis, LastAxis::kMean);
  EXPECT_EQ(request.options.kink_policy, KinkPolicy::kAverage);
  EXPECT_EQ(request.options.label_smoothing, 0.25);
  EXPECT_EQ(request.options.ignore_index, -100);
  EXPECT_EQ(request.options.axis, -2);
  ASSERT_TRUE(request.options.item_axes.has_value());
  EXPECT_THAT(*request.options.item_axes, ElementsAre(1, -1));
  EXPECT_TRUE(request.gradient);
}

TEST(ToRequest, ParametersAreNumbersWordsAndFlags) {
  const struct {
    const char* json;
    ParamValue expected;
  } kCases[] = {{"1e-3", 1e-3},   {R"("full")", std::string("full")}, {"true", true},
                {"false", false}, {R"("inf")", std::string("inf")},   {R"("")", std::string()}};
  for (const auto& c : kCases) {
    const auto converted = Convert(R"({"params": {"p": )" + std::string(c.json) + "}}");
    ASSERT_THAT(converted->request, IsOk()) << c.json;
    EXPECT_THAT(converted->request->params, ElementsAre(Pair("p", c.expected))) << c.json;
  }
}

TEST(ToRequest, WhatIsLeftOutHasItsDefault) {
  const auto converted = Convert("{}", /*gradient=*/false);
  ASSERT_THAT(converted->request, IsOk());
  const Request& request = *converted->request;
  EXPECT_EQ(request.options.input_kind, InputKind::kUnspecified);
  EXPECT_EQ(request.options.convention, Convention::kLossd);
  EXPECT_FALSE(request.options.reduction || request.options.divisor || request.options.normalizer);
  EXPECT_FALSE(request.options.clip_policy || request.options.last_axis || request.options.kink_policy);
  EXPECT_FALSE(request.options.empty_policy || request.options.ignore_index || request.options.axis);
  EXPECT_FALSE(request.options.item_axes.has_value());
  EXPECT_EQ(request.options.label_smoothing, 0);
  EXPECT_FALSE(request.y_true || request.y_pred || request.sample_weight || request.mask);
  EXPECT_FALSE(request.element_weight || request.class_weight || request.class_mask || request.upstream);
  EXPECT_TRUE(request.inputs.empty() && request.with_respect_to.empty());
  EXPECT_FALSE(request.gradient || request.hessian_diagonal);
}

TEST(ToRequest, EveryEnumValueOfTheContractIsUnderstood) {
  for (const char* field : {"input_kind", "reduction", "divisor", "clip_policy", "non_finite_policy", "empty_policy",
                            "convention", "last_axis", "kink_policy"}) {
    const auto* type = v1::Options::descriptor()->FindFieldByName(field)->enum_type();
    for (int i = 0; i < type->value_count(); ++i) {
      const auto converted =
          Convert(R"({"options": {")" + std::string(field) + R"(": ")" + type->value(i)->name() + R"("}})");
      EXPECT_THAT(converted->request, IsOk()) << field << " " << type->value(i)->name();
    }
  }
}

TEST(ToRequest, FieldsOfGradientAloneMeanNothingToEvaluate) {
  constexpr char kJson[] =
      R"({"hessian_diagonal": true, "with_respect_to": ["b", "a"], "upstream": {"floats": {"values": [2]}}})";
  const auto evaluate = Convert(kJson, /*gradient=*/false), gradient = Convert(kJson);
  ASSERT_THAT(evaluate->request, IsOk());
  EXPECT_FALSE(evaluate->request->hessian_diagonal || evaluate->request->upstream);
  EXPECT_TRUE(evaluate->request->with_respect_to.empty());
  ASSERT_THAT(gradient->request, IsOk());
  EXPECT_TRUE(gradient->request->hessian_diagonal && gradient->request->upstream);
  EXPECT_THAT(gradient->request->with_respect_to, ElementsAre("b", "a"));
  // Not so bad that Evaluate should look at it.
  EXPECT_THAT(Convert(R"({"upstream": {}})", false)->request, IsOk());
}

TEST(ToRequest, EveryTensorHasItsPlace) {
  const auto converted = Convert(R"({
      "y_true": {"floats": {"values": [1]}}, "y_pred": {"floats": {"values": [2]}},
      "sample_weight": {"floats": {"values": [3]}}, "element_weight": {"floats": {"values": [4]}},
      "class_weight": {"floats": {"values": [5]}}, "class_mask": {"bools": {"values": [true]}},
      "mask": {"bools": {"values": [false]}}, "upstream": {"floats": {"values": [6]}},
      "pos_weight": {"floats": {"values": [7]}},
      "inputs": {"variance": {"floats": {"values": [9]}}, "lengths": {"ints": {"values": [8]}}}})");
  ASSERT_THAT(converted->request, IsOk());
  const Request& request = *converted->request;
  const std::optional<TensorView>* const kFields[] = {&request.y_true,        &request.y_pred,
                                                      &request.sample_weight, &request.element_weight,
                                                      &request.class_weight,  &request.upstream};
  const float kExpected[] = {1, 2, 3, 4, 5, 6};
  for (size_t i = 0; i < std::size(kFields); ++i) {
    ASSERT_TRUE(kFields[i]->has_value()) << i;
    EXPECT_THAT(Values<float>(**kFields[i]), ElementsAre(kExpected[i]));
  }
  EXPECT_THAT(Values<uint8_t>(*request.class_mask), ElementsAre(1));
  EXPECT_THAT(Values<uint8_t>(*request.mask), ElementsAre(0));
  // Inputs of single losses have no place of their own; pos_weight is one of them.
  std::vector<std::string> names;
  for (const auto& [name, view] : request.inputs) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("pos_weight", "lengths", "variance"));
}

TEST(ToRequest, AnInputMayNameAFieldThatIsLeftOut) {
  const auto converted = Convert(R"({"inputs": {"y_pred": {"floats": {"values": [2]}}}})");
  ASSERT_THAT(converted->request, IsOk());
  EXPECT_THAT(Values<float>(*converted->request->y_pred), ElementsAre(2));
  EXPECT_TRUE(converted->request->inputs.empty());
}

TEST(ToRequest, HalfPrecisionTravelsAsRawBytes) {
  for (const auto& [json, dtype] : {std::pair{"F16", DType::kF16}, std::pair{"BF16", DType::kBF16}}) {
    v1::GradientRequest message;
    wire::Payloads payloads;
    ConvertedValues converted;
    const uint16_t values[] = {0x3c00, 0x4000};
    v1::DType wire = v1::DTYPE_UNSPECIFIED;
    ASSERT_TRUE(v1::DType_Parse(json, &wire));
    message.mutable_y_pred()->set_dtype(wire);
    message.mutable_y_pred()->add_shape(2);
    payloads.Attach(message.mutable_y_pred(), {{reinterpret_cast<const std::byte*>(values), sizeof(values)}});
    const auto views = ToViews(message, payloads, true, &converted);
    ASSERT_THAT(views, IsOk());
    EXPECT_EQ(views->front().second.dtype(), dtype);
    EXPECT_THAT(Values<uint16_t>(views->front().second), ElementsAre(0x3c00, 0x4000));
  }
}

TEST(ToRequest, TypedListsBringTheirDTypeAndShape) {
  const auto converted =
      Convert(R"({"y_pred": {"floats": {"values": [0.5, 1]}}, "y_true": {"ints": {"values": [7, -1]}},
      "sample_weight": {"doubles": {"values": [0.25]}}, "mask": {"bools": {"values": [true, false]}}})");
  ASSERT_THAT(converted->request, IsOk());
  const Request& request = *converted->request;
  EXPECT_EQ(request.y_pred->dtype(), DType::kF32);
  EXPECT_THAT(request.y_pred->shape(), ElementsAre(2));
  EXPECT_THAT(Values<float>(*request.y_pred), ElementsAre(0.5f, 1.0f));
  EXPECT_EQ(request.y_true->dtype(), DType::kI64);
  EXPECT_THAT(Values<int64_t>(*request.y_true), ElementsAre(7, -1));
  EXPECT_EQ(request.sample_weight->dtype(), DType::kF64);
  EXPECT_THAT(Values<double>(*request.sample_weight), ElementsAre(0.25));
  EXPECT_EQ(request.mask->dtype(), DType::kBool);
  EXPECT_THAT(Values<uint8_t>(*request.mask), ElementsAre(1, 0));
}

TEST(ToRequest, TypedListsAreNotCopied) {
  const auto converted = Convert(R"({"y_pred": {"floats": {"values": [1, 2, 3]}}})");
  ASSERT_THAT(converted->request, IsOk());
  EXPECT_EQ(converted->request->y_pred->Block(0, 3, nullptr),
            reinterpret_cast<const std::byte*>(converted->message.y_pred().floats().values().data()));
}

TEST(ToRequest, IntegersAreNarrowedWhereTheyFit) {
  const auto converted =
      Convert(R"({"y_true": {"dtype": "I32", "shape": [2, 1], "ints": {"values": [2147483647, -2147483648]}},
      "mask": {"dtype": "U8", "ints": {"values": [0, 255]}}})");
  ASSERT_THAT(converted->request, IsOk());
  EXPECT_THAT(converted->request->y_true->shape(), ElementsAre(2, 1));
  EXPECT_THAT(Values<int32_t>(*converted->request->y_true), ElementsAre(2147483647, -2147483647 - 1));
  EXPECT_THAT(Values<uint8_t>(*converted->request->mask), ElementsAre(0, 255));
}

TEST(ToRequest, EmptyListsAreEmptyTensors) {
  const auto converted = Convert(R"({"y_pred": {"floats": {}}, "y_true": {"dtype": "I32", "shape": [0, 4], "ints": {}},
      "mask": {"dtype": "U8", "shape": [0]}})");
  ASSERT_THAT(converted->request, IsOk());
  EXPECT_THAT(converted->request->y_pred->shape(), ElementsAre(0));
  EXPECT_THAT(converted->request->y_true->shape(), ElementsAre(0, 4));
  EXPECT_EQ(converted->request->mask->count(), 0u);
}

TEST(ToRequest, RawBytesStayWhereTheyAre) {
  const float values[] = {1, 2, 3};
  const Segment segment{reinterpret_cast<const std::byte*>(values), sizeof(values)};
  v1::GradientRequest message;
  wire::Payloads payloads;
  ConvertedValues converted;
  message.mutable_y_pred()->set_dtype(v1::F32);
  message.mutable_y_pred()->add_shape(3);
  payloads.Attach(message.mutable_y_pred(), {segment});
  const auto views = ToViews(message, payloads, /*gradient=*/true, &converted);
  ASSERT_THAT(views, IsOk());
  const auto request = ToRequest(message, *views, /*gradient=*/true);
  ASSERT_THAT(request, IsOk());
  EXPECT_EQ(request->y_pred->Block(0, 3, nullptr), segment.data);
}

struct Case {
  const char* json;
  absl::StatusCode code;
  const char* text;
};

TEST(ToRequest, RefusesWithTheFieldAndWhatWasExpected) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  constexpr auto kLater = absl::StatusCode::kUnimplemented;
  const Case kCases[] = {
      {R"({"y_pred": {"dtype": "F32", "shape": [1], "shared_memory": {}}})", kLater, "y_pred: shared_memory"},
      {R"({"inputs": {"b": {}, "a": {}}})", kInvalid, "a: neither a dtype nor data"},
      {R"({"inputs": {"y_pred": {"floats": {}}}, "y_pred": {"floats": {}}})", kInvalid,
       "inputs: \"y_pred\" is a field of the request too"},
      {R"({"class_weight": {}})", kInvalid, "class_weight: neither a dtype nor data"},
      {R"({"upstream": {}})", kInvalid, "upstream: neither a dtype nor data"},
      {R"({"params": {"delta": null}})", kInvalid, "params.delta: not a number, a word or a boolean"},
      {R"({"params": {"delta": [1]}})", kInvalid, "params.delta: not a number, a word or a boolean"},
      {R"({"params": {"delta": {}}})", kInvalid, "params.delta: not a number, a word or a boolean"},
      {R"({"options": {"reduction": 9}})", kInvalid, "options.reduction: 9"},
      {R"({"options": {"input_kind": 4}})", kInvalid, "options.input_kind: 4"},
      {R"({"options": {"divisor": -1}})", kInvalid, "options.divisor: -1"},
      {R"({"options": {"divisor": 6}})", kInvalid, "options.divisor: 6"},
      {R"({"options": {"last_axis": 4}})", kInvalid, "options.last_axis: 4"},
      {R"({"options": {"kink_policy": 4}})", kInvalid, "options.kink_policy: 4"},
      {R"({"options": {"clip_policy": 7}})", kInvalid, "options.clip_policy: 7"},
      {R"({"options": {"non_finite_policy": 3}})", kInvalid, "options.non_finite_policy: 3"},
      {R"({"options": {"empty_policy": 3}})", kInvalid, "options.empty_policy: 3"},
      {R"({"options": {"convention": 5}})", kInvalid, "options.convention: 5"},
      {R"({"y_pred": {}})", kInvalid, "y_pred: neither a dtype nor data"},
      {R"({"y_pred": {"dtype": 99, "shape": [0]}})", kInvalid, "y_pred: dtype 99 is unknown"},
      {R"({"y_pred": {"dtype": "F32"}})", kInvalid, "y_pred: "},  // a scalar has four bytes
      {R"({"y_pred": {"dtype": "F32", "shape": [2]}})", kInvalid, "y_pred: "},
      {R"({"y_pred": {"shape": [3], "floats": {"values": [1, 2]}}})", kInvalid, "y_pred: "},
      {R"({"y_pred": {"shape": [-1], "floats": {}}})", kInvalid, "y_pred: "},
      {R"({"y_pred": {"shape": ["4611686018427387904", 4], "floats": {}}})", kInvalid, "y_pred: "},
      {R"({"y_pred": {"dtype": "F64", "floats": {}}})", kInvalid, "y_pred: dtype F64 beside floats; expected F32"},
      {R"({"y_pred": {"dtype": "F32", "doubles": {}}})", kInvalid, "y_pred: dtype F32 beside doubles; expected F64"},
      {R"({"y_pred": {"dtype": "F16", "floats": {}}})", kInvalid, "y_pred: dtype F16 beside floats"},
      {R"({"y_true": {"dtype": "F32", "ints": {}}})", kInvalid, "y_true: dtype F32 beside ints; expected I64, I32, U8"},
      {R"({"mask": {"dtype": "U8", "bools": {}}})", kInvalid, "mask: dtype U8 beside bools; expected BOOL"},
      {R"({"y_true": {"dtype": "I32", "ints": {"values": [1, 2147483648]}}})", kInvalid,
       "y_true: ints[1] = 2147483648"},
      {R"({"y_true": {"dtype": "I32", "ints": {"values": [-2147483649]}}})", kInvalid, "y_true: ints[0] = -2147483649"},
      {R"({"mask": {"dtype": "U8", "ints": {"values": [256]}}})", kInvalid, "mask: ints[0] = 256"},
      {R"({"mask": {"dtype": "U8", "ints": {"values": [-1]}}})", kInvalid, "mask: ints[0] = -1"},
  };
  for (const Case& c : kCases) {
    EXPECT_THAT(Convert(c.json)->request, StatusIs(c.code, HasSubstr(c.text))) << c.json;
  }
}

TEST(ToRequest, RawBytesNeedADType) {
  v1::GradientRequest message;
  wire::Payloads payloads;
  ConvertedValues converted;
  payloads.Attach(message.mutable_y_pred(), {});
  EXPECT_THAT(ToViews(message, payloads, true, &converted),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("y_pred: raw bytes without a dtype")));
}

TEST(ToWire, NumbersEveryDType) {
  for (size_t i = 0; i < kNumDTypes; ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(v1::DType_Name(wire::ToWire(dtype)), Name(dtype));
  }
}

}  // namespace
}  // namespace lossd::server
