// Softmax, log softmax and logsumexp on Cuda: a warp per row, a block where rows are long; one pass for the largest and
// the sum, one for the result.
#pragma once

#include <cmath>

#include <cloze/core/device.hpp>
#include <cloze/kernels/cuda/exp_sum.cuh>
#include <cloze/kernels/softmax_args.hpp>

namespace cloze::kernels {

namespace cuda {

template <class T, int N>
__global__ void __launch_bounds__(team_threads) softmax_kernel(SoftmaxArgs<T> p) {
  using A = Compute<T>;
  const Team team = this_team();
  if (team.row >= p.rows) return;
  const T* x = p.x + team.row * p.columns;
  T* y = p.y + team.row * p.columns;
  const auto total = exp_sum<N>(team, x, p.columns);
  // x - largest first: it is exact for the largest, so a certain outcome keeps its tiny loss.
  const A log_sum = std::log(total.sum), factor = A(1) / total.sum, dead = p.log ? lowest<A> : A(0);
  for (Index c = static_cast<Index>(team.rank) * N; c < p.columns; c += static_cast<Index>(team.size) * N) {
    auto pack = load<N>(x + c);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const A over = pack[i] - total.largest;
      pack[i] = total.dead() ? dead : p.log ? over - log_sum : std::exp(over) * factor;
    }
    store(y + c, pack);
  }
}

template <class T, int N>
__global__ void __launch_bounds__(team_threads) softmax_backward_kernel(SoftmaxBackwardArgs<T> p) {
  using A = Compute<T>;
  const Team team = this_team();
  if (team.row >= p.rows) return;
  const Index first = team.row * p.columns;
  const A nothing = p.log ? lowest<A> : A(0);  // what y is in a dead row
  A sum(0), alive(0);
  for (Index c = static_cast<Index>(team.rank) * N; c < p.columns; c += static_cast<Index>(team.size) * N) {
    const auto y = load<N>(p.y + first + c), dy = load<N>(p.dy + first + c);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      sum += p.log ? dy[i] : dy[i] * y[i];
      alive += y[i] == nothing ? A(0) : A(1);
    }
  }
  sum = team_sum(team, sum);
  alive = team_sum(team, alive);
  for (Index c = static_cast<Index>(team.rank) * N; c < p.columns; c += static_cast<Index>(team.size) * N) {
    const auto y = load<N>(p.y + first + c);
    auto dx = load<N>(p.dy + first + c);
#pragma unroll
    for (int i = 0; i < N; ++i)
      dx[i] = alive == A(0) ? A(0) : p.log ? dx[i] - std::exp(y[i]) * sum : y[i] * (dx[i] - sum);
    put(p.dx, first + c, dx);
  }
}

template <class T, int N>
__global__ void __launch_bounds__(team_threads) logsumexp_kernel(LogSumExpArgs<T> p) {
  const Team team = this_team();
  if (team.row >= p.rows) return;
  const auto total = exp_sum<N>(team, p.x + team.row * p.columns, p.columns);
  if (team.rank == 0) p.y[team.row] = narrow<T>(total.log());
}

template <class T>
struct LogSumExpBackwardBody {
  LogSumExpBackwardArgs<T> p;
  template <int N>
  __device__ void run(Index r, Index c) const {
    using A = Compute<T>;
    const A y = widen(p.y[r]), dy = widen(p.dy[r]);
    const bool dead = y == lowest<A>;
    auto x = load<N>(p.x + r * p.columns + c);
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] = dead ? A(0) : dy * std::exp(x[i] - y);
    put(p.dx, r * p.columns + c, x);
  }
};

}  // namespace cuda

template <class T>
void softmax_forward(Cuda, const SoftmaxArgs<T>& p) {
  const bool packed = cuda::whole_packs<T>(p.columns) && cuda::aligned(p.x, p.y);
  const auto kernel = packed ? cuda::softmax_kernel<T, cuda::full_pack<T>> : cuda::softmax_kernel<T, 1>;
  cuda::launch_teams("softmax", kernel, p.rows, p.columns, p);
}

template <class T>
void softmax_backward(Cuda, const SoftmaxBackwardArgs<T>& p) {
  const bool packed = cuda::whole_packs<T>(p.columns) && cuda::aligned(p.y, p.dy, p.dx.data);
  const auto kernel =
      packed ? cuda::softmax_backward_kernel<T, cuda::full_pack<T>> : cuda::softmax_backward_kernel<T, 1>;
  cuda::launch_teams("softmax backward", kernel, p.rows, p.columns, p);
}

template <class T>
void logsumexp_forward(Cuda, const LogSumExpArgs<T>& p) {
  const bool packed = cuda::whole_packs<T>(p.columns) && cuda::aligned(p.x);
  const auto kernel = packed ? cuda::logsumexp_kernel<T, cuda::full_pack<T>> : cuda::logsumexp_kernel<T, 1>;
  cuda::launch_teams("logsumexp", kernel, p.rows, p.columns, p);
}

template <class T>
void logsumexp_backward(Cuda, const LogSumExpBackwardArgs<T>& p) {
  const bool packed = cuda::whole_packs<T>(p.columns) && cuda::aligned(p.x, p.dx.data);
  cuda::each_in_rows<T>("logsumexp backward", p.rows, p.columns, packed, cuda::LogSumExpBackwardBody<T>{p});
}

}  // namespace cloze::kernels
