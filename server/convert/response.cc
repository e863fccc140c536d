#include "server/convert/response.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#include "absl/container/inlined_vector.h"
#include "core/tensor/convert.h"
#include "google/protobuf/arena.h"
#include "lossd/v1/loss_service.pb.h"
#include "proto/wire/byte_buffer.h"
#include "proto/wire/enums.h"
#include "proto/wire/payload.h"
#include "server/convert/tensor.h"

namespace lossd::server {
namespace {

// A cache line, and the width of the widest vector.
constexpr size_t kOutputAlignment = 64;

// Memory that comes new from the system costs a fault for a huge page instead of 512. From there on rounding up to
// whole pages adds a quarter at most.
constexpr size_t kHugePage = 2 << 20;
constexpr size_t kLeastHuge = 4 * kHugePage;

// Below a buffer of the network's there is little memory to spare.
constexpr size_t kLeastOverwritten = 64 << 10;

// On the stack, for what protobuf makes of a usual answer.
constexpr size_t kArenaBytes = 2 << 10;

// Writes tensors into a message and remembers which slice holds the bytes of each.
class Sender {
 public:
  explicit Sender(const wire::ReceivedBytes& request, const OutputPlaces& places = {})
      : places_(places), parts_(request) {}

  // A tensor that was written over an input.
  void Set(const TensorView& input, v1::Tensor* tensor) {
    Describe(input.dtype(), input.shape(), tensor);
    payloads_.Attach(tensor, input.segments());
  }

  void Set(DType dtype, const Shape& shape, const grpc::Slice& bytes, v1::Tensor* tensor) {
    Describe(dtype, shape, tensor);
    for (const OutputPlace& place : places_) {
      if (bytes.size() == 0 || reinterpret_cast<const std::byte*>(bytes.begin()) != place.data) continue;
      *tensor->mutable_shared_memory() = place.reference;
      return;
    }
    Segments segments;
    if (bytes.size() > 0) {
      segments.push_back({reinterpret_cast<const std::byte*>(bytes.begin()), bytes.size()});
      slices_.push_back(bytes);
    }
    payloads_.Attach(tensor, std::move(segments));
  }

  grpc::ByteBuffer Send(const v1::GradientResponse& response) {
    return wire::MakeByteBuffer(wire::Encode(response, payloads_), [this](Segment payload) {
      for (const grpc::Slice& slice : slices_) {
        if (payload.data == reinterpret_cast<const std::byte*>(slice.begin())) return slice;
      }
      return parts_.Find(payload);
    });
  }

 private:
  static void Describe(DType dtype, const Shape& shape, v1::Tensor* tensor) {
    tensor->set_dtype(wire::ToWire(dtype));
    tensor->mutable_shape()->Add(shape.begin(), shape.end());
  }

  const OutputPlaces places_;
  wire::ReceivedParts parts_;
  wire::Payloads payloads_;
  absl::InlinedVector<grpc::Slice, 2> slices_;
};

std::byte* Bytes(const grpc::Slice& slice) {
  // A slice shows its bytes as const; this one is ours, and nobody else has seen it.
  return slice.size() == 0 ? nullptr : reinterpret_cast<std::byte*>(const_cast<uint8_t*>(slice.begin()));
}

}  // namespace

grpc::Slice NewOutput(size_t bytes) {
  if (bytes == 0) return {};
  const size_t alignment = bytes >= kLeastHuge ? kHugePage : kOutputAlignment;
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;  // aligned_alloc asks for it
  void* memory = std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  if (alignment == kHugePage) madvise(memory, rounded, MADV_HUGEPAGE);  // where the system has them
  return {memory, bytes, std::free};
}

Overwritten FindOverwritten(const Problem& problem, const OutputPlaces& places, const wire::ReceivedBytes& request) {
  Overwritten overwritten{};
  wire::ReceivedParts parts(request);
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    if (problem.gradient_bytes(i) < kLeastOverwritten || !problem.may_overwrite(i)) continue;
    if (Find(places, GradientPath(problem, i)) != nullptr) continue;
    const Segments& segments = problem.inputs[i].view->segments();
    overwritten[i] = std::all_of(segments.begin(), segments.end(),
                                 [&](const Segment& segment) { return parts.Find(segment).size() == segment.size; });
  }
  return overwritten;
}

OutputSlices::OutputSlices(const Problem& problem, const OutputPlaces& places, const Overwritten& overwritten)
    : places_(places) {
  outputs_.over_input = overwritten;
  outputs_.per_item = Add(problem.per_item_bytes(), [&] { return std::string(kPerItem); });
  outputs_.hessian = Add(problem.hessian_bytes(), [&] { return HessianPath(problem); });
  outputs_.extra = Add(problem.extra_bytes(), [&] { return ExtraPath(problem); });
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    if (overwritten[i]) continue;
    outputs_.gradients[i] = Add(problem.gradient_bytes(i), [&] { return GradientPath(problem, i); });
  }
}

