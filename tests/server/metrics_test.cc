#include "server/metrics.h"

#include <gmock/gmock.h>
#include <grpcpp/server_context.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/observer.h"

namespace lossd::server {
namespace {

using ::testing::HasSubstr;

class MetricsTest : public ::testing::Test {
 protected:
  Admission admission_{1000, 10};
  Metrics metrics_{{.version = "1.2.3", .grpc = "g", .protobuf = "p", .simd = "s"}, admission_};
  LogThrottle throttle_{1};
};

TEST_F(MetricsTest, SeriesExistBeforeTheFirstCall) {
  metrics_.AddMethod("unary", "a.B", "C");
  const std::string page = metrics_.Page();
  for (
      const char* line : {
          R"(grpc_server_started_total{grpc_method="C",grpc_service="a.B",grpc_type="unary"} 0)",
          R"(grpc_server_handled_total{grpc_code="OK",grpc_method="C",grpc_service="a.B",grpc_type="unary"} 0)",
          R"(grpc_server_handled_total{grpc_code="Unauthenticated",grpc_method="C",grpc_service="a.B",grpc_type="unary"} 0)",
          R"(lossd_elements_total{dtype="F64",loss="huber"} 0)",
          R"(lossd_rejected_total{reason="queue_full"} 0)",
          R"(lossd_build_info{grpc="g",protobuf="p",simd="s",version="1.2.3"} 1)",
          "lossd_shards_total 0",
          "lossd_inflight_limit_bytes 1000",
      }) {
    EXPECT_THAT(page, HasSubstr(line));
  }
}

TEST_F(MetricsTest, AnObserverCountsItsMethod) {
  Observer observer(metrics_, throttle_, metrics_.AddMethod("unary", "a.B", "C"));
  const grpc::ServerContext context;
  observer.OnStarted();
  observer.OnReceived(100);
  observer.OnSent(30);
  observer.OnFinished({.method = "/a.B/C",
                       .status = grpc::Status::OK,
                       .duration = std::chrono::microseconds(700),
                       .received_bytes = 100,
                       .sent_bytes = 30,
                       .context = context});
  observer.OnStarted();
  observer.OnFinished({.method = "/a.B/C",
                       .status = grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no"),
                       .duration = std::chrono::milliseconds(7),
                       .context = context});
  observer.OnRefused(Refusal::kTooLarge);
  const std::string page = metrics_.Page();
  const std::string labels = R"(grpc_method="C",grpc_service="a.B",grpc_type="unary"})";
  for (const std::string& line : std::vector<std::string>{
           "grpc_server_started_total{" + labels + " 2",
           "grpc_server_handled_total{grpc_code=\"OK\"," + labels + " 1",
           "grpc_server_handled_total{grpc_code=\"InvalidArgument\"," + labels + " 1",
           "grpc_server_msg_received_total{" + labels + " 1",
           "grpc_server_msg_received_bytes_total{" + labels + " 100",
           "grpc_server_msg_sent_total{" + labels + " 1",
           "grpc_server_msg_sent_bytes_total{" + labels + " 30",
           "grpc_server_handling_seconds_count{" + labels + " 2",
           R"(grpc_server_handling_seconds_bucket{grpc_method="C",grpc_service="a.B",grpc_type="unary",le="0.0003"} 0)",
           R"(grpc_server_handling_seconds_bucket{grpc_method="C",grpc_service="a.B",grpc_type="unary",le="0.0008"} 1)",
           R"(grpc_server_handling_seconds_bucket{grpc_method="C",grpc_service="a.B",grpc_type="unary",le="0.008"} 2)",
           R"(lossd_rejected_total{reason="too_large"} 1)",
       }) {
    EXPECT_THAT(page, HasSubstr(line + "\n"));
  }
}

TEST(Counters, LoseNothingThatManyThreadsCountAtOnce) {
  constexpr std::chrono::nanoseconds kBounds[] = {std::chrono::nanoseconds(10), std::chrono::nanoseconds(20)};
  Counters counters;
  const auto counter = counters.AddCounter("c_total", "", {{"a", "1"}});
  const auto histogram = counters.AddHistogram("h", "", {}, kBounds);
  const auto other = counters.AddCounter("c_total", "", {{"a", "2"}});
  constexpr int kThreads = 100, kTimes = 1000;  // more than there are shards
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kTimes; ++i) {
        counter.Add(3);
        histogram.Observe(std::chrono::nanoseconds(i % 2 == 0 ? 10 : 21));  // a bound belongs to its bucket
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  other.Add();

  const auto families = counters.Collect();
  ASSERT_EQ(families.size(), 2u);
  EXPECT_EQ(families[0].metric.at(0).counter.value, 3.0 * kThreads * kTimes);
  EXPECT_EQ(families[0].metric.at(1).counter.value, 1);
  const auto& read = families[1].metric.at(0).histogram;
  EXPECT_EQ(read.sample_count, uint64_t{kThreads} * kTimes);
  EXPECT_DOUBLE_EQ(read.sample_sum, 1e-9 * kThreads * kTimes * 15.5);
  ASSERT_EQ(read.bucket.size(), 3u);
  EXPECT_EQ(read.bucket[0].cumulative_count, uint64_t{kThreads} * kTimes / 2);
  EXPECT_EQ(read.bucket[1].cumulative_count, uint64_t{kThreads} * kTimes / 2);
  EXPECT_EQ(read.bucket[2].cumulative_count, uint64_t{kThreads} * kTimes);
}

TEST_F(MetricsTest, LoadIsReadWhenThePageIs) {
  Admission::Ticket ticket(admission_, [] {});
  ASSERT_EQ(ticket.Ask(600), Admission::Verdict::kGranted);
  EXPECT_THAT(metrics_.Page(), HasSubstr("lossd_inflight_bytes 600\n"));
  EXPECT_THAT(metrics_.Page(), HasSubstr("lossd_inflight_requests 1\n"));
}

TEST_F(MetricsTest, ProcessMetricsArePlausible) {
  const std::string page = metrics_.Page();
  for (const char* name : {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds",
                           "process_open_fds"}) {
    const std::string begin = absl::StrCat("\n", name, " ");
    const size_t at = page.find(begin);
    ASSERT_NE(at, std::string::npos) << name;
    EXPECT_GT(std::stod(page.substr(at + begin.size())), 0) << name;
  }
}

TEST_F(MetricsTest, ServesOnAnyFreePortAndRefusesATakenOne) {
  const auto port = metrics_.Serve("127.0.0.1:0");
  ASSERT_TRUE(port.ok()) << port.status();
  Metrics second({}, admission_);
  const auto taken = second.Serve("127.0.0.1:" + std::to_string(*port));
  EXPECT_EQ(taken.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(taken.status().message()), HasSubstr("metrics_address"));
}

}  // namespace
}  // namespace lossd::server
