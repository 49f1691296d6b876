// Cross entropy on Cpu: rows in parallel, each vectorised.
#pragma once

#include <cmath>

#include <cloze/core/device.hpp>
#include <cloze/core/parallel.hpp>
#include <cloze/kernels/cpu/softmax.hpp>
#include <cloze/kernels/cross_entropy_args.hpp>

namespace cloze::kernels {

namespace cpu {

/// Loss and target mass of a row of probabilities: two sums that skip targets of zero.
template <class T>
void soft_loss(const CrossEntropyArgs<T>& p, Index r, ExpSum<T> total, T& loss, T& mass) {
  using B = xsimd::batch<T>;
  const T *x = p.logits + r * p.columns, *t = p.targets + r * p.columns;
  const B keep(T(1) - p.smoothing), even(p.smoothing / static_cast<T>(p.columns)), zero(T(0));
  const B largest(total.largest), log_sum(std::log(total.sum)), nothing(lowest<T>);
  const bool dead = total.dead();
  mass = sum_over<T>(p.columns, [&](auto load) { return keep * load(t) + even; });
  loss = -sum_over<T>(p.columns, [&](auto load) {
    const B target = keep * load(t) + even;
    return xsimd::select(target == zero, zero, target * (dead ? nothing : load(x) - largest - log_sum));
  });
}

}  // namespace cpu

template <class T>
void cross_entropy_forward(Cpu, const CrossEntropyArgs<T>& p) {
  using B = xsimd::batch<T>;
  parallel_for(p.rows, rows_per_task(p.columns), [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      p.losses[r] = T(0);
      p.kept[r] = {};
      if (p.labels && p.labels[r] == p.ignored) continue;
      const T* x = p.logits + r * p.columns;
      const auto total = cpu::exp_sum(x, p.columns);
      const T log_sum = std::log(total.sum);
      T loss{0}, mass{1};
      if (p.targets) {
        cpu::soft_loss(p, r, total, loss, mass);
      } else if (total.dead()) {
        loss = std::numeric_limits<T>::infinity();
      } else {
        loss = (T(1) - p.smoothing) * (log_sum - (x[p.labels[r]] - total.largest));
        if (p.smoothing == T(1)) loss = T(0);  // 0 · inf where the label is impossible
        if (p.smoothing != T(0)) {
          const B largest(total.largest);
          const T rest = sum_over<T>(p.columns, [&](auto load) { return load(x) - largest; });
          loss += p.smoothing * (log_sum - rest / static_cast<T>(p.columns));
        }
      }
      p.losses[r] = loss;
      p.kept[r] = {total.largest, log_sum, mass};
    }
  });
}

template <class T>
void cross_entropy_backward(Cpu, const CrossEntropyBackwardArgs<T>& p) {
  using B = xsimd::batch<T>;
  parallel_for(p.rows, rows_per_task(p.columns), [&](Index begin, Index end) {
    const B keep(T(1) - p.smoothing), even(p.smoothing / static_cast<T>(p.columns)), zero(T(0));
    for (Index r = begin; r < end; ++r) {
      const Index from = r * p.columns;
      const T *x = p.logits + from, *t = p.targets ? p.targets + from : nullptr;
      const bool none = (p.labels && p.labels[r] == p.ignored) || p.kept[r].largest == cpu::lowest<T>;
      const T row_scale = p.scale * p.dy[r * p.step];
      const B g(row_scale), largest(p.kept[r].largest), log_sum(p.kept[r].log_sum), mass(p.kept[r].mass);
      if (none) {
        if (p.dlogits.data) put_batches(p.dlogits, from, p.columns, [&](auto) { return zero; });
        if (p.dtargets.data) put_batches(p.dtargets, from, p.columns, [&](auto) { return zero; });
        continue;
      }
      if (p.dlogits.data && t) {
        put_batches(p.dlogits, from, p.columns, [&](auto load) {
          return g * (mass * xsimd::exp(load(x) - largest - log_sum) - (keep * load(t) + even));
        });
      } else if (p.dlogits.data) {
        put_batches(p.dlogits, from, p.columns,
                    [&](auto load) { return g * (xsimd::exp(load(x) - largest - log_sum) - even); });
        p.dlogits.data[from + p.labels[r]] -= row_scale * (T(1) - p.smoothing);
      }
      if (p.dtargets.data)
        put_batches(p.dtargets, from, p.columns, [&](auto load) { return -g * keep * (load(x) - largest - log_sum); });
    }
  });
}

}  // namespace cloze::kernels
