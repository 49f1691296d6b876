// The rows that dropout draws for: which row of the whole each computed row is.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>

namespace cloze {

/// Indices that the caller owns, for the length of a call: lengths, positions, rows.
using Ids = std::span<const Index>;

namespace detail {

/// A copy of row ids that lives as long as the tape needs it; null where there are none: rows count from 0.
/// Throws [cloze.dropout.2] where their number is not `rows` or one is negative.
inline std::shared_ptr<const std::vector<Index>> checked_row_ids(const char* operation, Ids ids, Index rows) {
  if (ids.empty()) return nullptr;
  require(static_cast<Index>(ids.size()) == rows, "cloze.dropout.2", "{}: {} row ids for {} rows", operation,
          ids.size(), rows);
  for (std::size_t i = 0; i < ids.size(); ++i)
    require(ids[i] >= 0, "cloze.dropout.2", "{}: row {} has the row id {}: row ids are not negative", operation, i,
            ids[i]);
  return std::make_shared<const std::vector<Index>>(ids.begin(), ids.end());
}

/// The elements of a shared list, null for none.
inline const Index* data_of(const std::shared_ptr<const std::vector<Index>>& list) {
  return list ? list->data() : nullptr;
}

}  // namespace detail
}  // namespace cloze
