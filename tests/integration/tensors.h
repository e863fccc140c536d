// Tensors of a request written as JSON, and those of an answer as numbers.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "lossd/v1/tensor.pb.h"

namespace lossd::testing {

// Of an F64 or F32 tensor.
inline std::vector<double> Numbers(const v1::Tensor& tensor) {
  std::vector<double> numbers;
  const auto read = [&](auto element) {
    for (size_t at = 0; at + sizeof element <= tensor.raw().size(); at += sizeof element) {
      std::memcpy(&element, tensor.raw().data() + at, sizeof element);
      numbers.push_back(static_cast<double>(element));
    }
  };
  tensor.dtype() == v1::F64 ? read(double{}) : read(float{});
  return numbers;
}

inline std::string Doubles(const std::string& values) { return R"({"doubles": {"values": [)" + values + "]}}"; }
inline std::string Doubles(const std::string& shape, const std::string& values) {
  return R"({"shape": [)" + shape + R"(], "doubles": {"values": [)" + values + "]}}";
}
inline std::string Ints(const std::string& values) { return R"({"ints": {"values": [)" + values + "]}}"; }
inline std::string Tensors(const std::string& y_pred, const std::string& y_true) {
  return R"(, "y_pred": )" + y_pred + R"(, "y_true": )" + y_true;
}

}  // namespace lossd::testing
