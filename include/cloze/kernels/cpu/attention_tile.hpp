// What happens to a tile of scores in attention on Cpu: masking, exponentials, dropout.
#pragma once

#include <array>
#include <limits>

#include <cloze/kernels/attention_args.hpp>
#include <cloze/kernels/cpu/attention_tasks.hpp>
#include <cloze/kernels/cpu/dropout_bits.hpp>
#include <cloze/kernels/cpu/exp.hpp>
#include <cloze/kernels/cpu/panels.hpp>

namespace cloze::kernels::detail {

/// Dropout factors along a row of scores. Eight neighbouring queries share their random words, so rows should come in
/// the order of their positions.
template <class T>
class AttentionFactors {
 public:
  AttentionFactors(const DropoutRule& rule, Index sequence)
      : rule_(rule), sequence_(static_cast<std::uint32_t>(sequence)) {}

  T scale() const { return static_cast<T>(rule_.scale); }

  /// Makes ready the row of one query over the keys [first_key, first_key + count), first_key a multiple of 16, and
  /// returns this; null where nothing is dropped.
  const AttentionFactors* row(Index head, Index position, Index first_key, Index count) {
    if (!rule_.active()) return nullptr;
    const Index group = AttentionDropout::group(position);
    decision_ = static_cast<int>(AttentionDropout::place(position));
    if (head == head_ && group == group_ && first_key == first_key_ && count <= count_) return this;
    head_ = head;
    group_ = group;
    first_key_ = first_key;
    count_ = count;
    for (Index j = 0; j < count; j += PhiloxLanes::lanes)
      philox_lanes(static_cast<std::uint32_t>(first_key + j), static_cast<std::uint32_t>(group), sequence_,
                   static_cast<std::uint32_t>(head), rule_.key, words_[j / PhiloxLanes::lanes]);
    return this;
  }

