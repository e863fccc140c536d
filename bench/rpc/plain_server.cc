// The server that most would write first: the generated synchronous service, tensors in strings, plain loops, the C
// library's allocator. Two losses, float32.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "bench/rpc/serve.h"
#include "lossd/v1/loss_service.grpc.pb.h"

namespace lossd::bench {
namespace {

// The value of one element; its slope through the pointer.
using ElementLoss = float (*)(float, float, float*);

float SquaredError(float p, float t, float* slope) {
  const float difference = p - t;
  *slope = 2 * difference;
  return difference * difference;
}

float BinaryCrossentropy(float x, float t, float* slope) {
  *slope = 1 / (1 + std::exp(-x)) - t;
  return std::max(x, 0.0f) - x * t + std::log1p(std::exp(-std::abs(x)));
}

template <ElementLoss kLoss>
double Mean(const float* p, const float* t, size_t n, float* gradient) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    float slope;
    sum += kLoss(p[i], t[i], &slope);
    if (gradient != nullptr) gradient[i] = slope / static_cast<float>(n);
  }
  return sum / static_cast<double>(n);
}

template <class Request>
grpc::Status Compute(const Request& request, float* gradient, double* value) {
  const std::string& p = request.y_pred().raw();
  const std::string& t = request.y_true().raw();
  if (p.size() != t.size() || p.empty()) return {grpc::StatusCode::INVALID_ARGUMENT, "y_pred and y_true differ"};
  const auto* const predictions = reinterpret_cast<const float*>(p.data());
  const auto* const targets = reinterpret_cast<const float*>(t.data());
  const size_t count = p.size() / sizeof(float);
  *value = request.loss() == "mse" ? Mean<SquaredError>(predictions, targets, count, gradient)
                                   : Mean<BinaryCrossentropy>(predictions, targets, count, gradient);
  return grpc::Status::OK;
}

class PlainService final : public v1::LossService::Service {
  grpc::Status Evaluate(grpc::ServerContext*, const v1::EvaluateRequest* request,
                        v1::EvaluateResponse* response) override {
    double value = 0;
    const grpc::Status status = Compute(*request, nullptr, &value);
    response->set_value(value);
    return status;
  }

  grpc::Status Gradient(grpc::ServerContext*, const v1::GradientRequest* request,
                        v1::GradientResponse* response) override {
    v1::Tensor& gradient = (*response->mutable_gradients())["y_pred"];
    gradient.set_dtype(v1::F32);
    *gradient.mutable_shape() = request->y_pred().shape();
    gradient.mutable_raw()->resize(request->y_pred().raw().size());
    double value = 0;
    const grpc::Status status = Compute(*request, reinterpret_cast<float*>(gradient.mutable_raw()->data()), &value);
    response->set_value(value);
    return status;
  }
};

}  // namespace
}  // namespace lossd::bench

int main(int argc, char** argv) {
  lossd::bench::ParseServerFlags(argc, argv);
  lossd::bench::PlainService service;
  return lossd::bench::Serve({.add = [&](grpc::ServerBuilder& builder) {
    builder.SetMaxReceiveMessageSize(-1);
    builder.RegisterService(&service);
  }});
}
