// Every loss against exact answers: tests/golden/, computed by mpmath from textbook formulas (see its README.md).
// Errors are counted in units in the last place and held against the contract.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/golden.h"
#include "tests/support/losses.h"
#include "tests/support/problems.h"
#include "tests/support/simd_targets.h"

namespace lossd::testing {
namespace {

constexpr size_t kLeastCases = 40;  // of each form and dtype
constexpr size_t kMostShown = 4;    // failures of each form, dtype and instruction set

// |got - exact| in ulps of T at the larger of |exact| and `scale`.
template <class T>
double ErrorInUlp(T got, Exact exact, double scale) {
  constexpr int kDigits = std::numeric_limits<T>::digits;
  const double smallest = std::ldexp(1.0, std::numeric_limits<T>::min_exponent - kDigits);
  const double rounded = static_cast<T>(exact.hi);
  if (std::isinf(rounded) || std::isinf(got) || std::isnan(got)) {
    return static_cast<double>(got) == rounded ? 0 : std::numeric_limits<double>::infinity();
  }
  const double at = std::max(std::abs(exact.hi), scale);
  const double ulp = at == 0 ? smallest : std::max(smallest, std::ldexp(1.0, std::ilogb(at) - kDigits + 1));
  return std::abs((got - exact.hi) - exact.lo) / ulp;
}

// What is asked for where slopes are: every input that has exact ones.
Request WithSlopes(Request request, const Contract& contract, const GoldenCase& c) {
  request.gradient = !c.slope.empty();
  for (const auto& [name, slope] : c.slope) request.with_respect_to.push_back(name);
  const std::string first(contract.inputs[0].name);
  request.hessian_diagonal = contract.curvature && c.curvature.contains(first);
  return request;
}

Call CallOf(const Contract& contract, const GoldenCase& c, DType dtype, const Tensors& inputs) {
  Call call = MakeCall(contract, c.form, dtype, inputs);
  for (const auto& [name, text] : c.params) {
    if (name == kKinkPolicy) {
      call.request.options.kink_policy = ParseKinkPolicy(text);
      continue;
    }
    const size_t i = contract.ParamIndex(name);
    const bool word = i < contract.params.size() && contract.params[i].is_choice();
    call.request.params.emplace_back(name, word ? ParamValue(text) : ParamValue(Number(text)));
  }
  return call;
}

// As slope_ulp where the contract does not say otherwise.
double CurvatureUlp(const Tolerance& tolerance) {
  return tolerance.curvature_ulp > 0 ? tolerance.curvature_ulp : tolerance.slope_ulp;
}

enum Result { kValue, kSlope, kCurvature };

// The part of each slope or curvature that its target makes: the scale of the tolerance where a soft target cancels. A
// condition number, not an expected result, so the loss under test may serve.
std::vector<double> TargetParts(const Contract& contract, const GoldenCase& c, Result result) {
  const auto found = c.inputs.find("y_true");
  if (!contract.soft_targets_cancel || found == c.inputs.end()) return {};
  const bool rows = contract.family != Family::kElementwise;
  const std::vector<double>& target = found->second.numbers;
  const size_t width = rows && !found->second.shape.empty() ? found->second.shape.back() : 1;
  const auto derivatives = [&](const Tensors& inputs) {
    Call call = CallOf(contract, c, DType::kF64, inputs);
    call.request.gradient = true;
    call.request.hessian_diagonal = result == kCurvature;
    const absl::StatusOr<Bits> bits = Solve(call);
    if (!bits.ok()) return std::vector<double>();
    return As<double>(result == kCurvature ? bits->hessian : bits->gradient());
  };
  const std::vector<double> base = derivatives(c.inputs);
  std::vector<double> parts(base.size(), 0.0);
  if (base.size() != target.size()) return parts;
  for (size_t i = 0; i < target.size(); ++i) {
    double total = 0;
    for (size_t k = i / width * width; k < (i / width + 1) * width; ++k) total += target[k];
    const double t = target[i];
    if (t == 0 || t == 1 || (rows && t == total)) continue;  // hard
    Tensors moved = c.inputs;
    moved["y_true"].numbers[i] = t * 1.0009765625;
    const std::vector<double> there = derivatives(moved);
    const double part = there.size() == base.size() ? std::abs((there[i] - base[i]) * 1024) : 0;
    if (std::isfinite(part)) parts[i] = part;
  }
  return parts;
}

// The worst errors of one form and dtype, and the failures among them, of which the first few are shown.
class Score {
 public:
  // what(): text of a failure.
  template <class What>
  void Add(Result result, double error, double most, const What& what) {
    worst_[result] = std::max(worst_[result].value_or(0), error);
    if (!(error <= most)) Fail(Cat(error, " ulp, not ", most, ": ", what()));
  }
  void Fail(const std::string& what) {
    if (++failures_ <= kMostShown) ADD_FAILURE() << what;
  }
  size_t failures() const { return failures_; }
  // "value 0.50 slope 0.50 curvature -"
  std::string Told() const {
    constexpr std::string_view kNames[] = {"value ", " slope ", " curvature "};
    std::string told;
    for (const Result result : {kValue, kSlope, kCurvature}) {
      char number[24] = "-";
      if (worst_[result]) std::snprintf(number, sizeof number, "%.2f", *worst_[result]);
      told = Cat(told, kNames[result], std::string(number));
    }
    return told;
  }
  size_t cases = 0;

