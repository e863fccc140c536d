// Sequence transducer: the labels in their order between any number of blanks, one label or blank at each step.
//
// Node (t, u) has read t frames and said u labels. It says the next label and goes to (t, u + 1), or says the blank and
// goes to (t + 1, u); the last step is the blank of (T - 1, U). With the log-probabilities e(t, u) of the blank and
// l(t, u) of the next label,
//   b(t, u) = log(exp(e(t, u) + b(t + 1, u)) + exp(l(t, u) + b(t, u + 1)))        value = -b(0, 0)
//   B(t, u) = exp(e(t, u) + b(t + 1, u) - b(t, u)),  L(t, u) = 1 - B(t, u)        the steps of the paths that leave
//   here g(t, u) = g(t - 1, u) B(t - 1, u) + g(t, u - 1) L(t, u - 1)                   the share of the paths that come
//   here slope   = g (softmax(x)_k - [k blank] B - [k next label] L)                   logits
//             -g ([k blank] B + [k next label] L)                                 log-probabilities
// Shares are products of shares: nothing cancels, and no score is too large for them.
// Source: Graves 2012, Sequence Transduction with Recurrent Neural Networks, section 2.4 and 2.5.

#if defined(LOSSD_CORE_LOSSES_SEQUENCE_RNNT_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_SEQUENCE_RNNT_INL_H_
#undef LOSSD_CORE_LOSSES_SEQUENCE_RNNT_INL_H_
#else
#define LOSSD_CORE_LOSSES_SEQUENCE_RNNT_INL_H_
#endif

