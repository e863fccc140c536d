// Calls one kernel of the registry on plain vectors.
#pragma once

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/losses/loss.h"
#include "core/strings.h"

namespace lossd::testing {

inline std::vector<double> Defaults(const Contract& contract) {
  std::vector<double> params;
  for (const Param& param : contract.params) params.push_back(param.fallback);
  return params;
}

inline std::string Describe(const Loss& loss, const Form& form) {
  return Cat(loss.contract->name, " ", Name(form.input_kind), " ", Name(form.clip_policy));
}

template <class T>
Kernel<T> KernelOf(const FormKernels& kernels) {
  if constexpr (sizeof(T) == 4) {
    return kernels.f32;
  } else {
    return kernels.f64;
  }
}

template <class T>
struct Answer {
  std::vector<T> value, slope;
};

// Items of `width`; target holds labels for kRowWithIndex.
template <class T>
Answer<T> RunKernel(const Loss& loss, const FormKernels& kernels, const std::vector<double>& params,
                    const std::vector<T>& prediction, const std::vector<T>& target, size_t width, bool slope = true) {
  const size_t items = prediction.size() / width;
  Answer<T> answer{std::vector<T>(items), std::vector<T>(slope ? prediction.size() : 0)};
  std::vector<int32_t> labels;
  if (loss.family == Family::kRowWithIndex) labels.assign(target.begin(), target.end());
  KernelOf<T>(kernels)(params, Block<T>{.prediction = prediction.data(),
                                        .target = target.data(),
                                        .labels = labels.data(),
                                        .items = items,
                                        .width = width,
                                        .value = answer.value.data(),
                                        .slope = slope ? answer.slope.data() : nullptr});
  return answer;
}

// Uniform over a domain, unbounded sides cut at 4; probabilities keep off the ends by 1/16.
template <class T>
std::vector<T> Draw(std::mt19937_64& rng, const Form& form, size_t n) {
  const Interval& domain = form.prediction;
  const bool probability = form.input_kind == InputKind::kProbabilities;
  std::uniform_real_distribution<double> uniform(probability ? 1.0 / 16 : std::max(domain.lo, -4.0),
                                                 probability ? 15.0 / 16 : std::min(domain.hi, 4.0));
  std::vector<T> out(n);
  for (T& x : out) x = static_cast<T>(uniform(rng));
  return out;
}

// Targets for `items` items of `width`: in the contract's domain, or labels.
template <class T>
std::vector<T> DrawTargets(std::mt19937_64& rng, const Loss& loss, size_t items, size_t width) {
  const Interval& domain = loss.contract->target;
  if (loss.family == Family::kRowWithIndex) {
    std::vector<T> labels(items);
    for (T& label : labels) label = static_cast<T>(rng() % width);
    return labels;
  }
  std::uniform_real_distribution<double> uniform(std::max(domain.lo, -4.0), std::min(domain.hi, 4.0));
  std::vector<T> out(items * width);
  for (T& x : out) x = static_cast<T>(uniform(rng));
  return out;
}

// Widths worth trying for a family.
inline std::vector<size_t> Widths(const Loss& loss) {
  if (loss.family == Family::kElementwise) return {1};
  return {1, 2, 3, 7, 15, 16, 17, 33, 100};
}

// Equal bits; NaNs are equal whatever their payload.
template <class T>
bool SameBits(T a, T b) {
  return std::memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b);
}

}  // namespace lossd::testing