  /// The factors of `lanes` keys from column j of the row on.
  xsimd::batch<T> at(Index j) const {
    constexpr Index lanes = static_cast<Index>(xsimd::batch<T>::size);
    static_assert(PhiloxLanes::lanes % lanes == 0);
    return dropout_factors<T>(words_[j / PhiloxLanes::lanes].word[decision_ / 2] + j % PhiloxLanes::lanes,
                              decision_ % 2 != 0, rule_);
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

/// Scores of -inf before column `begin` of a row: their exponentials are zeros.
template <class T>
void hide_before(const Panels<T>& scores, Index row, Index begin) {
  constexpr Index lanes = Panels<T>::lanes, width = Panels<T>::width;
  const xsimd::batch<T> hidden(-std::numeric_limits<T>::infinity());
  for (Index j = 0; j < begin; j += lanes) {
    T* at = scores.at(j / width, row) + j % width;
    lanes_before(begin - j, hidden, xsimd::batch<T>::load_aligned(at)).store_aligned(at);
  }
}

/// Calls body(batch column, pointer offset, tail) over a row of panels up to column `end`; tail(value) zeroes the lanes
/// from `end` on, and is nothing for whole batches.
template <class T, class Body>
[[gnu::always_inline]] inline void for_row_batches(const Panels<T>& panels, Index end, Body body) {
  using B = xsimd::batch<T>;
  constexpr Index lanes = Panels<T>::lanes, width = Panels<T>::width;
  const auto whole = [](B value, B) { return value; };
  const Index step = panels.rows * width;
  Index j = 0, at = 0;
  for (; j + width <= end; j += width, at += step) {
    body(j, at, whole);
    body(j + lanes, at + lanes, whole);
  }
  if (j + lanes <= end) {
    body(j, at, whole);
    j += lanes;
    at += lanes;
  }
  if (j < end) body(j, at, [&](B value, B other) { return lanes_before(end - j, value, other); });
}

/// Zeros in a row of panels, from the batch after column `end` to that of `columns`.
template <class T>
void clear_row(const Panels<T>& panels, Index row, Index end, Index columns) {
  constexpr Index lanes = Panels<T>::lanes, width = Panels<T>::width;
  for (Index j = (end + lanes - 1) / lanes * lanes; j < columns; j += lanes)
    xsimd::batch<T>(T(0)).store_aligned(panels.at(j / width, row) + j % width);
}

/// Turns a tile of scores into exp(score - maximum), dropout applied; row i has zeros outside the columns
/// seen(i), up to `columns`. `maximum` and `sum` hold what each row has seen before (-inf and 0 at first) and are
/// brought up to date; `shrink` becomes the factor for what was summed before. The three have room for whole batches.
/// factors(i) prepares the dropout of row i, or is null. As many rows as a batch has lanes go together: their maxima
/// and sums are then taken side by side.
template <class T, class Seen, class Factors>
void softmax_tile(const Panels<T>& scores, Index count, Index columns, Seen seen, Factors factors, T* maximum, T* sum,
                  T* shrink) {
  using B = xsimd::batch<T>;
  constexpr Index lanes = Panels<T>::lanes;
  const B lowest(-std::numeric_limits<T>::infinity()), zero(T(0));
  for (Index first = 0; first < count; first += lanes) {
    const Index rows = std::min(lanes, count - first);
    B each[lanes];
    for (Index r = 0; r < lanes; ++r) {
      B largest = lowest;
      if (r < rows) {
        const T* row = scores.at(0, first + r);
        const KeyRange range = seen(first + r);
        if (range.begin > 0) hide_before(scores, first + r, std::min(range.begin, range.end));
        for_row_batches(
            scores, range.end, [&](Index, Index at, auto tail) __attribute__((always_inline)) {
              largest = xsimd::max(largest, tail(B::load_aligned(row + at), lowest));
            });
      }
      each[r] = largest;
    }
    const B before = B::load_unaligned(maximum + first);
    const B largest = xsimd::max(reduce_each<T>(each, [](B a, B b) { return xsimd::max(a, b); }), before);
    // A row that has seen no key keeps the maximum -inf; its exponentials are those of -inf then, never of NaN.
    const B shift = xsimd::select(largest == lowest, zero, largest);
    const B shrunk = exp_of_score(before - shift);
    largest.store_unaligned(maximum + first);
    shrunk.store_unaligned(shrink + first);
    alignas(64) T shifts[lanes];
    shift.store_aligned(shifts);
    for (Index r = 0; r < lanes; ++r) {
      B total = zero;
      if (r < rows) {
        T* row = scores.at(0, first + r);
        const Index end = seen(first + r).end;
        const B row_shift(shifts[r]);
        const auto exponentials = [&](auto drop) __attribute__((always_inline)) {
          for_row_batches(
              scores, end, [&](Index j, Index at, auto tail) __attribute__((always_inline)) {
                const B p = tail(exp_of_score(B::load_aligned(row + at) - row_shift), zero);
                total += p;
                drop(j, p).store_aligned(row + at);
              });
        };
        if (const AttentionFactors<T>* dropped = end > 0 ? factors(first + r) : nullptr) {
          exponentials([&](Index j, B p) { return p * dropped->at(j); });
        } else {
          exponentials([](Index, B p) { return p; });
        }
        clear_row(scores, first + r, end, columns);
      }
      each[r] = total;
    }
    const B added = reduce_each<T>(each, [](B a, B b) { return a + b; });
    xsimd::fma(B::load_unaligned(sum + first), shrunk, added).store_unaligned(sum + first);
  }
}

/// From scores S and dP = do vᵀ: S becomes P ∘ z, dP becomes dS = P ∘ (dP ∘ z - dot), where P = exp(S - lse) and z are
/// the dropout factors; row i has zeros from column seen(i) to `columns` on. Where `whole`, the tile holds all that its
/// rows see, and dot = Σ P ∘ dP ∘ z / Σ P is taken from it: exact for P as computed here, so that the rounding of lse
/// and o does not spoil small gradients. Else `dot` holds do·o. Both arrays have room for whole batches.
template <class T, class Seen, class Factors>
void softmax_backward_tile(const Panels<T>& scores, const Panels<T>& grad, Index count, Index columns, Seen seen,
                           Factors factors, const T* lse, T* dot, bool whole) {
  using B = xsimd::batch<T>;
  constexpr Index lanes = Panels<T>::lanes;
  const B zero(T(0));
  B scale(T(1));
  const auto finish = [&](B p, B dp, B row_dot, T * s, T * g, auto tail) __attribute__((always_inline)) {
    tail(xsimd::abs(p) * (dp - row_dot), zero).store_aligned(g);
    xsimd::select(p < zero, zero, p * scale).store_aligned(s);
  };
  for (Index first = 0; first < count; first += lanes) {
    const Index rows = std::min(lanes, count - first);
    B sums[lanes], products[lanes];
    for (Index r = 0; r < lanes; ++r) {
      B sum = zero, product = zero;
      if (r < rows) {
        T* s = scores.at(0, first + r);
        T* g = grad.at(0, first + r);
        const KeyRange range = seen(first + r);
        const Index end = range.end;
        if (range.begin > 0) hide_before(scores, first + r, std::min(range.begin, end));
        const B row_lse(lse[first + r]), row_dot(dot[first + r]);
        const auto probabilities = [&](auto drop) __attribute__((always_inline)) {
          for_row_batches(
              scores, end, [&](Index j, Index at, auto tail) __attribute__((always_inline)) {
                B p = tail(exp_of_score(B::load_aligned(s + at) - row_lse), zero),
                  dp = tail(B::load_aligned(g + at), zero);
                drop(j, p, dp);
                if (!whole) return finish(p, dp, row_dot, s + at, g + at, tail);
                sum += xsimd::abs(p);
                product = xsimd::fma(xsimd::abs(p), dp, product);
                p.store_aligned(s + at);
                dp.store_aligned(g + at);
              });
        };
        if (const AttentionFactors<T>* dropped = end > 0 ? factors(first + r) : nullptr) {
          scale = B(dropped->scale());
          probabilities([&](Index j, B& p, B& dp) {
            const B factor = dropped->at(j);
            dp *= factor;
            p = xsimd::select(factor == zero, -p, p);  // until the last step, the sign remembers the mask
          });
        } else {
          probabilities([](Index, B&, B&) {});
        }
        clear_row(scores, first + r, end, columns);
        clear_row(grad, first + r, end, columns);
      }
      sums[r] = sum;
      products[r] = product;
    }
    if (!whole) continue;
    const B total = reduce_each<T>(sums, [](B a, B b) { return a + b; });
    const B product = reduce_each<T>(products, [](B a, B b) { return a + b; });
    xsimd::select(total == zero, zero, product / total).store_unaligned(dot + first);
    for (Index r = 0; r < rows; ++r) {
      T* s = scores.at(0, first + r);
      T* g = grad.at(0, first + r);
      const B row_dot(dot[first + r]);
      for_row_batches(
          scores, seen(first + r).end, [&](Index, Index at, auto tail) __attribute__((always_inline)) {
            finish(B::load_aligned(s + at), B::load_aligned(g + at), row_dot, s + at, g + at, tail);
          });
    }
  }
}

}  // namespace cloze::kernels::detail
