// Sums and their spreading on Cuda.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/kernels/cuda/each.cuh>
#include <cloze/kernels/cuda/team.cuh>
#include <cloze/kernels/cuda/total.cuh>
#include <cloze/kernels/reduce_args.hpp>

namespace cloze::kernels {

namespace cuda {

template <class T>
struct SumTerm {
  const T* x;
  template <int N>
  __device__ Compute<T> take(Index i) const {
    const auto pack = load<N>(x + i);
    auto sum = pack[0];
#pragma unroll
    for (int j = 1; j < N; ++j) sum += pack[j];
    return sum;
  }
};

template <class T>
struct SumFinish {
  Compute<T> scale;
  T* y;
  __device__ void operator()(Compute<T> sum) const { *y = narrow<T>(scale * sum); }
};

template <class T, int N>
__global__ void __launch_bounds__(team_threads) row_sum_kernel(RowSumArgs<T> p) {
  const Team team = this_team();
  if (team.row >= p.rows) return;
  const SumTerm<T> term{p.x + team.row * p.columns};
  Compute<T> sum(0);
  for (Index c = static_cast<Index>(team.rank) * N; c < p.columns; c += static_cast<Index>(team.size) * N)
    sum += term.template take<N>(c);
  sum = team_sum(team, sum);
  if (team.rank == 0) p.y[team.row] = narrow<T>(sum);
}

template <class T>
struct SpreadBody {
  SpreadArgs<T> p;
  template <int N>
  __device__ void run(Index r, Index c) const {
    put(p.dx, r * p.columns + c, filled<N>(p.scale * widen(p.dy[r * p.step])));
  }
};

/// p.bounds are on the device, here and below. A thread takes some columns of a segment, row after row.
template <class T>
struct SegmentSumBody {
  SegmentSumArgs<T> p;
  template <int N>
  __device__ void run(Index s, Index c) const {
    using A = Compute<T>;
    const Index begin = p.bounds[s], end = p.bounds[s + 1];
    auto sum = filled<N>(A(0));
#pragma unroll 4
    for (Index r = begin; r < end; ++r) {
      const auto x = load<N>(p.x + r * p.columns + c);
#pragma unroll
      for (int i = 0; i < N; ++i) sum[i] += x[i];
    }
    if (p.mean && end > begin)
#pragma unroll
      for (int i = 0; i < N; ++i) sum[i] /= static_cast<A>(end - begin);
    store(p.y + s * p.columns + c, sum);
  }
};

template <class T>
struct SegmentSpreadBody {
  SegmentSpreadArgs<T> p;
  template <int N>
  __device__ void run(Index s, Index c) const {
    const Index begin = p.bounds[s], end = p.bounds[s + 1];
    if (begin == end) return;
    auto dy = load<N>(p.dy + s * p.columns + c);
    if (p.mean)
#pragma unroll
      for (int i = 0; i < N; ++i) dy[i] /= static_cast<Compute<T>>(end - begin);
    for (Index r = begin; r < end; ++r) put(p.dx, r * p.columns + c, dy);
  }
};

}  // namespace cuda

template <class T>
void sum_all(Cuda, const SumArgs<T>& p) {
  cuda::total<T, Compute<T>>("sum", p.size, cuda::aligned(p.x), cuda::SumTerm<T>{p.x},
                             cuda::SumFinish<T>{p.scale, p.y});
}

template <class T>
void row_sum(Cuda, const RowSumArgs<T>& p) {
  const bool packed = cuda::whole_packs<T>(p.columns) && cuda::aligned(p.x);
  const auto kernel = packed ? cuda::row_sum_kernel<T, cuda::full_pack<T>> : cuda::row_sum_kernel<T, 1>;
  cuda::launch_teams("row_sum", kernel, p.rows, p.columns, p);
}

template <class T>
void spread(Cuda, const SpreadArgs<T>& p) {
  const bool packed = cuda::whole_packs<T>(p.columns) && cuda::aligned(p.dx.data);
  cuda::each_in_rows<T>("spread", p.rows, p.columns, packed, cuda::SpreadBody<T>{p});
}

template <class T>
void segment_sum(Cuda, const SegmentSumArgs<T>& args) {
  SegmentSumArgs<T> p = args;
  const cloze::cuda::Uploaded<Index> bounds(p.bounds, p.segments + 1);
  p.bounds = bounds.data();
  const bool packed = cuda::whole_packs<T>(p.columns) && cuda::aligned(p.x, p.y);
  cuda::each_in_rows<T>("segment_sum", p.segments, p.columns, packed, cuda::SegmentSumBody<T>{p});
}

template <class T>
void segment_spread(Cuda, const SegmentSpreadArgs<T>& args) {
  SegmentSpreadArgs<T> p = args;
  const cloze::cuda::Uploaded<Index> bounds(p.bounds, p.segments + 1);
  p.bounds = bounds.data();
  const bool packed = cuda::whole_packs<T>(p.columns) && cuda::aligned(p.dy, p.dx.data);
  cuda::each_in_rows<T>("segment_spread", p.segments, p.columns, packed, cuda::SegmentSpreadBody<T>{p});
}

}  // namespace cloze::kernels
