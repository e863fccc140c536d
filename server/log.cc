#include "server/log.h"

#include <grpc/support/log.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cmath>
#include <memory>

namespace lossd::server {
namespace {

LogFormat log_format = LogFormat::kText;  // set once, by InitLog

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// Bytes of the UTF-8 character that `text` begins with; 0 where it begins with none (RFC 3629: neither overlong forms
// nor surrogates).
size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned first = byte(0);
  const size_t length = first < 0x80   ? 1
                        : first < 0xC2 ? 0
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                        : first < 0xF5 ? 4
                                       : 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (first == 0xE0 && byte(1) < 0xA0) return 0;
  if (first == 0xED && byte(1) > 0x9F) return 0;
  if (first == 0xF0 && byte(1) < 0x90) return 0;
  if (first == 0xF4 && byte(1) > 0x8F) return 0;
  return length;
}

// As a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
void AppendQuoted(std::string_view text, std::string* line) {
  line->push_back('"');
  while (!text.empty()) {
    const auto c = static_cast<unsigned char>(text.front());
    const size_t length = Utf8Length(text);
    if (length == 0) {
      *line += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      line->push_back('\\');
      line->push_back(static_cast<char>(c));
    } else if (c < 0x20 || c == 0x7F) {
      *line += fmt::format("\\u{:04x}", c);
    } else {
      line->append(text, 0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  line->push_back('"');
}

bool NeedsQuotes(std::string_view text) {
  for (const char c : text) {
    if (c <= ' ' || c == '"' || c == '\\' || c == '=' || c == 0x7F)
      return true;  // c <= ' ' also takes in every byte from 0x80 on
  }
  return text.empty();
}

void LogFromGrpc(gpr_log_func_args* args) {
  const LogLevel level = args->severity == GPR_LOG_SEVERITY_ERROR
                             ? LogLevel::kWarning  // what fails for us, we say ourselves
                         : args->severity == GPR_LOG_SEVERITY_INFO ? LogLevel::kInfo
                                                                   : LogLevel::kDebug;
  Log(level, "grpc", {{"text", args->message}, {"file", args->file}, {"line", args->line}});
}

}  // namespace

void LogValue::AppendText(std::string* line) const {
  if (const auto* text = std::get_if<std::string_view>(&value_); text != nullptr && !NeedsQuotes(*text)) {
    *line += *text;
  } else {
    AppendJson(line);
  }
}

void LogValue::AppendJson(std::string* line) const {
  struct Visitor {
    std::string* line;
    void operator()(std::string_view text) const { AppendQuoted(text, line); }
    void operator()(int64_t value) const { *line += fmt::format("{}", value); }
    void operator()(bool value) const { *line += value ? "true" : "false"; }
    void operator()(double value) const {  // JSON has neither NaN nor infinity
      *line += std::isfinite(value) ? fmt::format("{}", value) : fmt::format("\"{}\"", value);
    }
  };
  std::visit(Visitor{line}, value_);
}

std::string FormatFields(LogFormat format, std::string_view message, std::initializer_list<LogField> fields) {
  std::string line;
  if (format == LogFormat::kText) {
    line = message;
    for (const LogField& field : fields) {
      line += ' ';
      line += field.name;
      line += '=';
      field.value.AppendText(&line);
    }
    return line;
  }
  line = "\"message\":";
  AppendQuoted(message, &line);
  for (const LogField& field : fields) {
    line += ',';
    AppendQuoted(field.name, &line);
    line += ':';
    field.value.AppendJson(&line);
  }
  return line;
}

void InitLog(LogLevel level, LogFormat format) {
  log_format = format;
  auto logger = std::make_shared<spdlog::logger>("lossd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_level(ToSpdlog(level));
  logger->set_pattern(format == LogFormat::kJson ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
                                                 : "%Y-%m-%dT%H:%M:%S.%eZ %l %v",
                      spdlog::pattern_time_type::utc);
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
  gpr_set_log_function(LogFromGrpc);
}

bool LogEnabled(LogLevel level) { return spdlog::should_log(ToSpdlog(level)); }

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (!LogEnabled(level)) return;
  spdlog::default_logger_raw()->log(ToSpdlog(level), spdlog::string_view_t(FormatFields(log_format, message, fields)));
}

bool LogThrottle::Allow(std::chrono::steady_clock::time_point now, int64_t* suppressed) {
  const int64_t second = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  if (second_.exchange(second, std::memory_order_relaxed) != second) lines_.store(0, std::memory_order_relaxed);
  if (lines_.fetch_add(1, std::memory_order_relaxed) >= lines_a_second_) {
    suppressed_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  *suppressed = suppressed_.exchange(0, std::memory_order_relaxed);
  return true;
}

}  // namespace lossd::server
