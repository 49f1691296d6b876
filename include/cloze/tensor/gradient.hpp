// The gradient of one tensor: dense, or only the rows that were touched.
#pragma once

#include <functional>
#include <span>
#include <unordered_map>
#include <utility>

#include <cloze/tensor/storage.hpp>

namespace cloze {

/// Where a kernel puts a gradient: it writes, or adds to what is there.
template <class T>
struct GradTarget {
  T* data = nullptr;  // null: nobody wants this gradient
  bool add = false;
};

/// Holds a gradient between backward() and zero_grad(). The first contribution writes, the next ones add, so nothing is
/// zeroed that is written anyway. Lookups (embeddings, label words) keep it row-sparse until a dense one arrives.
template <class T, Device D>
class Gradient {
 public:
  bool defined() const { return dense_written_ || !rows_.empty(); }
  bool row_sparse() const { return !dense_written_ && !rows_.empty(); }

  /// Room for a whole gradient of [rows, columns]; only the product matters, so it may be seen as [size, 1].
  GradTarget<T> dense(Index rows, Index columns) {
    if (dense_.size() != rows * columns) dense_ = Storage<T, D>(rows * columns);
    if (!rows_.empty()) {  // was row-sparse: spread it first
      dense_.zero();
      for (std::size_t i = 0; i < rows_.size(); ++i)
        copy_elements<D, D>(values_.data() + static_cast<Index>(i) * width_, dense_.data() + rows_[i] * width_, width_);
      drop_rows();
      dense_written_ = true;
    }
    const bool add = dense_written_;
    dense_written_ = true;
    return {dense_.data(), add};
  }

  /// Room for rows [begin, …) of a gradient of [rows, columns]: the others become zero where they were unset.
  GradTarget<T> slice(Index begin, Index rows, Index columns) {
    if (!dense_written_ && rows_.empty()) {
      dense(rows, columns);
      dense_.zero();
    }
    return {dense(rows, columns).data + begin * columns, true};
  }

  /// Room for some rows of a gradient of [any, columns]. Fills `slots` with where each of `ids` goes in `data`, in
  /// rows. The rows hold zeros or what was added before: always add.
  template <class Slots>  // a std::vector<Index> or a List<Index>
  GradTarget<T> rows(std::span<const Index> ids, Index columns, Slots& slots) {
    slots.resize(ids.size());
    if (dense_written_) {
      std::ranges::copy(ids, slots.begin());
      return {dense_.data(), true};
    }
    width_ = columns;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto [at, fresh] = slot_of_.try_emplace(ids[i], static_cast<Index>(rows_.size()));
      if (fresh) rows_.push_back(ids[i]);
      slots[i] = at->second;
    }
    const Index wanted = static_cast<Index>(rows_.size()) * columns;
    if (values_.size() < wanted) {
      Storage<T, D> larger(std::max(wanted, 2 * values_.size()));
      larger.zero();
      copy_elements<D, D>(values_.data(), larger.data(), values_used_);
      values_ = larger;
    }
    values_used_ = wanted;
    return {values_.data(), true};
  }

  /// The dense gradient, null where it is undefined or row-sparse.
  T* dense_data() const { return dense_written_ ? dense_.data() : nullptr; }
  const Storage<T, D>& dense_storage() const { return dense_; }
  /// Touched rows in the order of their first touch, and their values [touched, columns].
  std::span<const Index> touched() const { return rows_; }
  T* touched_data() const { return values_.data(); }

  /// Forgets the gradient and frees its memory: the next forward pass can use it.
  void release() { *this = Gradient(); }

 private:
  void drop_rows() {
    if (rows_.empty()) return;
    values_ = {};
    values_used_ = 0;
    rows_.clear();
    slot_of_.clear();
  }

  Storage<T, D> dense_;
  bool dense_written_ = false;
  List<Index> rows_;
  std::unordered_map<Index, Index, std::hash<Index>, std::equal_to<Index>, PoolAllocator<std::pair<const Index, Index>>>
      slot_of_;
  Storage<T, D> values_;
  Index values_used_ = 0;
  Index width_ = 0;  // of a row
};

}  // namespace cloze
