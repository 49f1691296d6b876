// Tiles of the attention kernels for tensor cores: 16-bit rows in shared memory, the fragments of mma.sync, and how
// their lanes share the drawing of dropout. A warp's lane is 4g + t.
#pragma once

#include <cloze/kernels/cuda/attention_device.cuh>
#include <cloze/kernels/cuda/shared.cuh>

namespace cloze::kernels::cuda {

inline constexpr float log2_e = 1.44269504088896341f;
inline constexpr float ln_2 = 0.693147180559945309f;

/// Rows of C 16-bit columns (a multiple of 32) in pieces of 16 bytes. The pieces of a row change places by the number
/// of the row, so that the eight rows a matrix load takes lie in different banks.
template <int C>
struct HalfTile {
  static constexpr int pieces = C / 8;
  static_assert(pieces % 4 == 0);

  unsigned char* data;

  static constexpr int bytes(int rows) { return rows * C * 2; }
  __device__ static int place(int row, int piece) {
    return (row * pieces + (pieces % 8 == 0 ? piece ^ (row & 7) : piece ^ (row >> 1 & 3))) * 16;
  }
  __device__ unsigned char* at(int row, int piece) const { return data + place(row, piece); }

  /// Rows [0, `rows`) from memory; rows from `count` on and columns from `columns` on become zero. The pieces arrive
  /// with the thread's other copies; where addresses are not multiples of 16 bytes they are there at once.
  template <class T>
  __device__ void load(const T* from, long long stride, int rows, int count, int columns, bool aligned) const {
    for (int e = static_cast<int>(threadIdx.x); e < rows * pieces; e += static_cast<int>(blockDim.x)) {
      const int row = e / pieces, piece = e % pieces;
      const T* source = from + row * stride + piece * 8;
      if (aligned) {
        copy_16_bytes(at(row, piece), source, row < count && piece * 8 < columns);
        continue;
      }
      std::uint32_t words[4];
      for (int w = 0; w < 4; ++w) {
        const int c = piece * 8 + 2 * w;
        const std::uint32_t low = row < count && c < columns ? source[2 * w].bits : 0;
        const std::uint32_t high = row < count && c + 1 < columns ? source[2 * w + 1].bits : 0;
        words[w] = low | high << 16;
      }
      *reinterpret_cast<uint4*>(at(row, piece)) = make_uint4(words[0], words[1], words[2], words[3]);
    }
  }

  /// The left operand: rows `row` … + 15, columns `column` … + 15.
  __device__ void left(std::uint32_t (&a)[4], int row, int column) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    load_matrices(a, at(row + lane % 16, column / 8 + lane / 16));
  }
  /// The left operand of the transposed tile: its rows are the tile's columns.
  __device__ void left_transposed(std::uint32_t (&a)[4], int row, int column) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    load_matrices_transposed(a, at(column + lane % 8 + lane / 16 * 8, row / 8 + lane / 8 % 2));
  }
  /// Two right operands: b[0], b[1] for the product with the tile's rows n … + 7 (as columns), b[2], b[3] with n + 8 …;
  /// sums run over the tile's columns k … + 15.
  __device__ void right(std::uint32_t (&b)[4], int k, int n) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    load_matrices(b, at(n + lane % 8 + lane / 16 * 8, k / 8 + lane / 8 % 2));
  }
  /// The same where sums run over the tile's rows k … + 15 and the columns of the product are the tile's columns n ….
  __device__ void right_transposed(std::uint32_t (&b)[4], int k, int n) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    load_matrices_transposed(b, at(k + lane % 16, n / 8 + lane / 16));
  }
};

/// Two neighbouring products of 16 x 8 as a left operand of 16 x 16.
template <class T>
__device__ __forceinline__ void as_left(std::uint32_t (&a)[4], const float (&c0)[4], const float (&c1)[4]) {
  a[0] = pack<T>(c0[0], c0[1]);
  a[1] = pack<T>(c0[2], c0[3]);
  a[2] = pack<T>(c1[0], c1[1]);
  a[3] = pack<T>(c1[2], c1[3]);
}

/// Writes 16 rows of N columns of sums to memory, from column `column` on: row r, times `low` for r < 8 and `high` for
/// the others, to `to` + r · stride, `count` rows and `columns` columns at most. They pass through the warp's own rows
/// `row` … of `tile`, so that threads write 16 bytes; not where they are added to what is there.
template <class T, int D, int N>
__device__ void half_store_rows(const HalfTile<D>& tile, int row, int column, const float (&sums)[N / 8][4], float low,
                                float high, const GradTarget<T>& to, long long stride, int count, int columns,
                                bool aligned) {
  const int lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4, t = lane % 4;
  if (to.add || !aligned) {
#pragma unroll
    for (int n = 0; n < N / 8; ++n)
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int r = g + e / 2 * 8, c = column + 8 * n + 2 * t + e % 2;
        if (r < count && c < columns) put(to, r * stride + c, sums[n][e] * (e < 2 ? low : high));
      }
    return;
  }
  __syncwarp();
#pragma unroll
  for (int n = 0; n < N / 8; ++n) {
    const int piece = column / 8 + n;
    *reinterpret_cast<std::uint32_t*>(tile.at(row + g, piece) + 4 * t) = pack<T>(sums[n][0] * low, sums[n][1] * low);
    *reinterpret_cast<std::uint32_t*>(tile.at(row + g + 8, piece) + 4 * t) =
        pack<T>(sums[n][2] * high, sums[n][3] * high);
  }
  __syncwarp();
  for (int e = lane; e < 16 * (N / 8); e += 32) {
    const int r = e / (N / 8), piece = column / 8 + e % (N / 8);
    if (r < count && piece * 8 < columns)
      *reinterpret_cast<uint4*>(to.data + r * stride + piece * 8) =
          *reinterpret_cast<const uint4*>(tile.at(row + r, piece));
  }
}

