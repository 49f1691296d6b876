// Tensor<T, Device>: contiguous, row-major, reference-counted, with PyTorch's habits.
#pragma once

#include <algorithm>
#include <concepts>
#include <initializer_list>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <cloze/tensor/gradient.hpp>
#include <cloze/tensor/shape.hpp>
#include <cloze/tensor/storage.hpp>
#include <cloze/tensor/tape.hpp>

namespace cloze {

template <Scalar T, Device D>
class Tensor;

namespace detail {

template <class T, Device D>
struct TensorBody final : TapeValue {
  TensorBody(Shape s, Storage<T, D> memory, Index begin) : shape(s), storage(std::move(memory)), offset(begin) {}
  bool has_gradient() const override { return gradient.defined(); }
  void release_gradient() override { gradient.release(); }

  Shape shape;
  Storage<T, D> storage;
  Index offset;
  Gradient<T, D> gradient;
};

template <class T, Device D>
std::shared_ptr<TensorBody<T, D>> make_body(Shape shape, Storage<T, D> memory, Index begin) {
  using Body = TensorBody<T, D>;
  return std::allocate_shared<Body>(PoolAllocator<Body>(), shape, std::move(memory), begin);
}

}  // namespace detail

/// The rows of a parameter that gradients have reached, for optimizers.
template <class T>
struct TouchedRows {
  std::span<const Index> rows;  // [touched] in order of first touch
  T* values;                    // [touched, columns]
};

/// A handle: copies share elements and gradient, as in PyTorch. Elements are contiguous and row-major.
template <Scalar T, Device D = Cpu>
class Tensor {
  static_assert(std::floating_point<T> || !HostDevice<D>,
                "cloze: this device computes in float or double only; copy with to<Cpu, float>()");

 public:
  using value_type = T;
  using device = D;

  /// Undefined: no shape, no elements.
  Tensor() = default;

  /// Uninitialised elements.
  static Tensor empty(Shape shape) {
    Tensor result;
    result.body_ = detail::make_body<T, D>(shape, Storage<T, D>(shape.size()), 0);
    return result;
  }
  static Tensor zeros(Shape shape) {
    Tensor result = empty(shape);
    result.body_->storage.zero();
    return result;
  }
  static Tensor full(Shape shape, T value) { return from(std::vector<T>(shape.size(), value), shape); }
  /// Copies `values`, row-major. Throws [cloze.tensor.4] where their number is not the shape's.
  static Tensor from(std::span<const T> values, Shape shape) {
    require(static_cast<Index>(values.size()) == shape.size(), "cloze.tensor.4", "{} values for a tensor of shape {}",
            values.size(), shape);
    Tensor result = empty(shape);
    copy_elements<Cpu, D>(values.data(), result.body_->storage.data(), shape.size());
    return result;
  }
  static Tensor from(const std::vector<T>& values, Shape shape) { return from(std::span<const T>(values), shape); }
  static Tensor from(std::initializer_list<T> values, Shape shape) {
    return from(std::span<const T>(values.begin(), values.size()), shape);
  }
  static Tensor scalar(T value) { return from({value}, Shape{}); }

  bool defined() const { return body_ != nullptr; }
  explicit operator bool() const { return defined(); }
  const Shape& shape() const { return body().shape; }
  Index dim(int i) const { return shape().dim(i); }
  int rank() const { return shape().rank(); }
  Index size() const { return shape().size(); }
  Index rows() const { return shape().rows(); }
  Index columns() const { return shape().columns(); }

  /// The elements, in the device's memory. A temporary's are refused: name the tensor first.
  T* data() & { return body().storage.data() + body().offset; }
  const T* data() const& { return body().storage.data() + body().offset; }
  const T* data() && = delete;
  const T* data() const&& = delete;

  std::span<T> span() & requires HostDevice<D> { return {data(), static_cast<std::size_t>(size())}; }
  std::span<const T> span() const& requires HostDevice<D> { return {data(), static_cast<std::size_t>(size())}; }
  std::span<const T> span() && = delete;
  std::span<const T> span() const&& = delete;

  /// The elements, copied to the host.
  std::vector<T> to_vector() const {
    std::vector<T> values(static_cast<std::size_t>(size()));
    copy_elements<D, Cpu>(data(), values.data(), size());
    return values;
  }
  /// The one element of a tensor of size 1. Throws [cloze.tensor.5] otherwise.
  T item() const {
    require(size() == 1, "cloze.tensor.5", "item() of a tensor of shape {}: it needs exactly one element", shape());
    T value;
    copy_elements<D, Cpu>(data(), &value, 1);
    return value;
  }

  // Zero-copy views; include <cloze/tensor/eigen.hpp> or <cloze/tensor/xtensor.hpp> for them.
  auto eigen() &;
  auto eigen() const&;
  auto eigen() && = delete;
  auto eigen() const&& = delete;
  template <std::size_t N>
  auto xtensor() &;
  template <std::size_t N>
  auto xtensor() const&;
  template <std::size_t N>
  auto xtensor() && = delete;
  template <std::size_t N>
  auto xtensor() const&& = delete;

