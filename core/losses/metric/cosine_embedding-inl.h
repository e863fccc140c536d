// Cosine embedding: pairs of one kind should point the same way, others should be at least some angle apart.
//
//   cos     = a.b / sqrt((a.a + epsilon)(b.b + epsilon))
//   value   = 1 - cos where t = 1, max(cos - margin, 0) where t = -1
//   slope   = -d cos, [cos > margin] d cos               core/simd/cosine_common-inl.h
//
// Source: documentation of torch.nn.CosineEmbeddingLoss.

#if defined(LOSSD_CORE_LOSSES_METRIC_COSINE_EMBEDDING_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_METRIC_COSINE_EMBEDDING_INL_H_
#undef LOSSD_CORE_LOSSES_METRIC_COSINE_EMBEDDING_INL_H_
#else
#define LOSSD_CORE_LOSSES_METRIC_COSINE_EMBEDDING_INL_H_
#endif

#include "core/simd/distance_common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct CosineEmbedding {
  static constexpr Contract kContract = {
      .name = "cosine_embedding",
      .family = Family::kRow,
      .aliases = {{"CosineEmbeddingLoss"}},
      .summary = "pairs of one kind should point the same way, others be some angle apart",
      .use = "Embeddings learned from pairs that are marked as similar or not.",
      .formula = "1 - cos where y_true = 1; max(cos - margin, 0) where y_true = -1",
      .gradient = "-d cos or [cos > margin] d cos; d cos / d a = (b - a (a.b)/(a.a + epsilon)) / (|a| |b|)",
      .tex = "1 - \\cos(a, b)\\ (t = 1);\\quad \\max(\\cos(a, b) - m,\\, 0)\\ (t = -1)",
      .source = "documentation of torch.nn.CosineEmbeddingLoss",
      .notes =
          "epsilon is added to the squared norms, |a| = sqrt(a.a + epsilon). A zero vector has cos 0 and a slope of "
          "the other's direction over sqrt(epsilon); with epsilon = 0 its slope is 0. y_true other than 1 and -1 "
          "answers NaN.",
      .peers = "PyTorch's epsilon is 1e-12; its gradient passes at cos = margin. Not in Keras or optax.",
      .kinks_note = "cos = margin where y_true = -1: the kink policy",
      .params = {{"margin", 0, {-1, 1}, "cosine that a pair of other kinds may have"},
                 {"epsilon", 1e-12, kNonNegative, "added to each squared norm"}},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "other", .shape = "... C", .differentiable = true, .summary = "second embedding of the pair"},
                 {.name = "y_true", .shape = "...", .domain = {-1, 1}, .summary = "1: similar, -1: not"}},
      .target = {-1, 1},
      .examples = {{.origin = "by hand: 1 - 0.6",
                    .target = {1},
                    .prediction = {3, 4},
                    .value = .4,
                    .gradient = {-.128, .096},
                    .others = {{1, 0}}},
                   {.origin = "by hand: 0.6 - 0.1",
                    .target = {-1},
                    .prediction = {3, 4},
                    .value = .5,
                    .gradient = {.128, -.096},
                    .params = {.1, 1e-12},
                    .others = {{1, 0}}}},
      .f64 = {.value_ulp = 16, .slope_ulp = 8},
      .tolerance_note = "cos - margin is a difference",
      .conventions = {{.convention = Convention::kTorch, .kink_policy = KinkPolicy::kActive}},
      .has_kinks = true,
      .curvature = true,
  };
  static constexpr bool kReadsFloats = true;
  double margin, epsilon;
  double kink;

  template <class T>
  HWY_INLINE double operator()(const ItemOf<T>& x) const {
    const double t = Read(x.in(2));
    if (t != 1 && t != -1) return Refuse(x);
    const CosineOf<T> cosine(x.in(0), x.in(1), x.width(), epsilon, CosineOf<T>::kAddition);
    const double z = cosine.value() - margin;
    const double factor = t == 1 ? -1 : StepOf(z, kink);
    if (factor == 0) {
      Fill(x, 0);
    } else {
      for (size_t i = 0; i < 2; ++i) cosine.SetSlope(i, factor, x.slope(i));
      cosine.SetCurvature(factor, x.curvature());
    }
    return t == 1 ? cosine.OneMinus() : z > 0 ? z : z * 0;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_METRIC_COSINE_EMBEDDING_INL_H_
