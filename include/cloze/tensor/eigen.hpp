// Tensor::eigen(): the elements as an Eigen matrix, without a copy.
#pragma once

#include <Eigen/Core>

#include <cloze/tensor/tensor.hpp>

namespace cloze {

/// A row-major Eigen matrix over memory that it does not own.
template <class T>
using EigenView = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
template <class T>
using ConstEigenView = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

/// The tensor as a matrix [rows, columns]: the last extent gives the columns, a scalar is [1, 1]. Writing to it writes
/// to the tensor, unseen by the tape. It holds as long as the tensor's memory does; a temporary's is refused by the
/// compiler.
template <Scalar T, Device D>
auto Tensor<T, D>::eigen() & {
  static_assert(HostDevice<D>, "cloze: eigen() needs a device whose memory the host reads; copy with to<Cpu>() first");
  return EigenView<T>(data(), rows(), columns());
}

template <Scalar T, Device D>
auto Tensor<T, D>::eigen() const& {
  static_assert(HostDevice<D>, "cloze: eigen() needs a device whose memory the host reads; copy with to<Cpu>() first");
  return ConstEigenView<T>(data(), rows(), columns());
}

/// A tensor with the elements of an Eigen matrix or expression.   [rows, columns]
template <Device D = Cpu, class Derived>
auto from_eigen(const Eigen::MatrixBase<Derived>& matrix) {
  using T = typename Derived::Scalar;
  auto host = Tensor<T, Cpu>::empty({matrix.rows(), matrix.cols()});
  host.eigen() = matrix;
  if constexpr (std::same_as<D, Cpu>) {
    return host;
  } else {
    return host.template to<D>();
  }
}

}  // namespace cloze
