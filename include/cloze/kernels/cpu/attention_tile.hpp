// What happens to a tile of scores in attention on Cpu: masking, exponentials, dropout.
#pragma once

#include <cmath>
#include <limits>

#include <cloze/kernels/attention_args.hpp>
#include <cloze/kernels/cpu/dropout_bits.hpp>
#include <cloze/kernels/cpu/panels.hpp>

namespace cloze::kernels::detail {

inline constexpr Index attention_rows = 64;   // queries of a tile
inline constexpr Index attention_keys = 512;  // keys of a tile: up to here the softmax is not rescaled

/// Dropout factors along a row of scores. Eight neighbouring queries share their random words, so rows should come in
/// the order of their positions.
template <class T>
class AttentionFactors {
 public:
  AttentionFactors(const DropoutRule& rule, Index sequence) : rule_(rule), sequence_(static_cast<std::uint32_t>(sequence)) {}

  bool active() const { return rule_.active(); }

  /// Makes ready the row of one query over the keys [first_key, first_key + count); first_key is a multiple of 16.
  void row(Index head, Index position, Index first_key, Index count) {
    const Index group = position / AttentionDropout::rows;
    decision_ = static_cast<int>(position % AttentionDropout::rows);
    if (head == head_ && group == group_ && first_key == first_key_ && count <= count_) return;
    head_ = head;
    group_ = group;
    first_key_ = first_key;
    count_ = count;
    for (Index j = 0; j < count; j += PhiloxLanes::lanes)
      philox_lanes(static_cast<std::uint32_t>(first_key + j), static_cast<std::uint32_t>(group), sequence_,
                   static_cast<std::uint32_t>(head), rule_.key, words_[j / PhiloxLanes::lanes]);
  }

  /// The factors of `lanes` keys from column j of the row on.
  xsimd::batch<T> at(Index j) const {
    constexpr Index lanes = static_cast<Index>(xsimd::batch<T>::size);
    static_assert(PhiloxLanes::lanes % lanes == 0);
    const std::uint32_t* words = words_[j / PhiloxLanes::lanes].word[decision_ / 2] + j % PhiloxLanes::lanes;
    const int shift = decision_ % 2 * 16;
    const auto threshold = static_cast<std::int32_t>(rule_.threshold);
    const T scale = static_cast<T>(rule_.scale);
    alignas(64) T factors[lanes];
    for (Index i = 0; i < lanes; ++i)
      factors[i] = static_cast<std::int32_t>(words[i] >> shift & 0xFFFF) < threshold ? scale : T(0);
    return xsimd::batch<T>::load_aligned(factors);
  }

 private:
  DropoutRule rule_;
  std::uint32_t sequence_;
  Index head_ = -1, group_ = -1, first_key_ = -1, count_ = -1;
  int decision_ = 0;
  PhiloxLanes words_[attention_keys / PhiloxLanes::lanes];
};

/// A batch's lanes before `count`, `other` in the rest.
template <class T>
xsimd::batch<T> lanes_before(Index count, xsimd::batch<T> value, xsimd::batch<T> other) {
  using B = xsimd::batch<T>;
  if (count >= static_cast<Index>(B::size)) return value;
  if (count <= 0) return other;
  alignas(64) static constexpr auto numbers = [] {
    std::array<T, B::size> lane{};
    for (std::size_t i = 0; i < B::size; ++i) lane[i] = static_cast<T>(i);
    return lane;
  }();
  return xsimd::select(B::load_aligned(numbers.data()) < B(static_cast<T>(count)), value, other);
}

/// What the online softmax knows of a query row: the maximum so far and Σ exp(score - maximum).
template <class T>
struct SoftmaxState {
  T maximum = -std::numeric_limits<T>::infinity();
  T sum = T(0);
};

/// Turns row i of a tile of scores into exp(score - maximum), dropout applied, zeros from column `seen` to `columns` on.
/// Returns the factor by which what was summed before must shrink.
template <class T>
T softmax_row(const Panels<T>& scores, Index i, Index seen, Index columns, SoftmaxState<T>& state,
              const AttentionFactors<T>* factors) {
  using B = xsimd::batch<T>;
  constexpr Index lanes = Panels<T>::lanes, width = Panels<T>::width;
  constexpr T lowest = -std::numeric_limits<T>::infinity();
  const auto at = [&](Index j) { return scores.at(j / width, i) + j % width; };
  B largest(lowest);
  for (Index j = 0; j < seen; j += lanes)
    largest = xsimd::max(largest, lanes_before(seen - j, B::load_aligned(at(j)), B(lowest)));
  largest = xsimd::max(reduce_lanes(largest, [](B a, B b) { return xsimd::max(a, b); }), B(state.maximum));
  // A row that has seen no key yet keeps the maximum -inf; its exponentials are those of -inf, never of NaN.
  const B shift = xsimd::select(largest == B(lowest), B(T(0)), largest);
  B sum(T(0));
  for (Index j = 0; j < columns; j += lanes) {
    B p(T(0));
    if (j < seen) {
      p = lanes_before(seen - j, xsimd::exp(B::load_aligned(at(j)) - shift), B(T(0)));
      sum += p;
      if (factors) p *= factors->at(j);
    }
    p.store_aligned(at(j));
  }
  sum = reduce_lanes(sum, [](B a, B b) { return a + b; });
  const T shrink = xsimd::exp(B(state.maximum) - shift).get(0);
  state.maximum = largest.get(0);
  state.sum = state.sum * shrink + sum.get(0);
  return shrink;
}

/// For row i of the scores S and of dP = do vᵀ: S becomes P ∘ z, dP becomes dS = P ∘ (dP ∘ z - dot), where
/// P = exp(S - lse), z are the dropout factors and dot = do·o; zeros from column `seen` to `columns` on.
template <class T>
void softmax_backward_row(const Panels<T>& scores, const Panels<T>& grad, Index i, Index seen, Index columns, T lse, T dot,
                          const AttentionFactors<T>* factors) {
  using B = xsimd::batch<T>;
  constexpr Index lanes = Panels<T>::lanes, width = Panels<T>::width;
  const B zero(T(0));
  for (Index j = 0; j < columns; j += lanes) {
    T* s = scores.at(j / width, i) + j % width;
    T* g = grad.at(j / width, i) + j % width;
    B p = zero, ds = zero;
    if (j < seen) {
      p = lanes_before(seen - j, xsimd::exp(B::load_aligned(s) - B(lse)), zero);
      ds = B::load_aligned(g);
      B kept = p;
      if (factors) {
        const B factor = factors->at(j);
        ds *= factor;
        kept *= factor;
      }
      ds = lanes_before(seen - j, p * (ds - B(dot)), zero);
      p = kept;
    }
    p.store_aligned(s);
    ds.store_aligned(g);
  }
}

}  // namespace cloze::kernels::detail
