// Every way in which a request can be wrong, and what it is told.
#include "core/problem.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/problems.h"
#include "tests/support/status.h"

namespace lossd {
namespace {

using absl::StatusCode;
using testing::Bytes;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;
using testing::View;

// Zeros of any dtype; large enough for every case.
const Bytes& Zeros(size_t bytes) {
  static const auto& made = *new std::vector<Bytes>([] {
    std::vector<Bytes> all;
    for (size_t n = 0; n <= 1024; ++n) all.emplace_back(std::vector<uint8_t>(n));
    return all;
  }());
  return made.at(bytes);
}

TensorView Of(DType dtype, Shape shape) {
  const size_t bytes = ElementCount(shape).value() * SizeOf(dtype);
  return View(dtype, std::move(shape), Zeros(bytes));
}

Request Elementwise() {
  Request request;
  request.loss = "huber";
  request.y_pred = Of(DType::kF32, {4, 3});
  request.y_true = Of(DType::kF32, {4, 3});
  return request;
}

Request Sparse() {
  Request request;
  request.loss = "sparse_categorical_crossentropy";
  request.options.input_kind = InputKind::kLogits;
  request.y_pred = Of(DType::kF32, {4, 3});
  request.y_true = Of(DType::kI64, {4});
  return request;
}

TEST(MakeProblem, AcceptsWhatTheContractAllows) {
  EXPECT_THAT(MakeProblem(Elementwise()), IsOk());
  EXPECT_THAT(MakeProblem(Sparse()), IsOk());
  for (const DType target : {DType::kI32, DType::kI64, DType::kU8, DType::kBool}) {
    Request request = Elementwise();
    request.y_true = Of(target, {4, 3});
    EXPECT_THAT(MakeProblem(std::move(request)), IsOk()) << Name(target);
  }
  for (const DType labels : {DType::kI32, DType::kU8}) {
    Request request = Sparse();
    request.y_true = Of(labels, {4});
    EXPECT_THAT(MakeProblem(std::move(request)), IsOk()) << Name(labels);
  }
}

TEST(MakeProblem, NamesTheFieldWhatWasGivenAndWhatWasExpected) {
  struct Case {
    const char* message;
    Request request;
    void (*change)(Request&);
    StatusCode code = StatusCode::kInvalidArgument;
  };
  const Case cases[] = {
      {"loss: no loss is called \"hubert\"; did you mean huber?", Elementwise(), [](Request& r) { r.loss = "hubert"; },
       StatusCode::kNotFound},
      {"loss: empty", Elementwise(), [](Request& r) { r.loss = ""; }},
      {"params: huber has no parameter \"beta\"; it takes delta", Elementwise(),
       [](Request& r) {
         r.params = {{"beta", 1}};
       }},
      {"params: mean_squared_error has no parameter \"delta\"; it takes none", Elementwise(),
       [](Request& r) {
         r.loss = "mse", r.params = {{"delta", 1}};
       }},
      {"params.delta: given more than once", Elementwise(),
       [](Request& r) {
         r.params = {{"delta", 1}, {"delta", 2}};
       }},
      {"params.delta: 0 for huber; expected (0, inf)", Elementwise(),
       [](Request& r) {
         r.params = {{"delta", 0}};
       }},
      {"params.delta: -1 for huber; expected (0, inf)", Elementwise(),
       [](Request& r) {
         r.params = {{"delta", -1}};
       }},
      {"expected (0, inf)", Elementwise(),
       [](Request& r) {
         r.params = {{"delta", kInf}};
       }},
      {"params.delta: nan for huber", Elementwise(),
       [](Request& r) {
         r.params = {{"delta", std::nan("")}};
       }},
      {"params.beta: -0.5 for smooth_l1; expected [0, inf)", Elementwise(),
       [](Request& r) {
         r.loss = "smooth_l1", r.params = {{"beta", -0.5}};
       }},
      {"options.input_kind: not set; sparse_categorical_crossentropy differs by what y_pred is", Sparse(),
       [](Request& r) { r.options.input_kind = InputKind::kUnspecified; }},
      {"options.input_kind: LOG_PROBABILITIES with NO_CLIP for sparse_categorical_crossentropy; expected LOGITS",
       Sparse(), [](Request& r) { r.options.input_kind = InputKind::kLogProbabilities; }},
      {"options.clip_policy: PROBABILITIES with TORCH_LOG_CLAMP", Sparse(),
       [](Request& r) {
         r.options.input_kind = InputKind::kProbabilities;
         r.options.clip_policy = ClipPolicy::kTorchLogClamp;
       }},
      {"options.input_kind: LOGITS for huber, which takes plain values", Elementwise(),
       [](Request& r) { r.options.input_kind = InputKind::kLogits; }},
      {"options.clip_policy: KERAS_CLIP for huber", Elementwise(),
       [](Request& r) { r.options.clip_policy = ClipPolicy::kKeras; }},
      {"PROBABILITIES contradicts the name \"BCEWithLogitsLoss\", which stands for LOGITS", Elementwise(),
       [](Request& r) {
         r.loss = "BCEWithLogitsLoss";
         r.options.input_kind = InputKind::kProbabilities;
       }},
      {"y_pred: missing; huber needs it", Elementwise(), [](Request& r) { r.y_pred.reset(); }},
      {"y_true: missing; huber needs it", Elementwise(), [](Request& r) { r.y_true.reset(); }},
      {"y_pred: dtype I32; expected F32 or F64", Elementwise(),
       [](Request& r) {
         r.y_pred = Of(DType::kI32, {4, 3});
       }},
      {"y_pred: dtype BF16 is not served yet", Elementwise(),
       [](Request& r) {
         r.y_pred = Of(DType::kBF16, {4, 3});
       },
       StatusCode::kUnimplemented},
      {"y_true: dtype F16 is not served yet", Elementwise(),
       [](Request& r) {
         r.y_true = Of(DType::kF16, {4, 3});
       },
       StatusCode::kUnimplemented},
      {"y_true: dtype F64; expected the dtype of y_pred, F32, or an integer or BOOL one", Elementwise(),
       [](Request& r) {
         r.y_true = Of(DType::kF64, {4, 3});
       }},
      {"y_true: shape [3, 4] does not match y_pred [4, 3]; expected the same shape", Elementwise(),
       [](Request& r) {
         r.y_true = Of(DType::kF32, {3, 4});
       }},
      {"y_true: shape [4, 1] does not match y_pred [4, 3]", Elementwise(),
       [](Request& r) {
         r.y_true = Of(DType::kF32, {4, 1});
       }},
      {"y_true: shape [3] does not match y_pred [4, 3]; sparse labels need [4]", Sparse(),
       [](Request& r) { r.y_true = Of(DType::kI64, {3}); }},
      {"y_true: shape [4, 1] does not match y_pred [4, 3]; sparse labels need [4]", Sparse(),
       [](Request& r) {
         r.y_true = Of(DType::kI64, {4, 1});
       }},
      {"y_true: dtype F32; expected class indices, I32, I64 or U8", Sparse(),
       [](Request& r) { r.y_true = Of(DType::kF32, {4}); }},
      {"y_pred: shape [4, 0]; row losses need a last axis of at least one class", Sparse(),
       [](Request& r) {
         r.y_pred = Of(DType::kF32, {4, 0});
       }},
      {"y_pred: shape []; row losses need a last axis", Sparse(), [](Request& r) { r.y_pred = Of(DType::kF32, {}); }},
      {"sample_weight: shape [3] does not match y_pred [4, 3]; expected the leading axes of the items' shape [4, 3]",
       Elementwise(), [](Request& r) { r.sample_weight = Of(DType::kF32, {3}); }},
      {"sample_weight: shape [4, 3, 1]", Elementwise(),
       [](Request& r) {
         r.sample_weight = Of(DType::kF32, {4, 3, 1});
       }},
      {"sample_weight: dtype I64; expected F32 or F64", Elementwise(),
       [](Request& r) { r.sample_weight = Of(DType::kI64, {4}); }},
      {"sample_weight: shape [4, 3] does not match y_pred [4, 3]; expected the leading axes of the items' shape [4]",
       Sparse(),
       [](Request& r) {
         r.sample_weight = Of(DType::kF32, {4, 3});
       }},
      {"mask: dtype F32; expected BOOL or U8", Elementwise(), [](Request& r) { r.mask = Of(DType::kF32, {4}); }},
      {"mask: shape [5]", Elementwise(), [](Request& r) { r.mask = Of(DType::kBool, {5}); }},
      {"options.normalizer: 0; expected (0, inf)", Elementwise(), [](Request& r) { r.options.normalizer = 0; }},
      {"options.normalizer: inf; expected (0, inf)", Elementwise(), [](Request& r) { r.options.normalizer = kInf; }},
      {"options.normalizer: nan", Elementwise(), [](Request& r) { r.options.normalizer = std::nan(""); }},
      {"options.normalizer: set beside options.divisor", Elementwise(),
       [](Request& r) { r.options.normalizer = 2, r.options.divisor = Divisor::kCount; }},
      {"options.divisor: a divisor is used by the reduction MEAN alone", Elementwise(),
       [](Request& r) { r.options.reduction = Reduction::kSum, r.options.divisor = Divisor::kCount; }},
  };
  for (const Case& c : cases) {
    Request request = c.request;
    c.change(request);
    EXPECT_THAT(MakeProblem(std::move(request)), StatusIs(c.code, HasSubstr(c.message)));
  }
}

template <class T>
absl::Status WithLabels(DType dtype, const std::vector<T>& labels, size_t most_bytes) {
  Request request = Sparse();
  const Bytes bytes(labels, most_bytes), logits(std::vector<float>(labels.size() * 3));
  const auto n = static_cast<int64_t>(labels.size());
  request.y_pred = View(DType::kF32, {n, 3}, logits);
  request.y_true = View(dtype, {n}, bytes);
  return MakeProblem(std::move(request)).status();
}

TEST(MakeProblem, LabelsAreRangeCheckedWhereverTheyLie) {
  for (const size_t most : {0, 1, 5}) {
    for (const size_t place : {size_t{0}, size_t{4095}, size_t{4096}, size_t{9999}}) {
      std::vector<int64_t> wide(10000, 2);
      wide[place] = 3;
      EXPECT_THAT(WithLabels(DType::kI64, wide, most),
                  StatusIs(StatusCode::kInvalidArgument,
                           HasSubstr("label 3 at flat index " + std::to_string(place) + "; expected [0, 3)")));
      wide[place] = -1;
      EXPECT_THAT(WithLabels(DType::kI64, wide, most), StatusIs(StatusCode::kInvalidArgument, HasSubstr("label -1")));
      wide[place] = int64_t{1} << 32;  // 0 if it were cut to 32 bits
      EXPECT_THAT(WithLabels(DType::kI64, wide, most), StatusIs(StatusCode::kInvalidArgument, HasSubstr("4294967296")));
      std::vector<int32_t> narrow(10000, 2);
      narrow[place] = std::numeric_limits<int32_t>::min();
      EXPECT_THAT(WithLabels(DType::kI32, narrow, most),
                  StatusIs(StatusCode::kInvalidArgument, HasSubstr("-2147483648")));
    }
  }
  EXPECT_THAT(WithLabels(DType::kU8, std::vector<uint8_t>{0, 1, 255}, 0),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("label 255 at flat index 2")));
}

TEST(MakeProblem, ABoolIsZeroOrOne) {
  const Bytes two(std::vector<uint8_t>{0, 1, 2, 1}, 3);
  Request request = Elementwise();
  request.mask = View(DType::kBool, {4}, two);
  EXPECT_THAT(MakeProblem(std::move(request)),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("mask: byte 2 at flat index 2; BOOL is 0 or 1")));
  request = Elementwise();
  request.mask = View(DType::kU8, {4}, two);
  EXPECT_THAT(MakeProblem(std::move(request)), IsOk());
}

