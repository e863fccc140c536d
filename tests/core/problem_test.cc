// What a request may hold, and what is looked at in it. refusal_test.cc has the texts of refusals.
#include "core/problem.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/problems.h"
#include "tests/support/requests.h"
#include "tests/support/status.h"

namespace lossd {
namespace {

using absl::StatusCode;
using testing::Bytes;
using testing::Elementwise;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::Of;
using testing::Sparse;
using testing::StatusIs;
using testing::Variance;
using testing::View;

TEST(MakeProblem, AcceptsWhatTheContractAllows) {
  EXPECT_THAT(MakeProblem(Elementwise()), IsOk());
  EXPECT_THAT(MakeProblem(Sparse()), IsOk());
  EXPECT_THAT(MakeProblem(Variance()), IsOk());
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

TEST(MakeProblem, AnIgnoredLabelMayLieAnywhere) {
  const Bytes labels(std::vector<int64_t>{0, -100, 2, -100});
  Request request = Sparse();
  request.y_true = View(DType::kI64, {4}, labels);
  EXPECT_THAT(MakeProblem(request), StatusIs(StatusCode::kInvalidArgument, HasSubstr("label -100 at flat index 1")));
  request.options.ignore_index = -100;
  EXPECT_THAT(MakeProblem(request), IsOk());
  request.options.ignore_index = -1;
  EXPECT_THAT(MakeProblem(request), StatusIs(StatusCode::kInvalidArgument, HasSubstr("label -100 at flat index 1")));
}

TEST(MakeProblem, GradientsAreThoseThatWereAskedFor) {
  Request request = Variance();
  const auto wanted = [&] {
    const absl::StatusOr<Problem> problem = MakeProblem(request);
    EXPECT_THAT(problem, IsOk());
    return std::vector<size_t>{problem->gradient_bytes(0), problem->gradient_bytes(1), problem->gradient_bytes(2)};
  };
  EXPECT_EQ(wanted(), (std::vector<size_t>{0, 0, 0}));
  request.gradient = true;
  EXPECT_EQ(wanted(), (std::vector<size_t>{48, 0, 0})) << "y_pred where nothing is named";
  request.with_respect_to = {"variance"};
  EXPECT_EQ(wanted(), (std::vector<size_t>{0, 0, 48}));
  request.with_respect_to = {"variance", "y_pred"};
  EXPECT_EQ(wanted(), (std::vector<size_t>{48, 0, 48}));
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

TEST(MakeProblem, NonFiniteWeightsAreAnErrorWhereAsked) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Bytes items(std::vector<float>{1, 1, nan, 1}), classes(std::vector<float>{1, 1, nan});
  for (const char* const field : {"sample_weight", "upstream", "class_weight"}) {
    Request request = Sparse();
    request.gradient = true;
    request.options.reduction = Reduction::kNone;
    const std::string name(field);
    if (name == "sample_weight") request.sample_weight = View(DType::kF32, {4}, items);
    if (name == "upstream") request.upstream = View(DType::kF32, {4}, items);
    if (name == "class_weight") request.class_weight = View(DType::kF32, {3}, classes);
    EXPECT_THAT(MakeProblem(request), IsOk());
    request.options.non_finite_policy = NonFinitePolicy::kError;
    EXPECT_THAT(MakeProblem(request),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr(name + ": nan at flat index 2")));
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
