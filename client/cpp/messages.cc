#include "client/cpp/messages.h"

#include <algorithm>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lossd/v1/loss_service.pb.h"
#include "proto/wire/enums.h"

namespace lossd {
namespace {

using wire::ToWire;

// Defaults are left out: a small request stays small.
void FillOptions(const Options& options, v1::Options* wire) {
  if (options.convention != Convention::kLossd) wire->set_convention(ToWire(options.convention));
  if (options.input_kind != InputKind::kUnspecified) wire->set_input_kind(ToWire(options.input_kind));
  if (options.reduction) wire->set_reduction(ToWire(*options.reduction));
  if (options.divisor) wire->set_divisor(ToWire(*options.divisor));
  if (options.normalizer) wire->set_normalizer(*options.normalizer);
  if (options.clip_policy) wire->set_clip_policy(ToWire(*options.clip_policy));
  if (options.last_axis) wire->set_last_axis(ToWire(*options.last_axis));
  if (options.kink_policy) wire->set_kink_policy(ToWire(*options.kink_policy));
  if (options.empty_policy) wire->set_empty_policy(ToWire(*options.empty_policy));
  if (options.non_finite_policy == NonFinitePolicy::kError) wire->set_non_finite_policy(v1::ERROR);
  if (options.label_smoothing != 0) wire->set_label_smoothing(options.label_smoothing);
  if (options.ignore_index) wire->set_ignore_index(*options.ignore_index);
  if (options.axis) wire->set_axis(*options.axis);
  if (options.item_axes) wire->mutable_item_axes()->Add(options.item_axes->begin(), options.item_axes->end());
}

void SetParam(const ParamValue& value, google::protobuf::Value* wire) {
  if (const double* const number = std::get_if<double>(&value)) {
    wire->set_number_value(*number);
  } else if (const bool* const flag = std::get_if<bool>(&value)) {
    wire->set_bool_value(*flag);
  } else {
    wire->set_string_value(std::get<std::string>(value));
  }
}

void FillPlace(const SharedPlace& place, v1::SharedMemory* wire) {
  wire->set_region(place.region);
  wire->set_byte_offset(place.offset);
  wire->set_byte_size(place.size_bytes);
}

void FillTensor(const ConstTensor& tensor, wire::Payloads* payloads, v1::Tensor* wire) {
  wire->set_dtype(ToWire(tensor.dtype));
  wire->mutable_shape()->Add(tensor.shape.begin(), tensor.shape.end());
  if (tensor.shared.region.empty()) {
    payloads->Attach(wire, Segments{{tensor.bytes.data(), tensor.bytes.size()}});
  } else {
    FillPlace(tensor.shared, wire->mutable_shared_memory());
  }
}

// What LossCall and Rows have in common, and the fields of their messages too.
template <class Call, class Request>
void FillRows(const Call& call, wire::Payloads& payloads, Request& request) {
  if (call.y_true) FillTensor(*call.y_true, &payloads, request.mutable_y_true());
  if (call.y_pred) FillTensor(*call.y_pred, &payloads, request.mutable_y_pred());
  if (call.sample_weight) FillTensor(*call.sample_weight, &payloads, request.mutable_sample_weight());
  if (call.mask) FillTensor(*call.mask, &payloads, request.mutable_mask());
  if (call.element_weight) FillTensor(*call.element_weight, &payloads, request.mutable_element_weight());
  for (const auto& [name, tensor] : call.inputs) FillTensor(tensor, &payloads, &(*request.mutable_inputs())[name]);
}

template <class Request>
void FillCall(const LossCall& call, wire::Payloads& payloads, Request& request) {
  request.set_loss(call.loss);
  for (const auto& [name, value] : call.params) {
    SetParam(value, &(*request.mutable_params()->mutable_fields())[name]);
  }
  FillOptions(call.options, request.mutable_options());
  FillRows(call, payloads, request);
  for (const auto& [output, place] : call.output_regions)
    FillPlace(place, &(*request.mutable_output_regions())[output]);
  if (call.class_weight) FillTensor(*call.class_weight, &payloads, request.mutable_class_weight());
  if (call.class_mask) FillTensor(*call.class_mask, &payloads, request.mutable_class_mask());
  if constexpr (std::is_same_v<Request, v1::GradientRequest>) {
    for (const std::string& name : call.with_respect_to) request.add_with_respect_to(name);
    request.set_hessian_diagonal(call.hessian_diagonal);
    if (call.upstream) FillTensor(*call.upstream, &payloads, request.mutable_upstream());
  }
}

// A message of `Request`, filled by fill(payloads, message).
template <class Request, class Fill>
wire::Pieces Encoded(const Fill& fill) {
  Request request;
  wire::Payloads payloads;
  fill(payloads, request);
  return wire::Encode(request, payloads);
}

absl::Status BadAnswer(absl::string_view what) {
  return absl::InternalError(absl::StrCat("answer of the server: ", what));
}

// What a received tensor says about itself, checked against the bytes that came.
struct Received {
  DType dtype;
  std::vector<int64_t> shape;
  const Segments* segments;
  size_t size_bytes;
};

absl::StatusOr<Received> CheckTensor(absl::string_view name, const v1::Tensor& tensor, const wire::Payloads& payloads) {
  if (tensor.dtype() < v1::F32 || tensor.dtype() > v1::BOOL) return BadAnswer(absl::StrCat(name, ": no known dtype"));
  Received received{
      static_cast<DType>(tensor.dtype() - 1), {tensor.shape().begin(), tensor.shape().end()}, payloads.Find(tensor), 0};
  if (received.segments == nullptr) return BadAnswer(absl::StrCat(name, ": no raw bytes"));
  for (const Segment& segment : *received.segments) received.size_bytes += segment.size;
  size_t expected = SizeOf(received.dtype);
  bool fits = true;
  for (const int64_t size : received.shape)
    fits = fits && size >= 0 && !__builtin_mul_overflow(expected, size, &expected);
  if (!fits || expected != received.size_bytes) {
    return BadAnswer(absl::StrCat(name, ": ", received.size_bytes, " bytes do not fit its shape"));
  }
  return received;
}

void Gather(const Segments& segments, std::byte* out) {
  for (const Segment& segment : segments) out = std::copy_n(segment.data, segment.size, out);
}

absl::StatusOr<Tensor> ReceiveTensor(absl::string_view name, const v1::Tensor& wire, const wire::Payloads& payloads) {
  if (wire.has_shared_memory() && wire.dtype() >= v1::F32 && wire.dtype() <= v1::BOOL) {
    return Tensor(static_cast<DType>(wire.dtype() - 1), {wire.shape().begin(), wire.shape().end()}, 0);
  }
  absl::StatusOr<Received> received = CheckTensor(name, wire, payloads);
  if (!received.ok()) return received.status();
  Tensor tensor(received->dtype, std::move(received->shape), received->size_bytes);
  Gather(*received->segments, tensor.bytes().data());
  return tensor;
}

// The fields that both answers have.
template <class Response>
absl::Status FillResult(const Response& response, const wire::Payloads& payloads, EvaluateResult* result) {
  if (response.has_value()) result->value = response.value();
  result->sum = response.sum();
  result->divisor = response.divisor();
  result->valid_count = response.valid_count();
  result->weight_sum = response.weight_sum();
  result->loss = response.loss();
  for (const auto& [name, tensor] : response.outputs()) {
    absl::StatusOr<Tensor> output = ReceiveTensor(absl::StrCat("outputs[", name, "]"), tensor, payloads);
    if (!output.ok()) return output.status();
    result->outputs.emplace(name, *std::move(output));
  }
  if (!response.has_per_item()) return absl::OkStatus();
  absl::StatusOr<Tensor> per_item = ReceiveTensor("per_item", response.per_item(), payloads);
  if (per_item.ok()) result->per_item = *std::move(per_item);
  return per_item.status();
}

absl::StatusOr<GradientResult> DecodeGradientTo(const wire::ReceivedBytes& bytes,
                                                std::optional<std::span<std::byte>> destination) {
  v1::GradientResponse response;
  wire::Payloads payloads;
  if (const absl::Status status = wire::Decode(bytes.segments(), &response, &payloads); !status.ok()) {
    return BadAnswer(status.message());
  }
  GradientResult result;
  if (const absl::Status status = FillResult(response, payloads, &result); !status.ok()) return status;
  for (const auto& [name, tensor] : response.gradients()) {
    const std::string field = absl::StrCat("gradients[", name, "]");
    if (name == "y_pred" && destination) {
      const absl::StatusOr<Received> received = CheckTensor(field, tensor, payloads);
      if (!received.ok()) return received.status();
      if (received->size_bytes != destination->size())
        return BadAnswer(absl::StrCat(field, ": not the size of y_pred"));
      Gather(*received->segments, destination->data());
      continue;
    }
    absl::StatusOr<Tensor> gradient = ReceiveTensor(field, tensor, payloads);
    if (!gradient.ok()) return gradient.status();
    if (name == "y_pred") {
      result.gradient = *std::move(gradient);
    } else {
      result.gradients.emplace(name, *std::move(gradient));
    }
  }
  if (response.gradients().empty() || (destination && !response.gradients().contains("y_pred"))) {
    return BadAnswer("no gradient of y_pred");
  }
  for (const auto& [name, tensor] : response.hessian_diagonals()) {
    absl::StatusOr<Tensor> hessian = ReceiveTensor(absl::StrCat("hessian_diagonals[", name, "]"), tensor, payloads);
    if (!hessian.ok()) return hessian.status();
    result.hessian_diagonal = *std::move(hessian);
  }
  return result;
}

}  // namespace

wire::Pieces EncodeEvaluate(const LossCall& call) {
  return Encoded<v1::EvaluateRequest>([&](auto& payloads, auto& message) { FillCall(call, payloads, message); });
}
wire::Pieces EncodeGradient(const LossCall& call) {
  return Encoded<v1::GradientRequest>([&](auto& payloads, auto& message) { FillCall(call, payloads, message); });
}
wire::Pieces EncodeHeader(const LossCall& header) {
  return Encoded<v1::EvaluateBatchRequest>(
      [&](auto& payloads, auto& message) { FillCall(header, payloads, *message.mutable_header()); });
}
wire::Pieces EncodeRows(const Rows& rows) {
  return Encoded<v1::EvaluateBatchRequest>([&](auto& payloads, auto& message) { FillRows(rows, payloads, message); });
}

absl::StatusOr<EvaluateResult> DecodeEvaluate(const wire::ReceivedBytes& bytes) {
  v1::EvaluateResponse response;
  wire::Payloads payloads;
  if (const absl::Status status = wire::Decode(bytes.segments(), &response, &payloads); !status.ok()) {
    return BadAnswer(status.message());
  }
  EvaluateResult result;
  if (const absl::Status status = FillResult(response, payloads, &result); !status.ok()) return status;
  return result;
}

absl::StatusOr<GradientResult> DecodeGradient(const wire::ReceivedBytes& bytes) {
  return DecodeGradientTo(bytes, std::nullopt);
}

absl::StatusOr<GradientResult> DecodeGradientInto(const wire::ReceivedBytes& bytes, std::span<std::byte> gradient) {
  return DecodeGradientTo(bytes, gradient);
}

}  // namespace lossd
