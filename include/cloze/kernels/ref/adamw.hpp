// AdamW on Reference.
#pragma once

#include <cmath>

#include <cloze/core/device.hpp>
#include <cloze/kernels/adamw_args.hpp>

namespace cloze::kernels {

namespace detail {
template <class T>
void adamw_one(const AdamWFactors<T>& f, T& w, T g, T& m, T& v) {
  g *= f.grad_scale;
  w *= f.keep;
  m += f.one_beta1 * (g - m);
  v = f.beta2 * v + f.one_beta2 * g * g;
  w -= f.step_size * m / (std::sqrt(v) / f.root + f.eps);
}
}  // namespace detail

template <class T>
void adamw(Reference, const AdamWArgs<T>& a) {
  if (!takes_step(a.device_scale)) return;
  const auto factors = with_scale(a.factors, a.device_scale);
  for (Index i = 0; i < a.size; ++i) detail::adamw_one(factors, a.weight[i], a.grad[i], a.m[i], a.v[i]);
}

template <class T>
void adamw_rows(Reference, const AdamWRowsArgs<T>& a) {
  if (!takes_step(a.device_scale)) return;
  const auto factors = with_scale(a.factors, a.device_scale);
  for (Index i = 0; i < a.count; ++i)
    for (Index c = 0; c < a.columns; ++c) {
      const T g = a.grad_rows[i] < 0 ? T(0) : a.grads[a.grad_rows[i] * a.columns + c];
      const Index at = i * a.columns + c;
      detail::adamw_one(factors, a.weight[a.rows[i] * a.columns + c], g, a.m[at], a.v[at]);
    }
}

}  // namespace cloze::kernels
