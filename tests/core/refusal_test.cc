// Every way in which a request can be wrong, and what it is told.
#include <cmath>
#include <string>
#include <vector>

#include "core/problem.h"
#include "gtest/gtest.h"
#include "tests/support/problems.h"
#include "tests/support/requests.h"
#include "tests/support/status.h"

namespace lossd {
namespace {

using absl::StatusCode;
using testing::Elementwise;
using ::testing::HasSubstr;
using testing::Of;
using testing::Sequence;
using testing::Sparse;
using testing::StatusIs;
using testing::Variance;

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
         r.params = {{"beta", 1.0}};
       }},
      {"params: mean_squared_error has no parameter \"delta\"; it takes none", Elementwise(),
       [](Request& r) {
         r.loss = "mse", r.params = {{"delta", 1.0}};
       }},
      {"params.delta: given more than once", Elementwise(),
       [](Request& r) {
         r.params = {{"delta", 1.0}, {"delta", 2.0}};
       }},
      {"params.delta: 0 for huber; expected (0, inf)", Elementwise(),
       [](Request& r) {
         r.params = {{"delta", 0.0}};
       }},
      {"params.delta: -1 for huber; expected (0, inf)", Elementwise(),
       [](Request& r) {
         r.params = {{"delta", -1.0}};
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
      {"y_pred: dtype I32; expected F32, F64, F16 or BF16", Elementwise(),
       [](Request& r) {
         r.y_pred = Of(DType::kI32, {4, 3});
       }},
      {"y_true: dtype F16; expected the dtype of the first input, F32, or an integer or BOOL one", Elementwise(),
       [](Request& r) {
         r.y_true = Of(DType::kF16, {4, 3});
       }},
      {"y_true: dtype F64; expected the dtype of the first input, F32, or an integer or BOOL one", Elementwise(),
       [](Request& r) {
         r.y_true = Of(DType::kF64, {4, 3});
       }},
      {"y_true: shape [3, 4] does not match y_pred [4, 3]; expected [4, 3]", Elementwise(),
       [](Request& r) {
         r.y_true = Of(DType::kF32, {3, 4});
       }},
      {"y_true: shape [4, 1] does not match y_pred [4, 3]", Elementwise(),
       [](Request& r) {
         r.y_true = Of(DType::kF32, {4, 1});
       }},
      {"y_true: shape [3] does not match y_pred [4, 3]; expected [4]", Sparse(),
       [](Request& r) { r.y_true = Of(DType::kI64, {3}); }},
      {"y_true: shape [4, 1] does not match y_pred [4, 3]; expected [4]", Sparse(),
       [](Request& r) {
         r.y_true = Of(DType::kI64, {4, 1});
       }},
      {"y_true: dtype F32; expected class indices, I32, I64 or U8", Sparse(),
       [](Request& r) { r.y_true = Of(DType::kF32, {4}); }},
      {"y_pred: shape [4, 0]; row losses need a last axis of at least one class", Sparse(),
       [](Request& r) {
         r.y_pred = Of(DType::kF32, {4, 0});
       }},
      {"y_pred: shape [] does not match y_pred []; expected [..., C]", Sparse(),
       [](Request& r) { r.y_pred = Of(DType::kF32, {}); }},
      {"sample_weight: shape [3] does not match y_pred [4, 3]; expected the leading axes of the items' shape [4, 3]",
       Elementwise(), [](Request& r) { r.sample_weight = Of(DType::kF32, {3}); }},
      {"sample_weight: shape [4, 3, 2]", Elementwise(),
       [](Request& r) {
         r.sample_weight = Of(DType::kF32, {4, 3, 2});
       }},
      {"sample_weight: dtype I64; expected F32, F64, F16 or BF16", Elementwise(),
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
      {"params.blank: 3 for ctc; expected an integer in [-1, C) with C = 3", Sequence("ctc"),
       [](Request& r) {
         r.params = {{"blank", 3.0}};
       }},
      {"params.blank: 1e+09 for rnnt; expected an integer in [-1, C) with C = 3", Sequence("rnnt"),
       [](Request& r) {
         r.params = {{"blank", 1e9}};
       }},
      {"params.blank: 0.5 for ctc; expected an integer in [-1, C) with C = 3", Sequence("ctc"),
       [](Request& r) {
         r.params = {{"blank", 0.5}};
       }},
      {"params.blank: -0.5 for rnnt", Sequence("rnnt"),
       [](Request& r) {
         r.params = {{"blank", -0.5}};
       }},
      {"params.delta: not a number; huber expects (0, inf)", Elementwise(),
       [](Request& r) {
         r.params = {{"delta", std::string("big")}};
       }},
      {"params.delta: not a number", Elementwise(),
       [](Request& r) {
         r.params = {{"delta", true}};
       }},
      {"params.full: \"maybe\" for gaussian_nll; expected one of false, true", Variance(),
       [](Request& r) {
         r.params = {{"full", std::string("maybe")}};
       }},
      {"params.full: a number for gaussian_nll; expected one of false, true", Variance(),
       [](Request& r) {
         r.params = {{"full", 1.0}};
       }},
      {"variance: missing; gaussian_nll needs it", Variance(), [](Request& r) { r.inputs.clear(); }},
      {"inputs: gaussian_nll reads no tensor \"std\"; expected y_pred, y_true, variance", Variance(),
       [](Request& r) {
         r.inputs.emplace_back("std", Of(DType::kF32, {4, 3}));
       }},
      {"inputs: gaussian_nll reads no tensor \"variance\"", Variance(),
       [](Request& r) {
         r.inputs.emplace_back("variance", Of(DType::kF32, {4, 3}));
       }},
      {"variance: shape [4] does not match y_pred [4, 3]; expected [4, 3]", Variance(),
       [](Request& r) { r.inputs[0].second = Of(DType::kF32, {4}); }},
      {"inputs: l2 reads no tensor \"y_true\"; expected y_pred", Elementwise(), [](Request& r) { r.loss = "l2"; }},
      {"with_respect_to: \"y_true\" for gaussian_nll; expected y_pred, variance", Variance(),
       [](Request& r) {
         r.gradient = true;
         r.with_respect_to = {"y_true"};
       }},
      {"with_respect_to: \"delta\" for huber; expected y_pred", Elementwise(),
       [](Request& r) {
         r.gradient = true;
         r.with_respect_to = {"delta"};
       }},
      {"options.convention: OPTAX has no smooth_l1; expected one of LOSSD", Elementwise(),
       [](Request& r) {
         r.loss = "smooth_l1";
         r.options.convention = Convention::kOptax;
       }},
      {"options.last_axis: set for sparse_categorical_crossentropy, which is no elementwise loss", Sparse(),
       [](Request& r) { r.options.last_axis = LastAxis::kMean; }},
      {"options.last_axis: -1 of a tensor with 0 axes", Elementwise(),
       [](Request& r) {
         r.y_pred = r.y_true = Of(DType::kF32, {});
         r.options.last_axis = LastAxis::kSum;
       }},
      {"options.label_smoothing: set for huber, whose targets are no probabilities", Elementwise(),
       [](Request& r) { r.options.label_smoothing = 0.1; }},
      {"options.label_smoothing: 1.5; expected [0, 1]", Sparse(), [](Request& r) { r.options.label_smoothing = 1.5; }},
      {"options.label_smoothing: nan; expected [0, 1]", Sparse(),
       [](Request& r) { r.options.label_smoothing = std::nan(""); }},
      {"options.ignore_index: set for huber, whose items have no class index each", Elementwise(),
       [](Request& r) { r.options.ignore_index = 0; }},
      {"options.axis: set for huber, which has no class axis", Elementwise(), [](Request& r) { r.options.axis = 1; }},
      {"options.axis: 2 of a tensor with 2 axes", Sparse(), [](Request& r) { r.options.axis = 2; }},
      {"options.axis: -3 of a tensor with 2 axes", Sparse(), [](Request& r) { r.options.axis = -3; }},
      {"options.item_axes: set for huber, whose items are not regions", Elementwise(),
       [](Request& r) { r.options.item_axes = {0}; }},
      {"options.kink_policy: set for sparse_categorical_crossentropy, which has no kink with a choice", Sparse(),
       [](Request& r) { r.options.kink_policy = KinkPolicy::kActive; }},
      {"options.divisor: set for huber, whose items are not sums of terms: TERMS; leave it out", Elementwise(),
       [](Request& r) { r.options.divisor = Divisor::kTerms; }},
      {"element_weight: set for sparse_categorical_crossentropy, which is no elementwise loss", Sparse(),
       [](Request& r) {
         r.element_weight = Of(DType::kF32, {4, 3});
       }},
      {"element_weight: shape [4] does not match y_pred [4, 3]; expected the same shape", Elementwise(),
       [](Request& r) { r.element_weight = Of(DType::kF32, {4}); }},
      {"class_weight: set for huber, which is no sum over classes", Elementwise(),
       [](Request& r) { r.class_weight = Of(DType::kF32, {3}); }},
      {"class_weight: shape [4] does not match y_pred [4, 3]; expected [3], one for each class", Sparse(),
       [](Request& r) { r.class_weight = Of(DType::kF32, {4}); }},
      {"class_weight: dtype BOOL; expected F32, F64, F16 or BF16", Sparse(),
       [](Request& r) { r.class_weight = Of(DType::kBool, {3}); }},
      {"class_mask: set for huber, which has no softmax over classes", Elementwise(),
       [](Request& r) { r.class_mask = Of(DType::kBool, {3}); }},
      {"class_mask: dtype F32; expected BOOL or U8", Sparse(), [](Request& r) { r.class_mask = Of(DType::kF32, {3}); }},
      {"class_mask: shape [2]", Sparse(), [](Request& r) { r.class_mask = Of(DType::kBool, {2}); }},
      {"class_mask: leaves no class; expected at least one", Sparse(),
       [](Request& r) { r.class_mask = Of(DType::kBool, {3}); }},
      {"upstream: is for the reduction NONE of Gradient", Elementwise(),
       [](Request& r) {
         r.gradient = true;
         r.upstream = Of(DType::kF32, {4, 3});
       }},
      {"upstream: is for the reduction NONE of Gradient", Elementwise(),
       [](Request& r) {
         r.options.reduction = Reduction::kNone;
         r.upstream = Of(DType::kF32, {4, 3});
       }},
      {"upstream: shape [4, 3] does not match y_pred [4, 3]; expected the shape of the items, [4]", Sparse(),
       [](Request& r) {
         r.gradient = true;
         r.options.reduction = Reduction::kNone;
         r.upstream = Of(DType::kF32, {4, 3});
       }},
      {"hessian_diagonal: supcon has no second derivative", Sparse(),
       [](Request& r) {
         r.loss = "supcon";
         r.options.input_kind = InputKind::kUnspecified;
         r.gradient = r.hessian_diagonal = true;
       },
       StatusCode::kUnimplemented},
  };
  for (const Case& c : cases) {
    Request request = c.request;
    c.change(request);
    EXPECT_THAT(MakeProblem(std::move(request)), StatusIs(c.code, HasSubstr(c.message)));
  }
}

TEST(MakeProblem, RefusesWorkThatGrowsFasterThanItsMessage) {
  using testing::Bytes;
  using testing::View;
  constexpr int64_t kList = 65'537, kRows = 300'000, kWidth = 4;
  const Bytes list{std::vector<float>(kList)};
  const Bytes batch{std::vector<float>(kRows * kWidth)};
  const Bytes labels{std::vector<uint8_t>(kRows)};
  Request pairs;
  pairs.loss = "ranknet";
  pairs.y_pred = View(DType::kF32, {1, kList}, list);
  pairs.y_true = View(DType::kF32, {1, kList}, list);
  EXPECT_THAT(MakeProblem(pairs), StatusIs(StatusCode::kInvalidArgument, HasSubstr("lists of 65537 entries")));
  Request embeddings;
  embeddings.loss = "supcon";
  embeddings.y_pred = View(DType::kF32, {kRows, kWidth}, batch);
  embeddings.y_true = View(DType::kU8, {kRows}, labels);
  EXPECT_THAT(MakeProblem(embeddings), StatusIs(StatusCode::kInvalidArgument, HasSubstr("3.6e+11 multiplications")));
}

}  // namespace
}  // namespace lossd
