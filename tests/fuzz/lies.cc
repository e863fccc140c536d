#include "tests/fuzz/lies.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "core/tensor/shape.h"
#include "tests/fuzz/draw.h"
#include "tests/support/problems.h"

namespace lossd::fuzz {
namespace {

// The same numbers as a list, as a person would write them.
void WriteAsList(FuzzedDataProvider& data, v1::Tensor* tensor) {
  if (tensor->dtype() < v1::F32 || tensor->dtype() > v1::BOOL || tensor->raw().size() > 4096) return;
  const auto dtype = static_cast<DType>(tensor->dtype() - 1);
  std::vector<std::byte> bytes(tensor->raw().size());
  if (!bytes.empty()) std::memcpy(bytes.data(), tensor->raw().data(), bytes.size());
  const std::vector<double> numbers = testing::Decode(dtype, bytes);
  tensor->clear_data();
  const auto add = [&](auto* list, auto type) {
    for (const double x : numbers) list->add_values(static_cast<decltype(type)>(x));
  };
  if (dtype == DType::kBool) {
    add(tensor->mutable_bools(), bool{});
  } else if (!IsFloatingPoint(dtype)) {
    add(tensor->mutable_ints(), int64_t{});
    if (Seldom(data, 8)) tensor->mutable_ints()->add_values(data.ConsumeIntegral<int64_t>());
  } else if (dtype == DType::kF64) {
    add(tensor->mutable_doubles(), double{});
  } else {
    for (const double x : numbers)
      tensor->mutable_floats()->add_values(testing::Decode(DType::kF32, testing::Encode(DType::kF32, {x}))[0]);
    tensor->set_dtype(v1::F32);
  }
  if (data.ConsumeBool()) tensor->clear_dtype();
  if (Seldom(data, 4)) tensor->clear_shape();
}

void Share(FuzzedDataProvider& data, const std::string& region, uint64_t size, v1::SharedMemory* memory) {
  memory->set_region(Seldom(data, 16) ? region + "0" : region);
  memory->set_byte_offset(Seldom(data, 4) ? static_cast<uint64_t>(DrawHostileSize(data))
                                          : data.ConsumeIntegralInRange<uint64_t>(0, kRegionBytes));
  memory->set_byte_size(Seldom(data, 8) ? static_cast<uint64_t>(DrawHostileSize(data)) : size);
}

// Numbers at the ends of their type, or bytes of any kind, over some elements.
void Overwrite(FuzzedDataProvider& data, v1::Tensor* tensor) {
  if (!tensor->has_raw() || tensor->raw().empty() || tensor->dtype() < v1::F32 || tensor->dtype() > v1::BOOL) return;
  std::string& raw = *tensor->mutable_raw();
  const auto dtype = static_cast<DType>(tensor->dtype() - 1);
  std::string element;
  if (IsFloatingPoint(dtype) && data.ConsumeBool()) {
    const std::vector<std::byte> bytes = testing::Encode(dtype, {DrawHostileNumber(data)});
    element.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  } else {
    element = data.ConsumeBytesAsString(SizeOf(dtype));
    element.resize(SizeOf(dtype), data.ConsumeBool() ? '\xff' : '\0');
  }
  const size_t count = raw.size() / element.size();
  if (count == 0) return;
  const size_t at = data.ConsumeIntegralInRange<size_t>(0, count - 1);
  const size_t end = data.ConsumeBool() ? count : at + 1;
  for (size_t i = at; i < end; ++i) raw.replace(i * element.size(), element.size(), element);
}

// Bytes as many as dtype and shape ask for.
void MakeFit(v1::Tensor* tensor) {
  if (tensor->dtype() < v1::F32 || tensor->dtype() > v1::BOOL) return;
  const auto count = ElementCount(std::span(tensor->shape().data(), tensor->shape().size()));
  if (count && *count <= 1 << 16)
    tensor->mutable_raw()->resize(*count * SizeOf(static_cast<DType>(tensor->dtype() - 1)));
}

}  // namespace

v1::Tensor* Field(v1::GradientRequest& request, const std::string& name) {
  const auto* const field = v1::GradientRequest::descriptor()->FindFieldByName(name);
  if (field == nullptr || field->message_type() != v1::Tensor::descriptor()) return &(*request.mutable_inputs())[name];
  return static_cast<v1::Tensor*>(request.GetReflection()->MutableMessage(&request, field));
}

std::vector<std::pair<std::string, v1::Tensor*>> TensorsOf(v1::GradientRequest& request) {
  std::vector<std::pair<std::string, v1::Tensor*>> tensors;
  for (const char* const name : {"y_true", "y_pred", "sample_weight", "element_weight", "class_weight", "class_mask",
                                 "pos_weight", "mask", "upstream"}) {
    const auto* const field = v1::GradientRequest::descriptor()->FindFieldByName(name);
    if (request.GetReflection()->HasField(request, field)) tensors.emplace_back(name, Field(request, name));
  }
  const auto first_input = static_cast<ptrdiff_t>(tensors.size());
  for (auto& [name, tensor] : *request.mutable_inputs()) tensors.emplace_back(name, &tensor);
  std::sort(tensors.begin() + first_input, tensors.end());
  return tensors;
}

void LieAboutTensor(FuzzedDataProvider& data, const std::string& region, v1::Tensor* tensor) {
  switch (data.ConsumeIntegralInRange(0, 9)) {
    case 0:
      return Overwrite(data, tensor);
    case 1:
      return WriteAsList(data, tensor);
    case 2:
      tensor->set_dtype(DrawEnum<v1::DType>(data, v1::DType_MAX));
      return data.ConsumeBool() ? MakeFit(tensor) : void();
    case 3:
      if (tensor->shape().empty()) return;
      tensor->set_shape(data.ConsumeIntegralInRange(0, tensor->shape_size() - 1), DrawHostileSize(data));
      return data.ConsumeBool() ? MakeFit(tensor) : void();
    case 4:
      tensor->add_shape(data.ConsumeBool() ? 1 : DrawHostileSize(data));
      return data.ConsumeBool() ? MakeFit(tensor) : void();
    case 5:
      if (!tensor->shape().empty()) tensor->mutable_shape()->RemoveLast();
      return data.ConsumeBool() ? MakeFit(tensor) : void();
    case 6:
      if (tensor->shape_size() > 1) tensor->mutable_shape()->SwapElements(0, tensor->shape_size() - 1);
      return;
    case 7:
      if (tensor->has_raw()) tensor->mutable_raw()->resize(data.ConsumeIntegralInRange(0, 64));
      return;
    case 8: {
      const uint64_t size = tensor->raw().size();
      return Share(data, region, size, tensor->mutable_shared_memory());
    }
    default:
      return tensor->clear_data();
  }
}

void LieAboutNames(FuzzedDataProvider& data, const std::string& region, v1::GradientRequest* request) {
  auto tensors = TensorsOf(*request);
  if (tensors.empty()) return;
  auto& [name, tensor] = Pick(data, tensors);
  switch (data.ConsumeIntegralInRange(0, 5)) {
    case 0:  // under another name
      (*request->mutable_inputs())[data.ConsumeBool() ? name : data.ConsumeRandomLengthString(8)] = v1::Tensor(*tensor);
      return;
    case 1:
      return Pick(data, tensors).second->Swap(tensor);
    case 2:
      return tensor->Clear();
    case 3:
      request->set_loss(data.ConsumeBool() ? DrawLoss(data).contract->name.data() : data.ConsumeRandomLengthString(16));
      return;
    case 4:
      request->add_with_respect_to(Seldom(data, 8) ? data.ConsumeRandomLengthString(8) : name);
      return;
    default: {
      const std::string output = data.ConsumeBool() ? "per_item" : "gradients." + name;
      return Share(data, region, tensor->raw().size(), &(*request->mutable_output_regions())[output]);
    }
  }
}

}  // namespace lossd::fuzz
