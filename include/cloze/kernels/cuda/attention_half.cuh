// Attention in bfloat16 and IEEE half precision, on tensor cores.
#pragma once

#include <algorithm>

#include <cloze/kernels/cuda/attention_half_dkv.cuh>
#include <cloze/kernels/cuda/attention_half_forward.cuh>
#include <cloze/kernels/cuda/attention_plain.cuh>

namespace cloze::kernels::cuda {

inline Index longest(const Index* cu, Index sequences) {
  Index most = 0;
  for (Index s = 0; s < sequences; ++s) most = std::max(most, cu[s + 1] - cu[s]);
  return most;
}

/// Which of q, k, v and o can be copied in pieces of 16 bytes: bits 0 to 3.
template <class T>
unsigned half_alignment(const AttentionArgs<T>& a) {
  const int d = static_cast<int>(a.layout.head_size);
  return (half_aligned(a.q, a.q_stride, d) ? 1u : 0u) | (half_aligned(a.k, a.k_stride, d) ? 2u : 0u) |
         (half_aligned(a.v, a.v_stride, d) ? 4u : 0u) | (half_aligned(a.o, a.o_stride, d) ? 8u : 0u);
}

template <class T>
bool half_general(const AttentionArgs<T>& a) {
  return a.bias.values != nullptr || a.layout.dropout.active() || !(a.scale > 0);
}

/// Blocks of 64 queries where no sequence has more, else of 128.
template <class T>
void attention_forward_half(const AttentionArgs<T>& a) {
  const AttentionLayout& l = a.layout;
  const auto run = [&](auto size, auto many, auto general) {
    constexpr int D = decltype(size)::value, M = decltype(many)::value;
    const AttentionPlan plan(l, a.bias.pairs, half_queries<M>, half_keys<D, M>);
    launch(&attention_half_forward<T, D, M, decltype(general)::value>,
           dim3(plan.q_tiles, static_cast<unsigned>(l.heads)), dim3(half_warps * 32), half_forward_shared<D, M>(),
           "attention", attention_device(a, plan), half_alignment(a));
  };
  with_head_size(l.head_size, [&](auto size) {
    const auto with_rows = [&](auto general) {
      if (longest(l.cu_q, l.sequences) <= half_queries<1>)
        run(size, std::integral_constant<int, 1>(), general);
      else
        run(size, std::integral_constant<int, 2>(), general);
    };
    if (half_general(a))
      with_rows(std::true_type());
    else
      with_rows(std::false_type());
  });
}

/// The same of a backward pass: bit 3 for o and its gradient, 4 to 6 for dq, dk and dv.
template <class T>
unsigned half_grad_alignment(const AttentionBackwardArgs<T>& b) {
  const AttentionArgs<T>& a = b.forward;
  const auto d = static_cast<int>(a.layout.head_size);
  return (half_alignment(a) & (half_aligned(b.grad_o, a.o_stride, d) ? 15u : 7u)) |
         (half_aligned(b.dq.data, a.q_stride, d) ? 16u : 0u) | (half_aligned(b.dk.data, a.k_stride, d) ? 32u : 0u) |
         (half_aligned(b.dv.data, a.v_stride, d) ? 64u : 0u);
}

template <class T>
AttentionDevice<T> half_grad_device(const AttentionBackwardArgs<T>& b, const AttentionPlan& plan, float* dots) {
  AttentionDevice<T> device = attention_device(b.forward, plan);
  device.grad_o = b.grad_o;
  device.dq = b.dq;
  device.dk = b.dk;
  device.dv = b.dv;
  device.dots = dots;
  return device;
}

/// dq, dk and dv. Where no sequence has more than 128 keys, one kernel gives all three.
template <class T>
void attention_backward_half(const AttentionBackwardArgs<T>& b, Storage<float, Cuda>& dots) {
  const AttentionArgs<T>& a = b.forward;
  const AttentionLayout& l = a.layout;
  const unsigned aligned = half_grad_alignment(b);
  const Index keys = longest(l.cu_k, l.sequences);
  const auto by_keys = [&](auto size, auto warps, auto whole, auto general) {
    constexpr int D = decltype(size)::value, Warps = decltype(warps)::value;
    constexpr bool Whole = decltype(whole)::value;
    const AttentionPlan plan(l, a.bias.pairs, half_grad_rows, 16 * Warps, Whole);
    launch(&attention_half_dkv<T, D, Warps, Whole, decltype(general)::value>,
           dim3(plan.k_tiles, static_cast<unsigned>(l.kv_heads)), dim3(Warps * 32),
           HalfKeysLayout<D, Warps, Whole>::bytes, "attention's gradients", half_grad_device(b, plan, dots.data()),
           aligned);
  };
  const auto by_queries = [&](auto size, auto general) {
    constexpr int D = decltype(size)::value;
    const AttentionPlan plan(l, a.bias.pairs, half_grad_rows, half_grad_rows);
    launch(&attention_half_dq<T, D, decltype(general)::value>, dim3(plan.q_tiles, static_cast<unsigned>(l.heads)),
           dim3(half_grad_warps * 32), half_dq_shared<D>(), "attention's gradients",
           half_grad_device(b, plan, dots.data()), aligned);
  };
  const auto run = [&](auto size, auto general) {
    using Four = std::integral_constant<int, 4>;
    if (keys <= 64) return by_keys(size, Four(), std::true_type(), general);
    if (keys <= 128) return by_keys(size, std::integral_constant<int, 8>(), std::true_type(), general);
    if (dots.size() == 0) dots = attention_dots_of(b);
    if (b.dq.data) by_queries(size, general);
    if (b.dk.data || b.dv.data) by_keys(size, Four(), std::false_type(), general);
  };
  with_head_size(l.head_size, [&](auto size) {
    if (half_general(a))
      run(size, std::true_type());
    else
      run(size, std::false_type());
  });
}

}  // namespace cloze::kernels::cuda
