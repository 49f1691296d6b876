// A linear layer on Cuda: the GEMM of the forward pass adds the bias itself, and that of the weight's gradient adds up
// the bias's.
#pragma once

#include <cloze/core/device.hpp>
#include <cloze/kernels/cuda/bias_activation.cuh>
#include <cloze/kernels/cuda/gemm.cuh>
#include <cloze/kernels/linear_args.hpp>

namespace cloze::kernels {

/// cuBLASLt's epilogue has no bias for double, and its GELU is the tanh form without the exactness of our own: the bias
/// is fused where it can be, the activation never.
template <class T>
void linear_forward(Cuda, const LinearArgs<T>& a) {
  const GemmArgs<T> product = product_of(a);
  bool fused = a.bias && sizeof(T) < sizeof(double) && a.rows != 0 && a.out != 0 && a.in != 0;
  if (fused) {
    cuda::LtProduct with_bias = cuda::lt_product(product);
    with_bias.epilogue = CUBLASLT_EPILOGUE_BIAS;
    with_bias.bias = a.bias;
    fused = cuda::lt_try(with_bias);  // not for every alignment
  }
  if (!fused) gemm(Cuda{}, product);
  if ((a.bias && !fused) || a.activation != Activation::none)
    bias_activation_forward(Cuda{}, BiasActivationArgs<T>{.rows = a.rows,
                                                          .columns = a.out,
                                                          .x = a.before,
                                                          .bias = fused ? nullptr : a.bias,
                                                          .activation = a.activation,
                                                          .y = a.y});
}

/// The GEMM reads dy anyway and can add up its rows, where that is to be written and not added to something. As it
/// takes the operands in the other order, dy is its second one.
template <class T>
void linear_weight_backward(Cuda, const LinearWeightGradArgs<T>& a) {
  const bool both = a.dweight.data && a.dbias.data && !a.dbias.add;
  if (both && sizeof(T) < sizeof(double) && a.rows != 0 && a.out != 0 && a.in != 0) {
    cuda::LtProduct with_bias = cuda::lt_product(weight_gradient_of(a));
    with_bias.epilogue = CUBLASLT_EPILOGUE_BGRADB;
    with_bias.bias_gradient = a.dbias.data;
    if (cuda::lt_try(with_bias)) return;  // not for every type and alignment
  }
  if (a.dbias.data) bias_activation_backward(Cuda{}, bias_gradient_of(a));
  if (a.dweight.data) gemm(Cuda{}, weight_gradient_of(a));
}

}  // namespace cloze::kernels
