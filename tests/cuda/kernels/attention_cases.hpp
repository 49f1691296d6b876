// Cases of attention for the tests of its kernels on a GPU, and both sides of the comparison: Reference in double, and
// Cuda in any element type on the same (rounded) numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <cloze/core/dtype.hpp>
#include <cloze/kernels/cuda/attention.cuh>
#include <cloze/kernels/ref/attention.hpp>

namespace cloze::test {

struct AttentionCase {
  std::vector<Index> queries, keys;
  Index heads = 2, kv_heads = 2, size = 64;
  enum Bias { none, distance, pair } bias = none;
  Index reach = 5;
  Index before = kernels::AttentionLayout::all, after = kernels::AttentionLayout::all;
  bool last_to_last = false;
  double p = 0;
  std::vector<Index> positions = {};
  bool fused = false;   // q, k and v are columns of one buffer
  bool add = false;     // gradients are added to what is there
  Index odd = 0;        // elements between the rows, and before the first one
  double scale = 0;     // 0: 1 / √size
  Index poisoned = -1;  // a sequence whose rows are NaN, in every input
};

struct AttentionResults {
  std::vector<double> o, lse, dq, dk, dv, dbias;
};

inline std::vector<Index> running_sums(const std::vector<Index>& lengths) {
  std::vector<Index> sums{0};
  for (const Index n : lengths) sums.push_back(sums.back() + n);
  return sums;
}

/// Numbers in about [-1, 1], rounded to T.
template <class T>
std::vector<T> attention_numbers(Index size, int seed) {
  std::vector<T> values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = convert<T>(std::sin(1.7 * static_cast<double>(i + 1) * (1 + 0.013 * seed) + seed) * 0.9);
  return values;
}

/// A list in the memory of D.
template <class T, class D>
class There {
 public:
  explicit There(const std::vector<T>& values) : storage_(static_cast<Index>(values.size())) {
    if (!values.empty()) Transfer<Cpu, D>::copy(values.data(), storage_.data(), values.size() * sizeof(T));
  }
  T* data() const { return storage_.data(); }
  std::vector<T> back() const {
    std::vector<T> values(static_cast<std::size_t>(storage_.size()));
    if (!values.empty()) Transfer<D, Cpu>::copy(storage_.data(), values.data(), values.size() * sizeof(T));
    return values;
  }

