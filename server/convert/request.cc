#include "server/convert/request.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "core/limits.h"
#include "server/convert/tensor.h"
#include "spdlog/fmt/fmt.h"

namespace lossd::server {
namespace {

absl::Status NotServed(std::string_view field, std::string_view what) {
  return absl::UnimplementedError(fmt::format("{}: {}", field, what));
}

// Parts of the contract that this server does not serve yet. Each says so, rather than being passed over: a caller who
// set them would get numbers that do not mean what was asked for.
absl::Status CheckServed(const v1::GradientRequest& message, bool gradient) {
  if (message.has_objective())
    return NotServed("objective", "weighted sums of losses are not served yet; name one loss");
  if (message.has_class_weight()) return NotServed("class_weight", "not served yet; fold it into sample_weight");
  if (message.has_pos_weight()) return NotServed("pos_weight", "not served yet");
  const v1::Options& options = message.options();
  if (options.convention() == v1::KERAS || options.convention() == v1::TORCH || options.convention() == v1::OPTAX) {
    return NotServed("options.convention", fmt::format("{} is not served yet; set the options that it stands for",
                                                       v1::Convention_Name(options.convention())));
  }
  if (options.label_smoothing() != 0) return NotServed("options.label_smoothing", "not served yet; expected 0");
  if (options.has_ignore_index()) return NotServed("options.ignore_index", "not served yet; send a mask");
  if (options.has_axis() && options.axis() != -1) {
    return NotServed("options.axis",
                     fmt::format("{} is not served yet; the class axis is the last one, -1", options.axis()));
  }
  if (!gradient) return absl::OkStatus();
  for (const std::string& input : message.with_respect_to()) {
    if (input != "y_pred") {
      return NotServed("with_respect_to",
                       fmt::format("\"{}\" is not served yet; expected \"y_pred\"", input.substr(0, kMaxEcho)));
    }
  }
  if (message.hessian_diagonal()) return NotServed("hessian_diagonal", "not served yet");
  if (message.has_upstream()) return NotServed("upstream", "not served yet");
  return absl::OkStatus();
}

// One wire value and what it stands for; UNSPECIFIED, 0, stands for the default.
template <class T>
struct Choice {
  int wire;
  T core;
};

template <class T, size_t kCount>
absl::Status Choose(std::string_view field, int given, const Choice<T> (&choices)[kCount], T* chosen) {
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

absl::Status ConvertOptions(const v1::Options& message, Options* options) {
  constexpr Choice<InputKind> kInputKinds[] = {{v1::PROBABILITIES, InputKind::kProbabilities},
                                               {v1::LOGITS, InputKind::kLogits},
                                               {v1::LOG_PROBABILITIES, InputKind::kLogProbabilities}};
  constexpr Choice<Reduction> kReductions[] = {
      {v1::NONE, Reduction::kNone}, {v1::SUM, Reduction::kSum}, {v1::MEAN, Reduction::kMean}};
  constexpr Choice<Divisor> kDivisors[] = {
      {v1::COUNT, Divisor::kCount}, {v1::WEIGHT_SUM, Divisor::kWeightSum}, {v1::BATCH, Divisor::kBatch}};
  constexpr Choice<ClipPolicy> kClipPolicies[] = {{v1::NO_CLIP, ClipPolicy::kNone},
                                                  {v1::KERAS_CLIP, ClipPolicy::kKeras},
                                                  {v1::TORCH_LOG_CLAMP, ClipPolicy::kTorchLogClamp}};
  constexpr Choice<NonFinitePolicy> kNonFinitePolicies[] = {{v1::PROPAGATE, NonFinitePolicy::kPropagate},
                                                            {v1::ERROR, NonFinitePolicy::kError}};
  constexpr Choice<EmptyPolicy> kEmptyPolicies[] = {{v1::ZERO, EmptyPolicy::kZero}, {v1::NAN_VALUE, EmptyPolicy::kNan}};
  // The others were answered by CheckServed.
  constexpr Choice<bool> kConventions[] = {
      {v1::LOSSD, true}, {v1::KERAS, false}, {v1::TORCH, false}, {v1::OPTAX, false}};

  Divisor divisor = Divisor::kCount;
  bool lossd_convention = true;
  for (const absl::Status& status : {
           Choose("input_kind", message.input_kind(), kInputKinds, &options->input_kind),
           Choose("reduction", message.reduction(), kReductions, &options->reduction),
           Choose("divisor", message.divisor(), kDivisors, &divisor),
           Choose("clip_policy", message.clip_policy(), kClipPolicies, &options->clip_policy),
           Choose("non_finite_policy", message.non_finite_policy(), kNonFinitePolicies, &options->non_finite_policy),
           Choose("empty_policy", message.empty_policy(), kEmptyPolicies, &options->empty_policy),
           Choose("convention", message.convention(), kConventions, &lossd_convention),
       }) {
    if (!status.ok()) return status;
  }
  if (message.divisor() != v1::DIVISOR_UNSPECIFIED) options->divisor = divisor;
  if (message.has_normalizer()) options->normalizer = message.normalizer();
  return absl::OkStatus();
}

absl::Status ConvertParams(const google::protobuf::Struct& message,
                           std::vector<std::pair<std::string, double>>* params) {
  for (const auto& [name, value] : message.fields()) {
    if (value.kind_case() != google::protobuf::Value::kNumberValue) {
      return absl::InvalidArgumentError(fmt::format("params.{}: not a number", name.substr(0, kMaxEcho)));
    }
    params->emplace_back(name, value.number_value());
  }
  std::sort(params->begin(), params->end());  // a map has no order; the first error should not depend on its hash
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Request> ToRequest(const v1::GradientRequest& message, const wire::Payloads& payloads, bool gradient,
                                  ConvertedValues* converted) {
  if (auto status = CheckServed(message, gradient); !status.ok()) return status;
  if (!message.inputs().empty()) {
    const auto first = std::min_element(message.inputs().begin(), message.inputs().end(),
                                        [](const auto& a, const auto& b) { return a.first < b.first; });
    return absl::InvalidArgumentError(
        fmt::format("inputs: no loss reads a tensor \"{}\"; expected none", first->first.substr(0, kMaxEcho)));
  }

  Request request;
  request.loss = message.loss();
  request.gradient = gradient;
  if (auto status = ConvertParams(message.params(), &request.params); !status.ok()) return status;
  if (auto status = ConvertOptions(message.options(), &request.options); !status.ok()) return status;

  const auto convert = [&](std::string_view name, bool present, const v1::Tensor& tensor,
                           std::optional<TensorView>* view) -> absl::Status {
    if (!present) return absl::OkStatus();
    auto made = ToView(name, tensor, payloads, converted);
    if (!made.ok()) return made.status();
    *view = *std::move(made);
    return absl::OkStatus();
  };
  for (const absl::Status& status : {
           convert("y_true", message.has_y_true(), message.y_true(), &request.y_true),
           convert("y_pred", message.has_y_pred(), message.y_pred(), &request.y_pred),
           convert("sample_weight", message.has_sample_weight(), message.sample_weight(), &request.sample_weight),
           convert("mask", message.has_mask(), message.mask(), &request.mask),
       }) {
    if (!status.ok()) return status;
  }
  return request;
}

}  // namespace lossd::server
