// LossService as it is registered with gRPC: generic methods, whose calls the transport takes headers first.
#pragma once

#include "lossd/v1/loss_service.grpc.pb.h"

namespace lossd::server {

template <class Base>
using WithGenericUnaryMethods = v1::LossService::WithGenericMethod_Evaluate<v1::LossService::WithGenericMethod_Gradient<
    v1::LossService::WithGenericMethod_ListLosses<v1::LossService::WithGenericMethod_DescribeLoss<Base>>>>;
template <class Base>
using WithGenericStreams =
    v1::LossService::WithGenericMethod_EvaluateStream<v1::LossService::WithGenericMethod_GradientStream<Base>>;

// EvaluateBatch stays an ordinary method: gRPC does not list a service in reflection whose methods are all generic. It
// answers UNIMPLEMENTED without reading, as the other streams do.
class LossService : public WithGenericUnaryMethods<WithGenericStreams<v1::LossService::Service>> {
 public:
  grpc::Status EvaluateBatch(grpc::ServerContext*, grpc::ServerReader<v1::EvaluateBatchRequest>*,
                             v1::EvaluateResponse*) override {
    return {grpc::StatusCode::UNIMPLEMENTED,
            "EvaluateBatch is not served yet; send parts of the batch as Evaluate calls, and add up sum and divisor"};
  }
};

}  // namespace lossd::server
