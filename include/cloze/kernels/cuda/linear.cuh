// A linear layer's forward pass on Cuda: the GEMM adds the bias itself.
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
  const GemmArgs<T> product{.m = a.rows,
                            .n = a.out,
                            .k = a.in,
                            .a = a.x,
                            .lda = a.in,
                            .transpose_a = false,
                            .b = a.weight,
                            .ldb = a.in,
                            .transpose_b = true,
                            .c = a.before,
                            .ldc = a.out,
                            .add = false};
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

}  // namespace cloze::kernels
