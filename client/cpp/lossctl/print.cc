#include "client/cpp/lossctl/print.h"

#include <algorithm>
#include <charconv>
#include <ostream>
#include <span>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/util/json_util.h"
#include "lossd/v1/loss_service.pb.h"

namespace lossd::lossctl {
namespace {

// Elements of a tensor that are shown; more are cut off.
constexpr size_t kShownElements = 8;

using Row = std::pair<std::string, std::string>;

// "name    value", the values in one column. Rows without a value are left out.
void PrintRows(const std::vector<Row>& rows, std::ostream& out) {
  size_t width = 0;
  for (const auto& [name, value] : rows) width = std::max(width, value.empty() ? 0 : name.size());
  for (const auto& [name, value] : rows) {
    if (value.empty()) continue;
    // A value of several lines stays in its column.
    std::string indented;
    for (const char c : value) {
      indented.push_back(c);
      if (c == '\n') indented.append(width + 2, ' ');
    }
    out << absl::StreamFormat("%-*s  %s\n", static_cast<int>(width), name, indented);
  }
}

// The shortest text that reads back as the same number.
template <class T>
std::string Number(T value) {
  char text[32];
  return std::string(text, std::to_chars(text, std::end(text), value).ptr);
}

template <class T>
std::string Numbers(std::span<const T> values) {
  const bool cut = values.size() > kShownElements;
  return absl::StrCat(absl::StrJoin(values.first(cut ? kShownElements : values.size()), " ",
                                    [](std::string* out, T value) { absl::StrAppend(out, Number(value)); }),
                      cut ? " ..." : "");
}

// Without the parts that are empty.
std::string JoinPresent(std::vector<std::string> parts, const char* separator) {
  std::erase(parts, "");
  return absl::StrJoin(parts, separator);
}

std::string Describe(const Tensor& tensor, const std::string& path) {
  const std::string type = absl::StrCat(absl::string_view(Name(tensor.dtype()).data(), Name(tensor.dtype()).size()),
                                        " [", absl::StrJoin(tensor.shape(), ", "), "]");
  if (!path.empty()) return absl::StrCat(type, " written to ", path);
  return absl::StrCat(type, "  ", Numbers(tensor.values<float>()), Numbers(tensor.values<double>()));
}

void ToLists(const Tensor& tensor, v1::Tensor* list) {
  list->mutable_shape()->Add(tensor.shape().begin(), tensor.shape().end());
  if (tensor.dtype() == DType::kF64) {
    list->set_dtype(v1::F64);
    for (const double value : tensor.values<double>()) list->mutable_doubles()->add_values(value);
  } else {
    list->set_dtype(v1::F32);
    for (const float value : tensor.values<float>()) list->mutable_floats()->add_values(value);
  }
}

template <class Response>
void FillResponse(const EvaluateResult& result, bool with_per_item, Response* response) {
  if (result.value) response->set_value(*result.value);
  response->set_sum(result.sum);
  response->set_divisor(result.divisor);
  response->set_valid_count(result.valid_count);
  response->set_weight_sum(result.weight_sum);
  response->set_loss(result.loss);
  if (with_per_item && result.per_item) ToLists(*result.per_item, response->mutable_per_item());
}

// Empty for what needs no mention: a value that is not set.
std::string EnumName(const google::protobuf::EnumDescriptor* type, int value) {
  const auto* found = type->FindValueByNumber(value);
  return value == 0 ? "" : found == nullptr ? absl::StrCat(value) : found->name();
}

// Without the default, which every loss has.
std::string ClipText(v1::ClipPolicy policy) {
  return policy == v1::NO_CLIP ? "" : EnumName(v1::ClipPolicy_descriptor(), policy);
}

std::string ParamsText(const google::protobuf::Struct& params) {
  std::vector<std::string> texts;
  for (const auto& [name, value] : params.fields())
    texts.push_back(absl::StrCat(name, " = ", Number(value.number_value())));
  std::sort(texts.begin(), texts.end());
  return absl::StrJoin(texts, ", ");
}

std::string ExampleText(const v1::Example& example) {
  const auto numbers = [](const auto& values) { return absl::StrCat("[", absl::StrJoin(values, ", "), "]"); };
  const std::string how = JoinPresent({EnumName(v1::InputKind_descriptor(), example.input_kind()),
                                       ClipText(example.clip_policy()), ParamsText(example.params())},
                                      ", ");
  return absl::StrCat("y_true ", numbers(example.y_true()), ", y_pred ", numbers(example.y_pred()), " -> ",
                      Number(example.value()), ", gradient ", numbers(example.gradient()),
                      how.empty() ? "" : absl::StrCat("  (", how, ")"));
}

}  // namespace

void PrintJson(const google::protobuf::Message& message, std::ostream& out) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  std::string json;
  static_cast<void>(google::protobuf::util::MessageToJsonString(message, &json, options));
  out << json;
  if (!json.ends_with('\n')) out << '\n';
}

