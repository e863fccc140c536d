// How a loss is to be read. The meaning of every value, and its default, stands in proto/lossd/v1/options.proto.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace lossd {

enum class InputKind : uint8_t { kUnspecified, kProbabilities, kLogits, kLogProbabilities };
enum class Reduction : uint8_t { kMean, kSum, kNone };
enum class Divisor : uint8_t { kCount, kWeightSum, kBatch };
enum class ClipPolicy : uint8_t { kNone, kKeras, kTorchLogClamp };
enum class NonFinitePolicy : uint8_t { kPropagate, kError };
enum class EmptyPolicy : uint8_t { kZero, kNan };

// Names on the wire.
std::string_view Name(InputKind kind);
std::string_view Name(ClipPolicy policy);

struct Options {
  InputKind input_kind = InputKind::kUnspecified;
  Reduction reduction = Reduction::kMean;
  std::optional<Divisor> divisor = std::nullopt;    // default kCount
  std::optional<double> normalizer = std::nullopt;  // excludes divisor
  ClipPolicy clip_policy = ClipPolicy::kNone;
  NonFinitePolicy non_finite_policy = NonFinitePolicy::kPropagate;
  EmptyPolicy empty_policy = EmptyPolicy::kZero;
};

}  // namespace lossd
