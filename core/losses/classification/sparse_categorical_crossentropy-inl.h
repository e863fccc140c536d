// Sparse categorical cross-entropy: the negative log-probability of the right class, given by its index.
//
// From logits x, with rest = sum over the others of exp(x_c - max x) (core/simd/categorical-inl.h):
//   value   = (max x - x_y) + log1p(rest)         logsumexp(x) - x_y as a sum of two terms >= 0
//   slope_c = exp(x_c - max x) / S                softmax(x)_c
//   slope_y = -(S - exp(x_y - max x)) / S         softmax(x)_y - 1 without cancellation
// From probabilities p, S = sum p:
//   value   = -log(p_y / S)
//   slope_c = 1/S,   slope_y = 1/S - 1/p_y = -(S - p_y) / (S p_y)
// Diagonal of the Hessian: s_c (1 - s_c) for logits; -1/S^2 and (S - p_y)(S + p_y)/(S p_y)^2 for probabilities.
//
// The row is divided by its sum, and the gradient knows it.
// Source: Bishop 2006, Pattern Recognition and Machine Learning, section 4.3.4.

#if defined(LOSSD_CORE_LOSSES_CLASSIFICATION_SPARSE_CATEGORICAL_CROSSENTROPY_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_CLASSIFICATION_SPARSE_CATEGORICAL_CROSSENTROPY_INL_H_
#undef LOSSD_CORE_LOSSES_CLASSIFICATION_SPARSE_CATEGORICAL_CROSSENTROPY_INL_H_
#else
#define LOSSD_CORE_LOSSES_CLASSIFICATION_SPARSE_CATEGORICAL_CROSSENTROPY_INL_H_
#endif

#include <cmath>
#include <limits>

