// Orthogonal regulariser: the mean absolute cosine of all pairs of rows (or columns) of a matrix.
//
//   u_i     = w_i / |w_i|
//   value   = factor sum_{i < j} |u_i.u_j| / (n (n - 1)/2)         n rows; 0 for one row
//   d (u_i.u_j) = factor sign(u_i.u_j) / (n (n - 1)/2)
//
// Source: documentation of keras.regularizers.OrthogonalRegularizer.

#if defined(LOSSD_CORE_LOSSES_REGULARIZERS_ORTHOGONAL_REGULARIZER_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_REGULARIZERS_ORTHOGONAL_REGULARIZER_INL_H_
#undef LOSSD_CORE_LOSSES_REGULARIZERS_ORTHOGONAL_REGULARIZER_INL_H_
#else
#define LOSSD_CORE_LOSSES_REGULARIZERS_ORTHOGONAL_REGULARIZER_INL_H_
#endif

#include <algorithm>
#include <cmath>

#include "core/simd/pairs_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct OrthogonalRegularizer {
  static constexpr Contract kContract = {
      .name = "orthogonal_regularizer",
      .family = Family::kBatch,
      .aliases = {{"orthogonal"}},
      .summary = "the mean absolute cosine of all pairs of rows (or columns) of a matrix",
      .use = "Weights or embeddings whose rows should not repeat each other.",
      .formula = "factor * mean over pairs of rows of |cos(w_i, w_j)|",
      .gradient = "factor * sum_j sign(cos_ij) (u_j - cos_ij u_i) / (|w_i| n (n-1)/2), u = w/|w|",
      .tex = "\\frac{2\\lambda}{n(n-1)} \\sum_{i<j} \\frac{|w_i \\cdot w_j|}{\\|w_i\\| \\|w_j\\|}",
      .source = "documentation of keras.regularizers.OrthogonalRegularizer",
      .notes =
          "One value for the whole matrix. A zero row is at right angles to all others and has slope 0. A single row "
          "has value 0.",
      .peers = "Keras: NaN for a single row. Not in PyTorch (its orthogonal is a parametrisation) or optax.",
      .kinks_note = "rows at right angles: 0",
      .params = {{"factor", .01, kNonNegative, "strength"},
                 Choice("mode", {"rows", "columns"}, 0, "which vectors should be orthogonal")},
      .inputs = {{.name = "y_pred", .shape = "R C", .differentiable = true, .summary = "the matrix of weights"}},
      .examples = {{.origin = "by hand: 0.01 * 0.6, one pair",
                    .target = {},
                    .prediction = {1, 0, 3, 4},
                    .value = .006,
                    .gradient = {0, .008, .00128, -.00096},
                    .shape = {2, 2}}},
      .f64 = {.value_ulp = 8, .slope_ulp = 4096},
      .tolerance_note =
          "a slope is what a sum of pulls leaves "
          "beside the embedding's own direction, which may be little",
      .conventions = {{.convention = Convention::kKeras}},
      .reduction = Reduction::kSum,
  };
  double factor, mode;

  static size_t Scratch(const Dims& dims, size_t) {
    return Arena::Doubles(
        std::max(Embeddings::Doubles(dims['R'], dims['C']), Embeddings::Doubles(dims['C'], dims['R'])), 1);
  }

  HWY_INLINE void operator()(const Item& x) const {
    const size_t rows = x.dim('R'), columns = x.dim('C');
    const size_t n = mode == 0 ? rows : columns, dim = mode == 0 ? columns : rows;
    const size_t step = mode == 0 ? columns : 1, stride = mode == 0 ? 1 : columns;
    Arena arena(x.scratch());
    Embeddings w(n, dim, arena.Take(Embeddings::Doubles(n, dim)));
    w.Load(x.in(0), true, step, stride);
    const double count = static_cast<double>(n), share = n > 1 ? factor / (count * (count - 1) / 2) : 0;
    const double by = x.wants_slopes() ? share * x.upstream()[0] : 0;
    double sum = 0;
    for (size_t i = 0; i < n && !x.cancelled(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        const double cosine = w.Dot(i, w.row(j));
        sum += std::abs(cosine);
        if (by == 0 || cosine == 0) continue;
        w.Pull(i, std::copysign(by, cosine), w.row(j));
        w.Pull(j, std::copysign(by, cosine), w.row(i));
      }
    }
    x.value()[0] = share * sum;
    if (x.slope(0) != nullptr) w.Slopes(true, x.slope(0), step, stride);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_REGULARIZERS_ORTHOGONAL_REGULARIZER_INL_H_
