// One logical batch that arrives in chunks of rows, in memory that does not grow with it, with the bits of the whole
// batch in one request.
//
// The bits hang on where blocks are cut: every so many items from the start of the batch, wherever a chunk ends. So the
// items that a chunk leaves over are carried to the next; a block that straddles two chunks is put together from both.
// And partial sums are merged in the order of the blocks over all chunks.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/evaluate.h"

namespace lossd {

// Tensors by the names of Request's fields or of its inputs, no name twice.
using Chunk = std::vector<std::pair<std::string, TensorView>>;

// A tensor that owns its bytes.
struct OwnedTensor {
  DType dtype;
  Shape shape;
  std::vector<std::byte> bytes;
  absl::StatusOr<TensorView> View(std::string_view name) const;
};

// Not thread-safe.
class BatchEvaluator {
 public:
  // Asked once for every chunk, when it has been checked and before memory is taken for its evaluation; false: that is
  // not to be had.
  using Admit = std::function<bool(const Problem& problem, const Plan& plan)>;

  // `header`: the request without its rows: loss, parameters, options, and tensors that are the same for all rows,
  // which are copied. The gradient is no part of it.
  BatchEvaluator(Request header, Executor& executor);

  // Adds rows behind those that came before: every tensor of the chunk has the same size on its first axis. Chunks have
  // the same tensors, with the same dtypes and sizes on the other axes. The bytes may go when this returns. Errors:
  // those of MakeProblem for the chunk; INVALID_ARGUMENT for chunks that do not fit together, and for what needs the
  // whole batch at once (batch losses, NONE, a class axis or an item that spans the rows); RESOURCE_EXHAUSTED;
  // CANCELLED. After an error there is nothing to add to.
  absl::Status Add(const Chunk& chunk, const Cancellation& cancellation, const Admit& admit);

  // The result over all rows. INVALID_ARGUMENT where no chunk came. At most once.
  absl::StatusOr<Result> Finish(const Cancellation& cancellation);

  // What is kept from one chunk to the next.
  size_t held_bytes() const;

  // The problem as far as it does not hang on the rows; its views are gone. REQUIRES: Finish returned a result.
  const Problem& problem() const { return *whole_; }

 private:
  struct Layout {
    std::string name;
    DType dtype;
    Shape row;  // the axes behind the first
  };

  absl::Status CheckLoss() const;
  absl::Status CheckLayout(const Chunk& chunk);
  absl::StatusOr<Problem> MakeProblemOf(const Chunk& rows) const;
  absl::Status CheckInPieces(const Problem& problem, const Chunk& chunk) const;
  absl::Status AddItems(const Chunk& chunk, const Problem& problem, const Cancellation& cancellation);
  // Adds items [begin, begin + count) of a problem to the total.
  absl::Status Sum(const Problem& problem, Run items, const Cancellation& cancellation);
  absl::StatusOr<Chunk> CarryAnd(const Chunk& chunk, size_t rows) const;
  void Carry(const Chunk& chunk, size_t begin, size_t end);

  Request header_;
  std::vector<OwnedTensor> header_tensors_;
  Executor& executor_;
  size_t num_chunks_ = 0, num_rows_ = 0;
  std::vector<Layout> layout_;  // of the first chunk
  std::optional<Problem> whole_;
  Partial total_;
  std::vector<OwnedTensor> carried_;  // rows that still have items to be added, by layout
  size_t carried_rows_ = 0;
  size_t items_done_ = 0;  // of the first carried row
};

}  // namespace lossd
