// Contracts hold: texts, names, worked examples, conventions. derivative_test.cc has the derivatives.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "core/registry.h"
#include "core/strings.h"
#include "gtest/gtest.h"
#include "tests/support/cases.h"
#include "tests/support/examples.h"
#include "tests/support/golden.h"
#include "tests/support/losses.h"
#include "tests/support/problems.h"
#include "tests/support/simd_targets.h"

namespace lossd::testing {
namespace {

constexpr uint64_t kSeed = 20261121;

template <class Fn>
void ForEachContract(const Fn& check) {
  for (const Loss& loss : TestedLosses()) {
    SCOPED_TRACE(loss.contract->name);
    check(*loss.contract);
  }
}

ParamValue ValueOf(const Param& param, double value) {
  if (!param.is_choice()) return value;
  return std::string(param.choices[static_cast<size_t>(value)]);
}

void ExampleHolds(const Contract& contract, const Example& example, DType dtype) {
  SCOPED_TRACE(Cat(contract.name, ": ", example.origin, " ", Name(dtype)));
  Call call = MakeCall(contract, example.form, dtype, TensorsOf(contract, example));
  call.request.options.reduction = Reduction::kSum;
  call.request.gradient = true;
  call.request.with_respect_to = {std::string(contract.inputs[0].name)};
  ASSERT_LE(example.params.size(), contract.params.size());
  for (size_t i = 0; i < example.params.size(); ++i) {
    const Param& param = contract.params[i];
    call.request.params.emplace_back(param.name, ValueOf(param, example.params[i]));
  }
  const absl::StatusOr<Bits> bits = Solve(call);
  ASSERT_TRUE(bits.ok()) << bits.status();
  const double tolerance = std::pow(10.0, -example.digits);
  const auto near = [&](double got, double exact) {
    return got == exact || std::abs(got - exact) <= tolerance * std::max(1.0, std::abs(exact));
  };
  EXPECT_TRUE(near(*bits->result.value, example.value)) << *bits->result.value << ", not " << example.value;
  const std::vector<double> gradient = Decode(dtype, bits->gradient());
  ASSERT_EQ(gradient.size(), example.gradient.size());
  for (size_t i = 0; i < gradient.size(); ++i) {
    EXPECT_TRUE(near(gradient[i], example.gradient[i]))
        << gradient[i] << ", not " << example.gradient[i] << " at " << i;
  }
}

TEST(Contract, WorkedExamplesHoldOnEveryInstructionSet) {
  for (const int64_t target : SimdTargets()) {
    const OnTarget on(target);
    ForEachContract([](const Contract& contract) {
      EXPECT_FALSE(contract.examples.empty());
      for (const Example& example : contract.examples) {
        ExampleHolds(contract, example, DType::kF32);
        ExampleHolds(contract, example, DType::kF64);
      }
    });
  }
}

TEST(Contract, EveryLossSaysWhatItIs) {
  ForEachContract([](const Contract& contract) {
    const std::pair<std::string_view, std::string_view> texts[] = {
        {"name", contract.name},       {"summary", contract.summary},   {"use", contract.use},
        {"formula", contract.formula}, {"gradient", contract.gradient}, {"tex", contract.tex},
        {"source", contract.source}};
    std::vector<std::string_view> missing;
    for (const auto& [what, text] : texts) {
      if (text.empty()) missing.push_back(what);
    }
    EXPECT_EQ(JoinNames(missing), "") << "left out";
    for (const Example& example : contract.examples) EXPECT_FALSE(example.origin.empty()) << "an example's origin";
    EXPECT_FALSE((contract.has_kinks || !contract.kinks.empty()) && contract.kinks_note.empty()) << "kinks_note";
    EXPECT_FALSE(contract.detached && contract.notes.empty()) << "what is detached";
    EXPECT_TRUE(contract.tex.find('$') == std::string_view::npos) << "dollars";
    const auto loose = [](const Tolerance& t) { return t.value_ulp > 2 || t.slope_ulp > 4 || t.curvature_ulp > 4; };
    EXPECT_FALSE((loose(contract.f32) || loose(contract.f64)) && contract.tolerance_note.empty()) << "tolerance_note";
  });
}

TEST(Contract, ParametersAreSane) {
  ForEachContract([](const Contract& contract) {
    std::set<std::string_view> names;
    for (const Param& param : contract.params) {
      SCOPED_TRACE(param.name);
      EXPECT_TRUE(names.insert(param.name).second);
      EXPECT_FALSE(param.summary.empty());
      EXPECT_TRUE(param.domain.Contains(param.fallback));
      const std::set<std::string_view> words(param.choices.begin(), param.choices.end());
      EXPECT_EQ(words.size(), param.choices.size());
      if (param.is_choice()) {
        EXPECT_LT(param.fallback, static_cast<double>(param.choices.size()));
      }
      for (const std::string_view word : param.detached) EXPECT_TRUE(words.contains(word)) << word;
    }
    if (contract.label_encoding.empty()) return;
    const size_t encoding = contract.ParamIndex(contract.label_encoding);
    ASSERT_LT(encoding, contract.params.size());
    const auto& words = contract.params[encoding].choices;
    EXPECT_EQ((std::vector<std::string_view>(words.begin(), words.end())),
              (std::vector<std::string_view>{"signed", "binary", "auto"}));
  });
}

TEST(Contract, InputsAreConsistent) {
  ForEachContract([](const Contract& contract) {
    std::set<std::string_view> names;
    const bool batch = contract.family == Family::kBatch;
    for (const Input& input : contract.inputs) {
      SCOPED_TRACE(input.name);
      const bool shared = !input.shape.starts_with("...");
      EXPECT_TRUE(names.insert(input.name).second);
      if (input.name != "y_pred" && input.name != "y_true") {
        EXPECT_FALSE(input.summary.empty());
      }
      EXPECT_FALSE(input.differentiable && shared && !batch) << "a shared input's slope would be a sum over items";
      EXPECT_FALSE(!shared && batch) << "a batch loss has no items outside it";
      EXPECT_FALSE(input.differentiable && input.content != Content::kNumbers);
      EXPECT_EQ(input.content == Content::kPrefixIndex, !input.counted_by.empty()) << "counted_by";
      if (input.counted_by.empty()) continue;
      const size_t counts = contract.InputIndex(input.counted_by);
      ASSERT_LT(counts, contract.inputs.size());
      EXPECT_EQ(contract.inputs[counts].content, Content::kCount);
    }
    const Input& first = contract.inputs[0];
    EXPECT_TRUE(first.differentiable && !first.optional && first.content == Content::kNumbers);
    if (contract.family == Family::kRow) {
      EXPECT_EQ(AxesOf(first).size(), 1u) << "a row is the last axis";
    }
    if (contract.family == Family::kElementwise) {
      EXPECT_EQ(first.shape, "...");
    }
    const size_t y_true = contract.InputIndex("y_true");
    const bool targets = y_true < contract.inputs.size();
    if (contract.class_weights && targets && contract.inputs[y_true].content != Content::kNumbers) {
      EXPECT_TRUE(contract.inputs[y_true].shape == "..." || contract.inputs[y_true].shape == "N")
          << "the class weight of an item is that of its label";
    }
    EXPECT_TRUE(targets || (contract.smoothing == Smoothing::kNone && contract.label_encoding.empty()));
  });
}

TEST(Contract, AWindowOnAnotherLossLeadsToOne) {
  ForEachContract([](const Contract& contract) {
    const size_t y_true = contract.InputIndex("y_true");
    const bool indexed = y_true < contract.inputs.size() && contract.inputs[y_true].content == Content::kIndex;
    if (contract.smoothing == Smoothing::kClasses) {
      EXPECT_EQ(indexed, !contract.dense_twin.empty());
    }
    if (contract.dense_twin.empty()) return;
    const absl::StatusOr<ResolvedLoss> twin = FindLoss(contract.dense_twin);
    ASSERT_TRUE(twin.ok()) << contract.dense_twin;
    const Contract& dense = *twin->loss.contract;
    EXPECT_EQ(dense.name, contract.dense_twin);
    ASSERT_EQ(dense.params.size(), contract.params.size());
    for (size_t i = 0; i < dense.params.size(); ++i) EXPECT_EQ(dense.params[i].name, contract.params[i].name);
    for (const Form& form : contract.forms) {
      EXPECT_TRUE(std::find(dense.forms.begin(), dense.forms.end(), form) != dense.forms.end());
    }
  });
}

std::string Folded(std::string_view name) {
  std::string folded;
  for (const char c : name) {
    if (c != '_' && c != '-' && c != ' ') folded += static_cast<char>(std::tolower(c));
  }
  return folded;
}

TEST(Contract, EveryNameResolvesToItsLossAndNoNameIsSharedByTwo) {
  std::map<std::string, std::string> seen;
  ForEachContract([&](const Contract& contract) {
    std::vector<std::string_view> names = {contract.name};
    for (const Alias& alias : contract.aliases) names.emplace_back(alias.name);
    std::vector<std::string> twice;
    for (const std::string_view name : names) {
      const auto [place, fresh] = seen.emplace(Folded(name), contract.name);
      if (!fresh) twice.push_back(Cat(name, " of ", place->second));
      const absl::StatusOr<ResolvedLoss> found = FindLoss(name);
      ASSERT_TRUE(found.ok()) << name;
      EXPECT_EQ(found->loss.contract->name, contract.name) << name;
      const auto& forms = contract.forms;
      EXPECT_TRUE(
          found->implied == InputKind::kUnspecified ||
          std::any_of(forms.begin(), forms.end(), [&](const Form& form) { return form.input_kind == found->implied; }))
          << name << " stands for an input kind that the loss does not take";
    }
    EXPECT_EQ(JoinNames(twice), "") << "names that are taken";
  });
}

TEST(Contract, EveryLossHasAGoldenFileAndEveryGoldenFileALoss) {
  std::set<std::string> losses, files;
  for (const Loss& loss : AllLosses()) losses.emplace(loss.contract->name);
  for (const auto& entry : std::filesystem::directory_iterator(GoldenFolder())) {
    if (entry.path().extension() == ".golden") files.insert(entry.path().stem().string());
  }
  const auto without = [](const std::set<std::string>& from, const std::set<std::string>& others) {
    std::vector<std::string_view> left;
    std::set_difference(from.begin(), from.end(), others.begin(), others.end(), std::back_inserter(left));
    return JoinNames(left);
  };
  EXPECT_EQ(without(losses, files), "") << "losses without a golden file";
  EXPECT_EQ(without(files, losses), "") << "golden files without a loss";
}

// Words of a choice, and kink policies, that no golden case is computed under. The default needs no saying.
TEST(Contract, EveryWordHasAGoldenCase) {
  ForEachContract([](const Contract& contract) {
    const std::vector<GoldenCase> cases = ReadGolden(contract.name);
    const auto unused = [&](std::string_view name, std::string_view word, bool usual) {
      return std::none_of(cases.begin(), cases.end(), [&](const GoldenCase& c) {
        const auto given =
            std::find_if(c.params.begin(), c.params.end(), [&](const auto& p) { return p.first == name; });
        return given == c.params.end() ? usual : given->second == word;
      });
    };
    std::vector<std::string> missing;
    for (const Param& param : contract.params) {
      for (size_t i = 0; i < param.choices.size(); ++i) {
        const bool usual = static_cast<double>(i) == param.fallback;
        if (unused(param.name, param.choices[i], usual)) missing.push_back(Cat(param.name, "=", param.choices[i]));
      }
    }
    for (const KinkPolicy policy : kKinkPolicies) {
      const bool usual = policy == KinkPolicy::kLeastNorm;
      if (contract.has_kinks && unused(kKinkPolicy, Name(policy), usual)) {
        missing.push_back(Cat(kKinkPolicy, "=", Name(policy)));
      }
    }
    EXPECT_EQ(missing, std::vector<std::string>()) << "without a golden case";
  });
}

// A request that says no more than the convention, on the axes that the convention expects.
absl::Status TryConvention(const Contract& contract, const Bundle& bundle, InputKind kind) {
  Rng rng(kSeed);
  Form form = contract.forms[0];
  for (const Form& other : contract.forms) {
    if (other.input_kind == kind || other.input_kind == bundle.input_kind) form = other;
  }
  Extent extent;
  extent.items = {5};  // a class axis 1 is then the last
  Call call = MakeCall(contract, form, DType::kF32, DrawInputs(rng, contract, form, extent));
  call.request.options = {.convention = bundle.convention, .input_kind = kind};
  call.request.gradient = true;
  return Solve(call).status();
}

TEST(Contract, EveryConventionMakesAWorkingProblem) {
  ForEachContract([](const Contract& contract) {
    std::set<Convention> seen;
    for (const Bundle& bundle : contract.conventions) {
      SCOPED_TRACE(Name(bundle.convention));
      EXPECT_NE(bundle.convention, Convention::kLossd);
      EXPECT_TRUE(seen.insert(bundle.convention).second) << "twice";
      EXPECT_FALSE(bundle.kink_policy && !contract.has_kinks) << "a kink policy that nothing reads";
      EXPECT_FALSE(bundle.divisor == Divisor::kTerms && contract.extra != Extra::kTerms);
      EXPECT_FALSE(bundle.axis && contract.family != Family::kRow);
      EXPECT_FALSE(bundle.last_axis && contract.family != Family::kElementwise);
      EXPECT_FALSE(bundle.whole_batch_item && contract.family != Family::kRegion);
      const auto check = [&](const Setting& setting) {
        const size_t i = contract.ParamIndex(setting.param);
        ASSERT_LT(i, contract.params.size()) << setting.param;
        const Param& param = contract.params[i];
        EXPECT_TRUE(param.is_choice() ? setting.value < static_cast<double>(param.choices.size())
                                      : param.domain.Contains(setting.value))
            << setting.param;
      };
      for (const Setting& setting : bundle.params) check(setting);
      for (const Setting& setting : bundle.mean_params) check(setting);
      absl::Status status = TryConvention(contract, bundle, InputKind::kUnspecified);
      if (status.ok()) continue;
      // A library without a usual kind: the call has to say it.
      for (const Form& form : contract.forms) {
        if (!status.ok()) status = TryConvention(contract, bundle, form.input_kind);
      }
      EXPECT_TRUE(status.ok()) << status;
    }
  });
}

}  // namespace
}  // namespace lossd::testing
