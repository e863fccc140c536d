// Contracts hold: worked examples, names, and the slope is the derivative of the value.
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <string>

#include "core/registry.h"
#include "core/strings.h"
#include "gtest/gtest.h"
#include "tests/support/kernels.h"
#include "tests/support/simd_targets.h"

namespace lossd::testing {
namespace {

constexpr uint64_t kSeed = 20261121;

const FormKernels* Find(const Loss& loss, const Form& form) {
  for (const FormKernels& kernels : loss.forms) {
    if (kernels.form == form) return &kernels;
  }
  return nullptr;
}

template <class T>
void ExampleHolds(const Loss& loss, const Example& example) {
  SCOPED_TRACE(Cat(loss.contract->name, ": ", example.origin));
  const FormKernels* const kernels = Find(loss, example.form);
  ASSERT_NE(kernels, nullptr) << "an example of a form that the contract does not accept";
  std::vector<double> params = Defaults(*loss.contract);
  for (size_t i = 0; i < example.params.size(); ++i) params[i] = example.params[i];
  const std::vector<T> prediction(example.prediction.begin(), example.prediction.end());
  const std::vector<T> target(example.target.begin(), example.target.end());
  const size_t width = loss.family == Family::kElementwise ? 1 : prediction.size();
  const Answer<T> got = RunKernel<T>(loss, *kernels, params, prediction, target, width);
  double sum = 0;
  for (const T value : got.value) sum += value;
  const double tolerance = std::pow(10.0, -example.digits);
  EXPECT_NEAR(sum, example.value, tolerance * std::max(1.0, std::abs(example.value)));
  ASSERT_EQ(got.slope.size(), example.gradient.size());
  for (size_t i = 0; i < got.slope.size(); ++i) {
    EXPECT_NEAR(got.slope[i], example.gradient[i], tolerance * std::max(1.0, std::abs(example.gradient[i])))
        << "at " << i;
  }
}

TEST(Contract, WorkedExamplesHoldOnEveryInstructionSet) {
  for (const int64_t target : SimdTargets()) {
    const OnTarget on(target);
    for (const Loss& loss : AllLosses()) {
      EXPECT_FALSE(loss.contract->examples.empty()) << loss.contract->name;
      for (const Example& example : loss.contract->examples) {
        ExampleHolds<float>(loss, example);
        ExampleHolds<double>(loss, example);
      }
    }
  }
}

TEST(Contract, EveryLossSaysWhatItIs) {
  for (const Loss& loss : AllLosses()) {
    const Contract& contract = *loss.contract;
    SCOPED_TRACE(contract.name);
    for (const std::string_view text :
         {contract.name, contract.summary, contract.formula, contract.gradient, contract.source}) {
      EXPECT_FALSE(text.empty());
    }
    for (const Param& param : contract.params) {
      EXPECT_TRUE(param.domain.Contains(param.fallback)) << param.name;
      EXPECT_FALSE(param.summary.empty()) << param.name;
    }
    EXPECT_EQ(contract.kinks.empty(), contract.kinks_note.empty() || contract.forms.size() > 1);
    ASSERT_EQ(loss.forms.size(), contract.forms.size());
  }
}

TEST(Contract, EveryNameResolvesToItsLossAndNoNameIsSharedByTwo) {
  std::map<std::string, std::string> seen;
  for (const Loss& loss : AllLosses()) {
    const std::string canonical(loss.contract->name);
    std::vector<std::string> names = {canonical};
    for (const Alias& alias : loss.contract->aliases) names.emplace_back(alias.name);
    for (const std::string& name : names) {
      const auto [place, fresh] = seen.emplace(name, canonical);
      EXPECT_TRUE(fresh) << name << " names " << place->second << " and " << canonical;
      const absl::StatusOr<ResolvedLoss> found = FindLoss(name);
      ASSERT_TRUE(found.ok()) << name;
      EXPECT_EQ(found->loss.contract->name, canonical) << name;
    }
  }
}

TEST(Contract, EveryLossHasAGoldenFileAndEveryGoldenFileALoss) {
  const char* const folder = std::getenv("LOSSD_GOLDEN_DIR");
  ASSERT_NE(folder, nullptr);
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".golden") continue;
    ++files;
    const absl::StatusOr<ResolvedLoss> found = FindLoss(entry.path().stem().string());
    ASSERT_TRUE(found.ok()) << entry.path();
    EXPECT_EQ(found->loss.contract->name, entry.path().stem().string());
  }
  EXPECT_EQ(files, AllLosses().size());
}

// Central differences in double. Their error is about step^2 times the third derivative; losses here keep that below
// 100 on the domains of Draw().
TEST(Contract, TheSlopeIsTheDerivativeOfTheValue) {
  constexpr double kStep = 1e-5;
  std::mt19937_64 rng(kSeed);
  for (const int64_t target : SimdTargets()) {
    const OnTarget on(target);
    for (const Loss& loss : AllLosses()) {
      for (const FormKernels& kernels : loss.forms) {
        SCOPED_TRACE(Describe(loss, kernels.form));
        const std::vector<double> params = Defaults(*loss.contract);
        for (const size_t width : Widths(loss)) {
          const size_t items = width == 1 ? 70 : 5;
          const auto p = Draw<double>(rng, kernels.form, items * width);
          const auto t = DrawTargets<double>(rng, loss, items, width);
          const auto at = RunKernel<double>(loss, kernels, params, p, t, width);
          for (size_t i = 0; i < p.size(); ++i) {
            bool near_kink = false;
            for (const double kink : loss.contract->kinks) {
              const double place = kink * (loss.contract->kinks_scaled ? params[0] : 1);
              near_kink |= loss.family == Family::kElementwise && std::abs(p[i] - t[i] - place) < 2 * kStep;
            }
            if (near_kink) continue;
            auto above = p, below = p;
            above[i] += kStep;
            below[i] -= kStep;
            const size_t item = i / width;
            const double up = RunKernel<double>(loss, kernels, params, above, t, width, false).value[item];
            const double down = RunKernel<double>(loss, kernels, params, below, t, width, false).value[item];
            const double difference = (up - down) / (above[i] - below[i]);
            ASSERT_NEAR(at.slope[i], difference, 1e-6 * std::max(1.0, std::abs(difference)))
                << "width " << width << " p " << p[i] << " seed " << kSeed;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace lossd::testing
