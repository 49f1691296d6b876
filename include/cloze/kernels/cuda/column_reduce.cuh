// Column groups on Cuda: a warp for every row and group.
#pragma once

#include <cmath>

#include <cloze/core/device.hpp>
#include <cloze/kernels/column_reduce_args.hpp>
#include <cloze/kernels/cuda/column_sum.cuh>
#include <cloze/kernels/cuda/exp_sum.cuh>

namespace cloze::kernels {

namespace cuda {

/// The largest of some numbers and where it is first.
template <class A>
struct FirstMaximum {
  A value;
  Index at;
};

struct ShuffleFirstMaximum {
  template <class A>
  __device__ FirstMaximum<A> operator()(const FirstMaximum<A>& x, int step) const {
    return {__shfl_xor_sync(all_lanes, x.value, step), __shfl_xor_sync(all_lanes, x.at, step)};
  }
};

/// Whether `b` comes before `a` as the maximum. As in a loop from the left that starts at the first number and takes
/// what is larger: a NaN in the first place stays, one further on is passed over.
struct LaterMaximum {
  template <class A>
  __device__ FirstMaximum<A> operator()(const FirstMaximum<A>& a, const FirstMaximum<A>& b) const {
    return b.value > a.value || (b.value == a.value && b.at < a.at) ? b : a;
  }
};

/// Group `team.row % groups` of row `team.row / groups`.
template <class Args>
struct ColumnGroup {
  Index row, group, begin, end;

