// AdamW on Cpu: one sweep over weight, gradient and moments. It is bound by memory, so nothing is read twice.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/kernels/adamw_args.hpp>
#include <cloze/kernels/cpu/rounded.hpp>
#include <cloze/kernels/cpu/simd.hpp>

namespace cloze::kernels {

namespace detail {

/// `size` elements; a null gradient means zeros. Only one product of each sum can be fused with it, so the compiler's
/// choice cannot make the dense and the row-sparse update differ in a bit.
template <class T>
void adamw_run(const AdamWFactors<T>& f, Index size, T* weight, const T* grad, T* m, T* v) {
  using B = xsimd::batch<T>;
  // step m / (√v / root + eps) with `root` multiplied out: one division an element less.
  const B keep(f.keep), one_beta1(f.one_beta1), beta2(f.beta2), one_beta2(f.one_beta2), step(-f.step_size * f.root),
      eps(f.eps * f.root), scale(f.grad_scale);
  for_batches<T>(size, [&](Index, auto load, auto store) {
    const B g = grad ? rounded(scale * load(grad)) : B(T(0));
    const B m_old = load(m);
    const B m_new = xsimd::fma(one_beta1, g - m_old, m_old);
    const B v_new = xsimd::fma(load(v), beta2, rounded((one_beta2 * g) * g));
    store(m, m_new);
    store(v, v_new);
    store(weight, xsimd::fma(load(weight), keep, (step * m_new) / (xsimd::sqrt(v_new) + eps)));
  });
}

}  // namespace detail

template <class T>
void adamw(Cpu, const AdamWArgs<T>& a) {
  if (!takes_step(a.device_scale)) return;
  const auto factors = with_scale(a.factors, a.device_scale);
  parallel_for(a.size, 16384, [&](Index begin, Index end) {
    detail::adamw_run(factors, end - begin, a.weight + begin, a.grad + begin, a.m + begin, a.v + begin);
  });
}

template <class T>
void adamw_rows(Cpu, const AdamWRowsArgs<T>& a) {
  if (!takes_step(a.device_scale)) return;
  const auto factors = with_scale(a.factors, a.device_scale);
  parallel_for(a.count, rows_per_task(a.columns), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      detail::adamw_run(factors, a.columns, a.weight + a.rows[i] * a.columns,
                        a.grad_rows[i] < 0 ? nullptr : a.grads + a.grad_rows[i] * a.columns, a.m + i * a.columns,
                        a.v + i * a.columns);
  });
}

}  // namespace cloze::kernels
