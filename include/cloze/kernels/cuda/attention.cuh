// Attention over packed sequences on Cuda.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/kernels/cuda/attention_half.cuh>
#include <cloze/kernels/cuda/attention_sm90.cuh>

namespace cloze::kernels {

/// Throws [cloze.attention.6] for too many rows or heads, [cloze.attention.7] for heads of more than 128.
template <class T>
void attention_forward(Cuda, const AttentionArgs<T>& a) {
  if constexpr (sizeof(T) != 2)
    cuda::attention_forward_plain(a);
  else if (cuda::sm90_chosen(a))
    cuda::attention_forward_sm90(a);
  else
    cuda::attention_forward_half(a);
}

/// The bits do not depend on how the GPU orders its work. Throws as the forward pass.
template <class T>
void attention_backward(Cuda, const AttentionBackwardArgs<T>& b) {
  Storage<AttentionScalar<T>, Cuda> dots;
  if constexpr (sizeof(T) == 2) {
    AttentionBackwardArgs<T> others = b;
    others.dq = others.dk = others.dv = {};
    if (b.dbias.data) {
      dots = cuda::attention_dots_of(b);
      cuda::attention_backward_plain(others, dots.data());
    }
    if (b.dq.data || b.dk.data || b.dv.data) {
      if (cuda::sm90_chosen(b))
        cuda::attention_backward_sm90(b, dots);
      else
        cuda::attention_backward_half(b, dots);
    }
  } else {
    dots = cuda::attention_dots_of(b);
    cuda::attention_backward_plain(b, dots.data());
  }
}

}  // namespace cloze::kernels
