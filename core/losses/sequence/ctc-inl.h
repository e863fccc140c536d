// Connectionist temporal classification: the labels in their order, wherever and however long they are heard.
//
//   Z     = sum over the paths of length T that collapse to the labels, of the product over t of y_t(symbol at t)
//   value = -log Z
//   slope = softmax(x_t)_k - share_t(k)     logits
//           -share_t(k)                     log-probabilities       share_t(k): share in Z of the paths with k at t
//           -share_t(k) / y_t(k)            probabilities
//
// A path collapses by merging repeats, then dropping blanks. Algorithm and accuracy: core/simd/ctc-inl.h.
// Source: Graves et al. 2006, Connectionist Temporal Classification, equations 3, 14 and 16.

#if defined(LOSSD_CORE_LOSSES_SEQUENCE_CTC_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_SEQUENCE_CTC_INL_H_
#undef LOSSD_CORE_LOSSES_SEQUENCE_CTC_INL_H_
#else
#define LOSSD_CORE_LOSSES_SEQUENCE_CTC_INL_H_
#endif

#include "core/simd/ctc-inl.h"
#include "core/simd/item-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Ctc {
  static constexpr Contract kContract = {
      .name = "ctc",
      .family = Family::kSequence,
      .aliases = {{"CTCLoss"}, {"ctc_loss_with_forward_probs"}, {"connectionist_temporal_classification"}},
      .summary = "the labels in their order, wherever and however long they are heard",
      .use =
          "Speech and handwriting, where the labels come without their places in time. It sums over all alignments of "
          "the labels with the frames.",
      .formula =
          "-log Z, Z = sum over the paths of input_length symbols that become the first label_length labels when "
          "repeats are merged and blanks dropped, of the product of their probabilities",
      .gradient =
          "LOGITS: softmax(x_t)_k - g_t(k); LOG_PROBABILITIES: -g_t(k); PROBABILITIES: -g_t(k) / y_t(k), where g_t(k) "
          "is "
          "the share in Z of the paths with symbol k at frame t; 0 behind input_length",
      .tex = R"(-\ln \sum_{\pi \in \mathcal{B}^{-1}(z)} \prod_{t=1}^{T} y_{t,\pi_t})",
      .source = "Graves, Fernandez, Gomez, Schmidhuber 2006, Connectionist Temporal Classification, ICML",
      .notes =
          "The gradient is with respect to what was sent. Log-probabilities and probabilities are taken as they are, "
          "not normalised; only then is exp(-value) no probability. No labels: -sum_t log y_t(blank). Where no path of "
          "positive probability fits (too few frames for the labels and a blank between equal neighbours) the item is "
          "not feasible: the value is +infinity, or 0 with infeasible = zero, the gradient 0. A label equal to the "
          "blank is a symbol of its own that has the blank's score. A NaN in a frame that is used makes the item NaN; "
          "frames and labels behind the lengths are not looked at. Sums of probabilities near 1 cancel: a value is "
          "exact to 1e-15 per frame, not relatively, where it is smaller.",
      .peers =
          "PyTorch takes log-probabilities but returns the gradient of logits before a log-softmax: gradient = torch. "
          "Its infeasible items have a NaN gradient. Its mean, and only its mean, divides by the target lengths first: "
          "normalize = target_length, in force under TORCH with the reduction MEAN. Keras takes logits and has no "
          "lengths: it uses all frames and as many labels, from the first on, as are not 0. optax answers infeasible "
          "items with about 1e5. TensorFlow 1 and ctc_batch_cost have "
          "the blank last: blank = -1.",
      .params = {{.name = "blank",
                  .fallback = 0,
                  .domain = {-1, 2147483647},
                  .summary = "class of the blank; -1 is the last",
                  .index_of = 'C'},
                 Choice("infeasible", {"inf", "zero"}, 0, "value of an item that no path fits"),
                 {.name = "gradient",
                  .summary = "torch: log-probabilities get the gradient of the logits they are the log-softmax of",
                  .choices = {"true", "torch"},
                  .detached = {"torch"}},
                 Choice("normalize", {"none", "target_length"}, 0,
                        "target_length: value and gradient are divided by the label length, at least 1"),
                 Choice("unsent_label_length", {"all", "not_blank"}, 0,
                        "without label_length every label counts, or as many as there are labels that are no blank")},
      .forms = {{InputKind::kLogits},
                {InputKind::kLogProbabilities},
                {InputKind::kProbabilities, ClipPolicy::kNone, kNonNegative}},
      .inputs = {{.name = "y_pred", .shape = "... T C", .differentiable = true, .summary = "frames by classes"},
                 {.name = "y_true",
                  .shape = "... L",
                  .content = Content::kPrefixIndex,
                  .bound = 'C',
                  .summary = "labels",
                  .counted_by = "label_length"},
                 {.name = "input_length",
                  .content = Content::kCount,
                  .bound = 'T',
                  .optional = true,
                  .summary = "frames of each item; all where absent"},
                 {.name = "label_length",
                  .content = Content::kCount,
                  .bound = 'L',
                  .optional = true,
                  .summary = "labels of each item; where absent, unsent_label_length says"}},
      .examples = {{.origin = "test of keras.ops.ctc_loss, first item",
                    .target = {1, 2, 1},
                    .prediction = {.4, .8, .4, .2, .8, .3, .9, .4, .5},
                    .value = 3.4411672,
                    .gradient = {.286383, -.572766, .286383, .254629, .463963, -.718592, .439203, -.733610, .294407},
                    .form = {InputKind::kLogits},
                    .shape = {3, 3}},
                   {.origin = "test of keras.ops.ctc_loss, second item",
                    .target = {1, 2},
                    .prediction = {.4, .8, .4, .2, .3, .3},
                    .value = 1.91680186,
                    .gradient = {.286383, -.572766, .286383, .311493, .344253, -.655747},
                    .form = {InputKind::kLogits},
                    .shape = {2, 3}},
                   {.origin = "by hand: a-, aa, -a are 0.4 0.7 + 0.4 0.3 + 0.6 0.3 = 0.58 of 1",
                    .target = {1},
                    .prediction = {.6, .4, .7, .3},
                    .value = .54472718,
                    .gradient = {-.51724138, -1.72413793, -.68965517, -1.72413793},
                    .form = {InputKind::kProbabilities},
                    .shape = {2, 2}}},
      .f64 = {1024, 1024, true},
      .tolerance_note = "F64: values near 0 and slopes are differences of sums over all paths.",
      .conventions = {{.convention = Convention::kKeras,
                       .input_kind = InputKind::kLogits,
                       .params = {{"unsent_label_length", 1}}},
                      {.convention = Convention::kTorch,
                       .input_kind = InputKind::kLogProbabilities,
                       .params = {{"gradient", 1}},
                       .mean_params = {{"normalize", 1}}},
                      {.convention = Convention::kOptax, .input_kind = InputKind::kLogits}},
      .extra = Extra::kPerItem,
      .extra_name = "feasible",
      .checks_nan_itself = true,
  };
  double blank, infeasible, gradient, normalize, unsent_label_length;

  static size_t Scratch(const Dims& dims, size_t) {
    return CtcLattice::Scratch(dims['T'], dims['L']) + 2 * dims['T'] + dims['C'];
  }

  HWY_INLINE double operator()(const Item& x) const {
    const size_t classes = x.dim('C'), all_frames = x.dim('T');
    const size_t frames = x.index(2) == nullptr ? all_frames : *x.index(2);
    const double blank_class = blank < 0 ? static_cast<double>(classes) - 1 : blank;
    size_t labels = x.dim('L');
    if (x.index(3) != nullptr) {
      labels = *x.index(3);
    } else if (unsent_label_length > 0) {
      labels -= static_cast<size_t>(std::count(x.index(1), x.index(1) + labels, static_cast<int32_t>(blank_class)));
    }
    const InputKind kind = x.form().input_kind;
    double* const slope = x.slope(0);
    double* const maxima = x.scratch();
    double* const rests = maxima + all_frames;
    double* const masses = rests + all_frames;
    CtcLattice lattice(x.index(1), labels, static_cast<int32_t>(blank_class), frames, masses + classes);

    bool sound = true;
    for (size_t t = 0; t < frames && sound; ++t) {
      const double* const row = x.in(0) + t * classes;
      if (kind == InputKind::kLogits) {
        const RowMax<double> top = MaxOf(row, classes, kImpossible);
        sound = top.sound;
        if (!sound) break;
        const Masses frame = LogitMasses(row, top.max, nullptr, classes, nullptr, [](size_t, auto, auto) {});
        const double certainty = Log1pScalar(frame.rest);
        lattice.SetScores(t, [&](int32_t c) { return (row[c] - top.max) - certainty; });
        maxima[t] = top.max;
        rests[t] = frame.rest;
      } else {
        const bool logs = kind == InputKind::kLogProbabilities;
        sound = Sound(row, classes, {logs ? kImpossible : 0.0, std::numeric_limits<double>::max()});
        if (!sound) break;
        lattice.SetScores(t, [&](int32_t c) HWY_ATTR {
          return logs ? row[c] : Scalar(row[c], [](auto d, auto p) HWY_ATTR { return LogOf(d, p); });
        });
      }
    }
    const double log_z = sound ? lattice.Forward() : kImpossible;
    const bool feasible = log_z > kImpossible;
    if (x.extra() != nullptr) *x.extra() = feasible ? 1 : 0;
    const double factor = normalize > 0 ? 1.0 / static_cast<double>(std::max<size_t>(labels, 1)) : 1.0;
    if (slope != nullptr) {
      std::fill_n(slope, all_frames * classes, sound ? 0.0 : std::numeric_limits<double>::quiet_NaN());
      if (feasible && kind == InputKind::kLogits) {
        lattice.Backward<false>([&](size_t t, const double* w, double total) HWY_ATTR {
          const double* const row = x.in(0) + t * classes;
          LogitMasses(row, maxima[t], nullptr, classes, masses, [](size_t, auto, auto) {});
          double* const out = slope + t * classes;
          SoftmaxMinusShares(lattice, w, total, masses, {1.0, rests[t]}, classes, out);
          for (size_t c = 0; c < classes; ++c) out[c] *= factor;
        });
      } else if (feasible) {
        const auto subtract = [&](size_t t, const double* w, double total) HWY_ATTR {
          double* const out = slope + t * classes;
          for (size_t s = 0; s < lattice.states(); ++s) out[lattice.Class(s)] -= w[s];
          for (size_t c = 0; c < classes; ++c) out[c] = out[c] / total * factor;
          if (kind != InputKind::kLogProbabilities || gradient == 0) return;
          for (size_t c = 0; c < classes; ++c) {
            const double p = Scalar(x.in(0)[t * classes + c], [](auto d, auto v) HWY_ATTR { return hn::Exp(d, v); });
            out[c] += p * factor;
          }
        };
        if (kind == InputKind::kProbabilities) {
          lattice.Backward<true>(subtract);
        } else {
          lattice.Backward<false>(subtract);
        }
      }
    }
    if (!sound) return std::numeric_limits<double>::quiet_NaN();
    if (!feasible) return infeasible > 0 ? 0.0 : -kImpossible;
    return (kind == InputKind::kLogits ? std::max(0.0, -log_z) : -log_z) * factor;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_SEQUENCE_CTC_INL_H_
