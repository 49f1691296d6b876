// Some rows of a packed batch, with what attention must know of them.
#pragma once

#include <span>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/core/pool.hpp>

namespace cloze {

/// The rows (mask positions, first tokens) whose last-layer result is wanted.
struct RowSelection {
  List<Index> rows;        // [n] rows of the batch, ascending
  List<Index> cu_seqlens;  // [sequences + 1] how the selected rows fall to the sequences
  List<Index> positions;   // [n] of each row within its sequence

  /// Throws [cloze.nn.2] where a row is outside the batch or out of order. A row may come several times.
  RowSelection(std::span<const Index> wanted, std::span<const Index> batch_cu_seqlens)
      : rows(wanted.begin(), wanted.end()), cu_seqlens(batch_cu_seqlens.size(), 0) {
    require(!batch_cu_seqlens.empty(), "cloze.nn.2", "rows selected from a batch without cumulative lengths");
    const Index tokens = batch_cu_seqlens.back();
    std::size_t sequence = 0;
    positions.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      require(rows[i] >= 0 && rows[i] < tokens, "cloze.nn.2", "selected row {} of a batch of {} tokens", rows[i],
              tokens);
      require(i == 0 || rows[i - 1] <= rows[i], "cloze.nn.2", "selected rows must ascend: row {} comes after row {}",
              rows[i], i == 0 ? 0 : rows[i - 1]);
      while (rows[i] >= batch_cu_seqlens[sequence + 1]) cu_seqlens[++sequence] = static_cast<Index>(i);
      positions.push_back(rows[i] - batch_cu_seqlens[sequence]);
    }
    while (sequence + 1 < cu_seqlens.size()) cu_seqlens[++sequence] = static_cast<Index>(rows.size());
  }
};

}  // namespace cloze
