// Categorical cross-entropy: the cross-entropy between a target distribution and a predicted one.
//
// From logits x, with rest = sum over the others of exp(x_c - max x) (core/simd/categorical-inl.h), T = sum t:
//   value   = sum_c t_c (max x - x_c) + T log1p(rest)       T logsumexp(x) - t.x as a sum of terms >= 0
//   slope_c = (T - t_c) s_c - t_c (1 - s_c)                 T s_c - t_c without cancellation at a confident row,
//                                                           s = softmax(x), 1 - s_c = (S - e_c)/S
// From probabilities p, S = sum p, s_c = p_c / S:
//   value   = -sum_c t_c log s_c
//   slope_c = (T - t_c)/S - (t_c/p_c) (1 - s_c)             T/S - t_c/p_c
// Diagonal of the Hessian:
//   logits:        T s_c (1 - s_c)
//   probabilities: t_c (S - p_c)(S + p_c)/(p_c S)^2 - (T - t_c)/S^2     t_c/p_c^2 - T/S^2
//
// 0 log 0 = 0: a class with t_c = 0 takes no part, wherever its prediction lies. t need not sum to 1.
// Source: Bishop 2006, Pattern Recognition and Machine Learning, equation 4.108.

#if defined(LOSSD_CORE_LOSSES_CLASSIFICATION_CATEGORICAL_CROSSENTROPY_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_CLASSIFICATION_CATEGORICAL_CROSSENTROPY_INL_H_
#undef LOSSD_CORE_LOSSES_CLASSIFICATION_CATEGORICAL_CROSSENTROPY_INL_H_
#else
#define LOSSD_CORE_LOSSES_CLASSIFICATION_CATEGORICAL_CROSSENTROPY_INL_H_
#endif

#include <cmath>
#include <limits>

