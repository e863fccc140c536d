#include "bench/rpc/in_process.h"

#include <span>
#include <stdexcept>
#include <utility>

#include "lossd/v1/loss_service.pb.h"
#include "proto/wire/payload.h"
#include "server/convert/request.h"

namespace lossd::bench {
namespace {

void Check(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(std::string(status.message()));
}

template <class T>
T Value(absl::StatusOr<T> result) {
  Check(result.status());
  return *std::move(result);
}

Problem Make(const std::string& bytes, bool gradient, server::ConvertedValues* converted) {
  v1::GradientRequest message;
  wire::Payloads payloads;
  const Segment segment{reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()};
  Check(wire::Decode({&segment, 1}, &message, &payloads));
  auto views = Value(server::ToViews(message, payloads, gradient, converted));
  return Value(MakeProblem(Value(server::ToRequest(message, std::move(views), gradient))));
}

}  // namespace

InProcess::InProcess(std::string message, bool gradient)
    : message_(std::move(message)), problem_(Make(message_, gradient, &converted_)), plan_(MakePlan(problem_)) {
  const auto memory = [this](size_t bytes) { return bytes == 0 ? nullptr : memory_.emplace_back(bytes).data(); };
  outputs_.per_item = memory(problem_.per_item_bytes());
  outputs_.extra = memory(problem_.extra_bytes());
  for (size_t i = 0; i < problem_.inputs.size(); ++i) {
    outputs_.gradients[i] = memory(problem_.gradient_bytes(i));
    bytes_ += problem_.gradient_bytes(i);
    if (problem_.inputs[i].view) bytes_ += problem_.inputs[i].view->size_bytes();
  }
}

double InProcess::Evaluate(Executor& executor) {
  return Value(lossd::Evaluate(problem_, plan_, outputs_, executor, Cancellation())).value.value_or(0);
}

}  // namespace lossd::bench
