#include "server/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace lossd::server {
namespace {

using Ticket = Admission::Ticket;
using Verdict = Admission::Verdict;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Tickets that write down the order in which they were granted after waiting.
class AdmissionTest : public ::testing::Test {
 protected:
  std::unique_ptr<Ticket> NewTicket(int id = 0) {
    return std::make_unique<Ticket>(admission_, [this, id] { granted_.push_back(id); });
  }

  Admission admission_{/*budget_bytes=*/100, /*max_waiting=*/3};
  std::vector<int> granted_;
};

TEST_F(AdmissionTest, GrantsUpToTheBudgetAndTakesBack) {
  {
    const auto a = NewTicket(), b = NewTicket();
    EXPECT_EQ(a->Ask(60), Verdict::kGranted);
    EXPECT_EQ(b->Ask(40), Verdict::kGranted);
    EXPECT_EQ(admission_.load().granted_bytes, 100u);
    EXPECT_EQ(admission_.load().granted_calls, 2u);
  }
  EXPECT_EQ(admission_.load().granted_bytes, 0u);
  EXPECT_EQ(admission_.load().granted_calls, 0u);
}

TEST_F(AdmissionTest, WaitingCallsAreGrantedInOrderOfArrival) {
  auto a = NewTicket();
  ASSERT_EQ(a->Ask(80), Verdict::kGranted);
  const auto b = NewTicket(1), c = NewTicket(2);
  EXPECT_EQ(b->Ask(50), Verdict::kWaiting);
  EXPECT_EQ(c->Ask(10), Verdict::kWaiting) << "it would fit, but would overtake";
  EXPECT_THAT(granted_, IsEmpty());
  a.reset();
  EXPECT_THAT(granted_, ElementsAre(1, 2));
  EXPECT_EQ(admission_.load().granted_bytes, 60u);
}

TEST_F(AdmissionTest, RefusesWhenTheQueueIsFull) {
  auto a = NewTicket();
  ASSERT_EQ(a->Ask(100), Verdict::kGranted);
  const auto b = NewTicket(1), c = NewTicket(2), d = NewTicket(3), e = NewTicket(4);
  EXPECT_EQ(b->Ask(1), Verdict::kWaiting);
  EXPECT_EQ(c->Ask(1), Verdict::kWaiting);
  EXPECT_EQ(d->Ask(1), Verdict::kWaiting);
  EXPECT_EQ(e->Ask(1), Verdict::kRefused);
  EXPECT_EQ(admission_.load().waiting_calls, 3u);
  a.reset();  // or the waiting ones would be destroyed while they wait
  EXPECT_THAT(granted_, ElementsAre(1, 2, 3));
}

TEST_F(AdmissionTest, WithdrawingLetsTheNextOneThrough) {
  const auto a = NewTicket();
  ASSERT_EQ(a->Ask(80), Verdict::kGranted);
  const auto b = NewTicket(1), c = NewTicket(2);
  ASSERT_EQ(b->Ask(50), Verdict::kWaiting);
  ASSERT_EQ(c->Ask(20), Verdict::kWaiting);
  EXPECT_TRUE(b->Withdraw());
  EXPECT_THAT(granted_, ElementsAre(2));
  EXPECT_FALSE(c->Withdraw()) << "granted in the meantime";
}

TEST_F(AdmissionTest, MoreThanTheBudgetRunsAlone) {
  auto a = NewTicket();
  ASSERT_EQ(a->Ask(1), Verdict::kGranted);
  const auto b = NewTicket(1);
  EXPECT_EQ(b->Ask(1000), Verdict::kWaiting);
  a.reset();
  EXPECT_THAT(granted_, ElementsAre(1));
  EXPECT_EQ(admission_.load().granted_bytes, 100u);
}

TEST_F(AdmissionTest, SettlingDownLetsOthersIn) {
  const auto a = NewTicket();
  ASSERT_EQ(a->Ask(100), Verdict::kGranted);
  const auto b = NewTicket(1);
  ASSERT_EQ(b->Ask(70), Verdict::kWaiting);
  EXPECT_TRUE(a->Settle(31));
  EXPECT_THAT(granted_, IsEmpty());
  EXPECT_TRUE(a->Settle(30));
  EXPECT_THAT(granted_, ElementsAre(1));
}

TEST_F(AdmissionTest, SettlingUpIsGrantedOnlyWhereItFits) {
  const auto a = NewTicket(), b = NewTicket();
  ASSERT_EQ(a->Ask(10), Verdict::kGranted);
  ASSERT_EQ(b->Ask(50), Verdict::kGranted);
  EXPECT_FALSE(a->Settle(51));
  EXPECT_EQ(admission_.load().granted_bytes, 60u);
  EXPECT_TRUE(a->Settle(50));
  EXPECT_EQ(admission_.load().granted_bytes, 100u);
}

// Threads do everything to their tickets in every order; what they hold together stays within the budget, the counts
// come back to 0, and every waiting ticket is either withdrawn or told.
void Contend(size_t budget, const std::function<size_t(std::mt19937&)>& draw) {
  constexpr int kThreads = 4, kRounds = 5000;
  Admission admission(budget, /*max_waiting=*/2);
  std::atomic<size_t> held = 0;
  std::atomic<bool> over_budget = false;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int round = 0; round < kRounds; ++round) {
        std::atomic<bool> told = false;
        Ticket ticket(admission, [&told] { told = true; });
        size_t bytes = draw(random);
        Verdict verdict = ticket.Ask(bytes);
        if (verdict == Verdict::kWaiting) {
          if (random() % 2 == 0 && ticket.Withdraw()) continue;
          while (!told) std::this_thread::yield();
          verdict = Verdict::kGranted;
        }
        if (verdict != Verdict::kGranted) continue;
        if (held.fetch_add(bytes) + bytes > budget || admission.load().granted_bytes > budget) over_budget = true;
        const size_t other = draw(random);
        if (random() % 2 == 0 && other < bytes) {
          held -= bytes - other;
          EXPECT_TRUE(ticket.Settle(other));
          bytes = other;
        } else if (random() % 2 == 0 && other >= bytes && ticket.Settle(other)) {
          if (held.fetch_add(other - bytes) + other - bytes > budget) over_budget = true;
          bytes = other;
        }
        held -= bytes;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(over_budget);
  EXPECT_EQ(admission.load().granted_bytes, 0u);
  EXPECT_EQ(admission.load().granted_calls, 0u);
  EXPECT_EQ(admission.load().waiting_calls, 0u);
  Ticket all(admission, [] {});
  EXPECT_EQ(all.Ask(budget), Verdict::kGranted) << "nothing stays behind in a purse";
}

TEST(Admission, EveryGrantIsGivenBackOnceUnderContention) {
  Contend(1000, [](std::mt19937& random) { return random() % 600; });
}

// A budget that is large enough for purses: small calls that are paid from them, among large ones that empty them.
TEST(Admission, PursesKeepNothingFromThoseWhoWait) {
  constexpr size_t kBudget = size_t{1} << 30;
  Contend(kBudget, [](std::mt19937& random) { return random() % 8 == 0 ? random() % kBudget : random() % 100'000; });
}

TEST(Admission, WhatIsGivenBackWhileSomebodyWaitsGoesToThemAndNotIntoAPurse) {
  constexpr size_t kBudget = size_t{1} << 30;
  Admission admission(kBudget, /*max_waiting=*/1);
  auto small = std::make_unique<Ticket>(admission, [] {});
  ASSERT_EQ(small->Ask(100'000), Verdict::kGranted);
  bool told = false;
  Ticket all(admission, [&told] { told = true; });
  ASSERT_EQ(all.Ask(kBudget), Verdict::kWaiting) << "purses are empty, and the small call holds its part";
  ASSERT_TRUE(small->Settle(50'000));
  EXPECT_FALSE(told);
  small.reset();
  EXPECT_TRUE(told);
  EXPECT_EQ(admission.load().granted_bytes, kBudget);
}

TEST(Admission, WhatIsInAPurseIsNotCountedAsGranted) {
  Admission admission(/*budget_bytes=*/size_t{1} << 30, /*max_waiting=*/1);
  {
    Ticket ticket(admission, [] {});
    ASSERT_EQ(ticket.Ask(1000), Verdict::kGranted);
    EXPECT_EQ(admission.load().granted_bytes, 1000u);
    EXPECT_EQ(admission.load().granted_calls, 1u);
    ASSERT_TRUE(ticket.Settle(10));
    EXPECT_EQ(admission.load().granted_bytes, 10u);
  }
  EXPECT_EQ(admission.load().granted_bytes, 0u);
  EXPECT_EQ(admission.load().granted_calls, 0u);
}

}  // namespace
}  // namespace lossd::server
