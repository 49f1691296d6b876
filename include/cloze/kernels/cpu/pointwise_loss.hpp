// Pointwise losses on Cpu.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/kernels/cpu/row.hpp>
#include <cloze/kernels/pointwise_loss_args.hpp>

namespace cloze::kernels {

namespace cpu {

/// Calls f.template operator()<kind>(): the run-time kind becomes a template argument in this one place.
template <class F>
void with_pointwise_loss(PointwiseLoss kind, F&& f) {
  switch (kind) {
    case PointwiseLoss::squared:
      return f.template operator()<PointwiseLoss::squared>();
    case PointwiseLoss::binary:
      return f.template operator()<PointwiseLoss::binary>();
    case PointwiseLoss::divergence:
      return f.template operator()<PointwiseLoss::divergence>();
  }
}

template <PointwiseLoss kind, class T>
xsimd::batch<T> pointwise_loss(xsimd::batch<T> x, xsimd::batch<T> t) {
  using B = xsimd::batch<T>;
  const B zero(T(0));
  if constexpr (kind == PointwiseLoss::squared) return (x - t) * (x - t);
  if constexpr (kind == PointwiseLoss::binary)
    return xsimd::select(x > zero, x, zero) - x * t + xsimd::log1p(xsimd::exp(-xsimd::abs(x)));
  if constexpr (kind == PointwiseLoss::divergence) return xsimd::select(t == zero, zero, t * (xsimd::log(t) - x));
}

/// Its derivatives by x and by t.
template <PointwiseLoss kind, bool by_target, class T>
xsimd::batch<T> pointwise_slope(xsimd::batch<T> x, xsimd::batch<T> t) {
  using B = xsimd::batch<T>;
  const B zero(T(0)), one(T(1)), two(T(2));
  if constexpr (kind == PointwiseLoss::squared) return by_target ? two * (t - x) : two * (x - t);
  if constexpr (kind == PointwiseLoss::binary) {
    if constexpr (by_target) {
      return -x;
    } else {
      return one / (one + xsimd::exp(-x)) - t;
    }
  }
  if constexpr (kind == PointwiseLoss::divergence)
    return by_target ? xsimd::select(t == zero, zero, xsimd::log(t) + one - x) : -t;
}

}  // namespace cpu

template <class T>
void pointwise_loss_forward(Cpu, const PointwiseLossArgs<T>& p) {
  cpu::with_pointwise_loss(p.kind, [&]<PointwiseLoss kind>() {
    parallel_for(p.rows, rows_per_task(p.columns), [&](Index begin, Index end) {
      for (Index r = begin; r < end; ++r) {
        const T *x = p.x + r * p.columns, *t = p.t + r * p.columns;
        const auto loss = [&](auto load) { return cpu::pointwise_loss<kind>(load(x), load(t)); };
        if (p.each) {
          put_batches(GradTarget<T>{p.y, false}, r * p.columns, p.columns, loss);
        } else {
          p.y[r] = sum_over<T>(p.columns, loss);
        }
      }
    });
  });
}

template <class T>
void pointwise_loss_backward(Cpu, const PointwiseLossBackwardArgs<T>& p) {
  using B = xsimd::batch<T>;
  cpu::with_pointwise_loss(p.kind, [&]<PointwiseLoss kind>() {
    parallel_for(p.size, rows_per_task(1), [&](Index begin, Index end) {
      const T *x = p.x + begin, *t = p.t + begin, *dy = p.dy + begin * p.step;
      const B scale(p.scale), all(p.scale * p.dy[0]);
      const auto g = [&](auto load) { return p.step == 0 ? all : scale * load(dy); };
      if (p.dx.data)
        put_batches(p.dx, begin, end - begin,
                    [&](auto load) { return g(load) * cpu::pointwise_slope<kind, false>(load(x), load(t)); });
      if (p.dt.data)
        put_batches(p.dt, begin, end - begin,
                    [&](auto load) { return g(load) * cpu::pointwise_slope<kind, true>(load(x), load(t)); });
    });
  });
}

}  // namespace cloze::kernels
