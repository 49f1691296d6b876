// Tensor::xtensor<N>(): the elements as an xtensor array of rank N, without a copy; and back from any xtensor
// expression.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include <xtensor/xadapt.hpp>
#include <xtensor/xnoalias.hpp>
#include <xtensor/xtensor.hpp>

#include <cloze/tensor/tensor.hpp>

namespace cloze {

namespace detail {

/// A row-major array over memory that it does not own.
template <std::size_t N, class T, Scalar S, Device D>
auto adapt_tensor(T* data, const Tensor<S, D>& tensor) {
  static_assert(HostDevice<D>,
                "cloze: xtensor() needs a device whose memory the host reads; copy with to<Cpu>() first");
  require(tensor.rank() == static_cast<int>(N), "cloze.xtensor.1", "xtensor<{}>() of a tensor of shape {}, rank {}", N,
          tensor.shape(), tensor.rank());
  std::array<std::size_t, N> extents;
  for (std::size_t i = 0; i < N; ++i) extents[i] = static_cast<std::size_t>(tensor.shape()[static_cast<int>(i)]);
  return xt::adapt<xt::layout_type::row_major>(std::move(data), static_cast<std::size_t>(tensor.size()),
                                               xt::no_ownership(), extents);
}

}  // namespace detail

/// The tensor as an xtensor array of the same rank and shape. Writing to it writes to the tensor, unseen by the tape.
/// It holds as long as the tensor's memory does; a temporary's is refused by the compiler. Throws [cloze.xtensor.1]
/// where N is not the rank.
template <Scalar T, Device D>
template <std::size_t N>
auto Tensor<T, D>::xtensor() & {
  return detail::adapt_tensor<N>(data(), *this);
}

template <Scalar T, Device D>
template <std::size_t N>
auto Tensor<T, D>::xtensor() const& {
  return detail::adapt_tensor<N>(data(), *this);
}

/// A tensor with the elements of an xtensor array or expression, evaluated once, row-major whatever its layout.
/// Throws [cloze.tensor.1] where its rank is above 6.
template <Device D = Cpu, class E>
auto from_xtensor(const xt::xexpression<E>& expression) {
  const E& source = expression.derived_cast();
  using T = typename E::value_type;
  static_assert(Scalar<T>, "cloze: from_xtensor() takes floating-point elements; xt::cast<float>(…) converts");
  std::vector<Index> extents;
  for (const auto extent : source.shape()) extents.push_back(static_cast<Index>(extent));
  auto host = Tensor<T, Cpu>::empty(Shape(extents));
  std::vector<std::size_t> shape(source.shape().begin(), source.shape().end());
  xt::noalias(xt::adapt<xt::layout_type::row_major>(host.data(), static_cast<std::size_t>(host.size()),
                                                    xt::no_ownership(), shape)) = source;
  if constexpr (std::same_as<D, Cpu>) {
    return host;
  } else {
    return host.template to<D>();
  }
}

}  // namespace cloze
