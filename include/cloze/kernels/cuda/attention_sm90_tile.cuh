// What the attention kernels for Hopper (sm_90a) share. A block is one warpgroup that fetches tiles and some that
// multiply: the tiles stand in a ring of shared memory, with a barrier at each that says "full" and one that says
// "empty". After FlashAttention-3 (Shah et al., arXiv 2407.08608).
#pragma once

#include <cloze/kernels/cuda/attention_half_tile.cuh>
#include <cloze/kernels/cuda/ptx_sm90.cuh>
#include <cloze/kernels/cuda/ptx_wgmma.cuh>

namespace cloze::kernels::cuda {

/// An attention's tensors as the copy engine sees them.
struct Sm90Maps {
  TensorMap q, k, v, grad_o;
};

/// Heads are cut into pages of 64 columns, the width of wgmma's 128-byte rows.
template <int Rows, int D>
struct Sm90Tile {
  static constexpr int pages = D / 64, page_bytes = HalfTile<64>::bytes(Rows), bytes = pages * page_bytes;
  static_assert(D % 64 == 0 && Rows % tensor_map_rows == 0);

  unsigned char* data;

  __device__ HalfTile<64> page(int p) const { return {data + p * page_bytes}; }

  /// Its rows `row` … + 63 as a left operand, or its rows as the columns of the product; sums run over the columns 16 k
  /// … + 15.
  __device__ std::uint64_t columns(int row, int k) const {
    return tile_descriptor(data + k / 4 * page_bytes + row * 128 + k % 4 * 32, 16, 1024);
  }
  /// A right operand: sums run over its rows 16 k … + 15.
  __device__ std::uint64_t rows(int k) const { return tile_descriptor(data + k * 2048, page_bytes, 1024); }
};

/// A block: a warpgroup that fetches, then those that multiply, with 64 rows each.
template <int Groups>
struct Sm90Block {
  static constexpr int threads = 128 * (Groups + 1);
  // 65536 registers of a multiprocessor among the roles, in eights.
  static constexpr int fetching = Groups == 2 ? 40 : 32, multiplying = Groups == 2 ? 232 : 160;
  static_assert(128 * fetching + 128 * Groups * multiplying <= 65536);
};

/// This thread's warp, told to the compiler as the same for all its lanes: descriptors then take no registers of
/// theirs.
__device__ inline int sm90_warp() { return __shfl_sync(0xFFFFFFFFu, static_cast<int>(threadIdx.x) / 32, 0); }

/// Where a ring of tiles stands: at the same place for those that fill and those that empty it.
template <int Stages>
struct Sm90Place {
  int stage = 0;
  unsigned parity = 0;
  __device__ void next() {
    if (++stage == Stages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

/// The barriers of one tile, or of a ring of them.
template <int Stages>
struct Sm90Barriers {
  SharedBarrier full[Stages], empty[Stages];

  /// By one thread. `groups` are those that will say that they are done.
  __device__ void begin(int groups) {
    for (int stage = 0; stage < Stages; ++stage) {
      begin_barrier(&full[stage], 4);
      begin_barrier(&empty[stage], 4 * groups);
    }
  }
  __device__ void await_full(const Sm90Place<Stages>& place) { await_phase(&full[place.stage], place.parity); }
  __device__ void await_empty(const Sm90Place<Stages>& place) { await_phase(&empty[place.stage], place.parity ^ 1); }
  /// This warp has read the tile.
  __device__ void done(const Sm90Place<Stages>& place) {
    __syncwarp();
    if (threadIdx.x % 32 == 0) arrive(&empty[place.stage]);
  }
};

/// By the four fetching warps: rows from `from` on, row `row` of the map's head `head`, of which the sequence has
/// `count`. A whole tile is fetched by the copy engine. It would not stop at the end of a sequence, and a neighbour's
/// NaN times a weight of zero is NaN: what reaches beyond is copied row by row, with zeros behind the last one.
template <class T, int Rows, int D>
__device__ void sm90_fetch(const Sm90Tile<Rows, D>& tile, const TensorMap& map, int head, int row, const T* from,
                           long long stride, int count, int columns, SharedBarrier* full) {
  const int thread = static_cast<int>(threadIdx.x);
  __syncwarp();  // none still waits for the phase that the arrival may bring to its end
  if (count >= Rows) {
    if (thread == 0) {
      arrive_expecting(full, tile.bytes);
      for (int page = 0; page < tile.pages; ++page)
        for (int r = 0; r < Rows; r += tensor_map_rows)
          copy_box(map, tile.page(page).at(r, 0), full, 64 * page, head, row + r);
    } else if (thread % 32 == 0) {
      arrive(full);
    }
    return;
  }
#pragma unroll 1
  for (int page = 0; page < tile.pages; ++page)
#pragma unroll 1
    for (int r = thread / 8; r < Rows; r += 16) {
      const int column = 64 * page + thread % 8 * 8;
      copy_16_bytes(tile.page(page).at(r, thread % 8), from + r * stride + column, r < count && column < columns);
    }
  end_copies();
  await_copies<0>();
  show_to_products();
  __syncwarp();
  if (thread % 32 == 0) arrive(full);
}

/// c = a · bᵀ, started: 64 rows of one tile from `row` on by the rows of another, summed over their columns.
template <class T, int R, int N, int D>
__device__ __forceinline__ void sm90_multiply(float (&c)[N / 8][4], const Sm90Tile<R, D>& a, int row,
                                              const Sm90Tile<N, D>& b) {
#pragma unroll
  for (int k = 0; k < D / 16; ++k) multiply_async<T>(c, a.columns(row, k), b.columns(0, k), k != 0);
}

/// c += a · b, started: 64 rows in registers by a tile, summed over its rows.
template <class T, int N, int D>
__device__ __forceinline__ void sm90_multiply(float (&c)[D / 8][4], const std::uint32_t (&a)[N / 16][4],
                                              const Sm90Tile<N, D>& b) {
#pragma unroll
  for (int k = 0; k < N / 16; ++k) multiply_async<T>(c, a[k], b.rows(k));
}

/// Writes this warp's 16 rows of sums, times `low` and `high` as half_store_rows() does: through its rows of `tile`, so
/// the warpgroup must be done with it.
template <class T, int R, int D>
__device__ void sm90_store(const Sm90Tile<R, D>& tile, int row, const float (&sums)[D / 8][4], float low, float high,
                           const GradTarget<T>& to, long long stride, int count, int columns, bool aligned) {
#pragma unroll
  for (int page = 0; page < D / 64; ++page) {
    float part[8][4];
#pragma unroll
    for (int n = 0; n < 8; ++n)
#pragma unroll
      for (int e = 0; e < 4; ++e) part[n][e] = sums[8 * page + n][e];
    half_store_rows<T, 64, 64>(tile.page(page), row, 0, part, low, high, {to.data + 64 * page, to.add}, stride, count,
                               columns - 64 * page, aligned);
  }
}

}  // namespace cloze::kernels::cuda
