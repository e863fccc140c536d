// LossService with every method generic: gRPC lists it in reflection, and hands its calls to the transport.
#pragma once

#include "lossd/v1/loss_service.grpc.pb.h"

namespace lossd::server {

template <class Base>
using WithUnaryMethods = v1::LossService::WithGenericMethod_Evaluate<v1::LossService::WithGenericMethod_Gradient<
    v1::LossService::WithGenericMethod_ListLosses<v1::LossService::WithGenericMethod_DescribeLoss<Base>>>>;
template <class Base>
using WithStreamingMethods = v1::LossService::WithGenericMethod_EvaluateStream<
    v1::LossService::WithGenericMethod_GradientStream<v1::LossService::WithGenericMethod_EvaluateBatch<Base>>>;

using GenericLossService = WithUnaryMethods<WithStreamingMethods<v1::LossService::Service>>;

}  // namespace lossd::server
