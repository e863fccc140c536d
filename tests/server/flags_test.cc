#include "server/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "absl/flags/reflection.h"
#include "tests/support/status.h"

namespace lossd::server {
namespace {

using ::lossd::testing::IsOk;
using ::lossd::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Arguments = std::vector<std::string>;
using Variables = std::vector<std::pair<std::string, std::string>>;

class FlagsTest : public ::testing::Test {
 protected:
  ~FlagsTest() override { std::remove(file_.c_str()); }

  std::string FlagFile(const std::string& text) {
    std::ofstream(file_) << text;
    return file_;
  }

  const absl::FlagSaver saver_;  // each test begins with the defaults
  const std::string file_ = ::testing::TempDir() + "/lossd_flags_" + std::to_string(getpid());
};

TEST_F(FlagsTest, DefaultsServeOnLoopback) {
  const auto settings = ParseSettings({}, {});
  ASSERT_THAT(settings, IsOk());
  EXPECT_EQ(settings->action, Action::kServe);
  EXPECT_THAT(settings->server.listen_addresses, ElementsAre("127.0.0.1:50051"));
  EXPECT_EQ(settings->server.metrics_address, "127.0.0.1:9464");
  EXPECT_EQ(settings->server.drain_timeout, std::chrono::seconds(8));
  EXPECT_EQ(settings->log_level, LogLevel::kInfo);
  EXPECT_EQ(settings->log_format, LogFormat::kText);
}

TEST_F(FlagsTest, EveryFlagCanBeSet) {
  const auto settings =
      ParseSettings({"--listen_address=127.0.0.1:1,unix:/tmp/x", "--metrics_address=", "--port_file=/p",
                     "--metrics_port_file=/m", "--threads=3", "--completion_queues=2", "--max_message_bytes=100",
                     "--max_inflight_bytes=1000", "--max_waiting_calls=5", "--stall_timeout_ms=7", "--drain_delay_ms=8",
                     "--drain_timeout_ms=9", "--log_level=debug", "--log_format=json"},
                    {});
  ASSERT_THAT(settings, IsOk());
  EXPECT_THAT(settings->server.listen_addresses, ElementsAre("127.0.0.1:1", "unix:/tmp/x"));
  EXPECT_EQ(settings->server.metrics_address, "");
  EXPECT_EQ(settings->port_file, "/p");
  EXPECT_EQ(settings->metrics_port_file, "/m");
  EXPECT_EQ(settings->server.num_threads, 3);
  EXPECT_EQ(settings->server.num_queues, 2);
  EXPECT_EQ(settings->server.max_message_bytes, 100u);
  EXPECT_EQ(settings->server.max_inflight_bytes, 1000u);
  EXPECT_EQ(settings->server.max_waiting_calls, 5u);
  EXPECT_EQ(settings->server.stall_timeout.count(), 7);
  EXPECT_EQ(settings->server.drain_delay.count(), 8);
  EXPECT_EQ(settings->server.drain_timeout.count(), 9);
  EXPECT_EQ(settings->log_level, LogLevel::kDebug);
  EXPECT_EQ(settings->log_format, LogFormat::kJson);
}

TEST_F(FlagsTest, CommandLineWinsOverEnvironmentAndEnvironmentOverFile) {
  const std::string file = FlagFile("# three\n--threads=1\n  --completion_queues=1\n\n--max_waiting_calls=1\n");
  const auto settings =
      ParseSettings({"--threads=3", "--flagfile=" + file}, {{"LOSSD_THREADS", "2"}, {"LOSSD_COMPLETION_QUEUES", "2"}});
  ASSERT_THAT(settings, IsOk());
  EXPECT_EQ(settings->server.num_threads, 3);
  EXPECT_EQ(settings->server.num_queues, 2);
  EXPECT_EQ(settings->server.max_waiting_calls, 1u);
}

TEST_F(FlagsTest, TheFileCanBeNamedByTheEnvironment) {
  const auto settings = ParseSettings({}, {{"LOSSD_FLAGFILE", FlagFile("--threads=5\r\n")}});
  ASSERT_THAT(settings, IsOk());
  EXPECT_EQ(settings->server.num_threads, 5);
}

TEST_F(FlagsTest, ListenAddressesAddUp) {
  const auto settings = ParseSettings({"--listen_address=127.0.0.1:1", "--listen_address", "[::1]:2"}, {});
  ASSERT_THAT(settings, IsOk());
  EXPECT_THAT(settings->server.listen_addresses, ElementsAre("127.0.0.1:1", "[::1]:2"));
}

TEST_F(FlagsTest, ASwitchIsOnWhereItStandsAlone) {
  struct Case {
    Arguments arguments;
    bool channelz;
  };
  const Case cases[] = {{{}, false},
                        {{"--channelz", "--threads=2"}, true},
                        {{"--threads=2", "--channelz"}, true},
                        {{"--channelz=false"}, false},
                        {{"--channelz=true"}, true}};
  for (const Case& c : cases) {
    const absl::FlagSaver saver;
    const auto settings = ParseSettings(c.arguments, {});
    ASSERT_THAT(settings, IsOk());
    EXPECT_EQ(settings->server.channelz, c.channelz);
  }
}

TEST_F(FlagsTest, LaterValuesWin) {
  const auto settings = ParseSettings({"--threads=1", "-threads", "2"}, {});
  ASSERT_THAT(settings, IsOk());
  EXPECT_EQ(settings->server.num_threads, 2);
}

TEST_F(FlagsTest, UnknownVariablesOfOursAreReported) {
  const auto settings =
      ParseSettings({}, {{"LOSSD_TREADS", "2"}, {"LOSSD_ADDRESS", "x"}, {"PATH", "y"}, {"LOSSD_threads", "4"}});
  ASSERT_THAT(settings, IsOk());
  EXPECT_THAT(settings->unknown_variables, ElementsAre("LOSSD_TREADS", "LOSSD_threads"));
}

TEST_F(FlagsTest, HelpAndVersionComeBeforeAnyError) {
  EXPECT_EQ(ParseSettings({"--help"}, {{"LOSSD_THREADS", "x"}})->action, Action::kShowHelp);
  EXPECT_EQ(ParseSettings({"--version"}, {})->action, Action::kShowVersion);
}

TEST_F(FlagsTest, HelpShowsEveryFlagOfOurs) {
  const std::string help = HelpText();
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    if (flag->Filename().find("server/flags.cc") == absl::string_view::npos) continue;
    EXPECT_THAT(help, HasSubstr("--" + std::string(name.data(), name.size()))) << "and the environment knows it";
  }
}

TEST_F(FlagsTest, BadValuesNameTheFlagAndItsOrigin) {
  struct Case {
    Arguments arguments;
    Variables environment;
    const char* text;
  };
  const std::string file = FlagFile("\n--threads=a");
  const std::string missing = file + ".missing";
  const Case kCases[] = {
      {{"--threads=x"}, {}, "command line: --threads=x"},
      {{}, {{"LOSSD_THREADS", "x"}}, "environment: --threads=x"},
      {{"--flagfile=" + file}, {}, "--threads=a"},
      {{"--flagfile=" + missing}, {}, "cannot be read"},
      {{"--treads=1"}, {}, "no flag --treads"},
      {{"--threads"}, {}, "--threads without a value"},
      {{"threads=1"}, {}, "\"threads=1\" is no flag"},
      {{"--"}, {}, "no flag"},
      {{"--threads=-1"}, {}, "--threads=-1; expected 0 or more"},
      {{"--completion_queues=-1"}, {}, "--completion_queues"},
      {{"--max_message_bytes=-1"}, {}, "--max_message_bytes"},
      {{"--max_inflight_bytes=-1"}, {}, "--max_inflight_bytes"},
      {{"--max_inflight_bytes=99999999999999999999"}, {}, "--max_inflight_bytes"},
      {{"--max_waiting_calls=-1"}, {}, "--max_waiting_calls"},
      {{"--stall_timeout_ms=0"}, {}, "--stall_timeout_ms"},
      {{"--drain_delay_ms=-1"}, {}, "--drain_delay_ms"},
      {{"--drain_timeout_ms=-1"}, {}, "--drain_timeout_ms"},
      {{"--listen_address="}, {}, "--listen_address"},
      {{"--listen_address=localhost"}, {}, "--listen_address=localhost; expected HOST:PORT"},
      {{"--listen_address=127.0.0.1:70000"}, {}, "--listen_address"},
      {{"--listen_address=127.0.0.1:1,"}, {}, "--listen_address"},
      {{"--listen_address=unix:"}, {}, "--listen_address"},
      {{"--metrics_address=unix:/tmp/x"}, {}, "--metrics_address"},
      {{"--log_level=loud"}, {}, "--log_level=loud; expected one of debug, info, warning, error"},
      {{"--log_format=xml"}, {}, "--log_format=xml"},
  };
  for (const Case& c : kCases) {
    const absl::FlagSaver saver;
    const auto settings = ParseSettings(c.arguments, c.environment);
    EXPECT_THAT(settings, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.text)));
    EXPECT_EQ(settings.status().message().find('\n'), absl::string_view::npos) << "one line";
  }
  const absl::FlagSaver saver;
  std::ofstream(file) << "threads=1\n";
  EXPECT_THAT(ParseSettings({"--flagfile=" + file}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(":1: \"threads=1\"; expected --name=value")));
}

