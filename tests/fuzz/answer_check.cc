#include "tests/fuzz/answer_check.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <optional>
#include <set>
#include <span>

#include "core/registry.h"
#include "core/strings.h"
#include "core/tensor/shape.h"
#include "lossd/v1/loss_service.pb.h"

namespace lossd::fuzz {
namespace {

// A tensor as its receiver reads it: what a list leaves out is filled in.
struct Described {
  v1::DType dtype;
  Shape shape;
  friend bool operator==(const Described& a, const Described& b) { return a.dtype == b.dtype && a.shape == b.shape; }
};
Described Describe(const v1::Tensor& tensor) {
  Described described{tensor.dtype(), Shape(tensor.shape().begin(), tensor.shape().end())};
  const auto list = [&](v1::DType natural, int size) {
    if (described.dtype == v1::DTYPE_UNSPECIFIED) described.dtype = natural;
    if (described.shape.empty()) described.shape = {size};
  };
  if (tensor.has_floats()) list(v1::F32, tensor.floats().values_size());
  if (tensor.has_doubles()) list(v1::F64, tensor.doubles().values_size());
  if (tensor.has_ints()) list(v1::I64, tensor.ints().values_size());
  if (tensor.has_bools()) list(v1::BOOL, tensor.bools().values_size());
  return described;
}
std::string ToString(const Described& tensor) {
  return Cat(v1::DType_Name(tensor.dtype), " ", lossd::ToString(tensor.shape));
}

// Null: it was not sent.
const v1::Tensor* Sent(const v1::GradientRequest& request, const std::string& name) {
  const auto* const field = v1::GradientRequest::descriptor()->FindFieldByName(name);
  if (field != nullptr && field->message_type() == v1::Tensor::descriptor() &&
      request.GetReflection()->HasField(request, field)) {
    return static_cast<const v1::Tensor*>(&request.GetReflection()->GetMessage(request, field));
  }
  const auto input = request.inputs().find(name);
  return input == request.inputs().end() ? nullptr : &input->second;
}

// Empty, or why these are not the bytes of a tensor.
std::string WrongWithBytes(const std::string& name, const v1::Tensor& tensor) {
  const auto count = ElementCount(std::span(tensor.shape().data(), tensor.shape_size()));
  if (!count || tensor.dtype() < v1::F32 || tensor.dtype() > v1::BOOL) return Cat(name, ": no tensor");
  const size_t expected = *count * SizeOf(static_cast<DType>(tensor.dtype() - 1));
  const size_t given = tensor.has_shared_memory() ? tensor.shared_memory().byte_size() : tensor.raw().size();
  return given == expected ? "" : Cat(name, ": ", given, " bytes, expected ", expected);
}

// Of one output: `like` is the input whose shape and dtype it has.
std::string WrongWithOutput(const std::string& name, const v1::Tensor& output, const v1::Tensor* like) {
  if (like == nullptr) return Cat(name, ": of an input that was not sent");
  const Described expected = Describe(*like), given = Describe(output);
  if (given != expected) return Cat(name, ": ", ToString(given), ", expected ", ToString(expected));
  return WrongWithBytes(name, output);
}

std::string WrongWithReduction(const v1::GradientRequest& request, const v1::GradientResponse& answer,
                               const std::string& first) {
  if (answer.has_value() == answer.has_per_item()) return "neither a value nor values per item, or both";
  if (request.has_objective()) return answer.has_value() ? "" : "an objective without a value";
  const v1::Reduction asked = request.options().reduction();
  if (asked != v1::REDUCTION_UNSPECIFIED && (asked == v1::NONE) != answer.has_per_item()) return "another reduction";
  if (answer.valid_count() < 0) return "valid_count below 0";
  if (!answer.has_per_item()) return "";
  const v1::Tensor* const prediction = Sent(request, first);
  if (prediction == nullptr || Describe(*prediction).dtype != answer.per_item().dtype()) return "per_item: its dtype";
  return WrongWithBytes("per_item", answer.per_item());
}

std::string WrongWithGradients(const v1::GradientRequest& request, const v1::GradientResponse& answer,
                               const std::string& first) {
  for (const auto& [name, tensor] : answer.gradients()) {
    if (auto wrong = WrongWithOutput("gradients." + name, tensor, Sent(request, name)); !wrong.empty()) return wrong;
  }
  for (const auto& [name, tensor] : answer.hessian_diagonals()) {
    if (auto wrong = WrongWithOutput("hessian_diagonals." + name, tensor, Sent(request, name)); !wrong.empty()) {
      return wrong;
    }
  }
  const std::set<std::string> asked(request.with_respect_to().begin(), request.with_respect_to().end());
  for (const std::string& name : asked) {
    if (!answer.gradients().contains(name)) return Cat("gradients.", name, ": missing");
  }
  if (!asked.empty() && asked.size() != static_cast<size_t>(answer.gradients_size()))
    return "gradients that nobody asked for";
  if (asked.empty() && answer.gradients().empty()) return "no gradient";
  if (!request.has_objective() && request.hessian_diagonal() != answer.hessian_diagonals().contains(first)) {
    return "hessian_diagonals: missing, or not asked for";
  }
  return "";
}

}  // namespace

std::string WrongWith(const std::string& request_bytes, bool gradient, const std::string& answer_bytes) {
  v1::GradientRequest request;
  v1::GradientResponse answer;
  if (!request.ParseFromString(request_bytes)) return "an answer to what is no request";
  if (!answer.ParseFromString(answer_bytes)) return "not a response";
  std::string first;
  if (!request.has_objective()) {
    const auto loss = FindLoss(answer.loss());
    if (!loss.ok() || loss->loss.contract->name != answer.loss()) return "loss: not a canonical name";
    first = loss->loss.contract->inputs[0].name;
  }
  if (auto wrong = WrongWithReduction(request, answer, first); !wrong.empty()) return wrong;
  for (const auto& [name, tensor] : answer.outputs()) {
    if (auto wrong = WrongWithBytes("outputs." + name, tensor); !wrong.empty()) return wrong;
  }
  if (gradient) return WrongWithGradients(request, answer, first);
  return answer.gradients().empty() && answer.hessian_diagonals().empty() ? "" : "gradients of an Evaluate";
}

std::string InOrder(const std::string& answer) {
  v1::GradientResponse message;
  message.ParseFromString(answer);
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&out);
  }
  return bytes;
}

}  // namespace lossd::fuzz
