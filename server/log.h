// Log lines on stderr: text for people, or one JSON object a line for machines.
//
//   Log(LogLevel::kWarning, "call failed", {{"method", method}, {"peer", peer}, {"bytes", 42}});
//
//   2026-01-31T12:00:00.000Z warning call failed method=/a.B/C peer=ipv4:127.0.0.1:4711 bytes=42
//   {"time":"2026-01-31T12:00:00.000Z","level":"warning","message":"call failed","method":"/a.B/C",...,"bytes":42}
//
// The message is a constant; whatever varies is a field. Fields are escaped, never pasted: a peer cannot break a line
// in two or forge another. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace lossd::server {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

class LogValue {
 public:
  template <class T>
  requires std::integral<T> LogValue(T value) {  // NOLINT(google-explicit-constructor): fields read as a list of pairs
    if constexpr (std::same_as<T, bool>) {
      value_ = value;
    } else {
      value_ = static_cast<int64_t>(value);
    }
  }
  LogValue(double value) : value_(value) {}                                // NOLINT(google-explicit-constructor)
  LogValue(std::string_view value) : value_(value) {}                      // NOLINT(google-explicit-constructor)
  LogValue(const char* value) : value_(std::string_view(value)) {}         // NOLINT(google-explicit-constructor)
  LogValue(const std::string& value) : value_(std::string_view(value)) {}  // NOLINT(google-explicit-constructor)

  void AppendText(std::string* line) const;
  void AppendJson(std::string* line) const;

 private:
  std::variant<std::string_view, int64_t, double, bool> value_;
};

struct LogField {
  std::string_view name;
  LogValue value;
};

// Before the first line. Also takes in what gRPC itself logs.
void InitLog(LogLevel level, LogFormat format);

bool LogEnabled(LogLevel level);
void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

// What stands in a line behind time and level; for tests.
std::string FormatFields(LogFormat format, std::string_view message, std::initializer_list<LogField> fields);

// Keeps a flood out of the log: lets a burst of lines pass a second and counts the others. Thread-safe.
class LogThrottle {
 public:
  explicit LogThrottle(int lines_a_second) : lines_a_second_(lines_a_second) {}

  // True: log it, and say that `*suppressed` lines were left out before.
  bool Allow(std::chrono::steady_clock::time_point now, int64_t* suppressed);

 private:
  const int lines_a_second_;
  std::atomic<int64_t> second_{-1};
  std::atomic<int> lines_{0};
  std::atomic<int64_t> suppressed_{0};
};

}  // namespace lossd::server
