// PrintDescription: everything that the catalogue says about a loss, for a person.
#include <algorithm>
#include <cctype>
#include <ostream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cpp/lossctl/print.h"
#include "client/cpp/lossctl/text.h"
#include "google/protobuf/util/json_util.h"

namespace lossd::lossctl {
namespace {

// Empty for what needs no mention: a value that is not set.
std::string EnumName(const google::protobuf::EnumDescriptor* type, int value) {
  const auto* found = type->FindValueByNumber(value);
  return value == 0 ? "" : found == nullptr ? absl::StrCat(value) : found->name();
}

// Without the default, which every loss has.
std::string ClipText(v1::ClipPolicy policy) {
  return policy == v1::NO_CLIP ? "" : EnumName(v1::ClipPolicy_descriptor(), policy);
}

std::string ValueText(const google::protobuf::Value& value) {
  if (value.has_bool_value()) return value.bool_value() ? "true" : "false";
  return value.has_string_value() ? value.string_value() : Number(value.number_value());
}

std::string ParamsText(const google::protobuf::Struct& params) {
  std::vector<std::string> texts;
  for (const auto& [name, value] : params.fields()) texts.push_back(absl::StrCat(name, " = ", ValueText(value)));
  std::sort(texts.begin(), texts.end());
  return absl::StrJoin(texts, ", ");
}

template <class Values>
std::string List(const Values& values) {
  return absl::StrCat("[", absl::StrJoin(values, ", "), "]");
}

std::string ExampleText(const v1::DescribeLossResponse& response, const v1::Example& example) {
  const std::string how = JoinPresent({EnumName(v1::InputKind_descriptor(), example.input_kind()),
                                       ClipText(example.clip_policy()), ParamsText(example.params()), example.origin()},
                                      ", ");
  std::vector<std::string> given;
  if (example.y_true_size() > 0) given.push_back(absl::StrCat("y_true ", List(example.y_true())));
  const std::string first = response.inputs_size() > 0 ? response.inputs(0).name() : "y_pred";
  given.push_back(absl::StrCat(first, " ", List(example.y_pred()),
                               example.shape_size() > 1 ? absl::StrCat(" of shape ", List(example.shape())) : ""));
  for (const v1::Values& other : example.others())
    given.push_back(absl::StrCat(other.name(), " ", List(other.values())));
  return absl::StrCat(absl::StrJoin(given, ", "), " -> ", Number(example.value()), ", gradient ",
                      List(example.gradient()), how.empty() ? "" : absl::StrCat("  (", how, ")"));
}

std::string InputText(const v1::Input& input) {
  return JoinPresent(
      {absl::StrCat(input.name(), " [", input.shape(), "]"), input.content(),
       input.domain().empty() ? "" : absl::StrCat("in ", input.domain()),
       input.differentiable() ? "has a gradient" : "", input.optional() ? "optional" : "", input.summary()},
      ", ");
}

std::string ParameterText(const v1::Parameter& parameter) {
  if (parameter.choices_size() == 0) {
    return absl::StrCat(parameter.name(), " in ", parameter.domain(), ", default ", Number(parameter.default_value()),
                        ": ", parameter.summary());
  }
  return absl::StrCat(parameter.name(), " one of ", absl::StrJoin(parameter.choices(), ", "), ", default ",
                      parameter.default_choice(), ": ", parameter.summary());
}

// "KERAS: last_axis MEAN_OF_LAST, kink_policy AVERAGE; epsilon = 1e-7"
std::string ConventionText(const v1::Bundle& bundle) {
  std::string json, options;
  static_cast<void>(google::protobuf::util::MessageToJsonString(bundle.options(), &json, [] {
    google::protobuf::util::JsonPrintOptions print;
    print.preserve_proto_field_names = true;
    return print;
  }()));
  for (const char c : json) {
    if (c == '{' || c == '}' || c == '"') continue;
    options.push_back(c == ':' ? ' ' : c);
    if (c == ',') options.push_back(' ');
  }
  const std::string how = JoinPresent({options, ParamsText(bundle.params())}, "; ");
  return absl::StrCat(EnumName(v1::Convention_descriptor(), bundle.convention()), ": ",
                      how.empty() ? "the defaults" : how);
}

std::string TakesText(const v1::DescribeLossResponse& response) {
  return JoinPresent(
      {response.takes_label_smoothing() ? "label_smoothing" : "", response.takes_class_weight() ? "class_weight" : "",
       response.takes_class_mask() ? "class_mask" : "", response.has_kink_policy() ? "kink_policy" : "",
       response.has_hessian_diagonal() ? "hessian_diagonal" : ""},
      ", ");
}

}  // namespace

void PrintDescription(const v1::DescribeLossResponse& response, std::ostream& out) {
  std::vector<Row> rows = {{"loss", response.loss().name()},
                           {"summary", response.loss().summary()},
                           {"use", response.use()},
                           {"aliases", absl::StrJoin(response.loss().aliases(), ", ")},
                           {"family", response.loss().family()},
                           {"formula", response.formula()},
                           {"gradient", response.gradient()}};
  for (const v1::Input& input : response.inputs()) rows.emplace_back("input", InputText(input));
  for (const v1::Form& form : response.forms()) {
    rows.emplace_back("y_pred", JoinPresent({EnumName(v1::InputKind_descriptor(), form.input_kind()),
                                             ClipText(form.clip_policy()), form.prediction()},
                                            ", "));
  }
  for (const v1::Parameter& parameter : response.parameters()) rows.emplace_back("parameter", ParameterText(parameter));
  rows.emplace_back("takes", TakesText(response));
  for (const v1::Bundle& bundle : response.conventions()) rows.emplace_back("convention", ConventionText(bundle));
  rows.emplace_back("reports", response.output());
  rows.emplace_back("kinks", response.kinks());
  rows.emplace_back("notes", response.notes());
  rows.emplace_back("peers", response.peers());
  rows.emplace_back("source", response.source());
  for (const v1::Example& example : response.examples()) rows.emplace_back("example", ExampleText(response, example));
  PrintRows(rows, out);
}

}  // namespace lossd::lossctl
