// Attention in 16 bits on Hopper: when its kernels are taken, and how they are launched.
#pragma once

#include <vector>

#include <cloze/kernels/cuda/attention_half.cuh>
#include <cloze/kernels/cuda/attention_sm90_dkv.cuh>
#include <cloze/kernels/cuda/attention_sm90_dq.cuh>
#include <cloze/kernels/cuda/attention_sm90_forward.cuh>

namespace cloze::kernels::cuda {

/// Queries and keys that sequences have on average where these kernels are chosen: fewer leave their tiles empty.
inline constexpr Index sm90_rows = 256;

/// Whether the program holds these kernels for the calling thread's GPU. Compiled for anything but sm_90a they are
/// empty, and have no shared memory of their own.
inline bool sm90_compiled() {
  struct Known {
    int device;
    bool compiled;
  };
  thread_local std::vector<Known> all;
  const int device = cloze::cuda::device();
  for (const Known& known : all)
    if (known.device == device) return known.compiled;
  cudaFuncAttributes attributes{};
  const auto* kernel = reinterpret_cast<const void*>(&attention_sm90_forward<BFloat16, 64>);
  const bool compiled = cudaFuncGetAttributes(&attributes, kernel) == cudaSuccess && attributes.sharedSizeBytes > 0;
  if (!compiled) static_cast<void>(cudaGetLastError());  // no code at all is for the kernel that is launched to report
  all.push_back({device, compiled});
  return compiled;
}

/// Whether the kernels take these arguments: no bias, no dropout, rows at multiples of 16 bytes.
template <class T>
bool sm90_takes(const AttentionArgs<T>& a) {
  const AttentionLayout& l = a.layout;
  return !half_general(a) && l.head_size <= 128 && (half_alignment(a) & 7) == 7 && l.cu_q[l.sequences] > 0 &&
         l.cu_k[l.sequences] > 0;
}
template <class T>
bool sm90_takes(const AttentionBackwardArgs<T>& b) {
  const AttentionArgs<T>& a = b.forward;
  return sm90_takes(a) && half_aligned(b.grad_o, a.o_stride, static_cast<int>(a.layout.head_size));
}

inline const AttentionLayout& layout_of(const auto& args) {
  if constexpr (requires { args.forward; })
    return args.forward.layout;
  else
    return args.layout;
}

/// Whether attention takes them: wanted, there, and worth it. `args`: AttentionArgs or AttentionBackwardArgs.
template <class Args>
bool sm90_chosen(const Args& args) {
  if (!cloze::cuda::hopper_attention()) return false;
  const AttentionLayout& l = layout_of(args);
  return l.head_size > 32 && l.cu_q[l.sequences] >= sm90_rows * l.sequences &&
         l.cu_k[l.sequences] >= sm90_rows * l.sequences && sm90_takes(args) && sm90_compiled();
}

namespace detail {

template <class T>
Sm90Maps sm90_maps(const AttentionArgs<T>& a, const T* grad_o) {
  const AttentionLayout& l = a.layout;
  const Index q_rows = l.cu_q[l.sequences], k_rows = l.cu_k[l.sequences];
  const TensorMap q = tensor_map(a.q, q_rows, l.heads, l.head_size, a.q_stride);
  return {.q = q,
          .k = tensor_map(a.k, k_rows, l.kv_heads, l.head_size, a.k_stride),
          .v = tensor_map(a.v, k_rows, l.kv_heads, l.head_size, a.v_stride),
          .grad_o = grad_o ? tensor_map(grad_o, q_rows, l.heads, l.head_size, a.o_stride) : q};
}

/// Calls f with the columns that a head's tiles have.
template <class F>
void with_sm90_size(Index head_size, F&& f) {
  if (head_size <= 64)
    f(std::integral_constant<int, 64>());
  else
    f(std::integral_constant<int, 128>());
}

}  // namespace detail

/// For a GPU that has the kernels, and arguments that they take.
template <class T>
void attention_forward_sm90(const AttentionArgs<T>& a) {
  detail::with_sm90_size(a.layout.head_size, [&](auto size) {
    using Layout = Sm90Forward<decltype(size)::value>;
    const AttentionPlan plan(a.layout, nullptr, Layout::rows, Layout::keys);
    launch(&attention_sm90_forward<T, decltype(size)::value>, dim3(plan.q_tiles, static_cast<unsigned>(a.layout.heads)),
           dim3(Layout::Block::threads), Layout::bytes, "attention", attention_device(a, plan),
           detail::sm90_maps<T>(a, nullptr), half_alignment(a));
  });
}

/// dq, dk and dv, as many as are wanted. `dots` are made where they are not there.
template <class T>
void attention_backward_sm90(const AttentionBackwardArgs<T>& b, Storage<float, Cuda>& dots) {
  const AttentionArgs<T>& a = b.forward;
  const AttentionLayout& l = a.layout;
  const unsigned aligned = half_grad_alignment(b);
  if (dots.size() == 0) dots = attention_dots_of(b);
  const Sm90Maps maps = detail::sm90_maps(a, b.grad_o);
  detail::with_sm90_size(l.head_size, [&](auto size) {
    constexpr int D = decltype(size)::value;
    using ByQueries = Sm90Queries<D>;
    using ByKeys = Sm90Keys<D>;
    static_assert(ByQueries::rows == ByKeys::keys);
    const AttentionPlan plan(l, nullptr, ByQueries::rows, ByKeys::keys);
    const AttentionDevice<T> device = half_grad_device(b, plan, dots.data());
    if (b.dq.data)
      launch(&attention_sm90_dq<T, D>, dim3(plan.q_tiles, static_cast<unsigned>(l.heads)),
             dim3(ByQueries::Block::threads), ByQueries::bytes, "attention's gradients", device, maps, aligned);
    if (b.dk.data || b.dv.data)
      launch(&attention_sm90_dkv<T, D>, dim3(plan.k_tiles, static_cast<unsigned>(l.kv_heads)),
             dim3(ByKeys::Block::threads), ByKeys::bytes, "attention's gradients", device, maps, aligned);
  });
}

}  // namespace cloze::kernels::cuda
