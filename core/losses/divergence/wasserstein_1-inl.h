// Wasserstein-1 distance of two histograms over bins in a row: how far their mass must be carried.
//
//   F_k     = sum_{c <= k} (p_c - t_c)
//   value   = sum_k |F_k|
//   slope_c = sum_{k >= c} sign(F_k)
//
// F is summed with twice the digits, so that a bin where the two agree is seen as such.
// Source: Vallender 1974, Calculation of the Wasserstein Distance Between Probability Distributions on the Line.

#if defined(LOSSD_CORE_LOSSES_DIVERGENCE_WASSERSTEIN_1_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_DIVERGENCE_WASSERSTEIN_1_INL_H_
#undef LOSSD_CORE_LOSSES_DIVERGENCE_WASSERSTEIN_1_INL_H_
#else
#define LOSSD_CORE_LOSSES_DIVERGENCE_WASSERSTEIN_1_INL_H_
#endif

#include "core/simd/divergence_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Wasserstein1 {
  static constexpr Contract kContract = {
      .name = "wasserstein_1",
      .family = Family::kRow,
      .aliases = {{"emd"}, {"earth_movers_distance"}, {"wasserstein"}},
      .summary = "how far the mass of one histogram must be carried to make the other",
      .use = "Ordered classes: ages, ratings, depth bins; a near miss costs less than a far one.",
      .formula = "sum_k |sum_{c<=k} (p_c - t_c)|",
      .gradient = "sum_{k>=c} sign(sum_{j<=k} (p_j - t_j))",
      .tex = "\\sum_k \\Bigl|\\sum_{c \\le k} (p_c - t_c)\\Bigr|",
      .source = "Vallender 1974, Calculation of the Wasserstein Distance Between Probability Distributions on the Line",
      .notes =
          "The distance of neighbouring bins is 1. Rows are not normalised: where their sums differ, the last term is "
          "the difference.",
      .peers = "Not in Keras, PyTorch or optax. SciPy's wasserstein_distance normalises both rows.",
      .kinks_note = "a cumulated difference of 0, where its sign is taken as 0",
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true", .shape = "... C", .summary = "masses of the bins"}},
      .examples = {{.origin = "by hand: all mass carried by two bins",
                    .target = {0, 0, 1},
                    .prediction = {1, 0, 0},
                    .value = 2,
                    .gradient = {2, 1, 0}}},
      .curvature = true,
  };

  HWY_INLINE double operator()(const Item& x) const {
    const size_t n = x.width();
    double* const slope = x.slope(0);
    Pair carried, value;
    for (size_t c = 0; c < n; ++c) {
      carried = Plus(carried, TwoSum(x.in(0)[c], -x.in(1)[c]));
      value = Plus(value, carried.hi < 0 ? Pair{-carried.hi, -carried.lo} : carried);
      if (slope != nullptr) slope[c] = (carried.hi > 0) - (carried.hi < 0);
    }
    for (size_t c = n; slope != nullptr && c-- > 1;) slope[c - 1] += slope[c];
    return Linear(x, value.value());
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_DIVERGENCE_WASSERSTEIN_1_INL_H_
