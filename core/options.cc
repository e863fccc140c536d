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

}  // namespace lossd
