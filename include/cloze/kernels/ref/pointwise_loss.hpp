// Pointwise losses on Reference.
#pragma once

#include <algorithm>
#include <cmath>

#include <cloze/core/device.hpp>
#include <cloze/kernels/pointwise_loss_args.hpp>
#include <cloze/kernels/ref/put.hpp>

namespace cloze::kernels {

namespace ref {

template <class T>
T pointwise_loss(PointwiseLoss kind, T x, T t) {
  switch (kind) {
    case PointwiseLoss::squared:
      return (x - t) * (x - t);
    case PointwiseLoss::binary:
      return std::max(x, T(0)) - x * t + std::log1p(std::exp(-std::abs(x)));
    case PointwiseLoss::divergence:
      return t == T(0) ? T(0) : t * (std::log(t) - x);
  }
  return T(0);
}

}  // namespace ref

template <class T>
void pointwise_loss_forward(Reference, const PointwiseLossArgs<T>& p) {
  for (Index r = 0; r < p.rows; ++r) {
    T sum{0};
    for (Index i = r * p.columns; i < (r + 1) * p.columns; ++i) {
      const T loss = ref::pointwise_loss(p.kind, p.x[i], p.t[i]);
      if (p.each) p.y[i] = loss;
      sum += loss;
    }
    if (!p.each) p.y[r] = sum;
  }
}

template <class T>
void pointwise_loss_backward(Reference, const PointwiseLossBackwardArgs<T>& p) {
  for (Index i = 0; i < p.size; ++i) {
    const T x = p.x[i], t = p.t[i], g = p.scale * p.dy[i * p.step];
    T by_x{0}, by_t{0};
    if (p.kind == PointwiseLoss::squared) {
      by_x = T(2) * (x - t), by_t = -by_x;
    } else if (p.kind == PointwiseLoss::binary) {
      by_x = T(1) / (T(1) + std::exp(-x)) - t, by_t = -x;
    } else if (t != T(0)) {
      by_x = -t, by_t = std::log(t) + T(1) - x;
    }
    if (p.dx.data) put(p.dx, i, g * by_x);
    if (p.dt.data) put(p.dt, i, g * by_t);
  }
}

}  // namespace cloze::kernels
