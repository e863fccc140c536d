#include "core/options.h"

namespace lossd {

std::string_view Name(InputKind kind) {
  switch (kind) {
    case InputKind::kUnspecified:
      return "INPUT_KIND_UNSPECIFIED";
    case InputKind::kProbabilities:
      return "PROBABILITIES";
    case InputKind::kLogits:
      return "LOGITS";
    case InputKind::kLogProbabilities:
      return "LOG_PROBABILITIES";
  }
  return "?";
}

std::string_view Name(ClipPolicy policy) {
  switch (policy) {
    case ClipPolicy::kNone:
      return "NO_CLIP";
    case ClipPolicy::kKeras:
      return "KERAS_CLIP";
    case ClipPolicy::kTorchLogClamp:
      return "TORCH_LOG_CLAMP";
  }
  return "?";
}

std::string_view Name(Convention convention) {
  constexpr std::string_view kNames[] = {"LOSSD", "KERAS", "TORCH", "OPTAX"};
  return kNames[static_cast<size_t>(convention)];
}

std::string_view Name(Divisor divisor) {
  constexpr std::string_view kNames[] = {"COUNT", "WEIGHT_SUM", "BATCH", "TERMS", "NONZERO"};
  return kNames[static_cast<size_t>(divisor)];
}

std::string_view Name(LastAxis last_axis) {
  constexpr std::string_view kNames[] = {"KEEP", "MEAN_OF_LAST", "SUM_OF_LAST"};
  return kNames[static_cast<size_t>(last_axis)];
}

std::string_view Name(KinkPolicy policy) {
  constexpr std::string_view kNames[] = {"LEAST_NORM", "AVERAGE", "ACTIVE"};
  return kNames[static_cast<size_t>(policy)];
}

std::string_view Name(Reduction reduction) {
  constexpr std::string_view kNames[] = {"MEAN", "SUM", "NONE"};
  return kNames[static_cast<size_t>(reduction)];
}

std::string_view Name(EmptyPolicy policy) {
  constexpr std::string_view kNames[] = {"ZERO", "NAN_VALUE"};
  return kNames[static_cast<size_t>(policy)];
}

}  // namespace lossd
