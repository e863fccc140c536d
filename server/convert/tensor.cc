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

// Numbers stay where they are. Integers and flags are copied: labels that have been checked must be those that are
// used.
absl::StatusOr<TensorView> SharedView(std::string_view name, const v1::Tensor& message, DType dtype,
                                      ConvertedValues* converted) {
  const auto memory = FindMemory(name, message.shared_memory(), converted);
  if (!memory.ok()) return memory.status();
  const size_t size = message.shared_memory().byte_size();
  Segments segments;
  if (size > 0) segments.push_back({memory->data, size});
  if (!IsFloatingPoint(dtype) && size > 0) {
    if (converted->reserve != nullptr && !converted->reserve(size)) {
      return absl::ResourceExhaustedError(
          fmt::format("{}: the server has no memory for a copy of {} bytes", name, size));
    }
    segments[0].data = converted->emplace_back(memory->data, memory->data + size).data();
  }
  auto view = TensorView::Make(name, dtype, Shape(message.shape().begin(), message.shape().end()), std::move(segments));
  if (view.ok() && IsFloatingPoint(dtype)) view->SetChanges();
  return view;
}

}  // namespace

absl::StatusOr<SharedBytes> FindMemory(std::string_view field, const v1::SharedMemory& reference,
                                       ConvertedValues* converted) {
  if (converted->known_regions == nullptr) {
    return absl::UnimplementedError(
        fmt::format("{}: shared_memory is off at this server (--shared_memory_socket); send raw bytes", field));
  }
  std::shared_ptr<const Region> region = converted->known_regions->Find(reference.region());
  if (region == nullptr) {
    return absl::NotFoundError(fmt::format("{}: shared_memory.region: there is no such region, or no longer", field));
  }
  const uint64_t offset = reference.byte_offset(), size = reference.byte_size();
  if (offset > region->size() || size > region->size() - offset) {
    return Invalid(field, fmt::format("shared_memory: {} bytes from byte {} on; the region has {} bytes", size, offset,
                                      region->size()));
  }
  const SharedBytes bytes{region->data() + offset, region->writable()};
  converted->regions.push_back(std::move(region));
  return bytes;
}

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
      if (!dtype.has_value()) return Invalid(name, "shared_memory without a dtype");
      return SharedView(name, message, *dtype, converted);
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
