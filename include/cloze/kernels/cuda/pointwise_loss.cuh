// Pointwise losses on Cuda.
#pragma once

#include <cmath>

#include <cloze/core/device.hpp>
#include <cloze/kernels/cuda/each.cuh>
#include <cloze/kernels/cuda/team.cuh>
#include <cloze/kernels/pointwise_loss_args.hpp>

namespace cloze::kernels {

namespace cuda {

template <class A>
__device__ A pointwise_loss(PointwiseLoss kind, A x, A t) {
  if (kind == PointwiseLoss::squared) return (x - t) * (x - t);
  if (kind == PointwiseLoss::binary) return (x > A(0) ? x : A(0)) - x * t + std::log1p(std::exp(-std::abs(x)));
  return t == A(0) ? A(0) : t * (std::log(t) - x);
}

template <class T>
struct PointwiseLossBody {
  PointwiseLossArgs<T> p;
  template <int N>
  __device__ void run(Index i) const {
    auto x = load<N>(p.x + i);
    const auto t = load<N>(p.t + i);
#pragma unroll
    for (int j = 0; j < N; ++j) x[j] = pointwise_loss(p.kind, x[j], t[j]);
    store(p.y + i, x);
  }
};

template <class T, int N>
__global__ void __launch_bounds__(team_threads) pointwise_loss_kernel(PointwiseLossArgs<T> p) {
  using A = Compute<T>;
  const Team team = this_team();
  if (team.row >= p.rows) return;
  const Index first = team.row * p.columns;
  A sum(0);
  for (Index c = static_cast<Index>(team.rank) * N; c < p.columns; c += static_cast<Index>(team.size) * N) {
    const auto x = load<N>(p.x + first + c), t = load<N>(p.t + first + c);
#pragma unroll
    for (int i = 0; i < N; ++i) sum += pointwise_loss(p.kind, x[i], t[i]);
  }
  sum = team_sum(team, sum);
  if (team.rank == 0) p.y[team.row] = narrow<T>(sum);
}

template <class T>
struct PointwiseLossBackwardBody {
  PointwiseLossBackwardArgs<T> p;
  template <int N>
  __device__ void run(Index i) const {
    using A = Compute<T>;
    const auto x = load<N>(p.x + i), t = load<N>(p.t + i);
    Pack<A, N> dx, dt;
#pragma unroll
    for (int j = 0; j < N; ++j) {
      const A g = p.scale * widen(p.dy[(i + j) * p.step]);
      A by_x(0), by_t(0);
      if (p.kind == PointwiseLoss::squared) {
        by_x = A(2) * (x[j] - t[j]), by_t = -by_x;
      } else if (p.kind == PointwiseLoss::binary) {
        by_x = A(1) / (A(1) + std::exp(-x[j])) - t[j], by_t = -x[j];
      } else if (t[j] != A(0)) {
        by_x = -t[j], by_t = std::log(t[j]) + A(1) - x[j];
      }
      dx[j] = g * by_x, dt[j] = g * by_t;
    }
    if (p.dx.data) put(p.dx, i, dx);
    if (p.dt.data) put(p.dt, i, dt);
  }
};

}  // namespace cuda

template <class T>
void pointwise_loss_forward(Cuda, const PointwiseLossArgs<T>& p) {
  const char* op = "pointwise loss";
  if (p.each) {
    cuda::each<T>(op, p.rows * p.columns, cuda::aligned(p.x, p.t, p.y), cuda::PointwiseLossBody<T>{p});
    return;
  }
  const bool packed = cuda::whole_packs<T>(p.columns) && cuda::aligned(p.x, p.t);
  const auto kernel = packed ? cuda::pointwise_loss_kernel<T, cuda::full_pack<T>> : cuda::pointwise_loss_kernel<T, 1>;
  cuda::launch_teams(op, kernel, p.rows, p.columns, p);
}

template <class T>
void pointwise_loss_backward(Cuda, const PointwiseLossBackwardArgs<T>& p) {
  cuda::each<T>("pointwise loss backward", p.size, cuda::aligned(p.x, p.t, p.dx.data, p.dt.data),
                cuda::PointwiseLossBackwardBody<T>{p});
}

}  // namespace cloze::kernels
