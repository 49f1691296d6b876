// SGD on Cpu: one sweep.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/kernels/cpu/rounded.hpp>
#include <cloze/kernels/cpu/simd.hpp>
#include <cloze/kernels/sgd_args.hpp>

namespace cloze::kernels {

namespace detail {

/// `size` elements; a null gradient means zeros. Which multiply-adds are fused is fixed: see adamw_run.
template <class T>
void sgd_run(const SgdFactors<T>& f, Index size, T* weight, const T* grad, T* momentum) {
  using B = xsimd::batch<T>;
  const B lr(-f.lr), decay(f.weight_decay), mu(f.momentum), fresh(f.fresh), scale(f.grad_scale);
  for_batches<T>(size, [&](Index, auto load, auto store) {
    const B w = load(weight);
    B g = xsimd::fma(decay, w, grad ? rounded(scale * load(grad)) : B(T(0)));
    if (momentum) {
      const B b = xsimd::fma(mu, load(momentum), rounded(fresh * g));
      store(momentum, b);
      g = f.nesterov ? xsimd::fma(mu, b, g) : b;
    }
    store(weight, xsimd::fma(lr, g, w));
  });
}

}  // namespace detail

template <class T>
void sgd(Cpu, const SgdArgs<T>& a) {
  if (!takes_step(a.device_scale)) return;
  const auto factors = with_scale(a.factors, a.device_scale);
  parallel_for(a.size, 16384, [&](Index begin, Index end) {
    detail::sgd_run(factors, end - begin, a.weight + begin, a.grad + begin, a.momentum ? a.momentum + begin : nullptr);
  });
}

template <class T>
void sgd_rows(Cpu, const SgdRowsArgs<T>& a) {
  if (!takes_step(a.device_scale)) return;
  const auto factors = with_scale(a.factors, a.device_scale);
  parallel_for(a.count, rows_per_task(a.columns), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      detail::sgd_run(factors, a.columns, a.weight + a.rows[i] * a.columns,
                      a.grad_rows[i] < 0 ? nullptr : a.grads + a.grad_rows[i] * a.columns,
                      a.momentum ? a.momentum + i * a.columns : nullptr);
  });
}

}  // namespace cloze::kernels
