// One tensor of a message as core's view of it.
#pragma once

#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/tensor/tensor_view.h"
#include "lossd/v1/tensor.pb.h"
#include "proto/wire/payload.h"
#include "server/convert/request.h"

namespace lossd::server {

// The rules of proto/lossd/v1/tensor.proto: dtype and shape of a typed list may be left out, integers are range-checked
// into the dtype. The view borrows the payload, the list in `message`, or an entry of `converted`. INVALID_ARGUMENT,
// and those of FindMemory, name the tensor.
absl::StatusOr<TensorView> ToView(std::string_view name, const v1::Tensor& message, const wire::Payloads& payloads,
                                  ConvertedValues* converted);

// What a reference to shared memory points at; `converted` holds its region. Errors name the field: UNIMPLEMENTED where
// this server shares no memory, NOT_FOUND, INVALID_ARGUMENT for bytes that are not in the region.
struct SharedBytes {
  std::byte* data;
  bool writable;
};
absl::StatusOr<SharedBytes> FindMemory(std::string_view field, const v1::SharedMemory& reference,
                                       ConvertedValues* converted);

}  // namespace lossd::server
