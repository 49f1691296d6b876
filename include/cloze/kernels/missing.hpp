// What a device without some kernel answers: a compile-time error that names the operation.
#pragma once

namespace cloze::kernels::detail {
template <class...>
inline constexpr bool unavailable = false;
}  // namespace cloze::kernels::detail

/// Declares the fallback of kernel `name` on `Args<T>`. Devices add overloads `name(Device, const Args<T>&)`, which
/// win.
#define CLOZE_KERNEL(name, Args)                                                                              \
  template <class D, class T>                                                                                 \
  void name(D, const Args<T>&) {                                                                              \
    static_assert(detail::unavailable<D, T>, "cloze: kernel '" #name "' is not implemented for this device"); \
  }
