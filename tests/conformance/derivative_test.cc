// Slopes are the derivatives of values, and curvatures of slopes: differences in double, through requests, for every
// input of every loss that has a slope, on random data drawn from the contract.
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "core/strings.h"
#include "gtest/gtest.h"
#include "tests/support/cases.h"
#include "tests/support/losses.h"
#include "tests/support/problems.h"
#include "tests/support/simd_targets.h"

namespace lossd::testing {
namespace {

constexpr uint64_t kSeed = 20261121;
constexpr double kStep = 0x1p-14;
// Differences of fourth order leave an error of about step^4 / 30 times the fifth derivative, and the rounding of the
// values over the step: both far below.
constexpr double kTolerance = 1e-6;

using Params = std::vector<std::pair<std::string, ParamValue>>;

bool IsDetached(const Param& param, std::string_view word) {
  return std::find(param.detached.begin(), param.detached.end(), word) != param.detached.end();
}

// Every word of a choice that is not detached.
std::vector<Params> Attached(const Param& param) {
  std::vector<Params> all;
  for (const std::string_view word : param.choices) {
    if (!IsDetached(param, word)) all.push_back({{std::string(param.name), std::string(word)}});
  }
  return all;
}

// The defaults, and each word of each choice beside the default one; detached words are left out.
std::vector<Params> Variations(const Contract& contract) {
  std::vector<Params> all = {{}};
  for (const Param& param : contract.params) {
    for (size_t word = 0; word < param.choices.size(); ++word) {
      const std::string_view name = param.choices[word];
      const bool usual = static_cast<double>(word) == param.fallback;
      if (usual && IsDetached(param, name)) return Attached(param);
      if (!usual && !IsDetached(param, name)) all.push_back({{std::string(param.name), std::string(name)}});
    }
  }
  return all;
}

// One problem whose inputs can be moved.
class Point {
 public:
  Point(const Contract& contract, const Form& form, Params params, Tensors at)
      : contract_(contract), form_(form), params_(std::move(params)), at_(std::move(at)) {}

  const Tensors& at() const { return at_; }
  Bits Solved(bool slopes) const {
    Call call = MakeCall(contract_, form_, DType::kF64, at_);
    call.request.params = params_;
    if (slopes) WantAll(contract_, call.request);
    absl::StatusOr<Bits> bits = Solve(call);
    EXPECT_TRUE(bits.ok()) << bits.status();
    return bits.ok() ? *std::move(bits) : Bits{};
  }
  // A word may make the prediction one that has to be above 0.
  void MakePositive() {
    for (double& x : at_[std::string(contract_.inputs[0].name)].numbers) x = std::abs(x) + 0.25;
  }
  // Values, or slopes of the first input, with one number moved.
  std::vector<double> Moved(const std::string& input, size_t k, double by, bool slopes) {
    double& x = at_[input].numbers[k];
    const double before = x;
    x += by;
    const Bits bits = Solved(slopes);
    x = before;
    return As<double>(slopes ? bits.gradient() : bits.per_item);
  }

