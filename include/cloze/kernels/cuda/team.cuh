// Threads that work on one row together, a warp or a block, and what they add up: always in the same order.
#pragma once

#include <cloze/kernels/cuda/launch.cuh>
#include <cloze/kernels/cuda/pack.cuh>

namespace cloze::kernels::cuda {

inline constexpr int warp_size = 32;
inline constexpr unsigned all_lanes = 0xFFFFFFFFu;
inline constexpr int most_warps = 32;  // of a block

/// The sum over a warp, the same bits in every lane.
template <class A>
__device__ A warp_sum(A value) {
#pragma unroll
  for (int step = warp_size / 2; step > 0; step /= 2) value += __shfl_xor_sync(all_lanes, value, step);
  return value;
}

/// Sums over a block, K at a time, one barrier each. Shared memory is used in turns, so that the next sum need not wait
/// until every thread has read this one.
template <class A, int K>
class BlockSum {
 public:
  using Shared = A[2][most_warps][K];

  __device__ explicit BlockSum(Shared& shared) : shared_(shared) {}

  /// All threads of the block must come; they all get the sums, the same bits.
  __device__ void operator()(A (&values)[K]) {
    const int warps = static_cast<int>(blockDim.x * blockDim.y) / warp_size;
    const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
#pragma unroll
    for (int k = 0; k < K; ++k) values[k] = warp_sum(values[k]);
    if (warps == 1) return;
    if (thread % warp_size == 0)
#pragma unroll
      for (int k = 0; k < K; ++k) shared_[turn_][thread / warp_size][k] = values[k];
    __syncthreads();
#pragma unroll
    for (int k = 0; k < K; ++k) {
      values[k] = shared_[turn_][0][k];
      for (int warp = 1; warp < warps; ++warp) values[k] += shared_[turn_][warp][k];
    }
    turn_ ^= 1;
  }

 private:
  Shared& shared_;
  int turn_ = 0;
};

/// The threads of one row: a warp, or a whole block where rows are long.
struct Team {
  Index row;
  int rank, size;
};

/// Rows up to this many elements have a warp each, longer ones a block.
inline constexpr Index warp_row = 1024;
inline constexpr int team_threads = 512;

/// Runs kernel(args) with a team for each of `rows` rows: blocks of several warps, or of one wide team.
template <class Args>
void launch_teams(const char* op, void (*kernel)(Args), Index rows, Index columns, const Args& args) {
  if (rows == 0) return;
  const bool warps = columns <= warp_row;
  constexpr unsigned high = 4;
  launch(kernel, dim3(blocks_for(rows, warps ? high : 1)), warps ? dim3(warp_size, high) : dim3(team_threads), 0, op,
         args);
}

/// The calling thread's team. A team past the last row must leave at once; it is then never part of a wide team.
__device__ inline Team this_team() {
  return {static_cast<Index>(blockIdx.x) * blockDim.y + threadIdx.y, static_cast<int>(threadIdx.x),
          static_cast<int>(blockDim.x)};
}

/// Combines one value of each thread of a team, in a fixed order; every thread gets the result. `combine` need not be
/// commutative to the last bit, so every thread goes the same way through the warps.
template <class V, class Shuffle, class Combine>
__device__ V team_combine(const Team& team, V value, Shuffle shuffle, Combine combine) {
#pragma unroll
  for (int step = warp_size / 2; step > 0; step /= 2) {
    const V other = shuffle(value, step);
    value = (team.rank & step) == 0 ? combine(value, other) : combine(other, value);
  }
  if (team.size == warp_size) return value;
  __shared__ V of_warps[team_threads / warp_size];
  __syncthreads();  // what was there may still be read
  if (team.rank % warp_size == 0) of_warps[team.rank / warp_size] = value;
  __syncthreads();
  value = of_warps[0];
  for (int warp = 1; warp < team.size / warp_size; ++warp) value = combine(value, of_warps[warp]);
  return value;
}

struct ShuffleOne {
  template <class A>
  __device__ A operator()(A value, int step) const {
    return __shfl_xor_sync(all_lanes, value, step);
  }
};

struct Plus {
  template <class A>
  __device__ A operator()(A a, A b) const {
    return a + b;
  }
};

template <class A>
__device__ A team_sum(const Team& team, A value) {
  return team_combine(team, value, ShuffleOne{}, Plus{});
}

}  // namespace cloze::kernels::cuda
