// DescribeLoss: what can be asked of a loss, and how its answers look.
#include <gmock/gmock.h>

#include <string>

#include "tests/integration/test_server.h"

namespace lossd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class DescribeTest : public testing::ServerTest {
 protected:
  DescribeTest() : ServerTest(testing::SmallServer()) {}

  v1::DescribeLossResponse Describe(const std::string& loss) {
    grpc::ClientContext context;
    v1::DescribeLossRequest request;
    request.set_loss(loss);
    v1::DescribeLossResponse response;
    const auto status = stub_->DescribeLoss(&context, request, &response);
    EXPECT_TRUE(status.ok()) << loss << ": " << status.error_message();
    return response;
  }
};

TEST_F(DescribeTest, TheDescriptionSaysWhatCanBeAskedFor) {
  const v1::DescribeLossResponse bce = Describe("BCEWithLogitsLoss");
  EXPECT_EQ(bce.loss().name(), "binary_crossentropy");
  EXPECT_EQ(bce.loss().topic(), "classification");
  EXPECT_THAT(bce.use(), Not(IsEmpty()));
  EXPECT_THAT(bce.tex(), HasSubstr("\\"));
  EXPECT_TRUE(bce.has_hessian_diagonal() && bce.takes_class_weight() && bce.takes_label_smoothing());
  EXPECT_FALSE(bce.takes_class_mask() || bce.has_kink_policy());
  EXPECT_EQ(bce.default_reduction(), v1::MEAN);
  ASSERT_EQ(bce.inputs_size(), 3);
  EXPECT_TRUE(bce.inputs(0).name() == "y_pred" && bce.inputs(0).differentiable());
  EXPECT_TRUE(bce.inputs(2).name() == "pos_weight" && bce.inputs(2).optional());
  EXPECT_EQ(bce.inputs(2).shape(), "C");
  ASSERT_EQ(bce.conventions_size(), 3);
  EXPECT_EQ(bce.conventions(0).convention(), v1::KERAS);
  EXPECT_EQ(bce.conventions(0).options().input_kind(), v1::PROBABILITIES);
  EXPECT_EQ(bce.conventions(0).options().clip_policy(), v1::KERAS_CLIP);
  EXPECT_EQ(bce.conventions(0).options().last_axis(), v1::MEAN_OF_LAST);
  EXPECT_EQ(bce.conventions(1).options().clip_policy(), v1::TORCH_LOG_CLAMP);
  EXPECT_EQ(bce.conventions(1).options().empty_policy(), v1::NAN_VALUE);
  EXPECT_EQ(bce.conventions(2).options().input_kind(), v1::LOGITS);
  EXPECT_EQ(bce.conventions(2).options().reduction(), v1::NONE);

  const v1::DescribeLossResponse ctc = Describe("ctc");
  EXPECT_EQ(ctc.loss().family(), "sequence");
  EXPECT_EQ(ctc.output(), "feasible");
  EXPECT_EQ(ctc.inputs(0).shape(), "... T C");
  EXPECT_THAT(ctc.inputs(1).content(), HasSubstr("integers in [0, C)"));
  EXPECT_TRUE(ctc.inputs(2).name() == "input_length" && ctc.inputs(2).optional());
  const auto parameter = [&](const std::string& name) {
    for (const v1::Parameter& p : ctc.parameters()) {
      if (p.name() == name) return p;
    }
    return v1::Parameter();
  };
  EXPECT_THAT(parameter("infeasible").choices(), ElementsAre("inf", "zero"));
  EXPECT_EQ(parameter("infeasible").default_choice(), "inf");

  const v1::DescribeLossResponse l2 = Describe("l2");
  EXPECT_EQ(l2.loss().topic(), "regularizers");
  EXPECT_EQ(l2.default_reduction(), v1::SUM);
  EXPECT_THAT(l2.target(), IsEmpty());
}

}  // namespace
}  // namespace lossd