  __device__ ColumnGroup(const Args& p, const Team& team)
      : row(team.row / p.groups), group(team.row % p.groups), begin(p.bounds[group]), end(p.bounds[group + 1]) {}
};

template <class T>
__device__ Compute<T> weight_of(const T* weights, Index j) {
  return weights ? widen(weights[j]) : Compute<T>(1);
}

/// Σ weights of a group.
template <class T>
__device__ Compute<T> weight_sum(const Team& team, const T* weights, Index begin, Index end) {
  Compute<T> sum(0);
  for (Index j = begin + team.rank; j < end; j += team.size) sum += weight_of(weights, j);
  return team_sum(team, sum);
}

struct Larger {
  template <class A>
  __device__ A operator()(A a, A b) const {
    return larger(a, b);
  }
};

/// p.bounds are on the device, here and below.
template <class T>
__global__ void __launch_bounds__(team_threads) column_reduce_kernel(ColumnReduceArgs<T> p) {
  using A = Compute<T>;
  const Team team = this_team();
  if (team.row >= p.rows * p.groups) return;
  const ColumnGroup<ColumnReduceArgs<T>> g(p, team);
  const T* x = p.x + g.row * p.columns;
  A y(0);
  if (p.kind == ColumnReduce::sum || p.kind == ColumnReduce::mean) {
    for (Index j = g.begin + team.rank; j < g.end; j += team.size) y += weight_of(p.weights, j) * widen(x[j]);
    y = team_sum(team, y);
    if (p.kind == ColumnReduce::mean) y /= weight_sum(team, p.weights, g.begin, g.end);
  } else {
    const bool weighted = p.kind == ColumnReduce::max;
    A largest = lowest<A>, sum(0);
    for (Index j = g.begin + team.rank; j < g.end; j += team.size) {
      const A w = weight_of(p.weights, j);
      if (weighted || w != A(0)) largest = larger(largest, weighted ? w * widen(x[j]) : widen(x[j]));
    }
    largest = team_combine(team, largest, ShuffleOne{}, Larger{});
    y = largest;
    if (!weighted && largest != lowest<A>) {
      for (Index j = g.begin + team.rank; j < g.end; j += team.size) {
        const A w = weight_of(p.weights, j);
        if (w != A(0)) sum += w * std::exp(widen(x[j]) - largest);
      }
      y = largest + std::log(team_sum(team, sum));
    }
  }
  if (team.rank == 0) p.y[team.row] = narrow<T>(y);
}

/// Also leaves what a row has to say about a weight in by_weight[row, column], where that is wanted.
template <class T>
struct ColumnReduceGradients {
  ColumnReduceBackwardArgs<T> p;
  Compute<T>* by_weight;
};

template <class T>
__global__ void __launch_bounds__(team_threads) column_reduce_backward_kernel(ColumnReduceGradients<T> k) {
  using A = Compute<T>;
  const auto& p = k.p;
  const Team team = this_team();
  if (team.row >= p.rows * p.groups) return;
  const ColumnGroup<ColumnReduceBackwardArgs<T>> g(p, team);
  const T* x = p.x + g.row * p.columns;
  const A y = widen(p.y[team.row]), dy = widen(p.dy[team.row]);
  const A weights = p.kind == ColumnReduce::mean ? weight_sum(team, p.weights, g.begin, g.end) : A(1);
  FirstMaximum<A> first{weight_of(p.weights, g.begin) * widen(x[g.begin]), g.begin};
  if (p.kind == ColumnReduce::max) {
    for (Index j = g.begin + team.rank; j < g.end; j += team.size)
      first = LaterMaximum{}(first, FirstMaximum<A>{weight_of(p.weights, j) * widen(x[j]), j});
    first = team_combine(team, first, ShuffleFirstMaximum{}, LaterMaximum{});
  }
  for (Index j = g.begin + team.rank; j < g.end; j += team.size) {
    const A w = weight_of(p.weights, j), value = widen(x[j]);
    A by_x(0), by_weight(0);
    if (p.kind == ColumnReduce::sum) {
      by_x = w, by_weight = value;
    } else if (p.kind == ColumnReduce::mean) {
      by_x = w / weights, by_weight = (value - y) / weights;
    } else if (p.kind == ColumnReduce::max) {
      if (j == first.at) by_x = w, by_weight = value;
    } else if (y != lowest<A>) {
      by_weight = std::exp(value - y);
      by_x = w == A(0) ? A(0) : w * by_weight;
    }
    const Index at = g.row * p.columns + j;
    if (p.dx.data) put(p.dx, at, Pack<A, 1>{{dy * by_x}});
    if (k.by_weight) k.by_weight[at] = dy * by_weight;
  }
}

/// The elements of a matrix as the terms of a column sum.
template <class A>
struct MatrixSource {
  const A* x;
  Index columns;
  template <int N>
  __device__ Pack<A, N> take(Index r, Index c) const {
    return load<N>(x + r * columns + c);
  }
};

}  // namespace cuda

template <class T>
void column_reduce_forward(Cuda, const ColumnReduceArgs<T>& args) {
  ColumnReduceArgs<T> p = args;
  const cloze::cuda::Uploaded<Index> bounds(p.bounds, p.groups + 1);
  p.bounds = bounds.data();
  cuda::launch_teams("reduce_columns", cuda::column_reduce_kernel<T>, p.rows * p.groups, cuda::warp_row, p);
}

template <class T>
void column_reduce_backward(Cuda, const ColumnReduceBackwardArgs<T>& args) {
  using A = Compute<T>;
  const char* op = "reduce_columns backward";
  ColumnReduceBackwardArgs<T> p = args;
  const cloze::cuda::Uploaded<Index> bounds(p.bounds, p.groups + 1);
  p.bounds = bounds.data();
  const Storage<A, Cuda> by_weight(p.dweights.data ? p.rows * p.columns : 0);
  cuda::launch_teams(op, cuda::column_reduce_backward_kernel<T>, p.rows * p.groups, cuda::warp_row,
                     cuda::ColumnReduceGradients<T>{p, by_weight.data()});
  if (p.dweights.data)
    cuda::column_sum(op, p.rows, p.columns, false, cuda::MatrixSource<A>{by_weight.data(), p.columns}, p.dweights);
}

}  // namespace cloze::kernels
