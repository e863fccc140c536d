// Evaluate and Gradient differ in one bit of the request and one tensor of the answer: they are one mechanism.
#include "core/evaluate.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "core/contents.h"
#include "google/protobuf/arena.h"
#include "lossd/v1/loss_service.pb.h"
#include "proto/wire/payload.h"
#include "server/convert/objective.h"
#include "server/convert/request.h"
#include "server/convert/response.h"
#include "server/handlers/answer.h"
#include "server/handlers/handlers.h"
#include "server/handlers/prepared.h"
#include "server/handlers/shared_memory.h"

namespace lossd::server {
namespace {

// What protobuf makes of a request is asked of it where that may be much; it answers slowly. Below, its worst case of
// 28 bytes for one is less than what every call is granted for its own overhead.
constexpr size_t kFewSkeletonBytes = 2 << 10;

// A longer skeleton holds lists typed by hand: its cost is not remembered.
constexpr size_t kLongestKnownSkeleton = 4 << 10;

// What a call takes beside its outputs: its message, and what protobuf and we made of it.
size_t HeldBytes(const UnaryCall& call, const v1::GradientRequest& message, const wire::Payloads& payloads,
                 const ConvertedValues& converted) {
  size_t bytes = call.request_bytes();
  if (call.request_bytes() - payloads.size_bytes() > kFewSkeletonBytes) bytes += message.SpaceUsedLong();
  for (const auto& values : converted) bytes += values.size();
  return bytes;
}

absl::Status OverBudget() {
  return absl::ResourceExhaustedError("the server is at its memory budget, and this call takes more than it declared");
}

// On the stack, for what protobuf makes of a usual request.
constexpr size_t kArenaBytes = 4 << 10;

// Whose threads a request is computed on.
struct Threads {
  Executor& executor;
  size_t num_used = 1;  // at most; known when it has been computed
};

// The same beats for a weighted sum of losses.
absl::StatusOr<grpc::ByteBuffer> RunObjective(HandlerContext& context, Threads& threads, UnaryCall& call,
                                              const v1::GradientRequest& message, const TensorsByName& views,
                                              size_t held, bool gradient) {
  if (!message.output_regions().empty()) {
    return absl::InvalidArgumentError("output_regions: not for an objective; its gradients come in the response");
  }
  const auto terms = ToTerms(message, views, gradient);
  if (!terms.ok()) return terms.status();
  Executor& executor = threads.executor;
  threads.num_used = executor.num_threads();
  if (!call.Settle(held + ObjectiveBytes(*terms, threads.num_used))) return OverBudget();
  for (const Term& term : *terms) {
    for (const Problem& problem : term.problems) context.on_evaluation(problem, MakePlan(problem));
  }
  const auto result = EvaluateObjective(*terms, executor, call.cancellation());
  if (!result.ok()) return result.status();
  return ToResponse(*result);
}

// Evaluates a problem into the memory that will be sent, or where the caller wants it. `held` is what the call takes
// beside.
absl::StatusOr<grpc::ByteBuffer> Compute(HandlerContext& context, Threads& threads, UnaryCall& call,
                                         const Problem& problem, const Plan& plan, size_t held,
                                         const OutputPlaces& places = {}) {
  // Settle: what was reserved for the worst case becomes what this call takes.
  threads.num_used = std::clamp<size_t>(plan.num_shards, 1, threads.executor.num_threads());
  const Overwritten overwritten = FindOverwritten(problem, places, call.request());
  if (!call.Settle(held + OutputBytes(problem, places, overwritten) + problem.permuted_bytes() + plan.partial_bytes +
                   plan.workspace_bytes * threads.num_used)) {
    return OverBudget();
  }
  context.on_evaluation(problem, plan);
  const OutputSlices slices(problem, places, overwritten);
  const auto result = lossd::Evaluate(problem, plan, slices.outputs(), threads.executor, call.cancellation());
  if (!result.ok()) return result.status();
  return ToResponse(problem, *result, slices, call.request());
}

// A request taken apart: a skeleton, and the tensors' bytes where the network left them.
struct Parts {
  std::string skeleton;
  wire::Payloads payloads;
};
absl::Status TakeApart(const UnaryCall& call, size_t most_skeleton_bytes, Parts* parts) {
  return wire::TakeApart(call.request().segments(), v1::GradientRequest::descriptor(), &parts->skeleton,
                         &parts->payloads, most_skeleton_bytes);
}

// What a request asks for is found out, checked and computed.
absl::StatusOr<grpc::ByteBuffer> Run(HandlerContext& context, Threads& threads, UnaryCall& call, const Parts& parts,
                                     bool gradient, PreparedProblems* prepared) {
  alignas(std::max_align_t) char first_block[kArenaBytes];
  google::protobuf::Arena arena(first_block, sizeof(first_block));
  auto& message = *google::protobuf::Arena::CreateMessage<v1::GradientRequest>(&arena);
  if (auto status = wire::Parse(parts.skeleton, &message); !status.ok()) return status;

  size_t copied = 0;
  ConvertedValues converted = NewConvertedValues(context, call, &copied);
  auto views = ToViews(message, parts.payloads, gradient, &converted);
  if (!views.ok()) return views.status();
  const size_t held = HeldBytes(call, message, parts.payloads, converted);
  if (message.has_objective()) return RunObjective(context, threads, call, message, *views, held, gradient);

  // Make the problem: the only place that checks.
  auto request = ToRequest(message, *std::move(views), gradient);
  if (!request.ok()) return request.status();
  auto problem = MakeProblem(*std::move(request));
  if (!problem.ok()) return problem.status();
  const auto places = PlaceOutputs(message, *problem, &converted);
  if (!places.ok()) return places.status();
  problem->outputs_change = !places->empty();
  const Plan plan = MakePlan(*problem);
  auto answer = Compute(context, threads, call, *problem, plan, held, *places);
  if (prepared != nullptr && answer.ok() && places->empty()) {
    prepared->Keep(parts.skeleton, gradient, parts.payloads, *std::move(problem), plan);
  }
  return answer;
}

// On the thread that read the request, in whose turn nothing else runs: it keeps what it learns for the next one.
absl::StatusOr<grpc::ByteBuffer> RunSmall(HandlerContext& context, UnaryCall& call, bool gradient) {
  thread_local Parts parts;
  thread_local PreparedProblems prepared;
  Threads threads{context.executor};
  if (auto status = TakeApart(call, kMaxSkeletonBytes, &parts); !status.ok()) return status;
  if (Prepared* const known = prepared.Find(parts.skeleton, gradient, parts.payloads)) {
    if (auto status = CheckContents(known->problem); !status.ok()) return status;
    return Compute(context, threads, call, known->problem, known->plan, call.request_bytes());
  }
  return Run(context, threads, call, parts, gradient, &prepared);
}

absl::StatusOr<grpc::ByteBuffer> RunLarge(HandlerContext& context, Executor& executor, UnaryCall& call, bool gradient) {
  Parts parts;
  if (auto status = TakeApart(call, kMaxSkeletonBytes, &parts); !status.ok()) return status;
  Threads threads{executor};
  const auto begin = ThreadCpuTime();
  auto answer = Run(context, threads, call, parts, gradient, nullptr);
  if (context.costs != nullptr && answer.ok() && parts.skeleton.size() <= kLongestKnownSkeleton) {
    // What one thread alone would take, or more.
    context.costs->Note(parts.skeleton, gradient, (ThreadCpuTime() - begin) * threads.num_used);
  }
  return answer;
}

std::optional<std::chrono::microseconds> KnownCost(const HandlerContext& context, const UnaryCall& call,
                                                   bool gradient) {
  Parts parts;
  if (context.costs == nullptr || !TakeApart(call, kLongestKnownSkeleton, &parts).ok()) return std::nullopt;
  return context.costs->Find(parts.skeleton, gradient);
}

void Handle(HandlerContext& context, UnaryCall& call, bool gradient) {
  if (IsSmall(context, call)) {
    NoteSmallRequest();
    Answer(call, [&] { return RunSmall(context, call, gradient); });
    return;
  }
  const auto cost = KnownCost(context, call, gradient);
  // Where many calls are under way, what one of them cut off for other threads would only wake these. (Twice: a cost
  // that was noted of several threads may be too high, and one thread alone puts it right.)
  const bool alone = cost && *cost <= 2 * kLongestInline && context.is_crowded && context.is_crowded();
  Executor& executor = alone ? *context.alone : context.executor;
  const auto run = [&context, &executor, &call, gradient] {
    Answer(call, [&] { return RunLarge(context, executor, call, gradient); });
  };
  if (cost && *cost <= kLongestInline && !ThreadIsBusy() && !SmallRequestsCome()) {
    run();
  } else {
    call.RunLong(run);  // whole: MakeProblem reads labels and masks, which takes its time too
  }
}

}  // namespace

void Evaluate(HandlerContext& context, UnaryCall& call) { Handle(context, call, /*gradient=*/false); }
void Gradient(HandlerContext& context, UnaryCall& call) { Handle(context, call, /*gradient=*/true); }

}  // namespace lossd::server