#include "core/simd/native_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct SparseCategoricalCrossentropy {
  static constexpr Contract kContract = {
      .name = "sparse_categorical_crossentropy",
      .family = Family::kRow,
      .aliases = {{"sparse_cce"},
                  {"CrossEntropyLoss", InputKind::kLogits},
                  {"softmax_cross_entropy_with_integer_labels", InputKind::kLogits},
                  {"sparse_softmax_cross_entropy_with_logits", InputKind::kLogits}},
      .summary = "the negative log-probability of the right class, given by its index",
      .use = "Classification with one right class per row, however many classes there are.",
      .formula = "LOGITS: logsumexp(x) - x_y; PROBABILITIES: -log(p_y / sum p)",
      .gradient = "LOGITS: softmax(x)_c - [c = y]; PROBABILITIES: 1/sum p - [c = y]/p_y",
      .tex = R"(-\ln s_y,\quad s_c=\frac{e^{x_c}}{\sum_j e^{x_j}})",
      .source = "Bishop 2006, Pattern Recognition and Machine Learning, section 4.3.4",
      .notes =
          "Natural logarithm. Labels stay integers and are range-checked. Probabilities are divided by their row sum "
          "first, as in Keras, and the gradient of the other classes is 1/sum p, not 0. KERAS_CLIP clips p_y / sum p "
          "to [1e-7, 1 - 1e-7] and gives gradient 0 outside. A row with a NaN, a negative probability, no finite "
          "maximum or the sum 0 answers NaN.",
      .peers =
          "Keras: probabilities by default, divided by their sum and clipped; on TensorFlow clipped first and divided "
          "after; labels are cast to the dtype of the predictions. PyTorch: CrossEntropyLoss, logits, classes on axis "
          "1, the mean divides by the sum of the label weights and is NaN where all labels are ignored; label "
          "smoothing with class weights divides both parts by that sum. Optax: logits, one value per row; a label out "
          "of range loses nothing. All round the loss of a row to 0 at margins above 17 in float32.",
      .kinks_note = "none inside the domain; with KERAS_CLIP the gradient jumps to 0 outside the closed clip interval",
      .forms = {{InputKind::kLogits},
                {InputKind::kProbabilities, ClipPolicy::kNone, kNonNegative},
                {InputKind::kProbabilities, ClipPolicy::kKeras, kNonNegative}},
      .inputs = {{.name = "y_pred", .shape = "... C", .differentiable = true},
                 {.name = "y_true", .content = Content::kIndex, .summary = "class indices"}},
      .target = kNonNegative,
      .examples = {{.origin = "by hand: log 2",
                    .target = {1},
                    .prediction = {0, 0},
                    .value = .69314718,
                    .gradient = {.5, -.5},
                    .form = {InputKind::kLogits}},
                   {.origin = "Keras docstring of SparseCategoricalCrossentropy, first row",
                    .target = {1},
                    .prediction = {.05, .95, 0},
                    .value = .0512933,
                    .gradient = {1, -.0526316, 1},
                    .form = {InputKind::kProbabilities}},
                   {.origin = "Keras docstring of SparseCategoricalCrossentropy, second row",
                    .target = {2},
                    .prediction = {.1, .8, .1},
                    .value = 2.3025851,
                    .gradient = {1, 1, -9},
                    .form = {InputKind::kProbabilities, ClipPolicy::kKeras}}},
      .conventions = {{.convention = Convention::kKeras},
                      {.convention = Convention::kTorch,
                       .input_kind = InputKind::kLogits,
                       .divisor = Divisor::kWeightSum,
                       .axis = 1},
                      {.convention = Convention::kOptax, .input_kind = InputKind::kLogits}},
      .smoothing = Smoothing::kClasses,
      .class_weights = true,
      .class_mask = true,
      .curvature = true,
      .dense_twin = "categorical_crossentropy",
  };
  template <class L, Form kForm>
  using Loop = NativeRows<L, kForm>;
  static constexpr bool kNative = true;
  static constexpr bool kIndexed = true;
  static constexpr bool Finishes(const Form& form) { return form.input_kind == InputKind::kLogits; }
  static constexpr auto Scratch = LogitRowsScratch;

  template <class S>
  HWY_INLINE LogitValue OfLogits(LogitRow<S>& row, int32_t label, double factor) const {
    const double x_label = row.x(label);
    if (row.has_slope()) {
      const double sum = row.masses().sum();
      row.Put(label, -factor * (row.Others(label) / sum));
      row.template Write<false>(factor / sum, nullptr);
    }
    return {row.max() - x_label, 1};
  }

  template <Form kForm, bool kSlope, class T>
  HWY_INLINE T Row(const T* row, int32_t label, size_t width, T* slope) const {
    return FromProbabilities<kForm.clip_policy, kSlope>(row, label, width, slope);
  }

  template <Form kForm, class T>
  HWY_INLINE void Curvature(const T* row, int32_t label, size_t width, T* out) const {
    constexpr bool kLogits = kForm.input_kind == InputKind::kLogits;
    const RowMax<T> top = MaxOf(row, width, kLogits ? -std::numeric_limits<T>::infinity() : T{0});
    if (!top.sound) return FillRow(static_cast<T>(kNan), width, out);
    if constexpr (kLogits) {
      const auto nothing = [](size_t, auto, auto) HWY_ATTR {};
      CurveLogits(LogitMasses(row, top.max, nullptr, width, out, nothing), 1.0, width, out);
    } else {
      const Masses masses = ProbabilityMasses(row, top.max, width);
      const double sum = masses.sum(), p = std::abs(Read(row + label));
      const double share = p / sum;
      const bool clipped = kForm.clip_policy == ClipPolicy::kKeras &&
                           (share < static_cast<T>(kKerasEpsilon) || share > static_cast<T>(1.0 - kKerasEpsilon));
      if (clipped) return FillRow(T{0}, width, out);
      FillRow(static_cast<T>(-1 / sum / sum), width, out);
      const double others = p == masses.max ? masses.rest : sum - p;
      Write((others / p / sum) * ((sum + p) / p / sum), out + label);
    }
  }

 private:
  static constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

  template <ClipPolicy kClip, bool kSlope, class T>
  static HWY_INLINE T FromProbabilities(const T* p, int32_t label, size_t width, T* slope) {
    const RowMax<T> top = MaxOf(p, width, T{0});
    if (!top.sound) return Unsound<kSlope>(width, slope);
    const Masses masses = ProbabilityMasses(p, top.max, width);
    const double p_label = std::abs(Read(p + label));  // -0 is the probability 0
    if constexpr (kClip == ClipPolicy::kKeras) {
      const double share = p_label / masses.sum();
      const double low = static_cast<T>(kKerasEpsilon), high = static_cast<T>(1.0 - kKerasEpsilon);
      if (share < low || share > high) {
        if constexpr (kSlope) FillRow(T{0}, width, slope);
        return static_cast<T>(-LogScalar(share < low ? low : high));
      }
    }
    if constexpr (kSlope) {
      const double others = p_label == masses.max ? masses.rest : masses.sum() - p_label;
      FillRow(static_cast<T>(1.0 / masses.sum()), width, slope);
      Write(-(others / masses.sum()) / p_label, slope + label);
    }
    return static_cast<T>(NegLogShare(p_label, masses));
  }

  template <bool kSlope, class T>
  static HWY_INLINE T Unsound(size_t width, T* slope) {
    if constexpr (kSlope) FillRow(static_cast<T>(kNan), width, slope);
    return static_cast<T>(kNan);
  }

  // One element at any alignment.
  template <class T>
  static HWY_INLINE T Read(const T* from) {
    T x;
    std::memcpy(&x, from, sizeof x);
    return x;
  }
  template <class T>
  static HWY_INLINE void Write(double x, T* to) {
    const T rounded = static_cast<T>(x);
    std::memcpy(to, &rounded, sizeof rounded);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_CLASSIFICATION_SPARSE_CATEGORICAL_CROSSENTROPY_INL_H_
