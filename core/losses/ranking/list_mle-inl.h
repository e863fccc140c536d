// ListMLE: the likelihood of the true order, drawn one entry after the other without putting back (Plackett-Luce).
//
// Entries by y_true, largest first, ties by index:
//   value   = sum_i log sum_{j >= i} exp(s_j - s_i)
//   slope_k = sum_{i <= k} p_i(k) - 1,  p_i(k) = exp(s_k) / sum_{j >= i} exp(s_j)
//
// The sums of the tails are held as their largest term and the rest, from the last entry up. With r_k = 1 - p_k(k), the
// share of what comes after k, and B_k = sum_{i < k} (tail of k)/(tail of i):
//   B_(k + 1) = (B_k + 1) r_k   and   slope_k = B_k p_k(k) - r_k.
// The curvature sum_{i <= k} p_i(k) (1 - p_i(k)) takes p_i(k) = r_i p_(i + 1)(k) apart in the same way, into terms >=
// 0:
//   sum_{i < k} p_i (1 - p_i) = p_k(k) X_k + p_k(k) r_k Y_k
//   X_(k + 1) = r_k (X_k + p_k(k) (Y_k + 1))   and   Y_(k + 1) = r_k^2 (Y_k + 1).
// Source: Xia et al. 2008, Listwise Approach to Learning to Rank: Theory and Algorithm, ICML.

#if defined(LOSSD_CORE_LOSSES_RANKING_LIST_MLE_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_LOSSES_RANKING_LIST_MLE_INL_H_
#undef LOSSD_CORE_LOSSES_RANKING_LIST_MLE_INL_H_
#else
#define LOSSD_CORE_LOSSES_RANKING_LIST_MLE_INL_H_
#endif

#include "core/simd/ranking-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

struct ListMle {
  static constexpr Contract kContract = {
      .name = "list_mle",
      .family = Family::kRow,
      .aliases = {{"list_mle_loss"}, {"plackett_luce"}},
      .summary = "the likelihood of the true order, drawn one entry after the other",
      .use = "Learning to rank where the whole order matters: a row is a list, y_true the relevance of its entries.",
      .formula = "sum_i (logsumexp_{j >= i} s_j - s_i) over the entries in the order of y_true, largest first",
      .gradient = "sum_{i <= k} exp(s_k)/sum_{j >= i} exp(s_j) - 1; 0 for entries left out",
      .tex =
          R"(\sum_i \Bigl(\ln \sum_{j \ge i} e^{s_{\pi(j)}} - s_{\pi(i)}\Bigr),\ y_{\pi(1)} \ge y_{\pi(2)} \ge \dots)",
      .source = "Xia et al. 2008, Listwise Approach to Learning to Rank: Theory and Algorithm, ICML",
      .notes =
          "Equal relevances keep the order of their indices. Only the order of y_true counts. What stands in an entry "
          "left out is not looked at, NaN included. A score that is infinite answers NaN.",
      .peers = "TF-Ranking ListMLELoss breaks ties at random. Keras, PyTorch and optax do not have it.",
      .forms = {{InputKind::kLogits}},
      .inputs = {{.name = "y_pred", .shape = "... K", .differentiable = true, .summary = "scores"},
                 {.name = "y_true", .shape = "... K", .summary = "relevances"},
                 {.name = "where",
                  .shape = "... K",
                  .content = Content::kBool,
                  .optional = true,
                  .fallback = 1,
                  .summary = "false leaves an entry out"}},
      .examples = {{.origin = "by hand: log 3 + log 2",
                    .target = {2, 1, 0},
                    .prediction = {0, 0, 0},
                    .value = 1.79175947,
                    .gradient = {-.6666667, -.1666667, .8333333},
                    .form = {InputKind::kLogits}},
                   {.origin = "by hand: log(1 + e)",
                    .target = {0, 1},
                    .prediction = {1, 0},
                    .value = 1.31326169,
                    .gradient = {.731058579, -.731058579},
                    .form = {InputKind::kLogits}}},
      .f64 = {2, 1024},
      .tolerance_note =
          "a slope is a difference of two sums of probabilities; where they are nearly equal its error "
          "counts in units of these",
      .curvature = true,
      .checks_nan_itself = true,
  };

  static size_t Scratch(const Dims&, size_t width) { return Ranking::Scratch(width) + 3 * width; }

  HWY_INLINE double operator()(const Item& x) const {
    const Ranking list(x);
    for (size_t i = 0; i < list.count; ++i) {
      if (!list.sound || !std::isfinite(list.score[i])) return list.Poison();
    }
    const size_t n = list.count;
    double* const order = x.scratch() + Ranking::Scratch(x.width());
    double *const own = order + n, *const after = own + n;  // p_k(k) and r_k
    for (size_t i = 0; i < n; ++i) order[i] = static_cast<double>(i);
    std::sort(order, order + n, [&list](double a, double b) {
      const double ya = list.relevance[static_cast<size_t>(a)], yb = list.relevance[static_cast<size_t>(b)];
      return ya > yb || (ya == yb && a < b);
    });

    // The tail behind position k: (1 + rest) exp(top), nothing behind the last.
    double top = 0, rest = 0;
    CarefulSum value;
    for (size_t k = n; k-- > 0;) {
      const double s = list.score[static_cast<size_t>(order[k])];
      if (k + 1 == n) {
        top = s;
        own[k] = 1;
        after[k] = 0;
        continue;
      }
      double mass = 1, others = 1 + rest;  // of this entry and of those behind it, in units of exp(top)
      if (s > top) {
        rest = others *= Below(top, s);
        top = s;
      } else {
        mass = Below(s, top);
        rest += mass;
        value.Add(top - s);
      }
      value.Add(Log1pScalar(rest));
      own[k] = mass / (mass + others);
      after[k] = others / (mass + others);
    }
    double before = 0;  // B_k
    for (size_t k = 0; list.wants_slope() && k < n; ++k) {
      list.SetSlope(static_cast<size_t>(order[k]), before * own[k] - after[k]);
      before = (before + 1) * after[k];
    }
    double from_shares = 0, from_spreads = 0;  // X_k, Y_k
    for (size_t k = 0; list.wants_curvature() && k < n; ++k) {
      list.SetCurvature(static_cast<size_t>(order[k]), own[k] * (from_shares + after[k] * (from_spreads + 1)));
      from_shares = after[k] * (from_shares + own[k] * (from_spreads + 1));
      from_spreads = after[k] * after[k] * (from_spreads + 1);
    }
    return value.Total();
  }

 private:
  // exp(low - high).
  static HWY_INLINE double Below(double low, double high) {
    const hn::CappedTag<double, 1> d;
    return hn::GetLane(ExpBelow(d, hn::Set(d, low), hn::Set(d, high)));
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_LOSSES_RANKING_LIST_MLE_INL_H_
