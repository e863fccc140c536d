#include "server/handlers/costs.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "lossd/v1/loss_service.pb.h"
#include "server/handlers/handlers.h"
#include "tests/support/local_call.h"

namespace lossd::server {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

TEST(Costs, AreKnownOnceTheyWereNoted) {
  Costs costs;
  EXPECT_FALSE(costs.Find("mse", true).has_value());
  costs.Note("mse", true, milliseconds(2));
  EXPECT_EQ(costs.Find("mse", true), microseconds(2001)) << "rounded up, so that nothing is free";
  EXPECT_FALSE(costs.Find("mse", false).has_value()) << "another method is another request";
  EXPECT_FALSE(costs.Find("msf", true).has_value());
}

TEST(Costs, FollowWhatRequestsTake) {
  Costs costs;
  costs.Note("mse", true, milliseconds(1));
  for (int i = 0; i < 30; ++i) costs.Note("mse", true, milliseconds(100));
  EXPECT_GT(*costs.Find("mse", true), milliseconds(99));
}

TEST(Costs, ThoseBeyondTheRangeAreNotTakenForSmallOnes) {
  Costs costs;
  costs.Note("slow", false, std::chrono::hours(1));
  EXPECT_GT(*costs.Find("slow", false), std::chrono::seconds(16));
}

TEST(Costs, ManyRequestsForgetOneAnotherAndMixNothingUp) {
  Costs costs;
  for (int i = 1; i <= 10000; ++i) costs.Note(std::to_string(i), false, microseconds(i - 1));
  int known = 0;
  for (int i = 1; i <= 10000; ++i) {
    const auto cost = costs.Find(std::to_string(i), false);
    if (!cost) continue;
    ++known;
    EXPECT_EQ(*cost, microseconds(i));
  }
  EXPECT_GT(known, 0);
}

std::string Mse(int64_t count) {
  v1::GradientRequest request;
  request.set_loss("mse");
  for (v1::Tensor* const tensor : {request.mutable_y_true(), request.mutable_y_pred()}) {
    tensor->set_dtype(v1::F32);
    tensor->add_shape(count);
    tensor->set_raw(std::string(static_cast<size_t>(count) * sizeof(float), '\0'));
  }
  return request.SerializeAsString();
}

TEST(LargeRequests, AreComputedByTheThreadThatReadThemWhereNoSmallOneWaitsForIt) {
  std::thread([] {  // which has seen no request yet, and has slept enough to be at leisure
    Executor executor(1);
    Costs costs;
    HandlerContext context{.executor = executor, .on_evaluation = [](const Problem&, const Plan&) {}, .costs = &costs};
    const auto is_handed_over = [&](int64_t count) {
      std::this_thread::sleep_for(milliseconds(20));
      testing::LocalCall call(Mse(count));
      Gradient(context, call);
      EXPECT_TRUE(call.status().ok()) << call.status().error_message();
      return call.handed_over();
    };
    constexpr int64_t kLarge = 16 << 10, kSmall = 32;
    EXPECT_TRUE(is_handed_over(kLarge)) << "its cost is not known";
    EXPECT_FALSE(is_handed_over(kLarge));
    EXPECT_FALSE(is_handed_over(kSmall));
    EXPECT_TRUE(is_handed_over(kLarge)) << "a small one came before";
    const auto begin = std::chrono::steady_clock::now();
    const bool again = is_handed_over(kLarge);
    EXPECT_TRUE(again || std::chrono::steady_clock::now() - begin > milliseconds(100)) << "and not long ago";
    std::this_thread::sleep_for(milliseconds(100));
    EXPECT_FALSE(is_handed_over(kLarge)) << "none came since";
  })
      .join();
}

}  // namespace
}  // namespace lossd::server
