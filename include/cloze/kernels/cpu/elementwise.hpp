// Sums, products and activations on Cpu: one vectorised pass.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/kernels/cpu/activation.hpp>
#include <cloze/kernels/cpu/row.hpp>
#include <cloze/kernels/elementwise_args.hpp>

namespace cloze::kernels {

inline constexpr Index elements_per_task = 16384;

template <class T>
void combine(Cpu, const CombineArgs<T>& p) {
  using B = xsimd::batch<T>;
  parallel_for(p.size, elements_per_task, [&](Index begin, Index end) {
    const B a(p.a), b(p.b), shift(p.shift);
    const T *x = p.x + begin, *z = p.z + (p.z ? begin : 0);
    if (p.z) {
      put_batches(p.y, begin, end - begin, [&](auto load) { return a * load(x) + b * load(z) + shift; });
    } else {
      put_batches(p.y, begin, end - begin, [&](auto load) { return a * load(x) + shift; });
    }
  });
}

template <class T>
void multiply(Cpu, const MultiplyArgs<T>& p) {
  parallel_for(p.size, elements_per_task, [&](Index begin, Index end) {
    put_batches(p.y, begin, end - begin, [&](auto load) { return load(p.x + begin) * load(p.z + begin); });
  });
}

template <class T>
void activate_forward(Cpu, const ActivateArgs<T>& p) {
  with_activation(p.activation, [&]<Activation kind>() {
    parallel_for(p.size, elements_per_task, [&](Index begin, Index end) {
      for_batches<T>(end - begin,
                     [&](Index, auto load, auto store) { store(p.y + begin, activate<kind>(load(p.x + begin))); });
    });
  });
}

template <class T>
void activate_backward(Cpu, const ActivateBackwardArgs<T>& p) {
  with_activation(p.activation, [&]<Activation kind>() {
    parallel_for(p.size, elements_per_task, [&](Index begin, Index end) {
      put_batches(p.dx, begin, end - begin,
                  [&](auto load) { return load(p.dy + begin) * activate_slope<kind>(load(p.x + begin)); });
    });
  });
}

}  // namespace cloze::kernels