TEST(MakeProblem, NonFiniteInputsAreAnErrorWhereAsked) {
  std::vector<float> numbers(12, 1.0f);
  numbers[7] = std::numeric_limits<float>::infinity();
  const Bytes bytes(numbers, 5);
  for (const char* const field : {"y_pred", "y_true"}) {
    for (const bool error : {true, false}) {
      Request request = Elementwise();
      (field == std::string("y_pred") ? request.y_pred : request.y_true) = View(DType::kF32, {4, 3}, bytes);
      if (error) request.options.non_finite_policy = NonFinitePolicy::kError;
      if (error) {
        EXPECT_THAT(MakeProblem(std::move(request)),
                    StatusIs(StatusCode::kInvalidArgument, HasSubstr(std::string(field) + ": inf at flat index 7")));
      } else {
        EXPECT_THAT(MakeProblem(std::move(request)), IsOk());
      }
    }
  }
}

TEST(MakeProblem, AnAliasMayStandForTheInputKind) {
  Request request = Elementwise();
  request.loss = "BCEWithLogitsLoss";
  const absl::StatusOr<Problem> problem = MakeProblem(std::move(request));
  ASSERT_THAT(problem, IsOk());
  EXPECT_EQ(problem->form.input_kind, InputKind::kLogits);
}

}  // namespace
}  // namespace lossd