 private:
  Storage<T, D> storage_;
};

/// Runs a case on D in elements of T; the inputs are the numbers rounded to Rounded.
template <class T, class D, class Rounded>
AttentionResults run_attention(const AttentionCase& c, bool backward = true) {
  using S = kernels::AttentionScalar<T>;
  const auto cu_q = running_sums(c.queries), cu_k = running_sums(c.keys);
  const Index q_rows = cu_q.back(), k_rows = cu_k.back(), q_columns = c.heads * c.size, k_columns = c.kv_heads * c.size;
  std::vector<Index> pairs;
  Index pair_count = 0;
  for (std::size_t s = 0; s < c.queries.size(); ++s) {
    pairs.push_back(pair_count);
    pair_count += c.queries[s] * c.keys[s];
  }
  const auto make = [&](Index size, int seed) {
    const auto rounded = attention_numbers<Rounded>(size, seed);
    std::vector<T> values(rounded.size());
    std::transform(rounded.begin(), rounded.end(), values.begin(),
                   [](Rounded x) { return convert<T>(convert<double>(x)); });
    return values;
  };
  // Rows of q, k, v or the gradient of o.
  const auto make_rows = [&](const std::vector<Index>& cu, Index columns, int seed) {
    auto values = make(cu.back() * columns, seed);
    if (c.poisoned >= 0) {
      const auto s = static_cast<std::size_t>(c.poisoned);
      std::fill(values.begin() + cu[s] * columns, values.begin() + cu[s + 1] * columns,
                convert<T>(std::numeric_limits<double>::quiet_NaN()));
    }
    return values;
  };
  // A matrix with `odd` elements of NaN before and between its rows.
  const Index fused_columns = q_columns + 2 * k_columns;
  const auto spread = [&](const std::vector<T>& values, Index columns) {
    const Index rows = columns ? static_cast<Index>(values.size()) / columns : 0;
    std::vector<T> result(static_cast<std::size_t>(c.odd + rows * (columns + c.odd)),
                          convert<T>(std::numeric_limits<double>::quiet_NaN()));
    for (Index r = 0; r < rows; ++r)
      std::copy_n(values.begin() + r * columns, columns, result.begin() + c.odd + r * (columns + c.odd));
    return result;
  };
  const auto gathered = [&](const std::vector<T>& values, Index rows, Index columns, Index stride, Index first) {
    std::vector<double> result;
    for (Index r = 0; r < rows; ++r)
      for (Index i = 0; i < columns; ++i)
        result.push_back(convert<double>(values[static_cast<std::size_t>(c.odd + r * stride + first + i)]));
    return result;
  };
  const Index bias_columns = c.bias == AttentionCase::distance ? 2 * c.reach + 1
                             : c.bias == AttentionCase::pair   ? pair_count
                                                               : 0;
  const Index q_width = c.fused ? fused_columns : q_columns, k_width = c.fused ? fused_columns : k_columns;
  const Index q_stride = q_width + c.odd, k_stride = k_width + c.odd, o_stride = q_columns + c.odd;
  const Index k_first = c.fused ? q_columns : 0, v_first = c.fused ? q_columns + k_columns : 0;
  const auto none = std::vector<Index>(cu_k.size(), 0);
  const There<T, D> q(spread(make_rows(cu_q, q_width, 1), q_width)),
      k(spread(make_rows(c.fused ? none : cu_k, k_width, 2), k_width)),
      v(spread(make_rows(c.fused ? none : cu_k, k_width, 3), k_width)), bias(make(c.heads * bias_columns, 4)),
      grad_o(spread(make_rows(cu_q, q_columns, 5), q_columns));
  const T nan = convert<T>(std::numeric_limits<double>::quiet_NaN());
  const There<T, D> o(std::vector<T>(static_cast<std::size_t>(c.odd + q_rows * o_stride), nan));
  const There<S, D> lse(std::vector<S>(static_cast<std::size_t>(q_rows * c.heads), S(NAN)));
  kernels::AttentionArgs<T> a{
      .layout = {.sequences = static_cast<Index>(c.queries.size()),
                 .heads = c.heads,
                 .kv_heads = c.kv_heads,
                 .head_size = c.size,
                 .cu_q = cu_q.data(),
                 .cu_k = cu_k.data(),
                 .q_positions = c.positions.empty() ? nullptr : c.positions.data(),
                 .last_to_last = c.last_to_last,
                 .before = c.before,
                 .after = c.after,
                 .dropout = dropout_rule({c.p, 0x123456789ABCDEFull})},
      .scale = static_cast<S>(c.scale != 0 ? c.scale : 1 / std::sqrt(static_cast<double>(c.size))),
      .q = q.data() + c.odd,
      .q_stride = q_stride,
      .k = (c.fused ? q : k).data() + c.odd + k_first,
      .k_stride = k_stride,
      .v = (c.fused ? q : v).data() + c.odd + v_first,
      .v_stride = k_stride,
      .bias = {.values = bias_columns ? bias.data() : nullptr,
               .columns = bias_columns,
               .pairs = c.bias == AttentionCase::pair ? pairs.data() : nullptr},
      .o = o.data() + c.odd,
      .o_stride = o_stride,
      .lse = lse.data()};
  kernels::attention_forward(D{}, a);
  AttentionResults results{gathered(o.back(), q_rows, q_columns, o_stride, 0), {}, {}, {}, {}, {}};
  for (const S x : lse.back()) results.lse.push_back(x);
  if (!backward) return results;
  const auto start = [&](Index size, int seed) {
    return c.add ? make(size, seed) : std::vector<T>(static_cast<std::size_t>(size), nan);
  };
  const There<T, D> dq(start(c.odd + q_rows * q_stride, 6)), dk(start(c.fused ? 0 : c.odd + k_rows * k_stride, 7)),
      dv(start(c.fused ? 0 : c.odd + k_rows * k_stride, 8)), dbias(start(c.heads * bias_columns, 9));
  const There<T, D>&k_target = c.fused ? dq : dk, &v_target = c.fused ? dq : dv;
  kernels::AttentionBackwardArgs<T> b{a,
                                      grad_o.data() + c.odd,
                                      {dq.data() + c.odd, c.add},
                                      {k_target.data() + c.odd + k_first, c.add},
                                      {v_target.data() + c.odd + v_first, c.add},
                                      {bias_columns ? dbias.data() : nullptr, c.add}};
  kernels::attention_backward(D{}, b);
  results.dq = gathered(dq.back(), q_rows, q_columns, q_stride, 0);
  results.dk = gathered(k_target.back(), k_rows, k_columns, k_stride, k_first);
  results.dv = gathered(v_target.back(), k_rows, k_columns, k_stride, v_first);
  for (const T x : dbias.back()) results.dbias.push_back(convert<double>(x));
  return results;
}

/// Largest difference, relative to the largest wanted number or to 1.
inline double attention_error(const std::vector<double>& found, const std::vector<double>& wanted) {
  if (found.size() != wanted.size()) return HUGE_VAL;
  double worst = 0, scale = 1;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (found[i] == wanted[i]) continue;  // both infinite, too
    if (std::isfinite(wanted[i])) scale = std::max(scale, std::abs(wanted[i]));
    const double error = std::abs(found[i] - wanted[i]);
    if (!(error <= worst)) worst = error;  // keeps a NaN
  }
  return worst / scale;
}

