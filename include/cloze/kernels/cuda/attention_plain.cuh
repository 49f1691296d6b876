// Attention in the precision of the tensors, without tensor cores: float and double, and the gradient of a bias for
// all.
#pragma once

#include <algorithm>
#include <type_traits>

#include <cloze/kernels/cuda/attention_plain_backward.cuh>
#include <cloze/kernels/cuda/attention_plan.cuh>

namespace cloze::kernels::cuda {

/// Calls f with the least compiled head size that holds `size`, as a std::integral_constant. Throws [cloze.attention.7]
/// where none does.
template <class F>
void with_head_size(Index size, F&& f) {
  if (size <= 32) return f(std::integral_constant<int, 32>());
  if (size <= 64) return f(std::integral_constant<int, 64>());
  if (size <= 96) return f(std::integral_constant<int, 96>());
  require(size <= 128, "cloze.attention.7", "attention on a GPU: a head size of {}, wanted at most 128", size);
  f(std::integral_constant<int, 128>());
}

template <class T>
void attention_forward_plain(const AttentionArgs<T>& a) {
  const AttentionPlan plan(a.layout, a.bias.pairs, plain_rows, plain_rows);
  with_head_size(a.layout.head_size, [&](auto size) {
    constexpr int D = decltype(size)::value;
    launch(&attention_plain_forward<T, D>, dim3(plan.q_tiles, static_cast<unsigned>(a.layout.heads)),
           dim3(plain_threads), plain_shared_bytes_for<T, D>(3), "attention", attention_device(a, plan));
  });
}

/// The partial sums of a bias by distance: as many as give the GPU enough blocks and take little memory.
inline unsigned distance_slots(unsigned tiles, Index row_bytes) {
  constexpr Index memory = Index{64} << 20;
  return static_cast<unsigned>(std::clamp<Index>(memory / std::max<Index>(row_bytes, 1), 1, std::max(tiles, 1u)));
}

/// Whatever of the gradients b wants; `dots` are there already.
template <class T>
void attention_backward_plain(const AttentionBackwardArgs<T>& b, Wide<T>* dots) {
  const AttentionArgs<T>& a = b.forward;
  const AttentionLayout& l = a.layout;
  const AttentionPlan plan(l, a.bias.pairs, plain_rows, plain_rows);
  AttentionDevice<T> device = attention_device(a, plan);
  device.grad_o = b.grad_o;
  device.dq = b.dq;
  device.dk = b.dk;
  device.dv = b.dv;
  device.dots = dots;
  const Index bias_size = l.heads * a.bias.columns;
  const bool by_distance = b.dbias.data && !a.bias.pairs, by_pair = b.dbias.data && a.bias.pairs;
  if (by_pair) {
    device.dbias = b.dbias.data;
    if (!b.dbias.add) Memory<Cuda>::zero(b.dbias.data, static_cast<std::size_t>(bias_size) * sizeof(T));
  }
  const unsigned slots =
      by_distance ? distance_slots(plan.q_tiles, bias_size * static_cast<Index>(sizeof(Wide<T>))) : plan.q_tiles;
  const Storage<Wide<T>, Cuda> sums(by_distance ? static_cast<Index>(slots) * bias_size : 0);
  sums.zero();
  device.distance_sums = sums.data();
  with_head_size(l.head_size, [&](auto size) {
    constexpr int D = decltype(size)::value;
    if (b.dq.data || b.dbias.data)
      launch(&attention_plain_dq<T, D>, dim3(plan.q_tiles ? slots : 0, static_cast<unsigned>(l.heads)),
             dim3(plain_threads), plain_shared_bytes_for<T, D>(4), "attention's gradients", device,
             static_cast<int>(plan.q_tiles));
    if (b.dk.data || b.dv.data)
      launch(&attention_plain_dkv<T, D>, dim3(plan.k_tiles, static_cast<unsigned>(l.kv_heads)), dim3(plain_threads),
             plain_shared_bytes_for<T, D>(4) + plain_rows * plain_score_stride * sizeof(Wide<T>),
             "attention's gradients", device);
  });
  if (by_distance && bias_size != 0)
    launch(&attention_sum_distances<T>, dim3(static_cast<unsigned>((bias_size + 255) / 256)), dim3(256), 0,
           "attention's gradients", sums.data(), static_cast<int>(slots), static_cast<long long>(bias_size), b.dbias);
}

/// Σ grad_o · o of each query row and head: what the softmax takes from every score's gradient.
template <class T>
Storage<Wide<T>, Cuda> attention_dots_of(const AttentionBackwardArgs<T>& b) {
  const AttentionLayout& l = b.forward.layout;
  const Index rows = l.cu_q[l.sequences];
  const Storage<Wide<T>, Cuda> dots(rows * l.heads);
  AttentionDevice<T> device{};
  device.shape.heads = static_cast<int>(l.heads);
  device.shape.head_size = static_cast<int>(l.head_size);
  device.o = b.forward.o;
  device.o_stride = b.forward.o_stride;
  device.grad_o = b.grad_o;
  device.dots = dots.data();
  launch(&attention_dots<T>, dim3(static_cast<unsigned>(rows)), dim3(128), 0, "attention's gradients", device);
  return dots;
}

}  // namespace cloze::kernels::cuda
