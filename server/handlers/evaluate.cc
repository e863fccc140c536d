// Evaluate and Gradient differ in one bit of the request and one tensor of the answer: they are one mechanism.
#include "core/evaluate.h"

#include <algorithm>
#include <utility>

#include "lossd/v1/loss_service.pb.h"
#include "proto/wire/payload.h"
#include "server/convert/objective.h"
#include "server/convert/request.h"
#include "server/convert/response.h"
#include "server/handlers/answer.h"
#include "server/handlers/handlers.h"
#include "server/handlers/shared_memory.h"

namespace lossd::server {
namespace {

// What a call takes beside its outputs: its message, and what protobuf and we made of it.
size_t HeldBytes(const UnaryCall& call, const v1::GradientRequest& message, const ConvertedValues& converted) {
  size_t bytes = call.request_bytes() + message.SpaceUsedLong();
  for (const auto& values : converted) bytes += values.size();
  return bytes;
}

absl::Status OverBudget() {
  return absl::ResourceExhaustedError("the server is at its memory budget, and this call takes more than it declared");
}

// The same beats for a weighted sum of losses.
absl::StatusOr<grpc::ByteBuffer> RunObjective(HandlerContext& context, UnaryCall& call,
                                              const v1::GradientRequest& message, const TensorsByName& views,
                                              size_t held, bool gradient) {
  if (!message.output_regions().empty()) {
    return absl::InvalidArgumentError("output_regions: not for an objective; its gradients come in the response");
  }
  const auto terms = ToTerms(message, views, gradient);
  if (!terms.ok()) return terms.status();
  if (!call.Settle(held + ObjectiveBytes(*terms, context.executor.num_threads()))) return OverBudget();
  for (const Term& term : *terms) {
    for (const Problem& problem : term.problems) context.on_evaluation(problem, MakePlan(problem));
  }
  const auto result = EvaluateObjective(*terms, context.executor, call.cancellation());
  if (!result.ok()) return result.status();
  return ToResponse(*result);
}

absl::StatusOr<grpc::ByteBuffer> Run(HandlerContext& context, UnaryCall& call, bool gradient) {
  // Decode: a skeleton, and the tensors' bytes where the network left them.
  v1::GradientRequest message;
  wire::Payloads payloads;
  size_t copied = 0;
  ConvertedValues converted = NewConvertedValues(context, call, &copied);
  if (auto status = wire::Decode(call.request(), &message, &payloads, kMaxSkeletonBytes); !status.ok()) return status;

  auto views = ToViews(message, payloads, gradient, &converted);
  if (!views.ok()) return views.status();
  const size_t held = HeldBytes(call, message, converted);
  if (message.has_objective()) return RunObjective(context, call, message, *views, held, gradient);

  // Make the problem: the only place that checks.
  auto request = ToRequest(message, *std::move(views), gradient);
  if (!request.ok()) return request.status();
  auto problem = MakeProblem(*std::move(request));
  if (!problem.ok()) return problem.status();
  const auto places = PlaceOutputs(message, *problem, &converted);
  if (!places.ok()) return places.status();
  problem->outputs_change = !places->empty();

  // Settle: what was reserved for the worst case becomes what this call takes.
  const Plan plan = MakePlan(*problem);
  const size_t num_threads = context.executor.num_threads();
  if (!call.Settle(held + OutputBytes(*problem, *places) + problem->permuted_bytes() + plan.partial_bytes +
                   plan.workspace_bytes * std::min(plan.num_shards, num_threads))) {
    return OverBudget();
  }

  // Evaluate, into the memory that will be sent.
  context.on_evaluation(*problem, plan);
  const OutputSlices slices(*problem, *places);
  const auto result = lossd::Evaluate(*problem, plan, slices.outputs(), context.executor, call.cancellation());
  if (!result.ok()) return result.status();

  // Encode.
  return ToResponse(*problem, *result, slices);
}

void Handle(HandlerContext& context, UnaryCall& call, bool gradient) {
  const auto work = [&context, &call, gradient] { Answer(call, [&] { return Run(context, call, gradient); }); };
  if (IsSmall(context, call)) {
    work();
  } else {
    context.executor.Enqueue(work);  // whole: MakeProblem reads labels and masks, which takes its time too
  }
}

}  // namespace

void Evaluate(HandlerContext& context, UnaryCall& call) { Handle(context, call, /*gradient=*/false); }
void Gradient(HandlerContext& context, UnaryCall& call) { Handle(context, call, /*gradient=*/true); }

}  // namespace lossd::server
