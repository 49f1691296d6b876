// Bias and activation on Cpu: one pass, vectorised; the bias gradient summed by column blocks in row order.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/kernels/bias_activation_args.hpp>
#include <cloze/kernels/cpu/activation.hpp>
#include <cloze/kernels/cpu/simd.hpp>

namespace cloze::kernels {

template <class T>
void bias_activation_forward(Cpu, const BiasActivationArgs<T>& a) {
  with_activation(a.activation, [&]<Activation kind>() {
    parallel_for(a.rows, rows_per_task(a.columns), [&](Index begin, Index end) {
      for (Index r = begin; r < end; ++r) {
        T* x = a.x + r * a.columns;
        T* y = a.y + r * a.columns;
        for_batches<T>(a.columns, [&](Index, auto load, auto store) {
          auto value = load(x);
          if (a.bias) value += load(a.bias);
          if constexpr (kind != Activation::none) store(x, value);
          store(y, activate<kind>(value));
        });
      }
    });
  });
}

template <class T>
void bias_activation_backward(Cpu, const BiasActivationBackwardArgs<T>& a) {
  with_activation(a.activation, [&]<Activation kind>() {
    if constexpr (kind != Activation::none) {
      parallel_for(a.rows, rows_per_task(a.columns), [&](Index begin, Index end) {
        const Index from = begin * a.columns;
        for_batches<T>((end - begin) * a.columns, [&](Index, auto load, auto store) {
          store(a.dx + from, load(a.dy + from) * activate_slope<kind>(load(a.x + from)));
        });
      });
    }
  });
  if (!a.dbias.data) return;
  const T* dx = a.activation == Activation::none ? a.dy : a.dx;
  constexpr Index block = 64;  // columns; each block is one task's own, so rows add up in one order
  parallel_for((a.columns + block - 1) / block, std::max<Index>(1, 16384 / (block * std::max<Index>(1, a.rows))),
               [&](Index begin, Index end) {
                 for (Index b = begin; b < end; ++b) {
                   const Index from = b * block, count = std::min(block, a.columns - from);
                   T sums[block] = {};
                   for (Index r = 0; r < a.rows; ++r)
                     for (Index c = 0; c < count; ++c) sums[c] += dx[r * a.columns + from + c];
                   for (Index c = 0; c < count; ++c) {
                     T& out = a.dbias.data[from + c];
                     out = a.dbias.add ? out + sums[c] : sums[c];
                   }
                 }
               });
}

}  // namespace cloze::kernels
