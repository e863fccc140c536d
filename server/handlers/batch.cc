// EvaluateBatch: the rows of one batch in many messages, added up by core/batch.h.
#include "core/batch.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "lossd/v1/loss_service.pb.h"
#include "proto/wire/payload.h"
#include "server/convert/request.h"
#include "server/convert/response.h"
#include "server/handlers/answer.h"
#include "server/handlers/handlers.h"
#include "server/handlers/shared_memory.h"

namespace lossd::server {
namespace {

// Two: one that is computed and one that is read meanwhile.
constexpr size_t kChunksInFlight = 2;

// The tensors of a message as those of a GradientRequest, for which the conversions are written.
v1::GradientRequest TakeChunk(v1::EvaluateBatchRequest& message) {
  v1::GradientRequest chunk;
  if (message.has_y_true()) chunk.mutable_y_true()->Swap(message.mutable_y_true());
  if (message.has_y_pred()) chunk.mutable_y_pred()->Swap(message.mutable_y_pred());
  if (message.has_sample_weight()) chunk.mutable_sample_weight()->Swap(message.mutable_sample_weight());
  if (message.has_mask()) chunk.mutable_mask()->Swap(message.mutable_mask());
  if (message.has_element_weight()) chunk.mutable_element_weight()->Swap(message.mutable_element_weight());
  chunk.mutable_inputs()->swap(*message.mutable_inputs());
  return chunk;
}

// An EvaluateRequest has the fields of a GradientRequest, with the same numbers. What those of a GradientRequest alone
// hold it does not know, and nobody has looked at it: not even whether a string is UTF-8.
absl::StatusOr<v1::GradientRequest> TakeHeader(v1::EvaluateRequest& message) {
  message.DiscardUnknownFields();
  v1::GradientRequest header;
  if (!header.ParseFromString(message.SerializeAsString())) return absl::InternalError("header: not to be copied");
  if (header.has_objective()) {
    return absl::InvalidArgumentError("header.objective: a batch in chunks is of one loss; send its terms as batches");
  }
  return header;
}

absl::Status NoMemory() {
  return absl::ResourceExhaustedError(
      "the server is at its memory budget, and this batch keeps, or takes for a chunk, more than was reserved");
}

class Batch {
 public:
  explicit Batch(HandlerContext& context) : context_(context) {}

  void OnRequest(StreamedRequest& request) {
    Where(IsSmall(context_, request), request, [this, &request] {
      Answer(request, [&]() -> absl::StatusOr<grpc::ByteBuffer> {
        if (absl::Status status = Add(request); !status.ok()) return status;
        return grpc::ByteBuffer();
      });
    });
  }

  void OnEnd(StreamedRequest& end) {
    Where(!evaluator_ || evaluator_->held_bytes() <= kInlineRequestBytes, end, [this, &end] {
      Answer(end, [&]() -> absl::StatusOr<grpc::ByteBuffer> {
        if (!evaluator_) return absl::InvalidArgumentError("header: missing; no message came");
        const absl::StatusOr<Result> result = evaluator_->Finish(end.cancellation());
        if (!result.ok()) return result.status();
        return ToResponse(evaluator_->problem(), *result, OutputSlices());
      });
    });
  }

 private:
  static void Where(bool here, UnaryCall& call, std::function<void()> work) {
    if (here) {
      work();
    } else {
      call.RunLong(std::move(work));
    }
  }

  absl::Status Add(StreamedRequest& request) {
    v1::EvaluateBatchRequest message;
    wire::Payloads payloads;
    size_t copied = 0;
    ConvertedValues converted = NewConvertedValues(context_, request, &copied);
    if (auto status = wire::Decode(request.request().segments(), &message, &payloads, kMaxSkeletonBytes);
        !status.ok()) {
      return status;
    }
    if (!evaluator_ && !message.has_header()) {
      return absl::InvalidArgumentError("header: missing; the first message carries it");
    }
    if (evaluator_ && message.has_header()) {
      return absl::InvalidArgumentError("header: in the first message alone; this is another one");
    }
    if (message.has_header()) {
      if (absl::Status status = Begin(*message.mutable_header(), payloads, converted); !status.ok()) return status;
      if (!request.Keep(evaluator_->held_bytes())) return NoMemory();
    }
    const v1::GradientRequest chunk = TakeChunk(message);
    const auto views = ToViews(chunk, payloads, /*gradient=*/false, &converted);
    if (!views.ok()) return views.status();
    size_t held = request.request_bytes() + chunk.SpaceUsedLong();
    for (const auto& values : converted) held += values.size();
    const auto admit = [&](const Problem& problem, const Plan& plan) {
      const size_t workers = std::min<size_t>(plan.num_shards, context_.executor.num_threads());
      context_.on_evaluation(problem, plan);
      return request.Settle(held + problem.permuted_bytes() + plan.partial_bytes + plan.workspace_bytes * workers);
    };
    if (absl::Status status = evaluator_->Add(*views, request.cancellation(), admit); !status.ok()) return status;
    return request.Keep(evaluator_->held_bytes()) ? absl::OkStatus() : NoMemory();
  }

  absl::Status Begin(v1::EvaluateRequest& message, const wire::Payloads& payloads, ConvertedValues& converted) {
    const auto header = TakeHeader(message);
    if (!header.ok()) return header.status();
    auto views = ToViews(*header, payloads, /*gradient=*/false, &converted);
    if (!views.ok()) return views.status();
    auto request = ToRequest(*header, *std::move(views), /*gradient=*/false);
    if (!request.ok()) return request.status();
    evaluator_.emplace(*std::move(request), context_.executor);
    return absl::OkStatus();
  }

  HandlerContext& context_;
  std::optional<BatchEvaluator> evaluator_;
};

}  // namespace

RequestStream EvaluateBatch(HandlerContext& context) {
  const auto batch = std::make_shared<Batch>(context);
  return {.on_request = [batch](StreamedRequest& request) { batch->OnRequest(request); },
          .on_end = [batch](StreamedRequest& end) { batch->OnEnd(end); },
          .max_in_flight = kChunksInFlight,
          .one_at_a_time = true};
}

}  // namespace lossd::server