#include "core/simd/native_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct CategoricalCrossentropy {
  static constexpr Contract kContract = {
      .name = "categorical_crossentropy",
      .family = Family::kRow,
      .aliases = {{"cce"},
                  {"softmax_cross_entropy", InputKind::kLogits},
                  {"safe_softmax_cross_entropy", InputKind::kLogits},
                  {"softmax_cross_entropy_with_logits", InputKind::kLogits}},
      .summary = "the cross-entropy between a target distribution and a predicted one",
      .use =
          "Classification with one-hot or soft targets. With integer labels sparse_categorical_crossentropy reads "
          "less.",
      .formula = "LOGITS: sum_c t_c (logsumexp(x) - x_c); PROBABILITIES: -sum_c t_c log(p_c / sum p)",
      .gradient = "LOGITS: (sum t) softmax(x)_c - t_c; PROBABILITIES: sum t / sum p - t_c/p_c",
      .tex = R"(-\sum_c t_c\ln s_c,\quad s_c=\frac{e^{x_c}}{\sum_j e^{x_j}})",
      .source = "Bishop 2006, Pattern Recognition and Machine Learning, equation 4.108",
      .notes =
          "Natural logarithm; 0 log 0 = 0. Probabilities are divided by their row sum first, as in Keras, and the "
          "gradient knows it: it is sum t / sum p where t_c = 0. KERAS_CLIP clips p_c / sum p to [1e-7, 1 - 1e-7]; "
          "clipped classes leave the gradient. A row with a NaN, a negative probability, no finite maximum or the sum "
          "0 answers NaN.",
      .peers =
          "Keras: probabilities by default, divided by their sum and clipped. PyTorch: CrossEntropyLoss with a target "
          "of the input's shape, logits, classes on axis 1; the mean divides by the number of rows even with class "
          "weights, and a row is NaN where a target of 0 meets a logit of -inf. Optax: softmax_cross_entropy, logits, "
          "one value per row; safe_softmax_cross_entropy has 0 log 0 = 0. All round the loss of a row to 0 at margins "
          "above 17 in float32.",
      .kinks_note =
          "none inside the domain; with KERAS_CLIP the gradient jumps where a class meets the edge of the clip",
      .forms = {{InputKind::kLogits},
                {InputKind::kProbabilities, ClipPolicy::kNone, kNonNegative},
                {InputKind::kProbabilities, ClipPolicy::kKeras, kNonNegative}},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true", .shape = "... C", .domain = kReal, .summary = "probabilities of the classes"}},
      .target = kNonNegative,
      .examples = {{.origin = "by hand: log 2",
                    .target = {.25, .75},
                    .prediction = {0, 0},
                    .value = .69314718,
                    .gradient = {.25, -.25},
                    .form = {InputKind::kLogits}},
                   {.origin = "Keras docstring of CategoricalCrossentropy, first row",
                    .target = {0, 1, 0},
                    .prediction = {.05, .95, 0},
                    .value = .0512933,
                    .gradient = {1, -.0526316, 1},
                    .form = {InputKind::kProbabilities}},
                   {.origin = "Keras docstring of CategoricalCrossentropy, second row",
                    .target = {0, 0, 1},
                    .prediction = {.1, .8, .1},
                    .value = 2.3025851,
                    .gradient = {1, 1, -9},
                    .form = {InputKind::kProbabilities, ClipPolicy::kKeras}}},
      .soft_targets_cancel = true,
      .conventions =
          {{.convention = Convention::kKeras},
           {.convention = Convention::kTorch, .input_kind = InputKind::kLogits, .divisor = Divisor::kCount, .axis = 1},
           {.convention = Convention::kOptax, .input_kind = InputKind::kLogits}},
      .smoothing = Smoothing::kClasses,
      .class_weights = true,
      .class_mask = true,
      .curvature = true,
  };
  template <class L, Form kForm>
  using Loop = NativeRows<L, kForm>;
  static constexpr bool kNative = true;
  static constexpr bool kIndexed = false;

  static constexpr bool Finishes(const Form& form) { return form.input_kind == InputKind::kLogits; }
  static constexpr auto Scratch = LogitRowsScratch;

  template <class S>
  HWY_INLINE LogitValue OfLogits(LogitRow<S>& row, double factor) const {
    const Masses masses = row.masses();
    if (row.has_slope()) {
      const Tag<typename LogitRow<S>::T> d;
      // T in two parts: T - t_c keeps its digits where one target is most of T.
      const auto all = C(d, row.targets());
      const auto all_low = C(d, row.targets() - static_cast<double>(hn::GetLane(all)));
      row.template Write<true>(factor / masses.sum(), [&](double unit) HWY_ATTR {
        const auto sum = C(d, unit * masses.sum()), rest = C(d, unit * masses.rest);
        return [=](auto e, auto t, auto is_max) HWY_ATTR {
          const auto others = hn::IfThenElse(is_max, rest, hn::Sub(sum, e));  // S - e_c
          return hn::NegMulAdd(t, others, hn::Mul(hn::Add(hn::Sub(all, t), all_low), e));
        };
      });
    }
    return {row.spread(), row.targets()};
  }

  template <Form kForm, bool kSlope, class T>
  HWY_INLINE T Row(const T* row, const T* target, size_t width, T* slope) const {
    const RowMax<T> top = MaxOf(row, width, T{0});
    if (top.sound) {
      const double value = FromProbabilities<kForm.clip_policy, kSlope>(row, target, top.max, width, slope);
      if (!std::isnan(value)) return static_cast<T>(value);
    }
    if constexpr (kSlope) FillRow(std::numeric_limits<T>::quiet_NaN(), width, slope);
    return std::numeric_limits<T>::quiet_NaN();
  }

  template <Form kForm, class T>
  HWY_INLINE void Curvature(const T* row, const T* target, size_t width, T* out) const {
    constexpr bool kLogits = kForm.input_kind == InputKind::kLogits;
    const RowMax<T> top = MaxOf(row, width, kLogits ? -std::numeric_limits<T>::infinity() : T{0});
    if (!top.sound) return FillRow(std::numeric_limits<T>::quiet_NaN(), width, out);
    const Tag<T> d;
    LaneSum targets;
    if constexpr (kLogits) {
      const auto each = [&](size_t at, auto, auto vt) HWY_ATTR { targets.Add(at, vt); };
      const Masses masses = LogitMasses(row, top.max, target, width, out, each);
      CurveLogits(masses, targets.Total(), width, out);
    } else {
      const Masses masses = ProbabilityMasses(row, top.max, width);
      const auto max = hn::Set(d, top.max);
      const auto sum = C(d, masses.sum()), rest = C(d, masses.rest);
      Walk(row, T{0}, target, width, nullptr, [&](size_t at, auto vp, auto vt) HWY_ATTR {
        targets.Add(at, Kept<kForm.clip_policy>(d, hn::Div(hn::Abs(vp), sum), vt));
        return vp;
      });
      const auto all = C(d, targets.Total());
      Walk(row, T{0}, target, width, out, [&](size_t, auto vp, auto vt) HWY_ATTR {
        const auto mass = hn::Abs(vp);
        const auto mine = Kept<kForm.clip_policy>(d, hn::Div(mass, sum), vt);
        const auto others = hn::IfThenElse(hn::Eq(vp, max), rest, hn::Sub(sum, mass));  // S - p_c
        const auto odds = hn::Div(hn::Div(others, mass), sum), more = hn::Div(hn::Div(hn::Add(sum, mass), mass), sum);
        const auto own = hn::IfThenZeroElse(hn::Eq(mine, hn::Zero(d)), hn::Mul(mine, hn::Mul(odds, more)));
        return hn::Sub(own, hn::Div(hn::Div(hn::Sub(all, mine), sum), sum));
      });
    }
  }

 private:
  template <ClipPolicy kClip, bool kSlope, class T>
  static HWY_INLINE double FromProbabilities(const T* p, const T* t, T max, size_t width, T* slope) {
    const Tag<T> d;
    const auto zero = hn::Zero(d);
    const auto top = hn::Set(d, max);
    const Masses masses = ProbabilityMasses(p, max, width);
    const auto sum = C(d, masses.sum()), rest = C(d, masses.rest);
    const auto certainty = C(d, Log1pScalar(masses.rest / masses.max));  // -log of the largest share
    const auto low = ClipLow(d), high = ClipHigh(d);
    const auto neg_log_low = hn::Neg(hn::Log(d, low)), neg_log_high = hn::Neg(hn::Log(d, high));

    LaneSum value, kept;  // kept: the targets of classes that are not clipped
    Walk(p, T{0}, t, width, nullptr, [&](size_t at, auto vp, auto vt) HWY_ATTR {
      const auto share = hn::Div(hn::Abs(vp), sum);
      auto neg_log = hn::IfThenElse(hn::Eq(vp, top), certainty, hn::Neg(LogOf(d, share)));
      if constexpr (kClip == ClipPolicy::kKeras) {
        neg_log = hn::IfThenElse(hn::Lt(share, low), neg_log_low, neg_log);
        neg_log = hn::IfThenElse(hn::Gt(share, high), neg_log_high, neg_log);
      }
      value.Add(at, hn::IfThenZeroElse(hn::Eq(vt, zero), hn::Mul(vt, neg_log)));
      kept.Add(at, Kept<kClip>(d, share, vt));
      return vp;
    });
    if constexpr (kSlope) {
      const auto all = C(d, kept.Total());
      Walk(p, T{0}, t, width, slope, [&](size_t, auto vp, auto vt) HWY_ATTR {
        const auto mass = hn::Abs(vp);
        const auto mine = Kept<kClip>(d, hn::Div(mass, sum), vt);
        const auto others = hn::IfThenElse(hn::Eq(vp, top), rest, hn::Sub(sum, mass));  // S - p_c
        const auto pull = hn::Mul(hn::Div(mine, mass), hn::Div(others, sum));
        return hn::Sub(hn::Div(hn::Sub(all, mine), sum), hn::IfThenZeroElse(hn::Eq(mine, zero), pull));
      });
    }
    return value.Total();
  }

  // The target where its class is not clipped, else 0.
  template <ClipPolicy kClip, class D, class V>
  static HWY_INLINE V Kept(D d, V share, V target) {
    if constexpr (kClip == ClipPolicy::kKeras) {
      return hn::IfThenElseZero(hn::And(hn::Ge(share, ClipLow(d)), hn::Le(share, ClipHigh(d))), target);
    } else {
      return target;
    }
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_CLASSIFICATION_CATEGORICAL_CROSSENTROPY_INL_H_
