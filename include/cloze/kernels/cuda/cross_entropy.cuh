// Cross entropy on Cuda, fused with its log softmax: a warp per row, a block where there are many classes.
#pragma once

#include <cmath>

#include <cloze/core/device.hpp>
#include <cloze/kernels/cross_entropy_args.hpp>
#include <cloze/kernels/cuda/exp_sum.cuh>

namespace cloze::kernels {

namespace cuda {

/// p.labels are on the device, here and below.
template <class T, int N>
__global__ void __launch_bounds__(team_threads) cross_entropy_kernel(CrossEntropyArgs<T> p) {
  using A = Compute<T>;
  const Team team = this_team();
  if (team.row >= p.rows) return;
  const Index first = team.row * p.columns, label = p.labels ? p.labels[team.row] : -1;
  ExpSum<A> total{A(0), A(0)};
  A loss(0), mass(0), log_sum(0);
  if (p.labels == nullptr || label != p.ignored) {
    total = exp_sum<N>(team, p.logits + first, p.columns);
    log_sum = std::log(total.sum);
    const A keep = A(1) - p.smoothing, even = p.smoothing / static_cast<A>(p.columns);
    const auto term = [&](A x, A target) {
      mass += target;
      if (target != A(0)) loss -= target * (total.dead() ? lowest<A> : x - total.largest - log_sum);
    };
    if (p.labels && even == A(0)) {  // all the other targets are 0
      if (team.rank == 0) term(widen(p.logits[first + label]), keep);
    } else {
      for (Index c = static_cast<Index>(team.rank) * N; c < p.columns; c += static_cast<Index>(team.size) * N) {
        const auto x = load<N>(p.logits + first + c);
        auto target = filled<N>(A(0));
        if (p.targets) target = load<N>(p.targets + first + c);
#pragma unroll
        for (int i = 0; i < N; ++i) term(x[i], keep * (p.labels ? A(c + i == label) : target[i]) + even);
      }
    }
    loss = team_sum(team, loss);
    mass = team_sum(team, mass);
  }
  if (team.rank != 0) return;
  p.losses[team.row] = narrow<T>(loss);
  p.kept[team.row] = {total.largest, log_sum, mass};
}

template <class T>
struct CrossEntropyBackwardBody {
  CrossEntropyBackwardArgs<T> p;
  template <int N>
  __device__ void run(Index r, Index c) const {
    using A = Compute<T>;
    const A largest = p.kept[r].largest, log_sum = p.kept[r].log_sum, mass = p.kept[r].mass;
    const Index label = p.labels ? p.labels[r] : -1, at = r * p.columns + c;
    const bool none = (p.labels && label == p.ignored) || largest == lowest<A>;
    const A g = p.scale * widen(p.dy[r * p.step]);
    const A keep = A(1) - p.smoothing, even = p.smoothing / static_cast<A>(p.columns);
    const auto x = load<N>(p.logits + at);  // before dlogits is written: it may be the same
    auto target = filled<N>(A(0));
    if (p.targets) target = load<N>(p.targets + at);
    Pack<A, N> dlogits, dtargets;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const A log_p = x[i] - largest - log_sum;
      const A smoothed = keep * (p.labels ? A(c + i == label) : target[i]) + even;
      dlogits[i] = none ? A(0) : g * (mass * std::exp(log_p) - smoothed);
      dtargets[i] = none ? A(0) : -g * keep * log_p;
    }
    if (p.dlogits.data) put(p.dlogits, at, dlogits);
    if (p.dtargets.data) put(p.dtargets, at, dtargets);
  }
};

}  // namespace cuda

template <class T>
void cross_entropy_forward(Cuda, const CrossEntropyArgs<T>& args) {
  CrossEntropyArgs<T> p = args;
  if (p.rows == 0) return;
  const cloze::cuda::Uploaded<Index> labels(p.labels, p.rows);
  p.labels = labels.data();
  const bool packed = cuda::whole_packs<T>(p.columns) && cuda::aligned(p.logits, p.targets);
  const auto kernel = packed ? cuda::cross_entropy_kernel<T, cuda::full_pack<T>> : cuda::cross_entropy_kernel<T, 1>;
  cuda::launch_teams("cross_entropy", kernel, p.rows, p.columns, p);
}

template <class T>
void cross_entropy_backward(Cuda, const CrossEntropyBackwardArgs<T>& args) {
  CrossEntropyBackwardArgs<T> p = args;
  if (p.rows == 0) return;
  const cloze::cuda::Uploaded<Index> labels(p.labels, p.rows);
  p.labels = labels.data();
  const bool packed =
      cuda::whole_packs<T>(p.columns) && cuda::aligned(p.logits, p.targets, p.dlogits.data, p.dtargets.data);
  cuda::each_in_rows<T>("cross_entropy backward", p.rows, p.columns, packed, cuda::CrossEntropyBackwardBody<T>{p});
}

}  // namespace cloze::kernels
