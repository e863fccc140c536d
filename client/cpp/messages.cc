#include "client/cpp/messages.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lossd/v1/loss_service.pb.h"
#include "proto/wire/enums.h"

namespace lossd {
namespace {

using wire::ToWire;

v1::Reduction ToWire(Reduction reduction) {
  switch (reduction) {
    case Reduction::kMean:
      return v1::MEAN;
    case Reduction::kSum:
      return v1::SUM;
    case Reduction::kNone:
      return v1::NONE;
  }
  return v1::REDUCTION_UNSPECIFIED;
}

v1::Divisor ToWire(Divisor divisor) {
  switch (divisor) {
    case Divisor::kCount:
      return v1::COUNT;
    case Divisor::kWeightSum:
      return v1::WEIGHT_SUM;
    case Divisor::kBatch:
      return v1::BATCH;
  }
  return v1::DIVISOR_UNSPECIFIED;
}

// Defaults are left out: a small request stays small.
void FillOptions(const Options& options, v1::Options* wire) {
  if (options.input_kind != InputKind::kUnspecified) wire->set_input_kind(ToWire(options.input_kind));
  if (options.reduction != Reduction::kMean) wire->set_reduction(ToWire(options.reduction));
  if (options.divisor.has_value()) wire->set_divisor(ToWire(*options.divisor));
  if (options.normalizer.has_value()) wire->set_normalizer(*options.normalizer);
  if (options.clip_policy != ClipPolicy::kNone) wire->set_clip_policy(ToWire(options.clip_policy));
  if (options.non_finite_policy == NonFinitePolicy::kError) wire->set_non_finite_policy(v1::ERROR);
  if (options.empty_policy == EmptyPolicy::kNan) wire->set_empty_policy(v1::NAN_VALUE);
}

void FillTensor(const ConstTensor& tensor, wire::Payloads* payloads, v1::Tensor* wire) {
  wire->set_dtype(ToWire(tensor.dtype));
  wire->mutable_shape()->Add(tensor.shape.begin(), tensor.shape.end());
  payloads->Attach(wire, Segments{{tensor.bytes.data(), tensor.bytes.size()}});
}

template <class Request>
std::vector<wire::Piece> EncodeCall(const LossCall& call) {
  Request request;
  wire::Payloads payloads;
  request.set_loss(call.loss);
  for (const auto& [name, value] : call.params) {
    (*request.mutable_params()->mutable_fields())[name].set_number_value(value);
  }
  FillOptions(call.options, request.mutable_options());
  FillTensor(call.y_true, &payloads, request.mutable_y_true());
  FillTensor(call.y_pred, &payloads, request.mutable_y_pred());
  if (call.sample_weight) FillTensor(*call.sample_weight, &payloads, request.mutable_sample_weight());
  if (call.mask) FillTensor(*call.mask, &payloads, request.mutable_mask());
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
  const auto it = response.gradients().find("y_pred");
  if (it == response.gradients().end()) return BadAnswer("no gradient of y_pred");
  if (!destination.has_value()) {
    absl::StatusOr<Tensor> gradient = ReceiveTensor("gradients[y_pred]", it->second, payloads);
    if (!gradient.ok()) return gradient.status();
    result.gradient = *std::move(gradient);
    return result;
  }
  const absl::StatusOr<Received> received = CheckTensor("gradients[y_pred]", it->second, payloads);
  if (!received.ok()) return received.status();
  if (received->size_bytes != destination->size()) return BadAnswer("gradients[y_pred]: not the size of y_pred");
  Gather(*received->segments, destination->data());
  return result;
}

}  // namespace

std::vector<wire::Piece> EncodeEvaluate(const LossCall& call) { return EncodeCall<v1::EvaluateRequest>(call); }
std::vector<wire::Piece> EncodeGradient(const LossCall& call) { return EncodeCall<v1::GradientRequest>(call); }

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
