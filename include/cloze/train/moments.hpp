// Moments: what an optimizer remembers of one parameter, for all of it or only for the rows that gradients ever
// reached.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <cloze/tensor/tensor.hpp>
#include <cloze/train/checkpoint_parts.hpp>

namespace cloze {

/// `Count` running averages shaped as a parameter. They begin as zeros and stay row-sparse as long as every gradient
/// was: a row that no gradient ever reached has zero moments, so leaving it out changes no result.
template <Scalar T, Device D, int Count>
class Moments {
 public:
  /// True once something is remembered.
  bool defined() const { return dense_ || !rows_.empty(); }
  bool row_sparse() const { return !dense_; }
  /// Moment `i`: shaped as the parameter, or [slots, columns] where row-sparse (the memory behind it may be longer).
  T* data(int i) { return values_[static_cast<std::size_t>(i)].data(); }
  /// The row of each slot. Every row of the table, in order, where the moments are dense and touch() was called.
  std::span<const Index> rows() const { return rows_; }
  /// The slot of every row of the table, -1 where it has none; empty where nothing is row-sparse.
  std::span<const Index> slots() const { return slots_; }
  /// After touch(): the row of the gradient's values that belongs to each slot, or -1.
  std::span<const Index> grad_rows() const { return grad_rows_; }

  /// Room for a whole gradient.
  void use_dense(const Shape& shape) {
    if (dense_) return;
    const Index columns = shape.rank() == 0 ? 1 : shape.size() / std::max<Index>(1, shape[0]);
    for (auto& value : values_) {
      auto whole = Tensor<T, D>::zeros(shape);
      for (std::size_t i = 0; i < rows_.size(); ++i)
        copy_elements<D, D>(std::as_const(value).data() + static_cast<Index>(i) * columns,
                            whole.data() + rows_[i] * columns, columns);
      value = std::move(whole);
    }
    dense_ = true;
    rows_.clear();
    slots_.clear();
  }

  /// Room for these rows of a table of this shape, [table, …], besides those touched before.
  void touch(std::span<const Index> touched, const Shape& shape) {
    const Index table = shape[0], columns = shape.size() / table;
    if (slots_.empty()) {
      slots_.assign(static_cast<std::size_t>(table), -1);
      if (dense_)
        for (Index row = 0; row < table; ++row) add_row(row);
    }
    for (const Index row : touched)
      if (slots_[static_cast<std::size_t>(row)] < 0) add_row(row);
    if (!dense_) grow(columns);
    grad_rows_.assign(rows_.size(), -1);
    for (std::size_t i = 0; i < touched.size(); ++i)
      grad_rows_[static_cast<std::size_t>(slots_[static_cast<std::size_t>(touched[i])])] = static_cast<Index>(i);
  }

  /// Puts everything that the next step depends on into a checkpoint.
  void save(CheckpointSink& sink, const std::string& key, const Shape& shape) const {
    sink.number(key + "/kind", dense_ ? 1 : rows_.empty() ? 0 : 2);
    if (!defined()) return;
    if (!dense_) sink.integers(key + "/rows", rows_);
    for (std::size_t i = 0; i < values_.size(); ++i)
      sink.tensor(key + "/" + std::to_string(i),
                  dense_ ? values_[i] : values_[i].alias(stored_shape(shape, rows_.size()), 0));
  }

  /// Checks and reads what save() put there; the returned function takes it over and cannot fail.
  /// Errors: [cloze.checkpoint.4] naming what does not fit a parameter of `shape`.
  std::function<void()> load(const CheckpointSource& source, const std::string& key, const Shape& shape) {
    const Index kind = source.number(key + "/kind");
    source.require_that(kind >= 0 && kind <= 2 && (kind != 2 || (shape.rank() > 0 && shape[0] > 0)), key + "/kind",
                        "wanted 0, 1 or 2 (rows of a table)", std::to_string(kind));
    auto fresh = std::make_shared<Moments>();
    fresh->dense_ = kind == 1;
    if (kind == 2) {
      fresh->slots_.assign(static_cast<std::size_t>(shape[0]), -1);
      for (const Index row : source.integers(key + "/rows")) {
        source.require_that(row >= 0 && row < shape[0] && fresh->slots_[static_cast<std::size_t>(row)] < 0,
                            key + "/rows", "wanted distinct rows of a table of shape " + shape.text(),
                            std::to_string(row));
        fresh->add_row(row);
      }
    }
    const Shape stored = kind == 1 ? shape : stored_shape(shape, fresh->rows_.size());
    if (kind != 0)
      for (std::size_t i = 0; i < values_.size(); ++i)
        fresh->values_[i] = source.template tensor<T, D>(key + "/" + std::to_string(i), stored);
    return [this, fresh] { *this = std::move(*fresh); };
  }

 private:
  static Shape stored_shape(const Shape& shape, std::size_t rows) {
    if (shape.rank() == 0) return shape;
    return Shape{static_cast<Index>(rows), shape[0] == 0 ? 0 : shape.size() / shape[0]};
  }

  void add_row(Index row) {
    slots_[static_cast<std::size_t>(row)] = static_cast<Index>(rows_.size());
    rows_.push_back(row);
  }

  void grow(Index columns) {
    const Index wanted = static_cast<Index>(rows_.size());
    for (auto& value : values_) {
      const Index held = value.defined() ? value.dim(0) : 0;
      if (held >= wanted) continue;
      const Index most = static_cast<Index>(slots_.size());
      auto larger = Tensor<T, D>::zeros({std::min(most, std::max(wanted, 2 * held)), columns});
      if (held > 0) copy_elements<D, D>(std::as_const(value).data(), larger.data(), value.size());
      value = std::move(larger);
    }
  }

  std::array<Tensor<T, D>, static_cast<std::size_t>(Count)> values_;
  std::vector<Index> rows_, slots_, grad_rows_;
  bool dense_ = false;
};

}  // namespace cloze
