// std::string_view for Abseil. Debian builds Abseil with a string_view of its own, other distributions with the
// standard one; these helpers serve both.
#pragma once

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace lossd {

template <class T>
const T& ForAbsl(const T& x) {
  return x;
}
inline absl::string_view ForAbsl(std::string_view text) { return {text.data(), text.size()}; }

// absl::StrCat that takes std::string_view too.
template <class... Args>
std::string Cat(const Args&... args) {
  return absl::StrCat(ForAbsl(args)...);
}

// "a, b, c"
template <class Range>
std::string JoinNames(const Range& names) {
  std::string joined;
  for (const std::string_view name : names) {
    if (!joined.empty()) joined += ", ";
    joined += name;
  }
  return joined;
}

}  // namespace lossd
