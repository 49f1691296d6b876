// What log Σ exp(x) of a row is made of, in one pass: the largest element and the sum of exp(x - largest), corrected
// whenever a larger one comes (Milakov, Gimelshein: "Online normalizer calculation for softmax", arXiv 1805.02867).
#pragma once

#include <cmath>
#include <limits>

#include <cloze/kernels/cuda/each.cuh>
#include <cloze/kernels/cuda/team.cuh>

namespace cloze::kernels::cuda {

template <class A>
inline constexpr A lowest = -std::numeric_limits<A>::infinity();

/// log Σ exp(x) = largest + log(sum). NaN and +inf make it NaN.
template <class A>
struct ExpSum {
  A largest, sum;

  __device__ bool dead() const { return largest == lowest<A>; }  // every x is -inf
  __device__ A log() const { return dead() ? largest : largest + std::log(sum); }
};

/// The larger one; a NaN is kept, whichever side it comes from.
template <class A>
__device__ A larger(A a, A b) {
  return b > a || b != b ? b : a;
}

struct JoinExpSums {
  template <class A>
  __device__ ExpSum<A> operator()(const ExpSum<A>& a, const ExpSum<A>& b) const {
    const A largest = larger(a.largest, b.largest);
    if (largest == lowest<A>) return {largest, A(0)};  // or -inf - -inf would be NaN
    return {largest, a.sum * std::exp(a.largest - largest) + b.sum * std::exp(b.largest - largest)};
  }
};

struct ShuffleExpSum {
  template <class A>
  __device__ ExpSum<A> operator()(const ExpSum<A>& value, int step) const {
    return {__shfl_xor_sync(all_lanes, value.largest, step), __shfl_xor_sync(all_lanes, value.sum, step)};
  }
};

/// Over the `columns` elements of a row; every thread of the team gets it.
template <int N, class T>
__device__ ExpSum<Compute<T>> exp_sum(const Team& team, const T* x, Index columns) {
  using A = Compute<T>;
  ExpSum<A> total{lowest<A>, A(0)};
  for (Index c = static_cast<Index>(team.rank) * N; c < columns; c += static_cast<Index>(team.size) * N) {
    const auto pack = load<N>(x + c);
    A largest = total.largest;
#pragma unroll
    for (int i = 0; i < N; ++i) largest = larger(largest, pack[i]);
    if (largest == lowest<A>) continue;
    A sum = total.sum * std::exp(total.largest - largest);
#pragma unroll
    for (int i = 0; i < N; ++i) sum += std::exp(pack[i] - largest);
    total = {largest, sum};
  }
  return team_combine(team, total, ShuffleExpSum{}, JoinExpSums{});
}

}  // namespace cloze::kernels::cuda