 private:
  std::array<std::optional<double>, 3> worst_{};
  size_t failures_ = 0;
};

std::string Told(std::string_view what, size_t i, double got, Exact exact, const GoldenCase& c) {
  char text[80];
  std::snprintf(text, sizeof text, " %.17g, exact %.17g\n", got, exact.hi);
  return Cat(what, " ", i, std::string(text), c.line);
}

template <class T>
void Check(const Contract& contract, const GoldenCase& c, Score& score) {
  ++score.cases;
  const Tolerance& tolerance = sizeof(T) == 4 ? contract.f32 : contract.f64;
  const Call call = CallOf(contract, c, kDTypeOf<T>, c.inputs);
  static Executor& executor = *new Executor(1);
  const absl::StatusOr<Bits> bits = Solve(WithSlopes(call.request, contract, c), executor);
  const absl::StatusOr<Bits> plain = Solve(call);
  if (!bits.ok() || !plain.ok()) return score.Fail(Cat(bits.status().ToString(), "\n", c.line));

  if (bits->per_item != plain->per_item) score.Fail(Cat("the value depends on whether slopes are wanted\n", c.line));
  const std::vector<T> value = As<T>(bits->per_item);
  if (value.size() != c.value.size()) {
    return score.Fail(Cat(value.size(), " values, not ", c.value.size(), "\n", c.line));
  }
  for (size_t i = 0; i < value.size(); ++i) {
    score.Add(kValue, ErrorInUlp<T>(value[i], c.value[i], 0), tolerance.value_ulp,
              [&] { return Told("value", i, value[i], c.value[i], c); });
  }
  const auto compare = [&](Result result, const std::string& what, const std::vector<std::byte>& bytes,
                           const std::vector<Exact>& exact, const std::vector<double>& parts) {
    const std::vector<T> got = As<T>(bytes);
    if (got.size() != exact.size()) {
      return score.Fail(Cat(what, ": ", got.size(), " elements, not ", exact.size(), "\n", c.line));
    }
    const double most = result == kSlope ? tolerance.slope_ulp : CurvatureUlp(tolerance);
    double largest = 0;
    for (const Exact& slope : exact) {
      if (tolerance.of_largest && std::isfinite(slope.hi)) largest = std::max(largest, std::abs(slope.hi));
    }
    for (size_t i = 0; i < got.size(); ++i) {
      const double scale = i < parts.size() ? parts[i] : 0;
      score.Add(result, ErrorInUlp<T>(got[i], exact[i], std::max(scale, largest)), most,
                [&] { return Told(what, i, got[i], exact[i], c); });
    }
  };
  for (const auto& [name, slope] : c.slope) {
    const size_t i = contract.InputIndex(name);
    compare(kSlope, Cat("slope for ", name), bits->gradients[i], slope,
            i == 0 ? TargetParts(contract, c, kSlope) : std::vector<double>());
  }
  const auto curvature = c.curvature.find(std::string(contract.inputs[0].name));
  if (contract.curvature && curvature != c.curvature.end()) {
    compare(kCurvature, "curvature", bits->hessian, curvature->second, TargetParts(contract, c, kCurvature));
  }
}

void CheckForm(const Contract& contract, const Form& form, const std::vector<GoldenCase>& cases, int64_t target) {
  Score f32, f64;
  for (const GoldenCase& c : cases) {
    if (c.form != form) continue;
    if (c.dtype == DType::kF32) {
      Check<float>(contract, c, f32);
    } else {
      Check<double>(contract, c, f64);
    }
  }
  const std::string name = Cat(contract.name, " ", Name(form.input_kind), " ", Name(form.clip_policy));
  EXPECT_GE(f32.cases, kLeastCases) << name;
  EXPECT_GE(f64.cases, kLeastCases) << name;
  EXPECT_EQ(f32.failures() + f64.failures(), 0u) << "failures of " << name << " on " << hwy::TargetName(target);
  const double curvature_ulp = CurvatureUlp(contract.f64);
  const std::string last = curvature_ulp == contract.f64.slope_ulp ? "" : Cat(" / ", curvature_ulp);
  std::printf("%-6s %-66s worst ulp: F32 %s, F64 %s; contract %g / %g%s%s\n", hwy::TargetName(target), name.c_str(),
              f32.Told().c_str(), f64.Told().c_str(), contract.f64.value_ulp, contract.f64.slope_ulp, last.c_str(),
              contract.f64.of_largest ? " of the largest" : "");
}

TEST(Golden, EveryLossIsWithinItsContractOnEveryInstructionSet) {
  for (const Loss& loss : TestedLosses()) {
    const Contract& contract = *loss.contract;
    const std::vector<GoldenCase> cases = ReadGolden(contract.name);
    for (const GoldenCase& c : cases) {
      const auto& forms = contract.forms;
      EXPECT_TRUE(std::find(forms.begin(), forms.end(), c.form) != forms.end())
          << contract.name << " has no such form: " << c.line;
    }
    const std::string first(contract.inputs[0].name);
    const bool curved =
        std::any_of(cases.begin(), cases.end(), [&](const GoldenCase& c) { return c.curvature.contains(first); });
    EXPECT_EQ(curved, contract.curvature) << contract.name << ": golden second derivatives";
    for (const int64_t target : SimdTargets()) {
      const OnTarget on(target);
      for (const Form& form : contract.forms) CheckForm(contract, form, cases, target);
    }
  }
}

}  // namespace
}  // namespace lossd::testing
