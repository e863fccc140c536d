// The client of lossd: loss functions and their gradients from a server.
//
//   auto client = lossd::Client::Create({.address = "127.0.0.1:50051"});
//   std::vector<float> logits = ..., labels = ...;
//   lossd::LossCall call{.loss = "huber", .y_true = lossd::ConstTensor::Of(targets),
//                        .y_pred = lossd::ConstTensor::Of(predictions), .params = {{"delta", 1.5}}};
//   absl::StatusOr<lossd::GradientResult> result = client->Gradient(call);
//   if (result.ok()) Step(*result->value, result->gradient.values<float>());
//
// Memory. Tensors are sent from where they lie and received into their place: a tensor is copied once, out of the
// buffers that the network filled. The memory that a LossCall borrows is free again when the function returns, whatever
// it returns. A call that ends early (deadline, error) may leave bytes of it on their way into a socket that nobody
// reads. The function then waits for them; after 0.1 seconds it also leaves the connection, so that later calls have a
// new one, and a TCP connection on which nothing moves is closed after stall_timeout, which ends the wait. (A Unix
// socket is closed by its peer alone: a server that is stopped but alive holds such a call.)
//
// Errors are those of the service (proto/lossd/v1/loss_service.proto) and of gRPC, with their canonical codes. Of the
// client's own: RESOURCE_EXHAUSTED for a request over max_message_bytes, INVALID_ARGUMENT for options and destinations
// that cannot be, INTERNAL for an answer that is not one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/options.h"
#include "lossd/tensor.h"

namespace lossd {

namespace v1 {
class ListLossesResponse;
class DescribeLossResponse;
}  // namespace v1

// UNAVAILABLE is tried again by gRPC itself, with exponential backoff and jitter; RESOURCE_EXHAUSTED only after the
// time for which the server asks in `grpc-retry-pushback-ms`, and not where it does not. Every attempt lies within the
// deadline.
struct RetryOptions {
  int max_attempts = 5;  // in all, 1 to 5: gRPC makes no more; 1: never try again
  absl::Duration initial_backoff = absl::Milliseconds(50);
  absl::Duration max_backoff = absl::Seconds(1);
  double backoff_multiplier = 2;
};

struct ClientOptions {
  std::string address = "127.0.0.1:50051";     // HOST:PORT, or unix:/path/of/socket; not encrypted
  absl::Duration timeout = absl::Seconds(60);  // of a call with all its attempts
  RetryOptions retry = {};
  absl::Duration stall_timeout = absl::Seconds(20);  // a TCP connection whose peer takes no bytes for so long is closed
  size_t max_message_bytes = size_t{1} << 30;        // of a request; at most 2^31 - 1, the limit of protobuf
};

// What a parameter is set to: a number, a flag, or a word.
using ParamValue = std::variant<double, bool, std::string>;

// What to evaluate. proto/lossd/v1/loss_service.proto says which shapes and dtypes belong together. (Every member has
// an initializer so that naming a few of them draws no warning.)
struct LossCall {
  std::string loss = {};  // canonical name or alias
  std::optional<ConstTensor> y_true = {};
  std::optional<ConstTensor> y_pred = {};
  std::optional<ConstTensor> sample_weight = {};
  std::optional<ConstTensor> mask = {};
  std::vector<std::pair<std::string, ParamValue>> params = {};
  Options options = {};
  // What else the loss reads, by name: "variance", "pos_weight".
  std::vector<std::pair<std::string, ConstTensor>> inputs = {};
  std::optional<ConstTensor> element_weight = {};
  std::optional<ConstTensor> class_weight = {};
  std::optional<ConstTensor> class_mask = {};
  std::vector<std::string> with_respect_to = {};  // of Gradient; empty: y_pred, or all of a loss without one
  bool hessian_diagonal = false;                  // of Gradient
  std::optional<ConstTensor> upstream = {};       // of Gradient with the reduction NONE: what per_item is weighed with
  std::optional<absl::Duration> timeout = {};     // instead of ClientOptions::timeout
  // Outputs that go to shared memory, by their path in the response: "gradients.y_pred", "per_item". The result has the
  // dtype and shape of such a tensor, and no bytes.
  std::vector<std::pair<std::string, SharedPlace>> output_regions = {};
};

struct EvaluateResult {
  std::optional<double> value;  // the reduced loss; none where the reduction is NONE
  double sum = 0;
  double divisor = 1;
  int64_t valid_count = 0;
  double weight_sum = 0;
  std::string loss;                       // canonical name
  std::optional<Tensor> per_item;         // where the reduction is NONE
  std::map<std::string, Tensor> outputs;  // what the loss reports beside, by name: "feasible" of ctc
};

struct GradientResult : EvaluateResult {
  Tensor gradient;                          // with respect to y_pred: its shape and dtype; empty where not asked for
  std::map<std::string, Tensor> gradients;  // with respect to the other inputs, by name
  std::optional<Tensor> hessian_diagonal;   // where asked for, with respect to the first input
};

class Batch;
template <class Result>
class LossStream;
struct StreamOptions;

// One connection to one server. Thread-safe; movable, but not while calls run. A moved-from client can only be
// destroyed or assigned to.
class Client {
 public:
  // Does not connect yet. INVALID_ARGUMENT for options outside their range.
  static absl::StatusOr<Client> Create(ClientOptions options);

  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  [[nodiscard]] absl::StatusOr<EvaluateResult> Evaluate(const LossCall& call) const;
  [[nodiscard]] absl::StatusOr<GradientResult> Gradient(const LossCall& call) const;
  // Writes the gradient with respect to y_pred to `gradient`, which must have its size; that of the result stays empty.
  // On an error `gradient` may be written in part.
  [[nodiscard]] absl::StatusOr<GradientResult> GradientInto(const LossCall& call, std::span<std::byte> gradient) const;

  // Many calls over one stream: lossd/stream.h. INVALID_ARGUMENT for options outside their range; whether the server
  // can be reached shows in what follows.
  [[nodiscard]] absl::StatusOr<LossStream<EvaluateResult>> OpenEvaluateStream(const StreamOptions& options) const;
  [[nodiscard]] absl::StatusOr<LossStream<GradientResult>> OpenGradientStream(const StreamOptions& options) const;

  // One loss over a batch in chunks: lossd/batch.h. `header` is the call without its rows; its memory is free again
  // when this returns.
  [[nodiscard]] absl::StatusOr<Batch> OpenBatch(const LossCall& header, const StreamOptions& options) const;

  // The catalogue, as the messages of lossd/v1/catalogue.pb.h: include it to use them.
  [[nodiscard]] absl::StatusOr<v1::ListLossesResponse> ListLosses() const;
  [[nodiscard]] absl::StatusOr<v1::DescribeLossResponse> DescribeLoss(std::string_view loss) const;

  // grpc.health.v1 for the server as a whole: OK where it is SERVING, UNAVAILABLE where it says otherwise.
  [[nodiscard]] absl::Status Check() const;

 private:
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace lossd
