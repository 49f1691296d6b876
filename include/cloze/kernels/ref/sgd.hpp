// SGD on Reference.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/kernels/sgd_args.hpp>

namespace cloze::kernels {

namespace detail {
template <class T>
void sgd_one(const SgdFactors<T>& f, T& w, T g, T* momentum) {
  g *= f.grad_scale;
  g += f.weight_decay * w;
  if (momentum) {
    *momentum = f.momentum * *momentum + f.fresh * g;
    g = f.nesterov ? g + f.momentum * *momentum : *momentum;
  }
  w -= f.lr * g;
}
}  // namespace detail

template <class T>
void sgd(Reference, const SgdArgs<T>& a) {
  if (!takes_step(a.device_scale)) return;
  const auto factors = with_scale(a.factors, a.device_scale);
  for (Index i = 0; i < a.size; ++i)
    detail::sgd_one(factors, a.weight[i], a.grad[i], a.momentum ? a.momentum + i : nullptr);
}

template <class T>
void sgd_rows(Reference, const SgdRowsArgs<T>& a) {
  if (!takes_step(a.device_scale)) return;
  const auto factors = with_scale(a.factors, a.device_scale);
  for (Index i = 0; i < a.count; ++i)
    for (Index c = 0; c < a.columns; ++c) {
      const T g = a.grad_rows[i] < 0 ? T(0) : a.grads[a.grad_rows[i] * a.columns + c];
      detail::sgd_one(factors, a.weight[a.rows[i] * a.columns + c], g,
                      a.momentum ? a.momentum + i * a.columns + c : nullptr);
    }
}

}  // namespace cloze::kernels
