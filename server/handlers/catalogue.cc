#include "server/convert/catalogue.h"
#include "core/registry.h"
#include "lossd/v1/catalogue.pb.h"
#include "server/handlers/answer.h"
#include "server/handlers/handlers.h"

namespace lossd::server {

void ListLosses(UnaryCall& call) {
  Answer(call, [&]() -> absl::StatusOr<grpc::ByteBuffer> {
    v1::ListLossesRequest request;
    if (auto status = Parse(call.request().segments(), &request); !status.ok()) return status;
    v1::ListLossesResponse response;
    for (const Loss& loss : AllLosses()) *response.add_losses() = ToSummary(loss);
    return Serialize(response);
  });
}

void DescribeLoss(UnaryCall& call) {
  Answer(call, [&]() -> absl::StatusOr<grpc::ByteBuffer> {
    v1::DescribeLossRequest request;
    if (auto status = Parse(call.request().segments(), &request); !status.ok()) return status;
    const auto found = FindLoss(request.loss());
    if (!found.ok()) return found.status();
    return Serialize(ToDescription(found->loss));
  });
}

}  // namespace lossd::server
