#include "core/registry.h"

#include "gtest/gtest.h"
#include "tests/support/status.h"

namespace lossd {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::StatusIs;

TEST(Registry, FindsLossesUnderTheNamesOfTheirPeers) {
  struct Case {
    const char *name, *canonical;
    InputKind implied;
  };
  const Case cases[] = {
      {"mse", "mean_squared_error", InputKind::kUnspecified},
      {"MeanSquaredError", "mean_squared_error", InputKind::kUnspecified},
      {"MSELoss", "mean_squared_error", InputKind::kUnspecified},
      {"L1Loss", "mean_absolute_error", InputKind::kUnspecified},
      {"Huber", "huber", InputKind::kUnspecified},
      {"smooth-l1", "smooth_l1", InputKind::kUnspecified},
      {"LogCosh", "log_cosh", InputKind::kUnspecified},
      {"BinaryCrossentropy", "binary_crossentropy", InputKind::kUnspecified},
      {"BCEWithLogitsLoss", "binary_crossentropy", InputKind::kLogits},
      {"BCELoss", "binary_crossentropy", InputKind::kProbabilities},
      {"sigmoid_binary_cross_entropy", "binary_crossentropy", InputKind::kLogits},
      {"softmax_cross_entropy", "categorical_crossentropy", InputKind::kLogits},
      {"softmax_cross_entropy_with_integer_labels", "sparse_categorical_crossentropy", InputKind::kLogits},
      {"KLDivLoss", "kl_divergence", InputKind::kLogProbabilities},
      {"kullback_leibler_divergence", "kl_divergence", InputKind::kUnspecified},
      {"NLLLoss", "nll", InputKind::kUnspecified},
      {"GaussianNLLLoss", "gaussian_nll", InputKind::kUnspecified},
      {"TripletMarginLoss", "triplet_margin", InputKind::kUnspecified},
      {"MultiLabelSoftMarginLoss", "multilabel_soft_margin", InputKind::kUnspecified},
      {"sigmoid_focal_loss", "binary_focal_crossentropy", InputKind::kLogits},
      {"quantile", "pinball", InputKind::kUnspecified},
      {"MAPE", "mean_absolute_percentage_error", InputKind::kUnspecified},
      {"sparse_categorical_crossentropy", "sparse_categorical_crossentropy", InputKind::kUnspecified},
  };
  for (const Case& c : cases) {
    const absl::StatusOr<ResolvedLoss> found = FindLoss(c.name);
    ASSERT_TRUE(found.ok()) << c.name << found.status();
    EXPECT_EQ(found->loss.contract->name, c.canonical) << c.name;
    EXPECT_EQ(found->implied, c.implied) << c.name;
  }
}

TEST(Registry, SuggestsNearNamesForAnUnknownLoss) {
  struct Case {
    std::string name;
    const char* suggestion;
  };
  const Case cases[] = {
      {"hubber", "did you mean huber?"},
      {"mean_square_error", "mean_squared_error"},
      {"crossentropies", "cross_entropy"},
      {"logcos", "log_cosh"},
      {"qqqqqqqqqq", "see ListLosses"},
      {std::string(100000, 'x'), "see ListLosses"},
      {std::string("\0\n\x80", 3), "\\x00\\n\\x80"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(FindLoss(c.name), StatusIs(StatusCode::kNotFound, HasSubstr(c.suggestion))) << c.name.substr(0, 20);
  }
  EXPECT_LT(FindLoss(std::string(100000, 'x')).status().message().size(), 300u);
}

TEST(Registry, AnEmptyNameIsInvalid) {
  EXPECT_THAT(FindLoss(""), StatusIs(StatusCode::kInvalidArgument, AllOf(HasSubstr("loss"), HasSubstr("ListLosses"))));
}

}  // namespace
}  // namespace lossd
