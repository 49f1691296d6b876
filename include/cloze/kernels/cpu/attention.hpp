// Attention on Cpu: per sequence and head, tiles of 64 queries by up to 512 keys, with products and softmax in vector
// code. The method is FlashAttention-2's (Dao, arXiv 2307.08691); tiles this wide need no rescaling for usual prompts.
// Short sequences, the usual prompts, go a shorter way.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/kernels/cpu/attention_backward.hpp>
#include <cloze/kernels/cpu/attention_forward.hpp>
#include <cloze/kernels/cpu/attention_small.hpp>

namespace cloze::kernels {

template <class T>
void attention_forward(Cpu, const AttentionArgs<T>& a) {
  // A cut costs little: the keys and values are packed again.
  auto work = detail::attention_tasks(a.layout, 1.1);
  detail::run_attention_tasks(work.tasks, a.layout.head_size, [&](const detail::AttentionTask& task) {
    if (detail::attention_is_small(a, task.sequence)) {
      detail::small_attention_forward(a, task);
    } else {
      detail::attention_forward_task(a, task);
    }
  });
}

/// Cut sequences are computed twice: by queries for dq and the bias, then by keys for dk and dv, so that no two tasks
/// add to the same place. That takes seven products instead of five, so little is cut.
template <class T>
void attention_backward(Cpu, const AttentionBackwardArgs<T>& b) {
  const AttentionLayout& l = b.forward.layout;
  auto work = detail::attention_tasks(l, 1.4);
  const detail::BiasSums<T> sums(b);
  const Storage<T, Cpu> dots(work.by_keys.empty() ? 0 : l.cu_q[l.sequences] * l.heads);
  const auto run = [&](List<detail::AttentionTask>& tasks, bool by_keys) {
    detail::run_attention_tasks(tasks, l.head_size, [&](const detail::AttentionTask& task) {
      AttentionBackwardArgs<T> part = b;
      if (by_keys) part.dq = part.dbias = {};
      if (task.cut && !by_keys) part.dk = part.dv = {};
      if (detail::attention_is_small(b.forward, task.sequence)) {
        detail::small_attention_backward(part, task);
      } else {
        detail::attention_backward_task(part, task, sums, dots.data(), by_keys);
      }
    });
  };
  run(work.tasks, false);
  if (b.dk.data || b.dv.data) run(work.by_keys, true);
  sums.put();
}

}  // namespace cloze::kernels
