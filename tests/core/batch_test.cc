// A batch in chunks: the bits of the whole, whatever the chunks, and clear words for what cannot be.
#include "core/batch.h"

#include <gmock/gmock.h>

#include <random>

#include "core/strings.h"
#include "tests/support/cases.h"
#include "tests/support/losses.h"
#include "tests/support/problems.h"
#include "tests/support/requests.h"
#include "tests/support/status.h"

namespace lossd::testing {
namespace {

using ::testing::HasSubstr;

bool Always(const Problem&, const Plan&) { return true; }

Executor& Two() {
  static Executor& executor = *new Executor(2);
  return executor;
}

// A batch by its rows: tensors with an axis of rows, and others.
struct Batch {
  Request header;
  std::map<std::string, std::pair<DType, Tensor>> rows, shared;

  int64_t num_rows() const { return rows.begin()->second.second.shape[0]; }

  Call Whole() const {
    Call call;
    call.request = header;
    for (const auto* const tensors : {&rows, &shared}) {
      for (const auto& [name, tensor] : *tensors) call.Send(name, tensor.first, tensor.second);
    }
    return call;
  }
  // Rows [begin, end), in pieces of at most 1000 bytes.
  Call Part(int64_t begin, int64_t end) const {
    Call call;
    for (const auto& [name, tensor] : rows) {
      Tensor part = tensor.second;
      const size_t in_row = part.shape[0] == 0 ? 0 : part.numbers.size() / part.shape[0];
      part.shape[0] = end - begin;
      part.numbers = {tensor.second.numbers.begin() + begin * in_row, tensor.second.numbers.begin() + end * in_row};
      call.Send(name, tensor.first, part, {.most = 1000, .skew = 3});
    }
    return call;
  }
};

Chunk ChunkOf(const Request& request) {
  Chunk chunk = request.inputs;
  for (const auto& [name, view] :
       {std::pair{"y_true", request.y_true}, std::pair{"y_pred", request.y_pred}, std::pair{"mask", request.mask},
        std::pair{"sample_weight", request.sample_weight}, std::pair{"element_weight", request.element_weight}}) {
    if (view) chunk.emplace_back(name, *view);
  }
  return chunk;
}

// Cuts at the given rows.
absl::StatusOr<Result> InChunks(const Batch& batch, const std::vector<int64_t>& cuts) {
  Call header;
  header.request = batch.header;
  for (const auto& [name, tensor] : batch.shared) header.Send(name, tensor.first, tensor.second);
  BatchEvaluator evaluator(header.request, Two());
  int64_t begin = 0;
  for (size_t i = 0; i <= cuts.size(); ++i) {
    const int64_t end = i < cuts.size() ? cuts[i] : batch.num_rows();
    const Call part = batch.Part(begin, end);
    if (absl::Status s = evaluator.Add(ChunkOf(part.request), Cancellation(), Always); !s.ok()) return s;
    begin = end;
  }
  return evaluator.Finish(Cancellation());
}

void SameBits(const Batch& batch, const std::vector<int64_t>& cuts) {
  const absl::StatusOr<Bits> whole = Solve(batch.Whole());
  const absl::StatusOr<Result> parts = InChunks(batch, cuts);
  ASSERT_TRUE(whole.ok()) << whole.status();
  ASSERT_TRUE(parts.ok()) << parts.status();
  EXPECT_TRUE((Bits{.result = *parts, .per_item = {}, .hessian = {}, .extra = {}, .gradients = {}}) ==
              (Bits{.result = whole->result, .per_item = {}, .hessian = {}, .extra = {}, .gradients = {}}))
      << parts->sum << " instead of " << whole->result.sum;
}

std::vector<int64_t> RandomCuts(Rng& rng, int64_t rows) {
  std::vector<int64_t> cuts(rng() % 12);
  // Some chunks of nothing, some of a row, some of thousands.
  for (int64_t& cut : cuts) cut = static_cast<int64_t>(rng() % (rows + 1));
  if (rng() % 2 == 0) cuts.push_back(rows);
  for (int64_t row = 0; row < std::min<int64_t>(rows, 5); ++row) cuts.push_back(row);
  std::sort(cuts.begin(), cuts.end());
  return cuts;
}

// About `elements` elements, in rows of about `width`; an elementwise loss has rows of 3 where `deep`.
Batch Draw(Rng& rng, const Contract& contract, const Form& form, DType dtype, size_t elements, size_t width,
           bool deep) {
  Extent extent = ExtentOf(contract, 1, width);
  const size_t in_item = ElementCount(ShapeOf(contract, contract.inputs[0], extent)).value();
  extent.items = {static_cast<int64_t>(elements / in_item + 1)};
  if (deep) extent.items = {extent.items[0] / 3 + 1, 3};
  Batch batch;
  batch.header = MakeCall(contract, form, dtype, {}).request;
  batch.header.options.reduction = Reduction::kMean;
  for (const auto& [name, tensor] : DrawAnswered(rng, contract, form, extent)) {
    const Input& input = contract.inputs[contract.InputIndex(name)];
    (input.shape.starts_with("...") ? batch.rows : batch.shared)[name] = {SentAs(input, dtype), tensor};
  }
  return batch;
}

void Weigh(Rng& rng, Batch& batch) {
  const Shape rows = {batch.num_rows()};
  Tensor weight{.shape = rows, .numbers = std::vector<double>(rows[0])}, mask = weight;
  for (double& w : weight.numbers) w = std::uniform_real_distribution<double>(0, 2)(rng);
  for (double& m : mask.numbers) m = rng() % 4 != 0;
  batch.rows["sample_weight"] = {DType::kF32, weight};
  batch.rows["mask"] = {DType::kBool, mask};
}

TEST(Batch, ChunksHaveTheBitsOfTheWholeForEveryLossWithItems) {
  Rng rng(7);
  int compared = 0;
  for (const Loss& loss : TestedLosses()) {
    const Contract& contract = *loss.contract;
    if (contract.family == Family::kBatch) continue;
    const bool elementwise = contract.family == Family::kElementwise;
    for (const Form& form : contract.forms) {
      for (const size_t width : {size_t{6}, size_t{40}}) {
        // Numbers per class need an axis of classes beside that of the rows.
        const bool deep = elementwise && (width == 40 || contract.inputs.size() > 2);
        Batch batch = Draw(rng, contract, form, DType::kF32, 3 * kBlockElements, width, deep);
        SCOPED_TRACE(Cat(Describe(contract, form), " width ", width));
        for (const Reduction reduction : {Reduction::kMean, Reduction::kSum}) {
          batch.header.options.reduction = reduction;
          SameBits(batch, RandomCuts(rng, batch.num_rows()));
          ++compared;
        }
        Weigh(rng, batch);
        batch.header.options.reduction = Reduction::kMean;
        SameBits(batch, RandomCuts(rng, batch.num_rows()));
        for (const Divisor divisor : {Divisor::kWeightSum, Divisor::kBatch, Divisor::kNonZero}) {
          batch.header.options.divisor = divisor;
          SameBits(batch, RandomCuts(rng, batch.num_rows()));
        }
        if (::testing::Test::HasFailure()) return;
      }
    }
  }
  EXPECT_GT(compared, 0);
}

TEST(Batch, EveryCutOfASmallBatchHasTheBitsOfTheWhole) {
  Rng rng(8);
  const Loss loss = FindLoss("sparse_categorical_crossentropy")->loss;
  const Batch batch =
      Draw(rng, *loss.contract, loss.contract->forms[1], DType::kF64, 7 * 2000, 2000, false);  // two items a block
  ASSERT_GE(batch.num_rows(), 7);
  for (int64_t a = 0; a <= batch.num_rows(); ++a) {
    for (int64_t b = a; b <= batch.num_rows(); ++b) SameBits(batch, {a, b});
  }
}

TEST(Batch, RowsOfManyAxesAndOptionsHaveTheBitsOfTheWhole) {
  struct Case {
    const char* loss;
    int64_t rows;
    Shape row;     // behind the axis of rows, of y_pred
    Shape target;  // of y_true; empty: labels
    void (*set)(Request&);
  };
  const Case cases[] = {
      {"huber", 977, {7, 5}, {7, 5}, [](Request& r) { r.options.last_axis = LastAxis::kMean; }},
      {"huber", 977, {1300}, {1300}, [](Request& r) { r.options.normalizer = 3.5; }},
      {"mse", 97, {2, 5000}, {2, 5000}, [](Request& r) { r.options.convention = Convention::kKeras; }},
      {"bce_with_logits", 977, {3}, {3}, [](Request& r) { r.options.label_smoothing = 0.1; }},
      {"sparse_categorical_crossentropy",
       977,
       {11, 4},
       {4},
       [](Request& r) {
         r.options.input_kind = InputKind::kLogits;
         r.options.axis = 1;
         r.options.ignore_index = 2;
       }},
      {"sparse_categorical_crossentropy",
       977,
       {4, 11},
       {4},
       [](Request& r) {
         r.options.input_kind = InputKind::kLogits;
         r.options.label_smoothing = 0.2;
       }},
      {"dice", 977, {6, 5}, {6, 5}, [](Request&) {}},
  };
  Rng rng(9);
  for (const Case& c : cases) {
    for (const DType dtype : {DType::kF32, DType::kF64, DType::kBF16}) {
      SCOPED_TRACE(Cat(c.loss, " ", Name(dtype)));
      const int64_t rows = c.rows;
      Batch batch;
      batch.header.loss = c.loss;
      c.set(batch.header);
      const auto tensor = [&](Shape row, auto&& draw) {
        row.insert(row.begin(), rows);
        Tensor made{.shape = row, .numbers = std::vector<double>(ElementCount(row).value())};
        for (double& x : made.numbers) x = draw();
        return made;
      };
      const bool labels = std::string_view(c.loss).starts_with("sparse");
      const auto unit = [&] { return std::uniform_real_distribution<double>(0.1, 0.9)(rng); };
      batch.rows["y_pred"] = {dtype, tensor(c.row, unit)};
      batch.rows["y_true"] = {
          labels ? DType::kI64 : dtype,
          labels ? tensor(c.target, [&] { return static_cast<double>(rng() % 11); }) : tensor(c.target, unit)};
      SameBits(batch, RandomCuts(rng, rows));
      batch.rows["sample_weight"] = {DType::kF64, tensor({}, unit)};
      SameBits(batch, RandomCuts(rng, rows));
    }
  }
}

TEST(Batch, EmptyBatchesFollowThePolicyForThem) {
  Batch batch;
  batch.header.loss = "mse";
  batch.rows["y_pred"] = {DType::kF32, {.shape = {0, 3}, .numbers = {}}};
  batch.rows["y_true"] = {DType::kF32, {.shape = {0, 3}, .numbers = {}}};
  SameBits(batch, {0, 0});
  batch.header.options.empty_policy = EmptyPolicy::kNan;
  SameBits(batch, {});
}

TEST(Batch, KeepsLessThanABlockAndARow) {
  Rng rng(10);
  const Loss loss = FindLoss("mse")->loss;
  const Batch batch = Draw(rng, *loss.contract, loss.contract->forms[0], DType::kF32, 100'000, 1, false);
  Call header;
  header.request = batch.header;
  header.request.options.reduction = Reduction::kSum;
  BatchEvaluator evaluator(header.request, Two());
  for (int64_t row = 0; row + 333 <= batch.num_rows(); row += 333) {
    const Call part = batch.Part(row, row + 333);
    ASSERT_THAT(evaluator.Add(ChunkOf(part.request), Cancellation(), Always), IsOk());
    // Two tensors of less than a block each; a vector's capacity may be twice its size.
    ASSERT_LT(evaluator.held_bytes(), 2 * 2 * kBlockElements * sizeof(float));
  }
}

TEST(Batch, WhatDoesNotFitTogetherIsNamed) {
  const Request good = Elementwise();  // [4, 3]
  struct Case {
    const char* message;
    Request header;
    std::vector<Request> chunks;
  };
  const auto with = [](Request request, auto change) {
    change(request);
    return request;
  };
  const Request none = with(good, [](Request& r) {
    r.y_pred.reset();
    r.y_true.reset();
  });
  const Request sparse_header = with(Sparse(), [](Request& r) {
    r.y_pred.reset();
    r.y_true.reset();
  });
  const std::vector<Case> cases = {
      {"no chunk came", none, {}},
      {"no chunk came", none, {none}},
      {"y_pred: in the header too", good, {good}},
      {"y_true: 5 rows beside 4 of y_pred",
       none,
       {with(good,
             [](Request& r) {
               r.y_true = Of(DType::kF32, {5, 3});
             })}},
      {"chunk 1 (the first is 0): y_pred: dtype F64; the chunks before have F32",
       none,
       {good, with(good,
                   [](Request& r) {
                     r.y_pred = Of(DType::kF64, {4, 3});
                   })}},
      {"chunk 1 (the first is 0): y_pred: shape [2, 6]; rows of the chunks before have the shape [3]",
       none,
       {good, with(good,
                   [](Request& r) {
                     r.y_pred = Of(DType::kF32, {2, 6});
                     r.y_true = Of(DType::kF32, {2, 6});
                   })}},
      {"y_true: missing; the chunks before have it", none, {good, with(good, [](Request& r) { r.y_true.reset(); })}},
      {"mask: the chunks before do not have it",
       none,
       {good, with(good, [](Request& r) { r.mask = Of(DType::kBool, {4}); })}},
      {"y_true: a scalar has no axis of rows", none, {with(good, [](Request& r) { r.y_true = Of(DType::kF32, {}); })}},
      {"y_true: missing", none, {with(good, [](Request& r) { r.y_true.reset(); })}},
      {"options.reduction: NONE", with(none, [](Request& r) { r.options.reduction = Reduction::kNone; }), {good}},
      {"every value depends on the whole batch",
       with(none, [](Request& r) { r.loss = "info_nce"; }),
       {with(good, [](Request& r) { r.y_true.reset(); })}},
      {"the axis of the rows",
       with(none,
            [](Request& r) {
              r.loss = "bce_with_logits";
              r.class_weight = Of(DType::kF32, {4});
            }),
       {with(good,
             [](Request& r) {
               r.y_pred = Of(DType::kF32, {4});
               r.y_true = Of(DType::kF32, {4});
             })}},
      {"an item spans it",
       with(sparse_header, [](Request& r) { r.options.axis = 0; }),
       {with(Sparse(),
             [](Request& r) {
               r.y_pred = Of(DType::kF32, {3, 3});
               r.y_true = Of(DType::kI64, {3});
             })}},
      {"params.label_encoding: auto",
       with(none,
            [](Request& r) {
              r.loss = "hinge";
              r.params = {{"label_encoding", std::string("auto")}};
            }),
       {good}},
      {"no loss is called", with(none, [](Request& r) { r.loss = "hubert"; }), {good}},
  };
  for (const Case& c : cases) {
    BatchEvaluator evaluator(c.header, Two());
    absl::Status status;
    for (const Request& chunk : c.chunks) {
      if (status.ok()) status = evaluator.Add(ChunkOf(chunk), Cancellation(), Always);
    }
    if (status.ok()) status = evaluator.Finish(Cancellation()).status();
    EXPECT_FALSE(status.ok()) << c.message;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
  }
}

TEST(Batch, MemoryThatIsNotToBeHadAndCancellationAreErrors) {
  Request none = Elementwise();
  none.y_pred.reset();
  none.y_true.reset();
  Batch batch;
  batch.header = none;
  const Tensor numbers{.shape = {5000}, .numbers = std::vector<double>(5000)};
  batch.rows["y_pred"] = batch.rows["y_true"] = {DType::kF32, numbers};
  const Call part = batch.Part(0, 5000);
  BatchEvaluator poor(none, Two()), stopped(none, Two());
  EXPECT_EQ(poor.Add(ChunkOf(part.request), Cancellation(), [](const Problem&, const Plan&) { return false; }).code(),
            absl::StatusCode::kResourceExhausted);
  Cancellation cancelled;
  cancelled.Cancel();
  EXPECT_EQ(stopped.Add(ChunkOf(part.request), cancelled, Always).code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace lossd::testing
