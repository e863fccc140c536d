// Every loss against exact answers: tests/golden/, computed by mpmath from textbook formulas (see its README.md).
// Errors are counted in units in the last place and held against the contract.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <string>

#include "absl/strings/str_split.h"
#include "core/registry.h"
#include "gtest/gtest.h"
#include "tests/support/kernels.h"
#include "tests/support/simd_targets.h"

namespace lossd::testing {
namespace {

// The exact result as an unevaluated sum of two doubles.
struct Exact {
  double hi, lo;
};

struct Case {
  std::string line;
  bool f32 = false;
  InputKind input_kind = {};
  ClipPolicy clip_policy = {};
  std::map<std::string, double> params;
  std::vector<double> prediction, target;
  std::vector<Exact> value, slope;
};

double Number(const std::string& text) { return std::strtod(text.c_str(), nullptr); }

std::vector<std::string> Words(std::string_view text) { return absl::StrSplit(ForAbsl(text), ' ', absl::SkipEmpty()); }

std::vector<Exact> Pairs(std::string_view text) {
  std::vector<Exact> pairs;
  const std::vector<std::string> words = Words(text);
  for (size_t i = 0; i + 1 < words.size(); i += 2) pairs.push_back({Number(words[i]), Number(words[i + 1])});
  return pairs;
}

Case Parse(const std::string& line) {
  const std::vector<std::string> parts = absl::StrSplit(line, '|');
  EXPECT_EQ(parts.size(), 5u) << line;
  const std::vector<std::string> head = Words(parts[0]);
  Case c;
  c.line = line.substr(0, 240);
  c.f32 = head[0] == "F32";
  for (const InputKind kind : {InputKind::kUnspecified, InputKind::kProbabilities, InputKind::kLogits}) {
    if (head[1] == Name(kind) || (kind == InputKind::kUnspecified && head[1] == "UNSPECIFIED")) c.input_kind = kind;
  }
  for (const ClipPolicy policy : {ClipPolicy::kNone, ClipPolicy::kKeras, ClipPolicy::kTorchLogClamp}) {
    if (head[2] == Name(policy)) c.clip_policy = policy;
  }
  for (size_t i = 3; i < head.size(); ++i) {
    if (head[i] == "-") continue;
    const std::vector<std::string> pair = absl::StrSplit(head[i], '=');
    c.params[pair[0]] = Number(pair[1]);
  }
  for (const std::string& word : Words(parts[1])) c.prediction.push_back(Number(word));
  for (const std::string& word : Words(parts[2])) c.target.push_back(Number(word));
  c.value = Pairs(parts[3]);
  c.slope = Pairs(parts[4]);
  return c;
}

std::vector<Case> ReadGolden(std::string_view loss) {
  const char* const folder = std::getenv("LOSSD_GOLDEN_DIR");
  const std::string path = Cat(folder == nullptr ? "tests/golden" : folder, "/", loss, ".golden");
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << "no golden file " << path;
  std::vector<Case> cases;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') cases.push_back(Parse(line));
  }
  EXPECT_FALSE(cases.empty()) << path;
  return cases;
}

// Size of the last place of T at x.
template <class T>
double Ulp(double x) {
  constexpr int kDigits = std::numeric_limits<T>::digits;
  const double smallest = std::ldexp(1.0, std::numeric_limits<T>::min_exponent - kDigits);
  if (x == 0) return smallest;
  return std::max(smallest, std::ldexp(1.0, std::ilogb(x) - kDigits + 1));
}

// |got - exact| in ulps of T at the larger of |exact| and `scale`.
template <class T>
double ErrorInUlp(T got, Exact exact, double scale) {
  const double rounded = static_cast<T>(exact.hi);
  if (std::isinf(rounded) || std::isinf(got) || std::isnan(got)) {
    return static_cast<double>(got) == rounded ? 0 : std::numeric_limits<double>::infinity();
  }
  return std::abs((got - exact.hi) - exact.lo) / Ulp<T>(std::max(std::abs(exact.hi), scale));
}

// The part of each slope that its target makes: the scale of slope_ulp where a soft target cancels. A condition number,
// not an expected result, so the kernel under test may serve.
std::vector<double> TargetParts(const Loss& loss, const FormKernels& kernels, const Case& c,
                                const std::vector<double>& params, size_t width) {
  std::vector<double> parts(c.prediction.size(), 0.0);
  if (!loss.contract->soft_targets_cancel) return parts;
  const auto base = RunKernel<double>(loss, kernels, params, c.prediction, c.target, width);
  double total = 0;
  for (const double t : c.target) total += t;
  for (size_t i = 0; i < parts.size(); ++i) {
    const double t = c.target[i];
    if (t == 0 || t == 1 || t == total * (width > 1)) continue;  // hard
    std::vector<double> moved = c.target;
    moved[i] = t * 1.0009765625;
    const auto there = RunKernel<double>(loss, kernels, params, c.prediction, moved, width);
    const double part = std::abs((there.slope[i] - base.slope[i]) * 1024);
    if (std::isfinite(part)) parts[i] = part;
  }
  return parts;
}

struct Worst {
  double value = 0, slope = 0;
};

template <class T>
void Check(const Loss& loss, const FormKernels& kernels, const Case& c, const Tolerance& tolerance, Worst& worst) {
  const bool rows = loss.family != Family::kElementwise;
  const size_t width = rows ? c.prediction.size() : 1;
  std::vector<double> params;
  for (const Param& param : loss.contract->params) {
    const auto given = c.params.find(std::string(param.name));
    params.push_back(given == c.params.end() ? param.fallback : given->second);
  }
  const std::vector<T> prediction(c.prediction.begin(), c.prediction.end());
  const std::vector<T> target(c.target.begin(), c.target.end());
  const Answer<T> got = RunKernel<T>(loss, kernels, params, prediction, target, width);
  const Answer<T> value_alone = RunKernel<T>(loss, kernels, params, prediction, target, width, /*slope=*/false);

  const double value_error = ErrorInUlp<T>(got.value[0], c.value[0], 0);
  worst.value = std::max(worst.value, value_error);
  EXPECT_LE(value_error, tolerance.value_ulp) << "value " << got.value[0] << ", exact " << c.value[0].hi << "\n"
                                              << c.line;
  EXPECT_TRUE(SameBits(got.value[0], value_alone.value[0])) << "the value depends on whether the slope is wanted\n"
                                                            << c.line;

  const std::vector<double> scale = TargetParts(loss, kernels, c, params, width);
  ASSERT_EQ(c.slope.size(), got.slope.size()) << c.line;
  for (size_t i = 0; i < c.slope.size(); ++i) {
    const double slope_error = ErrorInUlp<T>(got.slope[i], c.slope[i], scale[i]);
    worst.slope = std::max(worst.slope, slope_error);
    EXPECT_LE(slope_error, tolerance.slope_ulp)
        << "slope[" << i << "] " << got.slope[i] << ", exact " << c.slope[i].hi << "\n"
        << c.line;
  }
}

TEST(Golden, EveryLossIsWithinItsContractOnEveryInstructionSet) {
  for (const Loss& named : AllLosses()) {
    const std::string name(named.contract->name);
    const std::vector<Case> cases = ReadGolden(name);
    for (const int64_t target : SimdTargets()) {
      const OnTarget on(target);
      const Loss loss = FindLoss(name)->loss;
      for (const FormKernels& kernels : loss.forms) {
        Worst f32, f64;
        size_t num_f32 = 0, num_f64 = 0;
        for (const Case& c : cases) {
          if (Form{c.input_kind, c.clip_policy} != kernels.form) continue;
          if (c.f32) {
            Check<float>(loss, kernels, c, loss.contract->f32, f32);
            ++num_f32;
          } else {
            Check<double>(loss, kernels, c, loss.contract->f64, f64);
            ++num_f64;
          }
          if (HasFailure() && ::testing::Test::HasFatalFailure()) return;
        }
        EXPECT_GE(num_f32, 40u) << Describe(loss, kernels.form);
        EXPECT_GE(num_f64, 40u) << Describe(loss, kernels.form);
        std::printf("%-6s %-58s worst ulp: F32 value %.2f slope %.2f, F64 value %.2f slope %.2f\n",
                    hwy::TargetName(target), Describe(loss, kernels.form).c_str(), f32.value, f32.slope, f64.value,
                    f64.slope);
      }
    }
  }
}

}  // namespace
}  // namespace lossd::testing
