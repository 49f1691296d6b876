// A barrier against fused multiply-adds that the compiler would choose by itself.
#pragma once

#include <xsimd/xsimd.hpp>

namespace cloze::kernels {

/// `product`, rounded before it is used. In a b + c d either product may be fused with the addition, and a compiler may
/// choose differently for the body and the tail of one loop: mark one of them where results must not depend on
/// position.
template <class T>
xsimd::batch<T> rounded(xsimd::batch<T> product) {
#if defined(__x86_64__)
  asm("" : "+x"(product.data));
#elif defined(__aarch64__)
  asm("" : "+w"(product.data));
#endif
  return product;
}

}  // namespace cloze::kernels
