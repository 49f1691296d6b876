// The additive bias of attention on Cpu: added to a tile of scores, and its gradient from a tile of theirs.
#pragma once

#include <cloze/core/parallel.hpp>
#include <cloze/kernels/attention_args.hpp>
#include <cloze/kernels/cpu/attention_tasks.hpp>
#include <cloze/kernels/cpu/panels.hpp>
#include <cloze/kernels/cpu/row.hpp>

namespace cloze::kernels::detail {

/// Where a row of `count` keys, the first one `distance` after the query, meets a table by distance: `left` keys are
/// farther than the table's first column, which also serves them, then `inside` keys have columns of their own from
/// `column` on; the rest is farther than the last one.
struct BiasRun {
  Index left, inside, column;

  BiasRun(Index reach, Index distance, Index count)
      : left(std::clamp<Index>(-reach - distance, 0, count)),
        inside(std::clamp<Index>(reach + 1 - distance, left, count) - left),
        column(distance + left + reach) {}
};

/// Adds the bias to the scores of `count` query rows from `from` on and of `columns` keys from `first` on.
template <class T>
void add_attention_bias(const AttentionArgs<T>& a, Index s, Index h, Index from, Index count, Index first,
                        Index columns, const Panels<T>& scores) {
  constexpr Index lanes = Panels<T>::lanes, width = Panels<T>::width;
  const AttentionBias<T>& bias = a.bias;
  const T* const table = bias.values + h * bias.columns;
  T line[attention_keys];
  for (Index i = 0; i < count; ++i) {
    const T* values = line;
    if (bias.pairs) {
      values = table + bias.pairs[s] + (from + i) * a.layout.keys(s) + first;
    } else {
      const BiasRun run(bias.reach(), first - a.layout.position(s, from + i), columns);
      if (run.inside == columns) {
        values = table + run.column;
      } else {
        std::fill_n(line, run.left, table[0]);
        if (run.inside > 0) std::copy_n(table + run.column, run.inside, line + run.left);
        std::fill(line + run.left + run.inside, line + columns, table[bias.columns - 1]);
      }
    }
    for (Index j = 0; j < columns; j += lanes) {
      T* at = scores.at(j / width, i) + j % width;
      const auto added =
          j + lanes <= columns ? xsimd::batch<T>::load_unaligned(values + j) : load_partial(values + j, columns - j);
      (xsimd::batch<T>::load_aligned(at) + added).store_aligned(at);
    }
  }
}

/// Zeros in the gradients of a bias by pairs, for these query rows: tiles then add what rows see.
template <class T>
void clear_pair_gradients(const AttentionBackwardArgs<T>& b, Index s, Index h, Index begin, Index end) {
  const AttentionBias<T>& bias = b.forward.bias;
  if (!b.dbias.data || !bias.pairs || b.dbias.add) return;
  const Index keys = b.forward.layout.keys(s);
  T* const rows = b.dbias.data + h * bias.columns + bias.pairs[s];
  std::fill(rows + begin * keys, rows + end * keys, T(0));
}

/// Adds the gradients of a tile's scores to those of the bias by pairs, or by distance to `sums` [bias.columns].
template <class T>
void add_bias_gradient(const AttentionBackwardArgs<T>& b, Index s, Index h, Index from, Index count, Index first,
                       Index columns, const Panels<T>& grad, T* sums) {
  constexpr Index width = Panels<T>::width;
  const AttentionBias<T>& bias = b.forward.bias;
  const AttentionLayout& l = b.forward.layout;
  T line[attention_keys];
  const auto add = [&](T* to, const T* from_line, Index size) {
    for_batches<T>(size, [&](Index, auto load, auto store) { store(to, load(to) + load(from_line)); });
  };
  const auto sum = [&](const T* values, Index size) {
    return sum_over<T>(size, [&](auto load) { return load(values); });
  };
  for (Index i = 0; i < count; ++i) {
    for (Index j = 0; j < columns; j += width)
      std::copy_n(grad.at(j / width, i), std::min(width, columns - j), line + j);
    if (bias.pairs) {
      add(b.dbias.data + h * bias.columns + bias.pairs[s] + (from + i) * l.keys(s) + first, line, columns);
      continue;
    }
    const BiasRun run(bias.reach(), first - l.position(s, from + i), columns);
    if (run.left > 0) sums[0] += sum(line, run.left);
    if (run.inside > 0) add(sums + run.column, line + run.left, run.inside);
    if (const Index done = run.left + run.inside; done < columns)
      sums[bias.columns - 1] += sum(line + done, columns - done);
  }
}

/// Sums by distance of one tile of queries after the other, a vector [heads, columns] for each: private while tasks
/// run, then added in the order of the tiles.
template <class T>
class BiasSums {
 public:
  explicit BiasSums(const AttentionBackwardArgs<T>& b) : b_(b) {
    const AttentionLayout& l = b.forward.layout;
    if (!b.dbias.data || b.forward.bias.pairs) return;
    first_.reserve(static_cast<std::size_t>(l.sequences));
    for (Index s = 0; s < l.sequences; ++s) {
      first_.push_back(tiles_);
      tiles_ += (l.queries(s) + attention_rows - 1) / attention_rows;
    }
    sums_ = Storage<T, Cpu>(tiles_ * size());
    sums_.zero();
  }

  /// The sums of the tile that begins at this query row; null where there are none to keep.
  T* of(Index s, Index h, Index row) const {
    if (first_.empty()) return nullptr;
    const Index tile = first_[static_cast<std::size_t>(s)] + row / attention_rows;
    return sums_.data() + tile * size() + h * b_.forward.bias.columns;
  }

  void put() const {
    if (!b_.dbias.data || b_.forward.bias.pairs) return;
    parallel_for(size(), 65536 / std::max<Index>(1, tiles_), [&](Index begin, Index end) {
      for (Index c = begin; c < end; ++c) {
        T sum{0};
        for (Index tile = 0; tile < tiles_; ++tile) sum += sums_.data()[tile * size() + c];
        b_.dbias.data[c] = b_.dbias.add ? b_.dbias.data[c] + sum : sum;
      }
    });
  }

 private:
  Index size() const { return b_.forward.layout.heads * b_.forward.bias.columns; }

  const AttentionBackwardArgs<T>& b_;
  List<Index> first_;  // tile of each sequence
  Index tiles_ = 0;
  Storage<T, Cpu> sums_;
};

}  // namespace cloze::kernels::detail
