// How a loss is to be read. The meaning of every value, and its default, stands in proto/lossd/v1/options.proto.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace lossd {

enum class InputKind : uint8_t { kUnspecified, kProbabilities, kLogits, kLogProbabilities };
enum class Reduction : uint8_t { kMean, kSum, kNone };
enum class Divisor : uint8_t { kCount, kWeightSum, kBatch, kTerms, kNonZero };
enum class LastAxis : uint8_t { kKeep, kMean, kSum };
enum class ClipPolicy : uint8_t { kNone, kKeras, kTorchLogClamp };
enum class KinkPolicy : uint8_t { kLeastNorm, kAverage, kActive };
enum class NonFinitePolicy : uint8_t { kPropagate, kError };
enum class EmptyPolicy : uint8_t { kZero, kNan };
enum class Convention : uint8_t { kLossd, kKeras, kTorch, kOptax };

// Names on the wire.
std::string_view Name(InputKind kind);
std::string_view Name(ClipPolicy policy);
std::string_view Name(Convention convention);
std::string_view Name(Divisor divisor);
std::string_view Name(LastAxis last_axis);
std::string_view Name(KinkPolicy policy);
std::string_view Name(Reduction reduction);
std::string_view Name(EmptyPolicy policy);

// What a caller set; what is left open is filled in by the convention, then by the defaults.
struct Options {
  Convention convention = Convention::kLossd;
  InputKind input_kind = InputKind::kUnspecified;
  std::optional<Reduction> reduction = std::nullopt;
  std::optional<Divisor> divisor = std::nullopt;
  std::optional<double> normalizer = std::nullopt;  // excludes divisor
  std::optional<LastAxis> last_axis = std::nullopt;
  std::optional<ClipPolicy> clip_policy = std::nullopt;
  std::optional<KinkPolicy> kink_policy = std::nullopt;
  std::optional<EmptyPolicy> empty_policy = std::nullopt;
  NonFinitePolicy non_finite_policy = NonFinitePolicy::kPropagate;
  double label_smoothing = 0;
  std::optional<int64_t> ignore_index = std::nullopt;
  std::optional<int64_t> axis = std::nullopt;                    // class axis of the row losses
  std::optional<std::vector<int64_t>> item_axes = std::nullopt;  // axes that make an item of the region losses
};

}  // namespace lossd
