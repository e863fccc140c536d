// What the losses share that compare every embedding of a batch with every other. Similarities are computed in bands of
// rows and forgotten, never kept as an N x N matrix: the memory is a few times that of the embeddings.
//
//   x_i  embedding            u_i = x_i / |x_i|      s_ij = u_i.u_j
//   pull_i = sum of what is pulled in the direction of each u; slope_i = (pull_i - (pull_i.u_i) u_i) / |x_i|
//
// A zero vector has no direction: u = 0, every similarity 0, slope 0.
// Letters: N embeddings, D numbers in each, P the next multiple of kChunk, the rest 0, S >= P their stride in memory.

#if defined(LOSSD_CORE_SIMD_PAIRS_COMMON_INL_H_) == defined(HWY_TARGET_TOGGLE)  // include guard, one per target
#ifdef LOSSD_CORE_SIMD_PAIRS_COMMON_INL_H_
#undef LOSSD_CORE_SIMD_PAIRS_COMMON_INL_H_
#else
#define LOSSD_CORE_SIMD_PAIRS_COMMON_INL_H_
#endif

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/simd/categorical-inl.h"
#include "core/simd/cosine_common-inl.h"
#include "core/simd/matrix_product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

constexpr size_t Padded(size_t n) { return (n + kChunk - 1) / kChunk * kChunk; }
// Rows of a matrix: never a multiple of 512 bytes apart, for then whole columns share a few sets of the caches.
constexpr size_t Strided(size_t n) { return Padded(n) % 64 == 0 ? Padded(n) + kChunk : Padded(n); }

// Copies of embeddings [N, S], and what pulls on them.
class Embeddings {
 public:
  static constexpr size_t Doubles(size_t n, size_t dim) { return 2 * n * Strided(dim) + n; }

  // memory: Doubles(n, dim). Element k of embedding i is x[i * step + k * stride].
  Embeddings(size_t n, size_t dim, double* memory)
      : n_(n),
        dim_(dim),
        p_(Padded(dim)),
        s_(Strided(dim)),
        rows_(memory),
        pull_(rows_ + n * s_),
        inverse_(pull_ + n * s_) {
    std::fill_n(rows_, 2 * n * s_, 0.0);
  }

  // Takes x as it is, or each embedding divided by its norm.
  HWY_INLINE void Load(const double* x, bool normalise, size_t step, size_t stride = 1) {
    for (size_t i = 0; i < n_; ++i) {
      double* const row = rows_ + i * s_;
      for (size_t k = 0; k < dim_; ++k) row[k] = x[i * step + k * stride];
      inverse_[i] = normalise ? Normalise(row) : 1;
    }
  }
  const double* row(size_t i) const { return rows_ + i * s_; }
  double* pull(size_t i) const { return pull_ + i * s_; }
  size_t count() const { return n_; }
  size_t dim() const { return dim_; }
  size_t padded_dim() const { return p_; }
  size_t stride() const { return s_; }

  HWY_INLINE double Dot(size_t i, const double* y) const {
    const Tag<double> d;
    const double* const x = row(i);
    LaneSum sum;
    for (size_t k = 0; k < p_; k += kChunk) {
      for (size_t at = 0; at < kChunk; at += kLanes<double>) {
        sum.Add(at, hn::Mul(hn::Load(d, x + k + at), hn::Load(d, y + k + at)));
      }
    }
    return sum.Total();
  }
  // pull_i += factor y
  HWY_INLINE void Pull(size_t i, double factor, const double* y) {
    const Tag<double> d;
    double* const to = pull_ + i * s_;
    const auto by = C(d, factor);
    for (size_t k = 0; k < p_; k += kLanes<double>) {
      hn::Store(hn::MulAdd(by, hn::Load(d, y + k), hn::Load(d, to + k)), d, to + k);
    }
  }
  // Writes the slopes that follow from all pulls.
  HWY_INLINE void Slopes(bool normalised, double* slope, size_t step, size_t stride = 1) {
    for (size_t i = 0; i < n_; ++i) {
      double* const pull = pull_ + i * s_;
      if (normalised) Pull(i, -Dot(i, pull), row(i));
      for (size_t k = 0; k < dim_; ++k) slope[i * step + k * stride] = pull[k] * inverse_[i];
    }
  }

 private:
  // Divides by the norm; returns its inverse.
  HWY_INLINE double Normalise(double* row) const {
    const double scale = ScaleOf(LargestOf(row, dim_));
    double sum = 0;
    for (size_t k = 0; k < dim_; ++k) sum += (row[k] * scale) * (row[k] * scale);
    const double norm = std::sqrt(sum);
    for (size_t k = 0; k < dim_; ++k) row[k] = norm > 0 ? row[k] * scale / norm : row[k] * 0;
    return norm > 0 ? scale / norm : 0;
  }

