// The CTC loss of Keras 2, whose probabilities pass through a logarithm and a softmax.
//
//   q     = p + epsilon, S = sum of q over the classes
//   value = the ctc of the probabilities q / S, the blank last        log q are the logits
//   slope = 1/S - share_t(k) / q_k                                    (softmax(log q)_k - share_t(k)) / q_k
//
// Source: Graves et al. 2006, Connectionist Temporal Classification; documentation of keras.backend.ctc_batch_cost.

#if defined(LOSSD_CORE_LOSSES_SEQUENCE_CTC_BATCH_COST_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_SEQUENCE_CTC_BATCH_COST_INL_H_
#undef LOSSD_CORE_LOSSES_SEQUENCE_CTC_BATCH_COST_INL_H_
#else
#define LOSSD_CORE_LOSSES_SEQUENCE_CTC_BATCH_COST_INL_H_
#endif

#include "core/simd/ctc-inl.h"
#include "core/simd/item-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct CtcBatchCost {
  static constexpr Contract kContract = {
      .name = "ctc_batch_cost",
      .family = Family::kSequence,
      .summary = "the CTC loss of Keras 2, whose probabilities pass through a logarithm and a softmax",
      .use = "Models that were trained with keras.backend.ctc_batch_cost; ctc is the loss itself.",
      .formula =
          "-log Z of the probabilities (p + epsilon) / sum (p + epsilon), with the last class as the blank; Z as in "
          "ctc",
      .gradient =
          "1/S - g_t(k) / (p_k + epsilon), S = sum (p + epsilon), g_t(k) the share in Z of the paths with symbol k at "
          "frame t; 0 behind input_length",
      .tex =
          R"(-\ln \sum_{\pi \in \mathcal{B}^{-1}(z)} \prod_{t=1}^{T} \frac{p_{t,\pi_t} + \epsilon}{\sum_k (p_{t,k} + \epsilon)})",
      .source = "Graves, Fernandez, Gomez, Schmidhuber 2006, Connectionist Temporal Classification, ICML",
      .notes =
          "Item by item what Keras returns as (samples, 1). Where the frames are too few for the labels the item is "
          "not "
          "feasible: value +infinity, gradient 0. A NaN or a negative number in a frame that is used makes the item "
          "NaN; "
          "frames and labels behind the lengths are not looked at.",
      .peers =
          "Keras 3 keeps it under keras.legacy; its CTC is ctc with logits and the blank first. PyTorch and optax have "
          "none.",
      .params = {{"epsilon", 1e-7, kPositive, "added to every probability"}},
      .forms = {{InputKind::kProbabilities, ClipPolicy::kNone, kNonNegative}},
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
                  .summary = "labels of each item; all where absent"}},
      .examples = {{.origin = "by hand: a-, aa, -a are 0.4 0.7 + 0.4 0.3 + 0.6 0.3 = 0.58; 1 - g / p",
                    .target = {0},
                    .prediction = {.4, .6, .3, .7},
                    .value = .544727,
                    .gradient = {-.724138, .482759, -.724138, .310345},
                    .digits = 5,
                    .form = {InputKind::kProbabilities},
                    .shape = {2, 2}},
                   {.origin = "by hand: one path, 0.5 0.75",
                    .target = {0, 1},
                    .prediction = {.5, .25, .25, .125, .75, .125},
                    .value = .980829,
                    .gradient = {-1, 1, 1, 1, -.333333, 1},
                    .digits = 5,
                    .form = {InputKind::kProbabilities},
                    .shape = {2, 3}}},
      .f64 = {1024, 1024, true},
      .tolerance_note = "F64: values near 0 and slopes are differences; see ctc.",
      .conventions = {{.convention = Convention::kKeras, .reduction = Reduction::kNone}},
      .extra = Extra::kPerItem,
      .extra_name = "feasible",
      .checks_nan_itself = true,
  };
  double epsilon;

  static size_t Scratch(const Dims& dims, size_t) { return CtcLattice::Scratch(dims['T'], dims['L']) + 2 * dims['C']; }

  HWY_INLINE double operator()(const Item& x) const {
    const size_t classes = x.dim('C');
    const size_t frames = x.index(2) == nullptr ? x.dim('T') : *x.index(2);
    const size_t labels = x.index(3) == nullptr ? x.dim('L') : *x.index(3);
    double *const q = x.scratch(), *const copy = q + classes;
    CtcLattice lattice(x.index(1), labels, static_cast<int32_t>(classes) - 1, frames, copy + classes);
    const auto stop = [&] { return x.cancelled(); };
    const auto masses_of = [&](size_t t) HWY_ATTR {
      for (size_t c = 0; c < classes; ++c) q[c] = x.in(0)[t * classes + c] + epsilon;
      return ProbabilityMasses(q, *std::max_element(q, q + classes), classes);
    };

    bool sound = true;
    double certainty = 0;
    for (size_t t = 0; t < frames && !stop(); ++t) {
      sound = Sound(x.in(0) + t * classes, classes, {0, std::numeric_limits<double>::max()});
      if (!sound) break;
      const Masses masses = masses_of(t);
      certainty += Log1pScalar(masses.rest / masses.max);
      if (!lattice.SetMasses(t, [&](int32_t c) { return q[c] / masses.max; })) {
        lattice.SetLogs(t, 0, [&](int32_t c) { return -NegLogShare(q[c], {masses.max, 0}); });
      }
    }
    const double log_z = sound ? lattice.Forward(stop) - certainty : kImpossible;
    const bool feasible = log_z > kImpossible;
    if (x.extra() != nullptr) *x.extra() = feasible ? 1 : 0;
    if (double* const slope = x.slope(0); slope != nullptr) {
      std::fill_n(slope, x.width(), sound ? 0.0 : std::numeric_limits<double>::quiet_NaN());
      if (feasible) {
        lattice.Backward<false>(stop, [&](size_t t, const CtcShares& shares) HWY_ATTR {
          const Masses masses = masses_of(t);
          std::copy_n(q, classes, copy);
          SoftmaxMinusShares(lattice, shares, masses, classes, 1, copy);
          for (size_t c = 0; c < classes; ++c) slope[t * classes + c] = copy[c] / q[c];
        });
      }
    }
    if (!sound) return std::numeric_limits<double>::quiet_NaN();
    return feasible ? std::max(0.0, -log_z) : -kImpossible;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_SEQUENCE_CTC_BATCH_COST_INL_H_
