// Tensors in NumPy's .npy files (format versions 1.0, 2.0, 3.0).
//
// Element types: f4 f8 f2 i4 i8 u1 b1, little-endian, C order. Whatever else a file holds is refused with a message
// that names the file and what it holds.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/lossd/tensor.h"

namespace lossd {

// NOT_FOUND where the file cannot be opened, INVALID_ARGUMENT where it is no such file or its size is not what its
// header says. Reads nothing into memory that the file does not hold.
absl::StatusOr<Tensor> ReadNpy(const std::string& path);

// Replaces the file. INVALID_ARGUMENT for BF16, which the format does not know; otherwise the error of the file system.
absl::Status WriteNpy(const std::string& path, const ConstTensor& tensor);

}  // namespace lossd