inline std::string attention_name(const AttentionCase& c) {
  std::string name;
  for (const Index n : c.queries) name += std::to_string(n) + ' ';
  name += "x ";
  for (const Index n : c.keys) name += std::to_string(n) + ' ';
  return name + "heads " + std::to_string(c.heads) + '/' + std::to_string(c.kv_heads) + " size " +
         std::to_string(c.size) + " bias " + std::to_string(c.bias) + " reach " + std::to_string(c.reach) + " window " +
         std::to_string(c.before) + ' ' + std::to_string(c.after) + " p " + std::to_string(c.p) +
         (c.last_to_last ? " last" : "") + (c.fused ? " fused" : "") + (c.add ? " add" : "") + " odd " +
         std::to_string(c.odd);
}

/// The largest error of any result.
inline double attention_error(const AttentionResults& found, const AttentionResults& wanted) {
  double worst = 0;
  for (const auto part : {&AttentionResults::o, &AttentionResults::lse, &AttentionResults::dq, &AttentionResults::dk,
                          &AttentionResults::dv, &AttentionResults::dbias}) {
    const double error = attention_error(found.*part, wanted.*part);
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

/// Calls f, and again with all that a GPU is free to do done the other way round. Boxes are early where products are
/// late: then a tile that was given back too soon is overwritten; and late where they are early: then one that was not
/// waited for is read.
template <class F>
void every_order(F&& f) {
#ifdef CLOZE_CUDA_EMULATOR
  auto& behaviour = emulator::behaviour();
  const auto before = behaviour;
  behaviour.early_boxes = !before.early_copies;
  f();
  behaviour = {
      .backwards = !before.backwards, .early_copies = !before.early_copies, .early_boxes = before.early_copies};
  f();
  behaviour = before;
#else
  f();
  for (int again = 0; again < 3; ++again) f();
#endif
}

/// Every value of every feature with some of the others.
inline std::vector<AttentionCase> attention_cases() {
  constexpr Index all = kernels::AttentionLayout::all;
  std::vector<AttentionCase> cases;
  const std::vector<std::pair<std::vector<Index>, std::vector<Index>>> lengths{{{1, 3, 16}, {1, 3, 16}},
                                                                               {{17, 0, 65}, {17, 0, 65}},
                                                                               {{3, 20, 2}, {9, 5, 0}},
                                                                               {{130, 7}, {130, 7}},
                                                                               {{70}, {200}},
                                                                               {{33, 20, 40}, {33, 20, 40}}};
  const std::vector<std::pair<Index, Index>> windows{{all, all}, {all, 0}, {2, 1}, {0, 0}, {70, 40}, {all, 3}};
  const std::vector<Index> sizes{64, 32, 128, 80, 96, 40};
  int turn = 0;
  for (const auto& [queries, keys] : lengths)
    for (const auto& [before, after] : windows) {
      ++turn;
      cases.push_back({.queries = queries,
                       .keys = keys,
                       .heads = 2,
                       .kv_heads = turn % 3 == 0 ? 1 : 2,
                       .size = sizes[static_cast<std::size_t>(turn / 2) % sizes.size()],
                       .bias = static_cast<AttentionCase::Bias>((turn + turn / 6) % 3),
                       .reach = turn % 4 == 0   ? 0
                                : turn % 4 == 1 ? 3
                                : turn % 4 == 2 ? 40
                                                : 900,
                       .before = before,
                       .after = after,
                       .last_to_last = before < all || after < all || turn % 2 == 0,
                       .p = turn % 5 < 2 ? 0.3 : 0,
                       .positions = {},
                       .fused = queries == keys && turn % 2 == 0,
                       .add = turn % 4 == 3,
                       .odd = turn % 7 == 3 ? 3 : 0});
    }
  cases.push_back({.queries = {3, 2},
                   .keys = {20, 9},
                   .bias = AttentionCase::distance,
                   .before = 4,
                   .after = 2,
                   .p = 0.3,
                   .positions = {0, 19, 7, 8, 3}});
  cases.push_back({.queries = {2, 1}, .keys = {50, 100}, .p = 0.1, .positions = {7, 8, 99}});
  cases.push_back({.queries = {5, 70}, .keys = {5, 70}, .scale = -0.2});
  cases.push_back({.queries = {0, 0}, .keys = {0, 3}});
  cases.push_back({.queries = {1, 2}, .keys = {0, 0}});
  cases.push_back({.queries = {}, .keys = {}});
  cases.push_back({.queries = {257}, .keys = {513}, .heads = 1, .kv_heads = 1});  // several tiles each way
  cases.push_back({.queries = {300},
                   .keys = {300},
                   .heads = 4,
                   .kv_heads = 2,
                   .size = 32,
                   .before = 100,
                   .after = 0,
                   .last_to_last = true,
                   .p = 0.1});
  return cases;
}

}  // namespace cloze::test
