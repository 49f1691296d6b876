// A scale of gradients that the host does not know: the update kernels read it where it was computed.
#pragma once

namespace cloze::kernels {

/// Whether a step is one to take. `device_scale` is one number in the device's memory, or null; where it is not finite
/// the kernels leave everything as it is.
template <class A>
constexpr bool takes_step(const A* device_scale) {
  return device_scale == nullptr || *device_scale - *device_scale == A(0);
}

/// The factors of an update: with grad_scale from the device, if it is there.
template <class Factors, class A>
constexpr Factors with_scale(Factors factors, const A* device_scale) {
  if (device_scale != nullptr) factors.grad_scale = *device_scale;
  return factors;
}

}  // namespace cloze::kernels
