// Between the types of lossd/client.h and the messages on the wire.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/lossd/batch.h"
#include "client/cpp/lossd/client.h"
#include "proto/wire/byte_buffer.h"
#include "proto/wire/payload.h"

namespace lossd {

// The request to send; it points at the tensors' bytes.
wire::Pieces EncodeEvaluate(const LossCall& call);
wire::Pieces EncodeGradient(const LossCall& call);
// Messages of EvaluateBatch: the first, and those with rows.
wire::Pieces EncodeHeader(const LossCall& header);
wire::Pieces EncodeRows(const Rows& rows);

// INTERNAL where the bytes are no answer: malformed, a tensor missing, or one whose size does not fit its shape.
absl::StatusOr<EvaluateResult> DecodeEvaluate(const wire::ReceivedBytes& bytes);
absl::StatusOr<GradientResult> DecodeGradient(const wire::ReceivedBytes& bytes);
// Copies the gradient to `gradient`; INTERNAL where it has another size.
absl::StatusOr<GradientResult> DecodeGradientInto(const wire::ReceivedBytes& bytes, std::span<std::byte> gradient);

}  // namespace lossd
