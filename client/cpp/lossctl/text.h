// How lossctl writes numbers and tables.
#pragma once

#include <charconv>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace lossd::lossctl {

using Row = std::pair<std::string, std::string>;

// "name    value", the values in one column. Rows without a value are left out.
inline void PrintRows(const std::vector<Row>& rows, std::ostream& out) {
  size_t width = 0;
  for (const auto& [name, value] : rows) width = std::max(width, value.empty() ? 0 : name.size());
  for (const auto& [name, value] : rows) {
    if (value.empty()) continue;
    // A value of several lines stays in its column.
    std::string indented;
    for (const char c : value) {
      indented.push_back(c);
      if (c == '\n') indented.append(width + 2, ' ');
    }
    out << absl::StreamFormat("%-*s  %s\n", static_cast<int>(width), name, indented);
  }
}

// The shortest text that reads back as the same number.
template <class T>
std::string Number(T value) {
  char text[32];
  return std::string(text, std::to_chars(text, std::end(text), value).ptr);
}

// Without the parts that are empty.
inline std::string JoinPresent(std::vector<std::string> parts, const char* separator) {
  std::erase(parts, "");
  return absl::StrJoin(parts, separator);
}

}  // namespace lossd::lossctl
