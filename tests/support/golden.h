// Reads tests/golden/*.golden; its README.md has the format.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "core/losses/contract.h"
#include "core/strings.h"
#include "gtest/gtest.h"
#include "tests/support/problems.h"

namespace lossd::testing {

// The exact result as an unevaluated sum of two doubles.
struct Exact {
  double hi, lo;
};

struct GoldenCase {
  std::string line;  // shortened
  DType dtype = DType::kF32;
  Form form;
  std::vector<std::pair<std::string, std::string>> params;
  Tensors inputs;
  std::vector<Exact> value;
  std::map<std::string, std::vector<Exact>> slope, curvature;  // by the input's name
};

inline double Number(const std::string& text) { return std::strtod(text.c_str(), nullptr); }

inline std::vector<Exact> Pairs(const std::vector<std::string>& words, size_t at) {
  std::vector<Exact> pairs;
  for (; at + 1 < words.size(); at += 2) pairs.push_back({Number(words[at]), Number(words[at + 1])});
  return pairs;
}

// "2x3", "[]" for no axes.
inline Shape ParseShape(const std::string& text) {
  Shape shape;
  if (text == "[]") return shape;
  const std::vector<std::string> sizes = absl::StrSplit(text, 'x');
  for (const std::string& size : sizes) shape.push_back(std::atoll(size.c_str()));
  return shape;
}

inline Form ParseForm(const std::string& kind, const std::string& clip) {
  Form form;
  for (const InputKind k : {InputKind::kProbabilities, InputKind::kLogits, InputKind::kLogProbabilities}) {
    if (kind == Name(k)) form.input_kind = k;
  }
  for (const ClipPolicy policy : {ClipPolicy::kNone, ClipPolicy::kKeras, ClipPolicy::kTorchLogClamp}) {
    if (clip == Name(policy)) form.clip_policy = policy;
  }
  return form;
}

// Among the parameters of a case: the option of that name.
inline constexpr std::string_view kKinkPolicy = "kink_policy";
inline constexpr KinkPolicy kKinkPolicies[] = {KinkPolicy::kLeastNorm, KinkPolicy::kAverage, KinkPolicy::kActive};

inline KinkPolicy ParseKinkPolicy(const std::string& text) {
  const auto* const found = std::find_if(std::begin(kKinkPolicies), std::end(kKinkPolicies),
                                         [&](KinkPolicy policy) { return text == Name(policy); });
  if (found == std::end(kKinkPolicies)) {
    ADD_FAILURE() << "no kink policy " << text;
    return KinkPolicy::kLeastNorm;
  }
  return *found;
}

inline GoldenCase ParseGolden(const std::string& line) {
  GoldenCase c;
  c.line = line.substr(0, 400);
  const std::vector<std::string> fields = absl::StrSplit(line, '|');
  for (const std::string& field : fields) {
    const std::vector<std::string> words = absl::StrSplit(field, ' ', absl::SkipEmpty());
    if (words.size() < 2) {
      ADD_FAILURE() << "an empty field: " << c.line;
    } else if (&field == &fields[0]) {
      c.dtype = words[0] == "F32" ? DType::kF32 : DType::kF64;
      c.form = ParseForm(words[1], words.size() > 2 ? words[2] : "");
      for (size_t i = 3; i < words.size(); ++i) {
        if (words[i] == "-") continue;
        const size_t equals = words[i].find('=');
        c.params.emplace_back(words[i].substr(0, equals), words[i].substr(equals + 1));
      }
    } else if (words[0] == "=") {
      c.value = Pairs(words, 1);
    } else if (words[0] == "d" && words.size() % 2 == 0) {
      c.slope[words[1]] = Pairs(words, 2);
    } else if (words[0] == "h" && words.size() % 2 == 0) {
      c.curvature[words[1]] = Pairs(words, 2);
    } else {
      Tensor& tensor = c.inputs[words[0]];
      tensor.shape = ParseShape(words[1]);
      for (size_t i = 2; i < words.size(); ++i) tensor.numbers.push_back(Number(words[i]));
      EXPECT_EQ(ElementCount(tensor.shape), tensor.numbers.size()) << words[0] << ": " << c.line;
    }
  }
  return c;
}

inline std::string GoldenFolder() {
  const char* const folder = std::getenv("LOSSD_GOLDEN_DIR");
  return folder == nullptr ? "tests/golden" : folder;
}

inline std::vector<GoldenCase> ReadGolden(std::string_view loss) {
  const std::string path = Cat(GoldenFolder(), "/", loss, ".golden");
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << "no golden file " << path;
  std::vector<GoldenCase> cases;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') cases.push_back(ParseGolden(line));
  }
  EXPECT_FALSE(cases.empty()) << path;
  return cases;
}

}  // namespace lossd::testing