  size_t n_, dim_, p_, s_;
  double *rows_, *pull_, *inverse_;
};

// Memory of a batch loss, handed out in pieces that are aligned to a chunk.
class Arena {
 public:
  static constexpr size_t Doubles(size_t wanted, size_t pieces) { return wanted + (pieces + 1) * kChunk; }
  explicit Arena(double* memory) : next_(memory) {}
  double* Take(size_t n) {
    constexpr uintptr_t kBytes = kChunk * sizeof(double);
    const uintptr_t at = (reinterpret_cast<uintptr_t>(next_) + kBytes - 1) / kBytes * kBytes;
    double* const piece = reinterpret_cast<double*>(at);
    next_ = piece + n;
    return piece;
  }

 private:
  double* next_;
};

// Every pair of two sets of embeddings, in bands of rows.
class Pairs {
 public:
  // spares: rows of N doubles that a row's function needs.
  static size_t Doubles(size_t n, size_t dim, size_t spares) {
    return Arena::Doubles(Padded(n) * dim + (BandRows(n) + Tiles(BandRows(n)) * spares) * Strided(n), 3);
  }
  Pairs(const Item& x, size_t n, size_t dim, size_t spares, double* memory)
      : x_(x), n_(n), stride_(Strided(n)), spares_(spares), arena_(memory) {
    // Fewer multiplications than this take less than handing them to other threads several times (not measured).
    alone_ = static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(dim) < 0x1p22;
    panels_ = arena_.Take(Padded(n) * dim);
    band_ = arena_.Take(BandRows(n) * stride_);
    spare_ = arena_.Take(Tiles(BandRows(n)) * spares * stride_);
  }

  // For each i: z[j] = similarity(x_i.y_j) for all j, then row(i, z, spare), on any thread, which may replace z by the
  // derivatives with respect to z / scale and return their scale: x_i is then pulled by scale z[j] y_j, and y_j by
  // scale z[j] x_i. 0: none of it. Returns early, with anything, where the call is cancelled.
  template <class Similarity, class Row>
  HWY_INLINE void ForEachRow(Embeddings& from, Embeddings& to, const Similarity& similarity, const Row& row) {
    const size_t dim = from.dim();
    ForEachTile(Padded(n_) / kTileColumns, [&](size_t tile) HWY_ATTR {
      const size_t j = tile * kTileColumns;
      PackPanel(to.row(j), to.stride(), n_ - std::min(j, n_), dim, panels_ + j * dim);
    });
    for (size_t begin = 0; begin < n_ && !x_.cancelled(); begin += BandRows(n_)) {
      const size_t rows = std::min(BandRows(n_), n_ - begin);
      std::array<bool, kBand / kRows> pulls{};
      ForEachTile(Tiles(rows), [&](size_t tile) HWY_ATTR {
        const size_t first = tile * kRows, count = std::min(kRows, rows - first);
        Compare(from, begin + first, count, band_ + first * stride_);
        for (size_t i = first; i < first + count; ++i) {
          double* const z = band_ + i * stride_;
          const Tag<double> d;
          for (size_t j = 0; j < n_; j += kLanes<double>) hn::StoreU(similarity(hn::LoadU(d, z + j)), d, z + j);
          const double scale = row(begin + i, z, spare_ + tile * spares_ * stride_);
          if (scale == 0) std::fill_n(z, n_, 0.0);
          if (scale == 0) continue;
          pulls[tile] = true;
          const auto by = hn::Set(d, scale);
          for (size_t j = 0; j < n_; j += kLanes<double>) hn::StoreU(hn::Mul(by, hn::LoadU(d, z + j)), d, z + j);
        }
      });
      if (std::none_of(pulls.begin(), pulls.end(), [](bool pull) { return pull; })) continue;
      ForEachTile(Tiles(rows), [&](size_t tile) HWY_ATTR {
        const size_t first = tile * kRows;
        if (!pulls[tile]) return;
        AddProduct({band_ + first * stride_, stride_, 1}, std::min(kRows, rows - first), to.row(0), to.stride(), n_,
                   from.pull(begin + first), from.stride(), from.padded_dim());
      });
      ForEachTile((n_ + kColumns - 1) / kColumns, [&](size_t tile) HWY_ATTR {
        for (size_t j = tile * kColumns; j < std::min(n_, (tile + 1) * kColumns); j += kTileRows) {
          PullBack(from, begin, rows, to, j);
        }
      });
    }
  }

  // Crew::ForEachTile where it is worth it.
  template <class Fn>
  void ForEachTile(size_t num_tiles, const Fn& work) const {
    if (!alone_) return x_.ForEachTile(num_tiles, work);
    for (size_t tile = 0; tile < num_tiles; ++tile) work(tile);
  }

