#include "server/convert/request.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "core/errors.h"
#include "server/convert/tensor.h"
#include "spdlog/fmt/fmt.h"

namespace lossd::server {
namespace {

// One wire value and what it stands for; UNSPECIFIED, 0, stands for the default.
template <class T>
struct Choice {
  int wire;
  T core;
};

// Into a plain or an optional member.
template <class T, size_t kCount, class Chosen>
absl::Status Choose(std::string_view field, int given, const Choice<T> (&choices)[kCount], Chosen* chosen) {
  if (given == 0) return absl::OkStatus();
  for (const Choice<T>& choice : choices) {
    if (choice.wire == given) {
      *chosen = choice.core;
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(
      fmt::format("options.{}: {} is no value of this enum; expected 0 to {}", field, given, kCount));
}

constexpr Choice<InputKind> kInputKinds[] = {{v1::PROBABILITIES, InputKind::kProbabilities},
                                             {v1::LOGITS, InputKind::kLogits},
                                             {v1::LOG_PROBABILITIES, InputKind::kLogProbabilities}};
constexpr Choice<Reduction> kReductions[] = {
    {v1::NONE, Reduction::kNone}, {v1::SUM, Reduction::kSum}, {v1::MEAN, Reduction::kMean}};
constexpr Choice<Divisor> kDivisors[] = {{v1::COUNT, Divisor::kCount},
                                         {v1::WEIGHT_SUM, Divisor::kWeightSum},
                                         {v1::BATCH, Divisor::kBatch},
                                         {v1::TERMS, Divisor::kTerms},
                                         {v1::NONZERO, Divisor::kNonZero}};
constexpr Choice<ClipPolicy> kClipPolicies[] = {{v1::NO_CLIP, ClipPolicy::kNone},
                                                {v1::KERAS_CLIP, ClipPolicy::kKeras},
                                                {v1::TORCH_LOG_CLAMP, ClipPolicy::kTorchLogClamp}};
constexpr Choice<NonFinitePolicy> kNonFinitePolicies[] = {{v1::PROPAGATE, NonFinitePolicy::kPropagate},
                                                          {v1::ERROR, NonFinitePolicy::kError}};
constexpr Choice<EmptyPolicy> kEmptyPolicies[] = {{v1::ZERO, EmptyPolicy::kZero}, {v1::NAN_VALUE, EmptyPolicy::kNan}};
constexpr Choice<Convention> kConventions[] = {{v1::LOSSD, Convention::kLossd},
                                               {v1::KERAS, Convention::kKeras},
                                               {v1::TORCH, Convention::kTorch},
                                               {v1::OPTAX, Convention::kOptax}};
constexpr Choice<LastAxis> kLastAxes[] = {
    {v1::KEEP, LastAxis::kKeep}, {v1::MEAN_OF_LAST, LastAxis::kMean}, {v1::SUM_OF_LAST, LastAxis::kSum}};
constexpr Choice<KinkPolicy> kKinkPolicies[] = {
    {v1::LEAST_NORM, KinkPolicy::kLeastNorm}, {v1::AVERAGE, KinkPolicy::kAverage}, {v1::ACTIVE, KinkPolicy::kActive}};

absl::Status ConvertOptions(const v1::Options& message, Options* options) {
  for (const absl::Status& status : {
           Choose("input_kind", message.input_kind(), kInputKinds, &options->input_kind),
           Choose("reduction", message.reduction(), kReductions, &options->reduction),
           Choose("divisor", message.divisor(), kDivisors, &options->divisor),
           Choose("clip_policy", message.clip_policy(), kClipPolicies, &options->clip_policy),
           Choose("non_finite_policy", message.non_finite_policy(), kNonFinitePolicies, &options->non_finite_policy),
           Choose("empty_policy", message.empty_policy(), kEmptyPolicies, &options->empty_policy),
           Choose("convention", message.convention(), kConventions, &options->convention),
           Choose("last_axis", message.last_axis(), kLastAxes, &options->last_axis),
           Choose("kink_policy", message.kink_policy(), kKinkPolicies, &options->kink_policy),
       }) {
    if (!status.ok()) return status;
  }
  if (message.has_normalizer()) options->normalizer = message.normalizer();
  if (message.has_ignore_index()) options->ignore_index = message.ignore_index();
  if (message.has_axis()) options->axis = message.axis();
  if (!message.item_axes().empty()) {
    options->item_axes = std::vector<int64_t>(message.item_axes().begin(), message.item_axes().end());
  }
  options->label_smoothing = message.label_smoothing();
  return absl::OkStatus();
}

absl::Status ConvertParams(const google::protobuf::Struct& message,
                           std::vector<std::pair<std::string, ParamValue>>* params) {
  for (const auto& [name, value] : message.fields()) {
    switch (value.kind_case()) {
      case google::protobuf::Value::kNumberValue:
        params->emplace_back(name, value.number_value());
        break;
      case google::protobuf::Value::kBoolValue:
        params->emplace_back(name, value.bool_value());
        break;
      case google::protobuf::Value::kStringValue:
        params->emplace_back(name, value.string_value());
        break;
      default:
        return absl::InvalidArgumentError(
            fmt::format("params.{}: not a number, a word or a boolean", error::Escape(name)));
    }
  }
  // A map has no order; the first error should not depend on its hash.
  std::sort(params->begin(), params->end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return absl::OkStatus();
}

// A prediction, a target and a weight.
constexpr size_t kUsualTensors = 3;

TensorsByName::iterator Find(TensorsByName& views, std::string_view name) {
  return std::find_if(views.begin(), views.end(), [&](const auto& entry) { return entry.first == name; });
}

}  // namespace

absl::StatusOr<TensorsByName> ToViews(const v1::GradientRequest& message, const wire::Payloads& payloads, bool gradient,
                                      ConvertedValues* converted) {
  TensorsByName views;
  views.reserve(kUsualTensors);
  const auto convert = [&](std::string name, bool present, const v1::Tensor& tensor) -> absl::Status {
    if (!present) return absl::OkStatus();
    auto made = ToView(name, tensor, payloads, converted);
    if (!made.ok()) return made.status();
    if (Find(views, name) != views.end()) {
      return absl::InvalidArgumentError(fmt::format("inputs: \"{}\" is a field of the request too", name));
    }
    views.emplace_back(std::move(name), *std::move(made));
    return absl::OkStatus();
  };
  for (const absl::Status& status : {
           convert("y_true", message.has_y_true(), message.y_true()),
           convert("y_pred", message.has_y_pred(), message.y_pred()),
           convert("sample_weight", message.has_sample_weight(), message.sample_weight()),
           convert("element_weight", message.has_element_weight(), message.element_weight()),
           convert("class_weight", message.has_class_weight(), message.class_weight()),
           convert("class_mask", message.has_class_mask(), message.class_mask()),
           convert("pos_weight", message.has_pos_weight(), message.pos_weight()),
           convert("mask", message.has_mask(), message.mask()),
           convert("upstream", gradient && message.has_upstream(), message.upstream()),
       }) {
    if (!status.ok()) return status;
  }
  std::vector<std::string> names;
  for (const auto& [name, tensor] : message.inputs()) names.push_back(name);
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    if (absl::Status status = convert(name, true, message.inputs().at(name)); !status.ok()) return status;
  }
  return views;
}

absl::StatusOr<Request> ToRequest(const v1::GradientRequest& message, TensorsByName views, bool gradient) {
  Request request;
  request.loss = message.loss();
  request.gradient = gradient;
  if (gradient) {
    request.with_respect_to.assign(message.with_respect_to().begin(), message.with_respect_to().end());
    request.hessian_diagonal = message.hessian_diagonal();
  }
  if (auto status = ConvertParams(message.params(), &request.params); !status.ok()) return status;
  if (auto status = ConvertOptions(message.options(), &request.options); !status.ok()) return status;
  TakeTensors(std::move(views), &request);
  return request;
}

void TakeTensors(TensorsByName views, Request* request) {
  const std::pair<std::string_view, std::optional<TensorView>*> places[] = {
      {"y_true", &request->y_true},
      {"y_pred", &request->y_pred},
      {"sample_weight", &request->sample_weight},
      {"element_weight", &request->element_weight},
      {"class_weight", &request->class_weight},
      {"class_mask", &request->class_mask},
      {"mask", &request->mask},
      {"upstream", &request->upstream},
  };
  for (auto& tensor : views) {
    const auto* const place = std::find_if(std::begin(places), std::end(places),
                                           [&](const auto& place) { return place.first == tensor.first; });
    if (place == std::end(places)) {
      request->inputs.push_back(std::move(tensor));
    } else {
      *place->second = std::move(tensor.second);
    }
  }
}

absl::Status ToTerm(const std::string& loss, const google::protobuf::Struct& params, const v1::Options& options,
                    Request* request) {
  request->loss = loss;
  if (auto status = ConvertParams(params, &request->params); !status.ok()) return status;
  return ConvertOptions(options, &request->options);
}

}  // namespace lossd::server
