// Evaluate and Gradient differ in one bit of the request and one tensor of the answer: they are one mechanism.
#include "core/evaluate.h"

#include <utility>

#include "lossd/v1/loss_service.pb.h"
#include "proto/wire/payload.h"
#include "server/convert/request.h"
#include "server/convert/response.h"
#include "server/handlers/answer.h"
#include "server/handlers/handlers.h"

namespace lossd::server {
namespace {

// What a call takes from here on: its message, what protobuf and we made of it, the outputs, and scratch.
size_t ExactBytes(const UnaryCall& call, const v1::GradientRequest& message, const ConvertedValues& converted,
                  const Problem& problem, const Plan& plan, int num_threads) {
  size_t bytes = call.request_bytes() + message.SpaceUsedLong();
  for (const auto& values : converted) bytes += values.size();
  return bytes + problem.per_item_bytes() + problem.gradient_bytes() + plan.partial_bytes +
         plan.workspace_bytes * std::min<size_t>(plan.num_shards, num_threads);
}

std::byte* Bytes(const grpc::Slice& slice) {
  // A slice shows its bytes as const; this one is ours, and nobody else has seen it.
  return slice.size() == 0 ? nullptr : reinterpret_cast<std::byte*>(const_cast<uint8_t*>(slice.begin()));
}

// Most that protobuf itself parses of a request: names, params, and tensors typed by hand as lists. Lists grow when
// they are parsed (a label of one byte becomes eight), before Settle can see them; this bounds what a thread holds
// unreserved.
constexpr size_t kMaxSkeletonBytes = 4 << 20;

absl::StatusOr<grpc::ByteBuffer> Run(HandlerContext& context, UnaryCall& call, bool gradient) {
  // Decode: a skeleton, and the tensors' bytes where the network left them.
  v1::GradientRequest message;
  wire::Payloads payloads;
  ConvertedValues converted;
  if (auto status = wire::Decode(call.request(), &message, &payloads, kMaxSkeletonBytes); !status.ok()) return status;

  // Make the problem: the only place that checks.
  auto request = ToRequest(message, payloads, gradient, &converted);
  if (!request.ok()) return request.status();
  const auto problem = MakeProblem(*std::move(request));
  if (!problem.ok()) return problem.status();

  // Settle: what was reserved for the worst case becomes what this call takes.
  const Plan plan = MakePlan(*problem);
  if (!call.Settle(ExactBytes(call, message, converted, *problem, plan, context.executor.num_threads()))) {
    return absl::ResourceExhaustedError(
        "the server is at its memory budget, and this call takes more than it declared");
  }

  // Evaluate, into the memory that will be sent.
  context.on_evaluation(*problem, plan);
  const grpc::Slice per_item = NewOutput(problem->per_item_bytes());
  const grpc::Slice slope = NewOutput(problem->gradient_bytes());
  const auto result = lossd::Evaluate(*problem, plan, {.per_item = Bytes(per_item), .gradient = Bytes(slope)},
                                      context.executor, call.cancellation());
  if (!result.ok()) return result.status();

  // Encode.
  return ToResponse(*problem, *result, per_item, slope);
}

void Handle(HandlerContext& context, UnaryCall& call, bool gradient) {
  const auto work = [&context, &call, gradient] { Answer(call, [&] { return Run(context, call, gradient); }); };
  if (call.request_bytes() <= kInlineRequestBytes) {
    work();
  } else {
    context.executor.Enqueue(work);  // whole: MakeProblem reads labels and masks, which takes its time too
  }
}

}  // namespace

void Evaluate(HandlerContext& context, UnaryCall& call) { Handle(context, call, /*gradient=*/false); }
void Gradient(HandlerContext& context, UnaryCall& call) { Handle(context, call, /*gradient=*/true); }

}  // namespace lossd::server
