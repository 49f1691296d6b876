// Column groups on Reference.
#pragma once

#include <cmath>
#include <limits>

#include <cloze/core/device.hpp>
#include <cloze/kernels/column_reduce_args.hpp>
#include <cloze/kernels/ref/put.hpp>

namespace cloze::kernels {

template <class T>
void column_reduce_forward(Reference, const ColumnReduceArgs<T>& p) {
  constexpr T lowest = -std::numeric_limits<T>::infinity();
  const auto weight = [&](Index j) { return p.weights ? p.weights[j] : T(1); };
  for (Index r = 0; r < p.rows; ++r)
    for (Index g = 0; g < p.groups; ++g) {
      const T* x = p.x + r * p.columns;
      T sum{0}, weights{0}, exp_sum{0}, largest = lowest, largest_x = lowest;
      for (Index j = p.bounds[g]; j < p.bounds[g + 1]; ++j) {
        sum += weight(j) * x[j];
        weights += weight(j);
        const T weighted = weight(j) * x[j];
        if (weighted > largest || weighted != weighted) largest = weighted;
        if (weight(j) != T(0) && (x[j] > largest_x || x[j] != x[j])) largest_x = x[j];
      }
      for (Index j = p.bounds[g]; j < p.bounds[g + 1]; ++j)
        if (weight(j) != T(0) && largest_x != lowest) exp_sum += weight(j) * std::exp(x[j] - largest_x);
      T& y = p.y[r * p.groups + g];
      switch (p.kind) {
        case ColumnReduce::sum:
          y = sum;
          break;
        case ColumnReduce::mean:
          y = sum / weights;
          break;
        case ColumnReduce::max:
          y = largest;
          break;
        case ColumnReduce::logsumexp:
          y = largest_x == lowest ? lowest : largest_x + std::log(exp_sum);
          break;
      }
    }
}

template <class T>
void column_reduce_backward(Reference, const ColumnReduceBackwardArgs<T>& p) {
  const auto weight = [&](Index j) { return p.weights ? p.weights[j] : T(1); };
  for (Index g = 0; g < p.groups; ++g) {
    T weights{0};
    for (Index j = p.bounds[g]; j < p.bounds[g + 1]; ++j) weights += weight(j);
    for (Index j = p.bounds[g]; j < p.bounds[g + 1]; ++j) {
      T dweight{0};
      for (Index r = 0; r < p.rows; ++r) {
        const T *x = p.x + r * p.columns, y = p.y[r * p.groups + g], dy = p.dy[r * p.groups + g];
        T by_x{0}, by_weight{0};
        if (p.kind == ColumnReduce::sum) {
          by_x = weight(j), by_weight = x[j];
        } else if (p.kind == ColumnReduce::mean) {
          by_x = weight(j) / weights, by_weight = (x[j] - y) / weights;
        } else if (p.kind == ColumnReduce::max) {
          Index first = p.bounds[g];
          for (Index k = first + 1; k < p.bounds[g + 1]; ++k)
            if (weight(k) * x[k] > weight(first) * x[first]) first = k;
          if (j == first) by_x = weight(j), by_weight = x[j];
        } else if (y != -std::numeric_limits<T>::infinity()) {
          by_weight = std::exp(x[j] - y);
          by_x = weight(j) == T(0) ? T(0) : weight(j) * by_weight;
        }
        if (p.dx.data) put(p.dx, r * p.columns + j, dy * by_x);
        dweight += dy * by_weight;
      }
      if (p.dweights.data) put(p.dweights, j, dweight);
    }
  }
}

}  // namespace cloze::kernels