 private:
  const Contract& contract_;
  Form form_;
  Params params_;
  Tensors at_;
};

bool HasNan(const std::vector<std::byte>& bytes) {
  const std::vector<double> numbers = As<double>(bytes);
  return std::any_of(numbers.begin(), numbers.end(), [](double x) { return std::isnan(x); });
}

struct Tally {
  size_t compared = 0, kinks = 0, nan = 0;
};

// f(by): numbers whose sum is differentiated, with the coordinate moved. True: `slope` is its derivative, or there is a
// kink.
template <class F>
bool Agrees(const F& f, double slope, Tally& tally, std::string& told) {
  const auto difference = [&](double h) {
    const auto sum = [&](double to) {
      const std::vector<double> up = f(to), down = f(-to);
      double total = 0;
      for (size_t i = 0; i < up.size(); ++i) {
        if (!std::isnan(up[i] - down[i])) total += up[i] - down[i];  // other items may be outside the domain
      }
      return total;
    };
    return (8 * sum(h) - sum(2 * h)) / (12 * h);
  };
  // Derivatives from both sides differ by this.
  const auto jump = [&](double h) {
    const std::vector<double> up = f(h), down = f(-h), here = f(0);
    double total = 0;
    for (size_t i = 0; i < up.size(); ++i) total += (up[i] - here[i]) - (here[i] - down[i]);
    return std::abs(total / h);
  };
  if (std::isnan(slope)) {
    ++tally.nan;
    return true;
  }
  ++tally.compared;
  const auto near = [&](double a, double b) {
    return std::abs(a - b) <= kTolerance * std::max({1.0, std::abs(a), std::abs(b)});
  };
  const double coarse = difference(kStep);
  if (near(coarse, slope)) return true;
  const double fine = difference(kStep / 16);
  if (near(fine, slope)) return true;
  const double far = jump(kStep), close = jump(kStep / 16);
  const bool kink = !near(coarse, fine) || (close > far / 2 && close > 100 * kTolerance);
  if (kink) ++tally.kinks;
  told = Cat("slope ", slope, ", differences ", coarse, " and ", fine);
  return kink;
}

void Check(const Contract& contract, const Form& form, const Params& params, bool optional, uint64_t seed) {
  Rng rng(seed);
  Extent extent;
  extent.optional = optional;
  if (contract.family == Family::kElementwise) extent.items = {4, 3};
  if (contract.family == Family::kRegion) extent.items = {2};
  Point point(contract, form, params, DrawAnswered(rng, contract, form, extent));
  if (HasNan(point.Solved(false).per_item)) point.MakePositive();
  const Bits here = point.Solved(true);
  Tally tally;
  size_t shown = 0;
  const auto expect = [&](bool agrees, std::string_view what, std::string_view name, size_t k,
                          const std::string& told) {
    if (!agrees && ++shown <= 3) ADD_FAILURE() << what << " for " << name << " " << k << ": " << told;
  };
  for (size_t i = 0; i < contract.inputs.size(); ++i) {
    const std::string name(contract.inputs[i].name);
    if (here.gradients[i].empty()) continue;
    const std::vector<double> slope = As<double>(here.gradients[i]);
    for (size_t k = 0; k < slope.size(); ++k) {
      std::string told;
      const bool agrees = Agrees([&](double by) { return point.Moved(name, k, by, false); }, slope[k], tally, told);
      expect(agrees, "slope", name, k, told);
    }
  }
  const std::string first(contract.inputs[0].name);
  const std::vector<double> curvature = As<double>(here.hessian);
  for (size_t k = 0; k < curvature.size(); ++k) {
    std::string told;
    const auto one = [&](double by) { return std::vector<double>{point.Moved(first, k, by, true)[k]}; };
    expect(Agrees(one, curvature[k], tally, told), "curvature", first, k, told);
  }
  EXPECT_EQ(shown, 0u) << "numbers that differ, of " << tally.compared;
  EXPECT_LE(5 * tally.kinks, tally.compared) << "too many kinks to tell";
  EXPECT_LE(tally.nan, 3 * tally.compared) << "too many NaN to tell";
}

TEST(Derivative, SlopesAndCurvaturesAreDerivatives) {
  for (const int64_t target : SimdTargets()) {
    const OnTarget on(target);
    for (const Loss& loss : TestedLosses()) {
      const Contract& contract = *loss.contract;
      if (contract.detached) continue;
      const bool options = std::any_of(contract.inputs.begin(), contract.inputs.end(),
                                       [](const Input& input) { return input.optional; });
      for (const Form& form : contract.forms) {
        for (const Params& params : Variations(contract)) {
          for (const bool optional : {false, true}) {
            if (optional && !options) continue;
            SCOPED_TRACE(Cat(Describe(contract, form), params.empty() ? "" : " ", params.empty() ? "" : params[0].first,
                             params.empty() ? "" : "=", params.empty() ? "" : std::get<std::string>(params[0].second),
                             optional ? " with optional inputs" : "", " seed ", kSeed));
            Check(contract, form, params, optional, kSeed);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace lossd::testing