std::byte* OutputSlices::Add(size_t bytes, absl::FunctionRef<std::string()> path) {
  if (bytes == 0) return nullptr;
  const OutputPlace* const place = places_.empty() ? nullptr : Find(places_, path());
  return Bytes(
      slices_.emplace_back(place == nullptr ? NewOutput(bytes) : grpc::Slice(place->data, bytes, [](void*) {})));
}

grpc::Slice OutputSlices::Of(const std::byte* output) const {
  for (const grpc::Slice& slice : slices_) {
    if (reinterpret_cast<const std::byte*>(slice.begin()) == output) return slice;
  }
  return {};
}

size_t OutputBytes(const Problem& problem, const OutputPlaces& places, const Overwritten& overwritten) {
  size_t bytes = problem.per_item_bytes() + problem.hessian_bytes() + problem.extra_bytes();
  for (size_t i = 0; i < problem.inputs.size(); ++i) bytes += overwritten[i] ? 0 : problem.gradient_bytes(i);
  for (const OutputPlace& place : places) bytes -= place.reference.byte_size();
  return bytes;
}

grpc::ByteBuffer ToResponse(const Problem& problem, const Result& result, const OutputSlices& slices,
                            const wire::ReceivedBytes& request) {
  alignas(std::max_align_t) char first_block[kArenaBytes];
  google::protobuf::Arena arena(first_block, sizeof(first_block));
  auto& response = *google::protobuf::Arena::CreateMessage<v1::GradientResponse>(&arena);
  Sender sender(request, slices.places());
  if (result.value.has_value()) response.set_value(*result.value);
  response.set_sum(result.sum);
  response.set_divisor(result.divisor);
  response.set_valid_count(result.valid_count);
  response.set_weight_sum(result.weight_sum);
  const Contract& contract = problem.contract();
  response.set_loss(contract.name.data(), contract.name.size());
  if (problem.reduction == Reduction::kNone) {
    sender.Set(problem.dtype, problem.item_shape, slices.Of(slices.outputs().per_item), response.mutable_per_item());
  }
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    const BoundInput& input = problem.inputs[i];
    if (!problem.gradient || !input.wanted) continue;
    v1::Tensor& tensor = (*response.mutable_gradients())[std::string(contract.inputs[i].name)];
    if (slices.outputs().over_input[i]) {
      sender.Set(*input.view, &tensor);
    } else {
      sender.Set(input.view->dtype(), input.view->shape(), slices.Of(slices.outputs().gradients[i]), &tensor);
    }
  }
  if (problem.hessian_diagonal) {
    v1::Tensor& tensor = (*response.mutable_hessian_diagonals())[std::string(contract.inputs[0].name)];
    sender.Set(problem.dtype, problem.inputs[0].view->shape(), slices.Of(slices.outputs().hessian), &tensor);
  }
  if (contract.extra == Extra::kPerItem && (slices.outputs().extra != nullptr || problem.extra_bytes() == 0)) {
    sender.Set(DType::kF64, problem.item_shape, slices.Of(slices.outputs().extra),
               &(*response.mutable_outputs())[std::string(contract.extra_name)]);
  }
  if (result.extra) {
    v1::Tensor& tensor = (*response.mutable_outputs())[std::string(contract.extra_name)];
    const grpc::Slice scalar = NewOutput(sizeof(double));  // a slice of its own would hold so few bytes in itself
    std::memcpy(Bytes(scalar), &*result.extra, sizeof(double));
    sender.Set(DType::kF64, {}, scalar, &tensor);
  }
  return sender.Send(response);
}

grpc::ByteBuffer ToResponse(const ObjectiveResult& result) {
  v1::GradientResponse response;
  const wire::ReceivedBytes no_request;
  Sender sender(no_request);
  response.set_value(result.value);
  response.set_sum(result.value);
  response.set_divisor(1);
  response.set_loss("objective");
  for (const TermResult& term : result.terms) {
    v1::TermValue* added = response.add_terms();
    added->set_name(term.name);
    added->set_value(term.value);
    added->set_weight(term.weight);
  }
  for (const auto& [name, gradient] : result.gradients) {
    const grpc::Slice bytes = NewOutput(gradient.sum.size() * SizeOf(gradient.dtype));
    if (bytes.size() > 0) {
      StoreScaled(gradient.sum.data(), nullptr, 1, nullptr, gradient.sum.size(), 1, gradient.dtype, Bytes(bytes));
    }
    sender.Set(gradient.dtype, gradient.shape, bytes, &(*response.mutable_gradients())[name]);
  }
  return sender.Send(response);
}

}  // namespace lossd::server
