#include "server/convert/response.h"

#include <cstdlib>
#include <new>
#include <string>

#include "lossd/v1/loss_service.pb.h"
#include "proto/wire/byte_buffer.h"
#include "proto/wire/enums.h"
#include "proto/wire/payload.h"
#include "server/convert/tensor.h"

namespace lossd::server {
namespace {

// A cache line, and the width of the widest vector.
constexpr size_t kOutputAlignment = 64;

void SetTensor(const Problem& problem, const Shape& shape, const grpc::Slice& bytes, v1::Tensor* tensor,
               wire::Payloads* payloads) {
  tensor->set_dtype(wire::ToWire(problem.dtype));
  tensor->mutable_shape()->Add(shape.begin(), shape.end());
  Segments segments;
  if (bytes.size() > 0) segments.push_back({reinterpret_cast<const std::byte*>(bytes.begin()), bytes.size()});
  payloads->Attach(tensor, std::move(segments));
}

}  // namespace

grpc::Slice NewOutput(size_t bytes) {
  if (bytes == 0) return {};
  const size_t rounded =
      (bytes + kOutputAlignment - 1) / kOutputAlignment * kOutputAlignment;  // aligned_alloc asks for it
  void* memory = std::aligned_alloc(kOutputAlignment, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  return {memory, bytes, std::free};
}

grpc::ByteBuffer ToResponse(const Problem& problem, const Result& result, const grpc::Slice& per_item,
                            const grpc::Slice& gradient) {
  v1::GradientResponse response;
  wire::Payloads payloads;
  if (result.value.has_value()) response.set_value(*result.value);
  response.set_sum(result.sum);
  response.set_divisor(result.divisor);
  response.set_valid_count(result.valid_count);
  response.set_weight_sum(result.weight_sum);
  response.set_loss(std::string(problem.loss.contract->name));
  if (problem.reduction == Reduction::kNone) {
    SetTensor(problem, problem.item_shape, per_item, response.mutable_per_item(), &payloads);
  }
  if (problem.gradient) {
    SetTensor(problem, problem.y_pred.shape(), gradient, &(*response.mutable_gradients())["y_pred"], &payloads);
  }
  return wire::MakeByteBuffer(wire::Encode(response, payloads), [&](Segment payload) {
    return payload.data == reinterpret_cast<const std::byte*>(gradient.begin()) ? gradient : per_item;
  });
}

}  // namespace lossd::server
