// The enums of core/ as they are on the wire, for both ends.
#pragma once

#include "core/options.h"
#include "core/tensor/dtype.h"
#include "lossd/v1/options.pb.h"
#include "lossd/v1/tensor.pb.h"

namespace lossd::wire {

// The same order; UNSPECIFIED comes first on the wire.
inline v1::DType ToWire(DType dtype) { return static_cast<v1::DType>(static_cast<int>(dtype) + 1); }
static_assert(static_cast<int>(DType::kF32) + 1 == v1::F32 && static_cast<int>(DType::kBool) + 1 == v1::BOOL);

inline v1::ClipPolicy ToWire(ClipPolicy policy) { return static_cast<v1::ClipPolicy>(static_cast<int>(policy) + 1); }
static_assert(static_cast<int>(ClipPolicy::kNone) + 1 == v1::NO_CLIP &&
              static_cast<int>(ClipPolicy::kKeras) + 1 == v1::KERAS_CLIP &&
              static_cast<int>(ClipPolicy::kTorchLogClamp) + 1 == v1::TORCH_LOG_CLAMP);

inline v1::Divisor ToWire(Divisor divisor) { return static_cast<v1::Divisor>(static_cast<int>(divisor) + 1); }
static_assert(static_cast<int>(Divisor::kCount) + 1 == v1::COUNT &&
              static_cast<int>(Divisor::kNonZero) + 1 == v1::NONZERO);

inline v1::LastAxis ToWire(LastAxis last_axis) { return static_cast<v1::LastAxis>(static_cast<int>(last_axis) + 1); }
static_assert(static_cast<int>(LastAxis::kKeep) + 1 == v1::KEEP &&
              static_cast<int>(LastAxis::kSum) + 1 == v1::SUM_OF_LAST);

inline v1::KinkPolicy ToWire(KinkPolicy policy) { return static_cast<v1::KinkPolicy>(static_cast<int>(policy) + 1); }
static_assert(static_cast<int>(KinkPolicy::kLeastNorm) + 1 == v1::LEAST_NORM &&
              static_cast<int>(KinkPolicy::kActive) + 1 == v1::ACTIVE);

inline v1::EmptyPolicy ToWire(EmptyPolicy policy) { return static_cast<v1::EmptyPolicy>(static_cast<int>(policy) + 1); }
static_assert(static_cast<int>(EmptyPolicy::kZero) + 1 == v1::ZERO &&
              static_cast<int>(EmptyPolicy::kNan) + 1 == v1::NAN_VALUE);

inline v1::Convention ToWire(Convention convention) {
  return static_cast<v1::Convention>(static_cast<int>(convention) + 1);
}
static_assert(static_cast<int>(Convention::kLossd) + 1 == v1::LOSSD &&
              static_cast<int>(Convention::kOptax) + 1 == v1::OPTAX);

// The same numbers.
inline v1::InputKind ToWire(InputKind kind) { return static_cast<v1::InputKind>(kind); }
static_assert(static_cast<int>(InputKind::kProbabilities) == v1::PROBABILITIES &&
              static_cast<int>(InputKind::kLogits) == v1::LOGITS &&
              static_cast<int>(InputKind::kLogProbabilities) == v1::LOG_PROBABILITIES);

// In the other direction on the wire: NONE, SUM, MEAN.
inline v1::Reduction ToWire(Reduction reduction) { return static_cast<v1::Reduction>(3 - static_cast<int>(reduction)); }
static_assert(3 - static_cast<int>(Reduction::kMean) == v1::MEAN && 3 - static_cast<int>(Reduction::kNone) == v1::NONE);

}  // namespace lossd::wire
