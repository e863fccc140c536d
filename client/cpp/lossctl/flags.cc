#include "client/cpp/lossctl/flags.h"

#include <algorithm>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"

namespace lossd::lossctl {
namespace {

// Values named as on the wire, in either case.
template <class Enum>
void Restrict(CLI::Option* option, const std::map<std::string, Enum>& values) {
  CLI::CheckedTransformer check(values, CLI::ignore_case);
  std::string names;
  for (const auto& [name, value] : values) absl::StrAppend(&names, names.empty() ? "" : "|", name);
  check.description("");
  option->transform(check)->type_name(names);
}

const std::map<std::string, InputKind> kInputKinds = {{"probabilities", InputKind::kProbabilities},
                                                      {"logits", InputKind::kLogits},
                                                      {"log_probabilities", InputKind::kLogProbabilities}};
const std::map<std::string, Reduction> kReductions = {
    {"none", Reduction::kNone}, {"sum", Reduction::kSum}, {"mean", Reduction::kMean}};
const std::map<std::string, Divisor> kDivisors = {{"count", Divisor::kCount},
                                                  {"weight_sum", Divisor::kWeightSum},
                                                  {"batch", Divisor::kBatch},
                                                  {"terms", Divisor::kTerms},
                                                  {"nonzero", Divisor::kNonZero}};
const std::map<std::string, Convention> kConventions = {{"lossd", Convention::kLossd},
                                                        {"keras", Convention::kKeras},
                                                        {"torch", Convention::kTorch},
                                                        {"optax", Convention::kOptax}};
const std::map<std::string, LastAxis> kLastAxes = {
    {"keep", LastAxis::kKeep}, {"mean_of_last", LastAxis::kMean}, {"sum_of_last", LastAxis::kSum}};
const std::map<std::string, KinkPolicy> kKinkPolicies = {
    {"least_norm", KinkPolicy::kLeastNorm}, {"average", KinkPolicy::kAverage}, {"active", KinkPolicy::kActive}};
const std::map<std::string, ClipPolicy> kClipPolicies = {{"no_clip", ClipPolicy::kNone},
                                                         {"keras_clip", ClipPolicy::kKeras},
                                                         {"torch_log_clamp", ClipPolicy::kTorchLogClamp}};
const std::map<std::string, NonFinitePolicy> kNonFinitePolicies = {{"propagate", NonFinitePolicy::kPropagate},
                                                                   {"error", NonFinitePolicy::kError}};
const std::map<std::string, EmptyPolicy> kEmptyPolicies = {{"zero", EmptyPolicy::kZero}, {"nan", EmptyPolicy::kNan}};

template <class Enum, class Member>
void AddEnum(CLI::App* command, const std::string& name, Member* value, const std::map<std::string, Enum>& names,
             const std::string& help) {
  Restrict(command->add_option_function<Enum>(
               name, [value](const Enum& given) { *value = given; }, help),
           names);
}

}  // namespace

void AddGlobalFlags(CLI::App* app, GlobalFlags* flags) {
  app->add_option("--address", flags->address, "Server: HOST:PORT or unix:PATH")
      ->envname("LOSSD_ADDRESS")
      ->capture_default_str();
  app->add_option("--timeout", flags->timeout, "Of the whole call: 500ms, 10s, or seconds")->capture_default_str();
  app->add_flag("--json", flags->json, "JSON instead of text");
}

void AddCallFlags(CLI::App* command, CallFlags* flags, const std::string& out_help) {
  command->add_option("LOSS", flags->loss, "Name or alias of the loss")->required();
  command->add_option("--y_true", flags->y_true, "Targets, a .npy file");
  command->add_option("--y_pred", flags->y_pred, "Predictions, a .npy file");
  command
      ->add_option("--input", flags->inputs,
                   "A further tensor that the loss reads, or class_weight, upstream, ...; may be repeated")
      ->type_name("NAME=FILE.npy")
      ->allow_extra_args(false);  // one for each flag: what follows is the next argument
  command->add_option("--sample_weight", flags->sample_weight, "Weights of the items, a .npy file");
  command->add_option("--mask", flags->mask, "Items to keep, a .npy file of b1 or u1");
  command->add_option("--params", flags->params, "Parameters of the loss, a JSON object such as {\"delta\": 1.5}");
  Options* options = &flags->options;
  AddEnum(command, "--input_kind", &options->input_kind, kInputKinds, "What y_pred is");
  AddEnum(command, "--convention", &options->convention, kConventions, "Whose conventions; default lossd");
  AddEnum(command, "--reduction", &options->reduction, kReductions, "How items become one number; default mean");
  CLI::Option* divisor = command->add_option_function<Divisor>(
      "--divisor", [options](const Divisor& given) { options->divisor = given; },
      "What mean divides by; default count");
  Restrict(divisor, kDivisors);
  command
      ->add_option_function<double>(
          "--normalizer", [options](const double& given) { options->normalizer = given; },
          "Number that mean divides by")
      ->excludes(divisor);
  AddEnum(command, "--clip_policy", &options->clip_policy, kClipPolicies, "Probabilities at 0 and 1; default no_clip");
  AddEnum(command, "--non_finite_policy", &options->non_finite_policy, kNonFinitePolicies,
          "NaN and infinity in the input; default propagate");
  AddEnum(command, "--empty_policy", &options->empty_policy, kEmptyPolicies,
          "Answer where no item is left; default zero");
  AddEnum(command, "--last_axis", &options->last_axis, kLastAxes,
          "Fold the last axis of an elementwise loss into one item; default keep");
  AddEnum(command, "--kink_policy", &options->kink_policy, kKinkPolicies,
          "Slope of max(z, 0) at z = 0; default least_norm");
  command->add_option("--label_smoothing", options->label_smoothing, "In [0, 1]");
  command->add_option_function<int64_t>(
      "--ignore_index", [options](const int64_t& given) { options->ignore_index = given; },
      "Class index whose items are left out");
  command->add_option_function<int64_t>(
      "--axis", [options](const int64_t& given) { options->axis = given; }, "Class axis of y_pred; default -1");
  command
      ->add_option_function<std::vector<int64_t>>(
          "--item_axes", [options](const std::vector<int64_t>& given) { options->item_axes = given; },
          "Axes of y_pred that make a region: 1,2; default all but the first")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--out", flags->out, out_help);
}

absl::StatusOr<absl::Duration> ParseTimeout(const std::string& text) {
  absl::Duration timeout;
  double seconds = 0;
  if (absl::SimpleAtod(text, &seconds)) {
    timeout = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(text, &timeout)) {
    timeout = absl::ZeroDuration();
  }
  if (timeout > absl::ZeroDuration()) return timeout;
  return absl::InvalidArgumentError(
      absl::StrCat("--timeout: '", text, "'; expected 500ms, 10s or a number of seconds > 0"));
}

absl::StatusOr<std::vector<std::pair<std::string, ParamValue>>> ParseParams(const std::string& json) {
  google::protobuf::Struct object;
  bool plain = google::protobuf::util::JsonStringToMessage(json, &object).ok();
  std::vector<std::pair<std::string, ParamValue>> params;
  for (const auto& [name, value] : object.fields()) {
    if (value.has_number_value()) {
      params.emplace_back(name, value.number_value());
    } else if (value.has_bool_value()) {
      params.emplace_back(name, value.bool_value());
    } else if (value.has_string_value()) {
      params.emplace_back(name, value.string_value());
    } else {
      plain = false;
    }
  }
  if (!plain) {
    return absl::InvalidArgumentError(
        absl::StrCat("--params: '", json, "'; expected an object of numbers, words and booleans, as {\"delta\": 1.5}"));
  }
  std::sort(params.begin(), params.end());
  return params;
}

}  // namespace lossd::lossctl
