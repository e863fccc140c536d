#include "server/convert/tensor.h"

#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "spdlog/fmt/fmt.h"

namespace lossd::server {
namespace {

absl::Status Invalid(std::string_view name, const std::string& what) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", name, what));
}

std::optional<DType> FromWire(v1::DType dtype) {
  switch (dtype) {
    case v1::F32:
      return DType::kF32;
    case v1::F64:
      return DType::kF64;
    case v1::F16:
      return DType::kF16;
    case v1::BF16:
      return DType::kBF16;
    case v1::I32:
      return DType::kI32;
    case v1::I64:
      return DType::kI64;
    case v1::U8:
      return DType::kU8;
    case v1::BOOL:
      return DType::kBool;
    default:
      return std::nullopt;
  }
}

template <class T>
Segment AsSegment(const google::protobuf::RepeatedField<T>& values) {
  return {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(T)};
}

// The integers of a list in a narrower type, where each of them fits.
template <class T>
absl::StatusOr<Segment> Narrow(std::string_view name, const google::protobuf::RepeatedField<int64_t>& values,
                               DType dtype, ConvertedValues* converted) {
  std::vector<std::byte>& bytes = converted->emplace_back(values.size() * sizeof(T));
  for (int i = 0; i < values.size(); ++i) {
    if (values[i] < std::numeric_limits<T>::min() || values[i] > std::numeric_limits<T>::max()) {
      return Invalid(name, fmt::format("ints[{}] = {} does not fit the dtype {}", i, values[i], Name(dtype)));
    }
    const T narrow = static_cast<T>(values[i]);
    std::memcpy(bytes.data() + i * sizeof(T), &narrow, sizeof(T));
  }
  return Segment{bytes.data(), bytes.size()};
}

struct List {
  std::string_view field;
  DType natural;  // the dtype where none was given
  size_t count;
};

absl::StatusOr<TensorView> ListView(std::string_view name, const v1::Tensor& message, const List& list, DType dtype,
                                    ConvertedValues* converted) {
  const bool narrowed = list.natural == DType::kI64 && (dtype == DType::kI32 || dtype == DType::kU8);
  if (dtype != list.natural && !narrowed) {
    return Invalid(name, fmt::format("dtype {} beside {}; expected {}{}, or no dtype", Name(dtype), list.field,
                                     Name(list.natural), list.natural == DType::kI64 ? ", I32, U8" : ""));
  }
  Segment segment;
  switch (message.data_case()) {
    case v1::Tensor::kFloats:
      segment = AsSegment(message.floats().values());
      break;
    case v1::Tensor::kDoubles:
      segment = AsSegment(message.doubles().values());
      break;
    case v1::Tensor::kBools:
      segment = AsSegment(message.bools().values());
      break;
    default:
      if (!narrowed) {
        segment = AsSegment(message.ints().values());
        break;
      }
      auto narrow = dtype == DType::kI32 ? Narrow<int32_t>(name, message.ints().values(), dtype, converted)
                                         : Narrow<uint8_t>(name, message.ints().values(), dtype, converted);
      if (!narrow.ok()) return narrow.status();
      segment = *narrow;
  }
  Shape shape(message.shape().begin(), message.shape().end());
  if (shape.empty()) shape.push_back(static_cast<int64_t>(list.count));
  Segments segments;
  if (segment.size > 0) segments.push_back(segment);
  return TensorView::Make(name, dtype, std::move(shape), std::move(segments));
}

}  // namespace

absl::StatusOr<TensorView> ToView(std::string_view name, const v1::Tensor& message, const wire::Payloads& payloads,
                                  ConvertedValues* converted) {
  const std::optional<DType> dtype = FromWire(message.dtype());
  if (!dtype.has_value() && message.dtype() != v1::DTYPE_UNSPECIFIED) {
    return Invalid(name, fmt::format("dtype {} is unknown; expected F32, F64, F16, BF16, I32, I64, U8 or BOOL",
                                     static_cast<int>(message.dtype())));
  }
  const auto list_view = [&](const List& list) {
    return ListView(name, message, list, dtype.value_or(list.natural), converted);
  };
  switch (message.data_case()) {
    case v1::Tensor::kFloats:
      return list_view({"floats", DType::kF32, static_cast<size_t>(message.floats().values_size())});
    case v1::Tensor::kDoubles:
      return list_view({"doubles", DType::kF64, static_cast<size_t>(message.doubles().values_size())});
    case v1::Tensor::kInts:
      return list_view({"ints", DType::kI64, static_cast<size_t>(message.ints().values_size())});
    case v1::Tensor::kBools:
      return list_view({"bools", DType::kBool, static_cast<size_t>(message.bools().values_size())});
    case v1::Tensor::kSharedMemory:
      return absl::UnimplementedError(fmt::format("{}: shared_memory is not served yet; send raw bytes", name));
    case v1::Tensor::kRaw:
    case v1::Tensor::DATA_NOT_SET:
      break;
  }
  if (!dtype.has_value()) {
    return Invalid(name, message.has_raw() ? "raw bytes without a dtype" : "neither a dtype nor data");
  }
  Segments segments;
  if (message.has_raw()) {
    const Segments* raw = payloads.Find(message);
    if (raw == nullptr) return absl::InternalError("a tensor's payload is missing");
    segments = *raw;
  }
  return TensorView::Make(name, *dtype, Shape(message.shape().begin(), message.shape().end()), std::move(segments));
}

}  // namespace lossd::server
