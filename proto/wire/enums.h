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

// The same numbers.
inline v1::InputKind ToWire(InputKind kind) { return static_cast<v1::InputKind>(kind); }
static_assert(static_cast<int>(InputKind::kProbabilities) == v1::PROBABILITIES &&
              static_cast<int>(InputKind::kLogits) == v1::LOGITS &&
              static_cast<int>(InputKind::kLogProbabilities) == v1::LOG_PROBABILITIES);

inline v1::ClipPolicy ToWire(ClipPolicy policy) { return static_cast<v1::ClipPolicy>(static_cast<int>(policy) + 1); }
static_assert(static_cast<int>(ClipPolicy::kNone) + 1 == v1::NO_CLIP &&
              static_cast<int>(ClipPolicy::kKeras) + 1 == v1::KERAS_CLIP &&
              static_cast<int>(ClipPolicy::kTorchLogClamp) + 1 == v1::TORCH_LOG_CLAMP);

}  // namespace lossd::wire