/// The online softmax of a lane's two rows, shared by four lanes: scores become weights relative to the largest score
/// so far, and `sum`, the lane's part of their sums, is brought to it. What was summed before with the old weights is
/// to be multiplied by `shrink`. `factor` turns a score into a power of 2.
template <int N>
__device__ __forceinline__ void half_weigh(float (&score)[N][4], float (&largest)[2], float (&sum)[2],
                                           float (&shrink)[2], float factor) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float now = largest[r];
#pragma unroll
    for (int n = 0; n < N; ++n) now = fmaxf(now, fmaxf(score[n][2 * r], score[n][2 * r + 1]));
    now = fmaxf(now, __shfl_xor_sync(0xFFFFFFFFu, now, 1));
    now = fmaxf(now, __shfl_xor_sync(0xFFFFFFFFu, now, 2));
    const float reference = now == -INFINITY ? 0.0f : now * factor;  // rows that saw nothing yet
    shrink[r] = exp2_approximately(largest[r] * factor - reference);
    largest[r] = now;
    float more = 0;
#pragma unroll
    for (int n = 0; n < N; ++n)
#pragma unroll
      for (int e = 2 * r; e < 2 * r + 2; ++e) {
        score[n][e] = exp2_approximately(fmaf(score[n][e], factor, -reference));
        more += score[n][e];
      }
    sum[r] = sum[r] * shrink[r] + more;
  }
}

/// Sums of values times what half_weigh() says.
template <int C>
__device__ __forceinline__ void half_shrink(float (&o)[C][4], const float (&shrink)[2]) {
#pragma unroll
  for (int n = 0; n < C; ++n)
#pragma unroll
    for (int e = 0; e < 4; ++e) o[n][e] *= shrink[e / 2];
}

/// Which of 16 query rows from `first` on keep their probability at key `key` + lane % 16: bit x is row x. One Philox
/// call serves eight rows, so a warp draws a block of 16 by 16 with one call a lane. All lanes of the warp must come.
__device__ inline std::uint32_t dropout_block(const AttentionShape& shape, int s, int h, int first, int key) {
  const int lane = static_cast<int>(threadIdx.x) % 32, mine = first + lane / 16 * 8;
  const auto draw = [&](std::uint32_t group) {
    return philox4x32<dropout_rounds>({static_cast<std::uint32_t>(key + lane % 16), group,
                                       static_cast<std::uint32_t>(s), static_cast<std::uint32_t>(h)},
                                      shape.dropout.key);
  };
  const std::uint32_t threshold = shape.dropout.threshold;
  std::uint32_t bits = 0;
  const auto position = [&](int i) {
    return static_cast<std::uint32_t>(i < shape.queries(s) ? shape.position(s, i) : 0);
  };
  if (!shape.q_positions && static_cast<std::uint32_t>(shape.position(s, mine)) % 8 == 0) {
    const auto words = draw(static_cast<std::uint32_t>(shape.position(s, mine)) / 8);
#pragma unroll
    for (int x = 0; x < 8; ++x)
      bits |= static_cast<std::uint32_t>((words[static_cast<std::size_t>(x / 2)] >> (x % 2 * 16) & 0xFFFF) < threshold)
              << x;
  } else {
#pragma unroll 1
    for (int x = 0; x < 8; ++x) {
      const std::uint32_t p = position(mine + x);
      const auto words = draw(p / 8);
      const std::uint32_t place = p % 8;
      const std::uint32_t word = place < 4 ? (place < 2 ? words[0] : words[1]) : (place < 6 ? words[2] : words[3]);
      bits |= static_cast<std::uint32_t>((word >> (place % 2 * 16) & 0xFFFF) < threshold) << x;
    }
  }
  const std::uint32_t other = __shfl_xor_sync(0xFFFFFFFFu, bits, 16);
  return lane < 16 ? bits | other << 8 : other | bits << 8;
}

/// The keys that some of the `rows` query rows from `first` on see (x, y), and those that all of them see (z, w). The
/// same for all threads of the block.
__device__ inline int4 half_tile_seen(const AttentionShape& shape, int s, int first, int rows) {
  const int keys = shape.keys(s);
  if (!shape.bounded) return make_int4(0, keys, 0, keys);
  int begin = 0x7FFFFFFF, end = 0, last_begin = 0, first_end = keys;
  for (int r = static_cast<int>(threadIdx.x) % 32; r < rows && first + r < shape.queries(s); r += 32) {
    const int2 seen = shape.seen(s, first + r);
    if (seen.x < seen.y) {
      begin = seen.x < begin ? seen.x : begin;
      end = seen.y > end ? seen.y : end;
    }
    last_begin = seen.x > last_begin ? seen.x : last_begin;
    first_end = seen.y < first_end ? seen.y : first_end;
  }
  begin = __reduce_min_sync(0xFFFFFFFFu, begin);
  end = __reduce_max_sync(0xFFFFFFFFu, end);
  return make_int4(begin < end ? begin : end, end, __reduce_max_sync(0xFFFFFFFFu, last_begin),
                   __reduce_min_sync(0xFFFFFFFFu, first_end));
}

/// Whether 16-byte copies can take rows from here.
template <class T>
bool half_aligned(const T* data, long long stride, int head_size) {
  return reinterpret_cast<std::uintptr_t>(data) % 16 == 0 && stride % 8 == 0 && head_size % 8 == 0;
}

}  // namespace cloze::kernels::cuda