void PrintList(const v1::ListLossesResponse& response, std::ostream& out) {
  size_t name_width = 4;
  size_t family_width = 6;
  for (const v1::LossSummary& loss : response.losses()) {
    name_width = std::max(name_width, loss.name().size());
    family_width = std::max(family_width, loss.family().size());
  }
  const auto row = [&](const std::string& name, const std::string& family, const std::string& summary) {
    out << absl::StreamFormat("%-*s  %-*s  %s\n", static_cast<int>(name_width), name, static_cast<int>(family_width),
                              family, summary);
  };
  row("LOSS", "FAMILY", "SUMMARY");
  for (const v1::LossSummary& loss : response.losses()) row(loss.name(), loss.family(), loss.summary());
}

void PrintDescription(const v1::DescribeLossResponse& response, std::ostream& out) {
  std::vector<Row> rows = {{"loss", response.loss().name()},
                           {"summary", response.loss().summary()},
                           {"aliases", absl::StrJoin(response.loss().aliases(), ", ")},
                           {"family", response.loss().family()},
                           {"formula", response.formula()},
                           {"gradient", response.gradient()},
                           {"y_true", absl::StrCat(response.target(), response.y_true_shape().empty() ? "" : ", shape ",
                                                   response.y_true_shape())}};
  for (const v1::Form& form : response.forms()) {
    rows.emplace_back("y_pred", JoinPresent({EnumName(v1::InputKind_descriptor(), form.input_kind()),
                                             ClipText(form.clip_policy()), form.prediction()},
                                            ", "));
  }
  for (const v1::Parameter& parameter : response.parameters()) {
    rows.emplace_back("parameter", absl::StrCat(parameter.name(), " in ", parameter.domain(), ", default ",
                                                Number(parameter.default_value()), ": ", parameter.summary()));
  }
  rows.emplace_back("kinks", response.kinks());
  rows.emplace_back("notes", response.notes());
  rows.emplace_back("source", response.source());
  for (const v1::Example& example : response.examples()) rows.emplace_back("example", ExampleText(example));
  PrintRows(rows, out);
}

void PrintResult(const EvaluateResult& result, const Tensor* gradient, const std::string& out_path, std::ostream& out) {
  std::vector<Row> rows = {{"loss", result.loss},
                           {"value", result.value ? Number(*result.value) : ""},
                           {"sum", Number(result.sum)},
                           {"divisor", Number(result.divisor)},
                           {"valid_count", absl::StrCat(result.valid_count)},
                           {"weight_sum", Number(result.weight_sum)}};
  if (result.per_item) rows.emplace_back("per_item", Describe(*result.per_item, gradient == nullptr ? out_path : ""));
  if (gradient != nullptr) rows.emplace_back("gradient", Describe(*gradient, out_path));
  PrintRows(rows, out);
}

void PrintResultJson(const EvaluateResult& result, const Tensor* gradient, const std::string& out_path,
                     std::ostream& out) {
  if (gradient == nullptr) {
    v1::EvaluateResponse response;
    FillResponse(result, out_path.empty(), &response);
    return PrintJson(response, out);
  }
  v1::GradientResponse response;
  FillResponse(result, true, &response);
  if (out_path.empty()) ToLists(*gradient, &(*response.mutable_gradients())["y_pred"]);
  PrintJson(response, out);
}

}  // namespace lossd::lossctl
