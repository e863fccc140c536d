// A program that knows nothing of lossd but its package. Nobody listens where it calls: 0 when the client says so.
#include <vector>

#include "lossd/client.h"

int main() {
  const std::vector<float> y_true = {0, 1}, y_pred = {0.5f, 0.5f};
  const auto client = lossd::Client::Create({.address = "127.0.0.1:1", .timeout = absl::Seconds(5)});
  const auto result = client->Gradient(
      {.loss = "huber", .y_true = lossd::ConstTensor::Of(y_true), .y_pred = lossd::ConstTensor::Of(y_pred)});
  return result.status().code() == absl::StatusCode::kUnavailable ? 0 : 1;
}
