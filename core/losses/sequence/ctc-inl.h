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
    return CtcLattice::Scratch(dims['T'], dims['L']) + dims['T'] + dims['C'];
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
    const bool logits = x.form().input_kind == InputKind::kLogits;
    double* const slope = x.slope(0);
    double* const per_frame = x.scratch();  // logits: 1 - the largest mass; probabilities: the exponent that they lost
    double* const masses = per_frame + all_frames;
    CtcLattice lattice(x.index(1), labels, static_cast<int32_t>(blank_class), frames, masses + classes);
    const auto stop = [&] { return x.cancelled(); };

    bool sound = true;
    double log_scale = 0;
    for (size_t t = 0; t < frames && sound && !stop(); ++t) {
      const double* const row = x.in(0) + t * classes;
      // The masses of logits stay where their slope will be.
      sound = logits
                  ? SetLogits(t, row, classes, slope == nullptr ? masses : slope + t * classes, per_frame[t], lattice)
                  : SetShares(t, row, x.form().input_kind, classes, per_frame[t], log_scale, lattice);
    }
    if (logits && sound) {
      LaneSum certainty;
      Walk(static_cast<const double*>(per_frame), 0.0, nullptr, frames, nullptr,
           [&](size_t at, auto rest, auto) HWY_ATTR {
             certainty.Add(at, hn::Log1p(Tag<double>(), rest));
             return rest;
           });
      log_scale = -certainty.Total();
    }
    const double log_z = sound ? lattice.Forward(stop) + log_scale : kImpossible;
    const bool feasible = log_z > kImpossible;
    if (x.extra() != nullptr) *x.extra() = feasible ? 1 : 0;
    const double factor = normalize > 0 ? 1.0 / static_cast<double>(std::max<size_t>(labels, 1)) : 1.0;
    if (slope != nullptr) {
      const size_t kept = feasible && logits ? frames * classes : 0;
      std::fill_n(slope + kept, all_frames * classes - kept, sound ? 0.0 : std::numeric_limits<double>::quiet_NaN());
      if (feasible && logits) {
        lattice.Backward<false>(stop, [&](size_t t, const CtcShares& shares) HWY_ATTR {
          SoftmaxMinusShares(lattice, shares, {1.0, per_frame[t]}, classes, factor, slope + t * classes);
        });
      } else if (feasible) {
        const auto subtract = [&](size_t t, const CtcShares& shares)
                                  HWY_ATTR { SubtractShares(x, lattice, shares, t, classes, factor, per_frame[t]); };
        if (x.form().input_kind == InputKind::kProbabilities) {
          lattice.Backward<true>(stop, subtract);
        } else {
          lattice.Backward<false>(stop, subtract);
        }
      }
    }
    if (!sound) return std::numeric_limits<double>::quiet_NaN();
    if (!feasible) return infeasible > 0 ? 0.0 : -kImpossible;
    return (logits ? std::max(0.0, -log_z) : -log_z) * factor;
  }

 private:
  // A frame of logits: its masses to e, 1 - the largest of them to rest. False where it has none.
  static HWY_INLINE bool SetLogits(size_t t, const double* row, size_t classes, double* e, double& rest,
                                   CtcLattice& lattice) {
    const RowMax<double> top = MaxOf(row, classes, kImpossible);
    if (!top.sound) return false;
    rest = LogitMasses(row, top.max, nullptr, classes, e, [](size_t, auto, auto) {}).rest;
    if (!lattice.SetMasses(t, [&](int32_t c) { return e[c]; })) {
      lattice.SetLogs(t, 0, [&](int32_t c) { return row[c] - top.max; });
    }
    return true;
  }

  // A frame of probabilities, which become masses p / 2^exponent, or of their logarithms.
  static HWY_INLINE bool SetShares(size_t t, const double* row, InputKind kind, size_t classes, double& exponent,
                                   double& log_scale, CtcLattice& lattice) {
    const bool logs = kind == InputKind::kLogProbabilities;
    if (!Sound(row, classes, {logs ? kImpossible : 0.0, std::numeric_limits<double>::max()})) return false;
    double largest = row[lattice.blank()];
    for (size_t i = 0; i < lattice.labels(); ++i) largest = std::max(largest, row[lattice.label(i)]);
    if (logs) {
      lattice.SetLogs(t, largest == kImpossible ? 0 : largest, [&](int32_t c) { return row[c]; });
      return true;
    }
    exponent = ExponentOf(std::clamp(largest, 0x1p-1000, 0x1p1000));
    const double scale = PowerOfTwo(-exponent);
    constexpr double kLog2 = 0.693147180559945309417;
    log_scale += exponent * kLog2;
    if (!lattice.SetMasses(t, [&](int32_t c) { return row[c] * scale; })) {
      lattice.SetLogs(t, 0, [&](int32_t c) HWY_ATTR {
        return Scalar(row[c], [](auto d, auto p) HWY_ATTR { return LogOf(d, p); }) - exponent * kLog2;
      });
    }
    return true;
  }

  HWY_INLINE void SubtractShares(const Item& x, const CtcLattice& lattice, const CtcShares& shares, size_t t,
                                 size_t classes, double factor, double exponent) const {
    const bool logs = x.form().input_kind == InputKind::kLogProbabilities;
    // In two steps, neither of which leaves the range of double unless the slope does.
    const double lost = logs ? 0 : CtcLattice::kPerMassExponent - exponent, half = std::floor(lost / 2);
    const double first = PowerOfTwo(half) * factor, second = PowerOfTwo(lost - half);
    double* const out = x.slope(0) + t * classes;
    out[lattice.blank()] -= shares.blank;
    for (size_t i = 0; i < lattice.labels(); ++i) out[lattice.label(i)] -= shares.label[i];
    for (size_t c = 0; c < classes; ++c) out[c] = out[c] / shares.total * first * second;
    if (!logs || gradient == 0) return;
    const auto by = C(Tag<double>(), factor);
    Walk(x.in(0) + t * classes, kImpossible, static_cast<const double*>(out), classes, out,
         [&](size_t, auto log, auto share) HWY_ATTR { return hn::MulAdd(hn::Exp(Tag<double>(), log), by, share); });
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_SEQUENCE_CTC_INL_H_
