// Extents of a tensor: up to six, 64-bit, no heap.
#pragma once

#include <algorithm>
#include <array>
#include <initializer_list>
#include <span>
#include <string>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>

namespace cloze {

class Shape;

}  // namespace cloze

/// A shape is an argument of require() and fail() as it is: its text is made only where there is something to report.
template <>
struct fmt::formatter<cloze::Shape> {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  inline fmt::appender format(const cloze::Shape& shape, fmt::format_context& context) const;
};

namespace cloze {

/// Row-major extents. Rank 0 is a scalar of size 1.
class Shape {
 public:
  static constexpr int max_rank = 6;

  constexpr Shape() = default;
  Shape(std::initializer_list<Index> extents) : Shape(std::span<const Index>(extents.begin(), extents.size())) {}
  explicit Shape(std::span<const Index> extents) : rank_(static_cast<int>(extents.size())) {
    require(extents.size() <= max_rank, "cloze.tensor.1", "a tensor has at most {} dimensions, not {}", max_rank,
            extents.size());
    Index size = 1;
    for (int i = 0; i < rank_; ++i) {
      require(extents[i] >= 0, "cloze.tensor.1", "extent {} of a shape is {}: extents are not negative", i, extents[i]);
      require(extents[i] == 0 || size <= max_size / extents[i], "cloze.tensor.1",
              "a shape of rank {} overflows 64 bits", rank_);
      size *= extents[i] == 0 ? 1 : extents[i];
      extents_[i] = extents[i];
    }
  }

  int rank() const { return rank_; }
  Index operator[](int i) const { return extents_[i]; }
  /// Extent `i`; negative counts from the end. Throws [cloze.tensor.2] outside the rank.
  Index dim(int i) const {
    const int at = i < 0 ? i + rank_ : i;
    require(at >= 0 && at < rank_, "cloze.tensor.2", "dimension {} of a tensor of shape {}", i, *this);
    return extents_[at];
  }
  /// Number of elements.
  Index size() const {
    Index product = 1;
    for (int i = 0; i < rank_; ++i) product *= extents_[i];
    return product;
  }
  /// Product of every extent but the last: the rows of the matrix that row-wise kernels see. 1 for a scalar.
  Index rows() const { return rank_ == 0 ? 1 : leading(rank_ - 1); }
  /// The last extent: the columns of that matrix. 1 for a scalar.
  Index columns() const { return rank_ == 0 ? 1 : extents_[rank_ - 1]; }
  /// Product of the first `count` extents.
  Index leading(int count) const {
    Index product = 1;
    for (int i = 0; i < count; ++i) product *= extents_[i];
    return product;
  }
  std::span<const Index> extents() const { return {extents_.data(), static_cast<std::size_t>(rank_)}; }
  /// The same shape with its first extent replaced. The rank is 1 or more.
  Shape with_first(Index extent) const {
    Shape result = *this;
    result.extents_[0] = extent;
    return result;
  }
  /// The same shape with its last extent replaced.
  Shape with_columns(Index columns) const {
    Shape result = *this;
    result.extents_[rank_ - 1] = columns;
    return result;
  }
  /// "[2, 3]", for messages.
  std::string text() const {
    std::string out = "[";
    for (int i = 0; i < rank_; ++i) out += (i ? ", " : "") + std::to_string(extents_[i]);
    return out + "]";
  }

  friend bool operator==(const Shape& a, const Shape& b) {
    return std::equal(a.extents().begin(), a.extents().end(), b.extents().begin(), b.extents().end());
  }

 private:
  static constexpr Index max_size = Index{1} << 60;
  std::array<Index, max_rank> extents_{};
  int rank_ = 0;
};

}  // namespace cloze

inline fmt::appender fmt::formatter<cloze::Shape>::format(const cloze::Shape& shape,
                                                          fmt::format_context& context) const {
  const std::string text = shape.text();
  return std::copy(text.begin(), text.end(), context.out());
}
