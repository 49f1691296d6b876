// How plain loops put one element of a gradient.
#pragma once

#include <cloze/core/ids.hpp>
#include <cloze/tensor/gradient.hpp>

namespace cloze::kernels {

/// Writes or adds `value`, as the target wants it.
template <class T>
void put(GradTarget<T> target, Index i, T value) {
  target.data[i] = target.add ? target.data[i] + value : value;
}

}  // namespace cloze::kernels
