// A linear layer's forward pass on every device (a GEMM and one pass over its result, or what a device has instead),
// and the gradients of its weight and bias.
#pragma once

#include <cloze/kernels/bias_activation.hpp>
#include <cloze/kernels/gemm.hpp>
#include <cloze/kernels/linear_args.hpp>
#ifdef CLOZE_CUDA_UNIT
#include <cloze/kernels/cuda/linear.cuh>
#endif

namespace cloze::kernels {

template <class D, class T>
void linear_forward(D device, const LinearArgs<T>& a) {
  gemm(device, product_of(a));
  if (a.bias || a.activation != Activation::none)
    bias_activation_forward(
        device,
        BiasActivationArgs<T>{
            .rows = a.rows, .columns = a.out, .x = a.before, .bias = a.bias, .activation = a.activation, .y = a.y});
}

template <class D, class T>
void linear_weight_backward(D device, const LinearWeightGradArgs<T>& a) {
  if (a.dbias.data) bias_activation_backward(device, bias_gradient_of(a));
  if (a.dweight.data) gemm(device, weight_gradient_of(a));
}

}  // namespace cloze::kernels
