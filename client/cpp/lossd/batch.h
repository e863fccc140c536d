// One loss over a batch of any size, sent in chunks of rows: the server keeps no more than a chunk, and the result has
// the bits of Evaluate over all rows at once.
//
//   auto batch = client->OpenBatch({.loss = "huber", .params = {{"delta", 1.5}}}, {});
//   while (Read(&targets, &predictions)) {
//     auto added = batch->Add({.y_true = lossd::ConstTensor::Of(targets), .y_pred =
//     lossd::ConstTensor::Of(predictions)}); if (!added.ok()) return added;
//   }
//   absl::StatusOr<lossd::EvaluateResult> result = batch->Finish();
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lossd/client.h"
#include "lossd/stream.h"

namespace lossd {

// Tensors whose first axis is that of the rows, all of the same size; the same tensors in every chunk.
struct Rows {
  std::optional<ConstTensor> y_true = {};
  std::optional<ConstTensor> y_pred = {};
  std::optional<ConstTensor> sample_weight = {};
  std::optional<ConstTensor> mask = {};
  std::optional<ConstTensor> element_weight = {};
  std::vector<std::pair<std::string, ConstTensor>> inputs = {};
};

// Not thread-safe; movable, a moved-from batch can only be destroyed or assigned to. Outlives its client.
class Batch {
 public:
  Batch(Batch&&) noexcept;
  Batch& operator=(Batch&&) noexcept;
  ~Batch();  // cancels what was not finished

  // Sends a chunk behind those before. The memory that it borrows is free again when this returns. An error that is not
  // about max_request_bytes is that of the server, and the batch is over.
  [[nodiscard]] absl::Status Add(const Rows& rows);
  // The result over all rows. At most once, and no Add behind it.
  [[nodiscard]] absl::StatusOr<EvaluateResult> Finish();

 private:
  friend class Client;
  Batch(std::unique_ptr<MessageStream> messages, absl::Status begun);

  std::unique_ptr<MessageStream> messages_;
  absl::Status begun_;  // of sending the header
};

}  // namespace lossd
