// Which texts lose how many tokens when a prompt does not fit its budget.
#pragma once

#include <algorithm>
#include <functional>
#include <numeric>
#include <span>
#include <vector>

#include <cloze/core/ids.hpp>

namespace cloze {

enum class Truncation {
  longest,  // the longest text loses a token, again and again; of equals the last
  tail,     // the last text loses tokens at its end, then the one before it
  head,     // the first text loses tokens at its beginning, then the one after it
};

/// Tokens that each text keeps so that together they have at most `room`.   lengths [texts] -> [texts]
/// The longest-first rule is solved in closed form, O(texts log texts) however many tokens go.
inline std::vector<Index> fit_texts(std::span<const Index> lengths, Index room, Truncation policy) {
  std::vector<Index> kept(lengths.begin(), lengths.end());
  Index over = std::accumulate(kept.begin(), kept.end(), Index{0}) - std::max<Index>(room, 0);
  if (over <= 0) return kept;
  const auto take = [&](Index& length) {
    const Index cut = std::min(length, over);
    length -= cut;
    over -= cut;
  };
  if (policy == Truncation::tail) {
    std::for_each(kept.rbegin(), kept.rend(), take);
    return kept;
  }
  if (policy == Truncation::head) {
    std::for_each(kept.begin(), kept.end(), take);
    return kept;
  }
  // Lower a common level onto the texts, longest first, until what sticks out is at least `over`.
  std::vector<Index> sorted = kept;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  Index level = 0, spare = 0, above = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    above += sorted[i];
    const Index next = i + 1 < sorted.size() ? sorted[i + 1] : 0;
    const Index count = static_cast<Index>(i) + 1;
    if (above - next * count >= over) {
      level = (above - over) / count;
      spare = (above - over) - level * count;  // texts that keep one token more: the first ones
      break;
    }
  }
  for (Index& length : kept) {
    if (length <= level) continue;
    length = level + (spare > 0 ? 1 : 0);
    if (spare > 0) --spare;
  }
  return kept;
}

}  // namespace cloze