 private:
  static constexpr size_t kRows = 24;              // of a tile, what a thread takes
  static constexpr size_t kBand = 8 * kRows;       // rows of a band at most
  static constexpr size_t kBandDoubles = 1 << 20;  // of a band, unless a tile is larger: what the third cache holds
  static constexpr size_t kColumns = 96;           // of a tile of columns

  static size_t Tiles(size_t rows) { return (rows + kRows - 1) / kRows; }
  static size_t BandRows(size_t n) {
    return std::clamp<size_t>(kBandDoubles / Strided(std::max<size_t>(n, 1)) / kRows * kRows, kRows, kBand);
  }

  // z[i, j] = x_(first + i).y_j for all j.
  HWY_INLINE void Compare(const Embeddings& from, size_t first, size_t count, double* z) const {
    for (size_t j = 0; j < n_; j += kTileColumns) {
      MultiplyColumns<false>({from.row(first), from.stride(), 1}, count, panels_ + j * from.dim(), kTileColumns,
                             from.dim(), z + j, stride_);
    }
  }
  // pull of y_j .. y_(j + kTileRows) += the sum over the band of z[i, j] x_i
  HWY_INLINE void PullBack(const Embeddings& from, size_t begin, size_t rows, Embeddings& to, size_t j) const {
    HWY_ALIGN double packed[kBand * kTileRows];
    const size_t count = std::min(kTileRows, n_ - j);
    for (size_t i = 0; i < rows; ++i) std::copy_n(band_ + i * stride_ + j, count, packed + i * kTileRows);
    AddProduct({packed, 1, kTileRows}, count, from.row(begin), from.stride(), rows, to.pull(j), to.stride(),
               to.padded_dim());
  }

  const Item& x_;
  size_t n_, stride_, spares_;
  Arena arena_;
  bool alone_;
  double *panels_, *band_, *spare_;
};

// log(1 + exp(x)) and its derivative.
template <class V>
struct SoftStep {
  V value, slope;
};
template <class D, class V>
HWY_INLINE SoftStep<V> SoftPlus(D d, V x) {
  const V e = hn::Exp(d, hn::Neg(hn::Abs(x)));
  const V one = C(d, 1.0);
  const V positive = hn::Max(x, hn::Zero(d));
  return {hn::Add(positive, hn::Log1p(d, e)), hn::Div(hn::IfThenElse(hn::Gt(x, hn::Zero(d)), one, e), hn::Add(one, e))};
}

HWY_INLINE double LargestElement(const double* x, size_t n) {
  const Tag<double> d;
  auto largest = C(d, -std::numeric_limits<double>::infinity());
  Walk(x, -std::numeric_limits<double>::infinity(), nullptr, n, nullptr, [&](size_t, auto v, auto) HWY_ATTR {
    largest = hn::Max(largest, v);
    return v;
  });
  return hn::GetLane(hn::MaxOfLanes(d, largest));
}

// The cross-entropy of softmax(z) with a target spread evenly over the `count` elements whose `chosen` is 1, 0 where
// there are none: logsumexp(z) - mean of the chosen z. z becomes its derivative. An element of -inf takes no part.
HWY_INLINE double SpreadCrossEntropy(double* z, const double* chosen, size_t n, double count) {
  const Tag<double> d;
  using V = hn::Vec<Tag<double>>;
  if (count == 0) {
    std::fill_n(z, n, 0.0);
    return 0;
  }
  const double max = LargestElement(z, n), nothing = -std::numeric_limits<double>::infinity();
  const V top = C(d, max);
  LaneSum depth;
  const auto each = [&](size_t at, auto v, auto is) HWY_ATTR { depth.Add(at, Times(d, is, hn::Sub(top, v))); };
  const Masses masses = LogitMasses(z, max, chosen, n, nullptr, each);
  const V sum = C(d, masses.sum()), rest = C(d, masses.rest), one = C(d, 1.0);
  const V others_chosen = C(d, count - 1), scale = C(d, 1 / (count * masses.sum())), share = C(d, 1 / masses.sum());
  EachVector<2, 1>(n, {z, chosen}, {nothing, 0.0}, {z},
                   [&](size_t, const std::array<V, 2>& in) HWY_ATTR -> std::array<V, 1> {
                     const V e = ExpBelow(d, in[0], top);
                     const V others = hn::IfThenElse(hn::Eq(e, one), rest, hn::Sub(sum, e));
                     const V mine = hn::Mul(hn::Sub(hn::Mul(others_chosen, e), others), scale);  // e/S - 1/count
                     return {hn::IfThenElse(hn::Eq(in[1], one), mine, hn::Mul(e, share))};
                   });
  return Log1pScalar(masses.rest) + depth.Total() / count;
}

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#endif  // LOSSD_CORE_SIMD_PAIRS_COMMON_INL_H_