#include "core/simd/ctc-inl.h"
#include "core/simd/item-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct Rnnt {
  static constexpr Contract kContract = {
      .name = "rnnt",
      .family = Family::kSequence,
      .aliases = {{"RNNTLoss", InputKind::kLogits}, {"transducer"}, {"rnn_transducer"}},
      .summary = "the labels in their order between any number of blanks",
      .use =
          "Speech recognition with a prediction network: y_pred is its joint output for every frame and every number "
          "of "
          "labels said so far. Sums over all alignments.",
      .formula =
          "-log sum over the paths from (0, 0) to (T, U), each a blank from (t, u) to (t + 1, u) or the label u + 1 "
          "from "
          "(t, u) to (t, u + 1), the last a blank, of the product of their probabilities",
      .gradient =
          "LOGITS: g(t, u) softmax(x)_k - the share of the paths that say k at (t, u), where g is the share of the "
          "paths "
          "through (t, u); LOG_PROBABILITIES: minus the share that says k there; 0 behind the lengths",
      .tex = R"(-\ln \sum_{a \in \mathcal{B}^{-1}(y)} \prod_{i} p(a_i \mid t_i, u_i))",
      .source = "Graves 2012, Sequence Transduction with Recurrent Neural Networks, arXiv 1211.3711",
      .notes =
          "The gradient is with respect to what was sent, without clamp or FastEmit. Axis u of y_pred has one element "
          "more than the labels. An item without frames, or whose every path has probability 0, is not feasible: value "
          "+infinity, gradient 0. A NaN in a node that is used makes the item NaN; what lies behind the lengths is not "
          "looked at.",
      .peers =
          "torchaudio's rnnt_loss (deprecated) takes logits, the blank last, mean over the batch; PaddlePaddle's has "
          "the "
          "blank first and FastEmit (0.001) on. Keras, PyTorch and optax have none.",
      .params = {{.name = "blank",
                  .fallback = -1,
                  .domain = {-1, 2147483647},
                  .summary = "class of the blank; -1 is the last",
                  .index_of = 'C'}},
      .forms = {{InputKind::kLogits}, {InputKind::kLogProbabilities}},
      .inputs = {{.name = "y_pred",
                  .shape = "... T U+1 C",
                  .differentiable = true,
                  .summary = "frames by labels said by classes"},
                 {.name = "y_true",
                  .shape = "... U",
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
                  .bound = 'U',
                  .optional = true,
                  .summary = "labels of each item; all where absent"}},
      .examples = {{.origin = "by hand: one path, label then blank, each of probability 1/2",
                    .target = {0},
                    .prediction = {0, 0, 0, 0},
                    .value = 1.38629436,
                    .gradient = {-.5, .5, .5, -.5},
                    .form = {InputKind::kLogits},
                    .shape = {1, 2, 2}},
                   {.origin = "by hand: two paths of three steps, each of probability 1/2",
                    .target = {0},
                    .prediction = {0, 0, 0, 0, 0, 0, 0, 0},
                    .value = 1.38629436,
                    .gradient = {0, 0, .25, -.25, -.25, .25, .5, -.5},
                    .form = {InputKind::kLogits},
                    .shape = {2, 2, 2}}},
      .f64 = {16, 64, true},
      .tolerance_note = "F64: slopes are differences, counted in units of the item's largest.",
      .extra = Extra::kPerItem,
      .extra_name = "feasible",
      .checks_nan_itself = true,
  };
  double blank;

  static size_t Scratch(const Dims& dims, size_t) {
    const size_t columns = dims['U'] + 1;
    return 3 * (dims['T'] + 1) * columns + columns + dims['C'];
  }

  HWY_INLINE double operator()(const Item& x) const {
    const size_t classes = x.dim('C'), columns = x.dim('U') + 1;
    const size_t frames = x.index(2) == nullptr ? x.dim('T') : *x.index(2);
    const size_t labels = x.index(3) == nullptr ? x.dim('U') : *x.index(3);
    const size_t silent = blank < 0 ? classes - 1 : static_cast<size_t>(blank);
    const bool logits = x.form().input_kind == InputKind::kLogits;
    const auto node = [&](size_t t, size_t u) { return (t * columns + u) * classes; };

    const size_t nodes = (x.dim('T') + 1) * columns;
    double* const after = x.scratch();     // b; row `frames` is the end
    double* const blanks = after + nodes;  // e, then B
    double* const says = blanks + nodes;   // l, then L
    double* const share = says + nodes;    // g of one frame, turning into that of the next
    double* const masses = share + columns;

    bool sound = true;
    for (size_t t = 0; t < frames && sound && !x.cancelled(); ++t) {
      for (size_t u = 0; u <= labels && sound; ++u) {
        const double* const row = x.in(0) + node(t, u);
        if (logits) {
          const RowMax<double> top = MaxOf(row, classes, kImpossible);
          sound = top.sound;
          if (!sound) break;
          const double certainty =
              Log1pScalar(LogitMasses(row, top.max, nullptr, classes, nullptr, [](size_t, auto, auto) {}).rest);
          blanks[t * columns + u] = (row[silent] - top.max) - certainty;
          says[t * columns + u] = u < labels ? (row[x.index(1)[u]] - top.max) - certainty : kImpossible;
        } else {
          sound = Sound(row, classes, {kImpossible, std::numeric_limits<double>::max()});
          blanks[t * columns + u] = row[silent];
          says[t * columns + u] = u < labels ? row[x.index(1)[u]] : kImpossible;
        }
      }
    }
    double* const slope = x.slope(0);
    if (slope != nullptr) std::fill_n(slope, x.width(), sound ? 0.0 : std::numeric_limits<double>::quiet_NaN());
    if (x.extra() != nullptr) *x.extra() = 0;
    if (!sound) return std::numeric_limits<double>::quiet_NaN();

    std::fill_n(after + frames * columns, labels, kImpossible);
    after[frames * columns + labels] = 0;
    for (size_t t = frames; t-- > 0 && !x.cancelled();) {
      for (size_t u = labels + 1; u-- > 0;) {
        const size_t at = t * columns + u;
        const double by_blank = blanks[at] + after[at + columns];
        const double by_label = u < labels ? says[at] + after[at + 1] : kImpossible;
        const double larger = std::max(by_blank, by_label), smaller = std::min(by_blank, by_label);
        after[at] = larger == kImpossible ? larger : larger + Log1pScalar(ExpOf(smaller - larger));
        blanks[at] = larger == kImpossible ? 0 : ExpOf(by_blank - after[at]);
        says[at] = larger == kImpossible ? 0 : ExpOf(by_label - after[at]);
      }
    }
    const bool feasible = frames > 0 && after[0] > kImpossible;
    if (x.extra() != nullptr) *x.extra() = feasible ? 1 : 0;
    if (!feasible) return -kImpossible;
    if (slope == nullptr) return logits ? std::max(0.0, -after[0]) : -after[0];

    std::fill_n(share, columns, 0.0);
    share[0] = 1;
    for (size_t t = 0; t < frames && !x.cancelled(); ++t) {
      for (size_t u = 0; u <= labels; ++u) {
        const size_t at = t * columns + u;
        const double g = share[u], total = blanks[at] + says[at];
        const double by_blank = total > 0 ? blanks[at] / total : 0, by_label = total > 0 ? says[at] / total : 0;
        share[u] = g * by_blank;  // of (t + 1, u)
        if (u < labels) share[u + 1] += g * by_label;
        if (g == 0) continue;
        double* const out = slope + node(t, u);
        if (logits) {
          const double* const row = x.in(0) + node(t, u);
          const double top = MaxOf(row, classes, kImpossible).max;
          const Masses frame = LogitMasses(row, top, nullptr, classes, masses, [](size_t, auto, auto) {});
          for (size_t c = 0; c < classes; ++c) out[c] = g * (masses[c] / frame.sum());
          const size_t said = u < labels ? static_cast<size_t>(x.index(1)[u]) : silent;
          const bool both = silent == said;
          Subtract(both ? 1 : by_blank, both ? 0 : by_label, g, masses[silent], frame, out + silent);
          if (!both) Subtract(by_label, by_blank, g, masses[said], frame, out + said);
        } else {
          out[silent] -= g * by_blank;
          if (u < labels) out[x.index(1)[u]] -= g * by_label;
        }
      }
    }
    return logits ? std::max(0.0, -after[0]) : -after[0];
  }

 private:
  static HWY_INLINE double ExpOf(double x) {
    return Scalar(x, [](auto d, auto v) HWY_ATTR { return hn::Exp(d, v); });
  }
  // From g softmax to g (softmax - said), where both may be all but 1; left = 1 - said.
  static HWY_INLINE void Subtract(double said, double left, double g, double mass, const Masses& frame, double* out) {
    const bool confident = mass == frame.max && frame.rest < frame.max;
    *out = confident ? g * (left - frame.rest / frame.sum()) : *out - g * said;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_SEQUENCE_RNNT_INL_H_
