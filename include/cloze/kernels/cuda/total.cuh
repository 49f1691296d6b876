// One sum over everything, in two stages whose order depends on the size alone.
#pragma once

#include <algorithm>

#include <cloze/kernels/cuda/team.cuh>
#include <cloze/tensor/storage.hpp>

namespace cloze::kernels::cuda {

/// Elements of a block's share at least, and blocks at most.
inline constexpr Index total_share = 4096, total_blocks = 1024;

/// Adds up term.template take<N>(i) over [0, size), each of type A. A block's sum goes to parts[block] or, where it is
/// the only block, through finish(sum).
template <int N, class A, class Term, class Finish>
__global__ void __launch_bounds__(team_threads) total_kernel(Index size, Term term, A* parts, Finish finish) {
  __shared__ typename BlockSum<A, 1>::Shared shared;
  BlockSum<A, 1> add(shared);
  const Index thread = static_cast<Index>(blockIdx.x) * team_threads + threadIdx.x;
  const Index threads = static_cast<Index>(gridDim.x) * team_threads, packs = size / N;
  A sum[1] = {A(0)};
#pragma unroll 4
  for (Index i = thread; i < packs; i += threads) sum[0] += term.template take<N>(i * N);
  if constexpr (N > 1)
#pragma unroll 1
    for (Index i = packs * N + thread; i < size; i += threads) sum[0] += term.template take<1>(i);
  add(sum);
  if (threadIdx.x != 0) return;
  if (parts)
    parts[blockIdx.x] = sum[0];
  else
    finish(sum[0]);
}

/// The parts themselves are the terms of the second stage.
template <class A>
struct PartTerm {
  const A* parts;
  template <int N>
  __device__ A take(Index i) const {
    static_assert(N == 1);
    return parts[i];
  }
};

/// finish(Σ term) on the device. T: what the terms are made from.
template <class T, class A, class Term, class Finish>
void total(const char* op, Index size, bool packed, const Term& term, const Finish& finish) {
  const Index blocks = std::clamp<Index>((size + total_share - 1) / total_share, 1, total_blocks);
  const Storage<A, Cuda> parts(blocks > 1 ? blocks : 0);
  const dim3 grid(static_cast<unsigned>(blocks)), block(team_threads);
  if (packed)
    launch(total_kernel<full_pack<T>, A, Term, Finish>, grid, block, 0, op, size, term, parts.data(), finish);
  else
    launch(total_kernel<1, A, Term, Finish>, grid, block, 0, op, size, term, parts.data(), finish);
  if (blocks > 1)
    launch(total_kernel<1, A, PartTerm<A>, Finish>, dim3(1), block, 0, op, blocks, PartTerm<A>{parts.data()},
           static_cast<A*>(nullptr), finish);
}

}  // namespace cloze::kernels::cuda
