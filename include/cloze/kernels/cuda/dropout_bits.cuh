// The decisions of RowDropout for a warp: each lane makes one Philox call, and votes hand every lane its own eight
// bits.
#pragma once

#include <cstdint>

#include <cloze/core/dropout.hpp>
#include <cloze/kernels/cuda/pack.cuh>
#include <cloze/kernels/cuda/team.cuh>

namespace cloze::kernels::cuda {

// A warp works on 256 neighbouring columns at a time, eight to a lane: N at N·lane, N at 32 N + N·lane and so on, so
// that every access of the warp is one run of memory. They are two blocks of RowDropout: 32 calls.

inline constexpr int chunk = 256;
inline constexpr int lane_columns = 8;
static_assert(chunk == 2 * RowDropout::block && warp_size == 2 * RowDropout::lanes);

/// The first of pack k's columns within the chunk.
template <int N>
__device__ int chunk_column(int k, int lane) {
  return (k * warp_size + lane) * N;
}

/// Philox4x32 as core/philox.hpp defines it, on registers.
__device__ inline void philox(std::uint32_t (&x)[4], std::uint32_t key0, std::uint32_t key1) {
#pragma unroll
  for (int round = 0; round < dropout_rounds; ++round) {
    const std::uint64_t first = static_cast<std::uint64_t>(0xD2511F53u) * x[0];
    const std::uint64_t second = static_cast<std::uint64_t>(0xCD9E8D57u) * x[2];
    x[0] = static_cast<std::uint32_t>(second >> 32) ^ x[1] ^ key0;
    x[1] = static_cast<std::uint32_t>(second);
    x[2] = static_cast<std::uint32_t>(first >> 32) ^ x[3] ^ key1;
    x[3] = static_cast<std::uint32_t>(first);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

/// What a kernel needs of a DropoutRule.
template <class A>
struct DropoutBits {
  std::uint32_t threshold, key0, key1;
  A scale;

  explicit DropoutBits(const DropoutRule& rule)
      : threshold(rule.threshold), key0(rule.key[0]), key1(rule.key[1]), scale(static_cast<A>(rule.scale)) {}

  __device__ bool active() const { return threshold != DropoutRule::always; }

  /// Bit k·N + i: whether element i of pack k of this lane is kept, in the chunk that begins at column `base` of row
  /// `row` (as dropout counts rows). All lanes of the warp must come, for one row and chunk.
  template <int N>
  __device__ unsigned keeps(Index row, Index base, int lane) const {
    const auto call = static_cast<std::uint64_t>(base) / RowDropout::block * RowDropout::lanes + lane;
    const auto place = static_cast<std::uint64_t>(row);
    std::uint32_t words[4] = {static_cast<std::uint32_t>(call), static_cast<std::uint32_t>(call >> 32),
                              static_cast<std::uint32_t>(place), static_cast<std::uint32_t>(place >> 32)};
    philox(words, key0, key1);
    unsigned kept = 0;
#pragma unroll
    for (int decision = 0; decision < lane_columns; ++decision) {
      const std::uint32_t bits = words[decision / 2] >> (decision % 2 * 16) & 0xFFFF;
      const unsigned votes = __ballot_sync(all_lanes, bits < threshold);
#pragma unroll
      for (int k = 0; k < lane_columns / N; ++k) {
        const int column = chunk_column<N>(k, lane);
        if (column % RowDropout::block / RowDropout::lanes == decision) {
          const int shift = column / RowDropout::block * RowDropout::lanes + column % RowDropout::lanes;
          kept |= (votes >> shift & ((1u << N) - 1)) << (k * N);
        }
      }
    }
    return kept;
  }
};

/// This lane's eight of the columns [base, base + 256) of a row; what lies past `columns` is zero.
template <int N, class T>
__device__ Pack<Compute<T>, lane_columns> load_eight(const T* row, Index base, Index columns, int lane) {
  Pack<Compute<T>, lane_columns> eight;
#pragma unroll
  for (int k = 0; k < lane_columns / N; ++k) {
    const Index c = base + chunk_column<N>(k, lane);
    const auto pack = c < columns ? load<N>(row + c) : filled<N>(Compute<T>(0));
#pragma unroll
    for (int i = 0; i < N; ++i) eight[k * N + i] = pack[i];
  }
  return eight;
}

/// Keeps and scales what dropout keeps. All lanes of the warp must come.
template <int N, class A>
__device__ void drop(const DropoutBits<A>& bits, Index row, Index base, int lane, Pack<A, lane_columns>& eight) {
  const unsigned kept = bits.template keeps<N>(row, base, lane);
#pragma unroll
  for (int i = 0; i < lane_columns; ++i) eight[i] *= kept >> i & 1 ? bits.scale : A(0);
}

/// Pack k of this lane's eight.
template <int N, class A>
__device__ Pack<A, N> pack_of(const Pack<A, lane_columns>& eight, int k) {
  Pack<A, N> pack;
#pragma unroll
  for (int i = 0; i < N; ++i) pack[i] = eight[k * N + i];
  return pack;
}

template <int N, class T>
__device__ void store_eight(T* row, Index base, Index columns, int lane, const Pack<Compute<T>, lane_columns>& eight) {
#pragma unroll
  for (int k = 0; k < lane_columns / N; ++k) {
    const Index c = base + chunk_column<N>(k, lane);
    if (c < columns) store(row + c, pack_of<N>(eight, k));
  }
}

/// Writes or adds, where the target is wanted. `first`: the row's first element in it.
template <int N, class T>
__device__ void put_eight(const GradTarget<T>& target, Index first, Index base, Index columns, int lane,
                          const Pack<Compute<T>, lane_columns>& eight) {
  if (target.data == nullptr) return;
#pragma unroll
  for (int k = 0; k < lane_columns / N; ++k) {
    const Index c = base + chunk_column<N>(k, lane);
    if (c < columns) put(target, first + c, pack_of<N>(eight, k));
  }
}

}  // namespace cloze::kernels::cuda