  /// The same elements, outside the tape.
  Tensor detach() const { return alias(shape(), 0); }
  /// A copy of the elements, outside the tape.
  Tensor clone() const {
    Tensor result = empty(shape());
    copy_elements<D, D>(data(), result.body_->storage.data(), size());
    return result;
  }
  /// A copy on another device and/or in another scalar, outside the tape.
  template <Device D2, Scalar T2 = T>
  Tensor<T2, D2> to() const {
    if constexpr (std::same_as<T, T2>) {
      Tensor<T2, D2> result = Tensor<T2, D2>::empty(shape());
      copy_elements<D, D2>(data(), result.data(), size());
      return result;
    } else {
      const std::vector<T> values = to_vector();
      std::vector<T2> converted(values.size());
      convert(values.data(), converted.data(), size());
      return Tensor<T2, D2>::from(converted, shape());
    }
  }
  /// The elements [begin, begin + shape.size()) under another shape, sharing memory, outside the tape.
  Tensor alias(Shape shape, Index begin) const {
    require(begin >= 0 && begin <= size() && shape.size() <= size() - begin, "cloze.tensor.6",
            "{} elements from {} of a tensor of {} elements", shape.size(), begin, size());
    Tensor result;
    result.body_ = detail::make_body<T, D>(shape, body().storage, body().offset + begin);
    return result;
  }

  bool requires_grad() const { return body().requires_grad; }
  /// Makes a leaf want (or refuse) gradients. Throws [cloze.autograd.3] on the result of an operation.
  Tensor& requires_grad(bool wanted) {
    require(!body().node, "cloze.autograd.3", "requires_grad({}) on the result of '{}': only leaves can be set", wanted,
            body().node ? body().node->name : "");
    body().requires_grad = wanted;
    return *this;
  }
  bool is_leaf() const { return !body().node; }

  /// d(this) / d(leaf) into every leaf that wants it, added to what is there. `this` must be one number. `listener`
  /// hears of each leaf as soon as its gradient is complete: see RuleOptimizer::backward_and_step.
  void backward(LeafListener* listener = nullptr) const {
    require(size() == 1, "cloze.autograd.2", "backward() from a tensor of shape {}: it starts at a scalar loss",
            shape());
    require(requires_grad(), "cloze.autograd.2",
            "backward() from a tensor that depends on nothing with requires_grad (or was computed under NoGrad)");
    if (body().node) {
      require(!body().node->released, "cloze.autograd.1",
              "backward a second time from the result of '{}': its graph was freed by the first", body().node->name);
    }
    const GradTarget<T> start = body().gradient.dense(1, 1);
    T value(0.0f);
    if (start.add) copy_elements<D, Cpu>(start.data, &value, 1);  // a leaf that was its own loss before
    value = static_cast<T>(static_cast<Compute<T>>(value) + 1);
    copy_elements<Cpu, D>(&value, start.data, 1);
    run_backward(body_, listener);
  }
  bool has_grad() const { return defined() && body().gradient.defined(); }
  /// The gradient, shaped as the tensor; undefined where there is none. A row-sparse one is spread out into a copy.
  Tensor grad() const {
    if (!has_grad()) return {};
    const Gradient<T, D>& gradient = body().gradient;
    if (!gradient.row_sparse()) {
      Tensor result;
      result.body_ = detail::make_body<T, D>(shape(), gradient.dense_storage(), 0);
      return result;
    }
    Tensor result = zeros(shape());
    const Index columns = size() / shape()[0];
    for (std::size_t i = 0; i < gradient.touched().size(); ++i)
      copy_elements<D, D>(gradient.touched_data() + static_cast<Index>(i) * columns,
                          result.data() + gradient.touched()[i] * columns, columns);
    return result;
  }
  /// True where only some rows have a gradient: read them through touched_rows().
  bool has_row_sparse_grad() const { return defined() && body().gradient.row_sparse(); }
  TouchedRows<T> touched_rows() const { return {body().gradient.touched(), body().gradient.touched_data()}; }
  /// Forgets the gradient and frees its memory.
  void zero_grad() { body().gradient.release(); }

  // For operations and optimizers.
  Gradient<T, D>& gradient() const { return body().gradient; }
  const std::shared_ptr<detail::TensorBody<T, D>>& shared_body() const { return body_; }
  /// True where both handles name the same tensor.
  bool same_as(const Tensor& other) const { return body_ == other.body_; }

 private:
  detail::TensorBody<T, D>& body() const {
    require(body_ != nullptr, "cloze.tensor.7",
            "an undefined tensor was used: it was default-constructed or moved from");
    return *body_;
  }

  std::shared_ptr<detail::TensorBody<T, D>> body_;
};

}  // namespace cloze
