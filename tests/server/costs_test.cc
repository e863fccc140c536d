#include "server/handlers/costs.h"

#include <gtest/gtest.h>

#include <string>

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

}  // namespace
}  // namespace lossd::server