TEST(Resolve, TakesDefaultsFromTheMachine) {
  const auto options = Resolve({}, {.cores = 9, .memory_bytes = size_t{8} << 30});
  ASSERT_THAT(options, IsOk());
  EXPECT_EQ(options->num_threads, 9);
  EXPECT_EQ(options->num_queues, 2);
  EXPECT_EQ(options->max_inflight_bytes, size_t{2} << 30);
  EXPECT_EQ(options->max_message_bytes, size_t{64} << 20);
}

TEST(Resolve, TakesNoMoreThanFourGibibytes) {
  EXPECT_EQ(Resolve({}, {.cores = 1, .memory_bytes = size_t{1} << 40})->max_inflight_bytes, size_t{4} << 30);
}

TEST(Resolve, LowersTheMessageLimitOnASmallMachine) {
  const auto options = Resolve({}, {.cores = 1, .memory_bytes = size_t{256} << 20});
  ASSERT_THAT(options, IsOk());
  EXPECT_EQ(options->num_queues, 1);
  EXPECT_EQ(options->max_message_bytes, (size_t{64} << 20) / 3);
}

TEST(Resolve, RefusesAMessageLimitThatDoesNotFit) {
  ServerOptions asked;
  asked.max_inflight_bytes = 100;
  asked.max_message_bytes = 34;
  EXPECT_THAT(Resolve(asked, {}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected at most 33")));
  asked.max_message_bytes = 33;
  EXPECT_THAT(Resolve(asked, {}), IsOk());
}

}  // namespace
}  // namespace lossd::server
