// The rows that dropout draws for: which row of the whole each computed row is.
#pragma once

#include <span>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/core/pool.hpp>

namespace cloze {

/// Indices that the caller owns, for the length of a call: lengths, positions, rows.
using Ids = std::span<const Index>;

namespace detail {

/// A copy of row ids that lives as long as the tape needs it; empty where there are none: rows count from 0.
/// Throws [cloze.dropout.2] where their number is not `rows` or one is negative.
inline List<Index> checked_row_ids(const char* operation, Ids ids, Index rows) {
  if (ids.empty()) return {};
  require(static_cast<Index>(ids.size()) == rows, "cloze.dropout.2", "{}: {} row ids for {} rows", operation,
          ids.size(), rows);
  for (std::size_t i = 0; i < ids.size(); ++i)
    require(ids[i] >= 0, "cloze.dropout.2", "{}: row {} has the row id {}: row ids are not negative", operation, i,
            ids[i]);
  return {ids.begin(), ids.end()};
}

/// The elements of a list, null for none.
inline const Index* data_of(const List<Index>& list) { return list.empty() ? nullptr : list.data(); }

}  // namespace detail
}  // namespace cloze
