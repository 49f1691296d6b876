// All that a model knows about text: token ids laid end to end, never padded.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>

namespace cloze {

/// One rendered example: what a Template makes of an Example (and its demonstrations).
struct Prompt {
  std::vector<TokenId> ids = {};            // [tokens]
  std::vector<std::int32_t> segments = {};  // [tokens] token type ids (BERT); empty means all 0
  std::vector<Index> masks = {};            // positions in `ids` that the model has to fill, ascending
  Index tokens_cut = 0;                     // how many tokens truncation took away
};

/// Several prompts, concatenated. Sequence s holds rows [cu_seqlens[s], cu_seqlens[s + 1]).
struct PackedBatch {
  std::vector<TokenId> ids;             // [tokens]
  std::vector<std::int32_t> segments;   // [tokens]
  std::vector<std::int32_t> positions;  // [tokens] 0, 1, … within each sequence
  std::vector<Index> cu_seqlens{0};     // [sequences + 1]
  std::vector<Index> mask_rows;         // [masks] rows of `ids`, ascending
  std::vector<TokenId> targets;         // [masks] what to predict there (language-model objectives), or empty
  std::vector<LabelId> labels;          // [sequences], or empty where unlabelled
  std::vector<float> scores;            // [sequences] regression targets, or empty

  Index tokens() const { return static_cast<Index>(ids.size()); }
  Index sequences() const { return static_cast<Index>(cu_seqlens.size()) - 1; }
  Index length(Index sequence) const { return cu_seqlens[sequence + 1] - cu_seqlens[sequence]; }
  Index max_length() const {
    Index longest = 0;
    for (Index s = 0; s < sequences(); ++s) longest = std::max(longest, length(s));
    return longest;
  }

  /// Appends one sequence. Throws [cloze.batch.1] where segments or masks do not fit the ids.
  void append(const Prompt& prompt) {
    const Index size = static_cast<Index>(prompt.ids.size());
    require(prompt.segments.empty() || prompt.segments.size() == prompt.ids.size(), "cloze.batch.1",
            "a prompt of {} tokens has {} segment ids", size, prompt.segments.size());
    for (std::size_t i = 0; i < prompt.masks.size(); ++i)
      require(prompt.masks[i] >= 0 && prompt.masks[i] < size && (i == 0 || prompt.masks[i - 1] < prompt.masks[i]),
              "cloze.batch.1", "mask position {} is out of order or outside a prompt of {} tokens", prompt.masks[i],
              size);
    const Index start = tokens();
    for (std::size_t i = 0; i < prompt.ids.size(); ++i) {
      ids.push_back(prompt.ids[i]);
      segments.push_back(prompt.segments.empty() ? 0 : prompt.segments[i]);
      positions.push_back(static_cast<std::int32_t>(i));
    }
    for (const Index mask : prompt.masks) mask_rows.push_back(start + mask);
    cu_seqlens.push_back(start + size);
  }
};

/// Some sequences of a batch as a batch of their own, in the order asked for: positions, masks, targets, labels and
/// scores go with them. Throws [cloze.batch.2] where a sequence is not there.
inline PackedBatch pick_sequences(const PackedBatch& from, std::span<const Index> sequences) {
  PackedBatch batch;
  const auto copy = [](const auto& all, Index begin, Index end, auto& into) {
    if (all.empty()) return;
    for (Index i = begin; i < end; ++i) into.push_back(all[static_cast<std::size_t>(i)]);
  };
  for (const Index s : sequences) {
    require(s >= 0 && s < from.sequences(), "cloze.batch.2", "sequence {} of a batch of {}", s, from.sequences());
    const Index begin = from.cu_seqlens[static_cast<std::size_t>(s)];
    const Index end = from.cu_seqlens[static_cast<std::size_t>(s) + 1], start = batch.tokens();
    copy(from.ids, begin, end, batch.ids);
    copy(from.segments, begin, end, batch.segments);
    copy(from.positions, begin, end, batch.positions);
    copy(from.labels, s, s + 1, batch.labels);
    copy(from.scores, s, s + 1, batch.scores);
    batch.cu_seqlens.push_back(batch.tokens());
    const auto first = std::lower_bound(from.mask_rows.begin(), from.mask_rows.end(), begin),
               last = std::lower_bound(from.mask_rows.begin(), from.mask_rows.end(), end);
    for (auto mask = first; mask != last; ++mask) batch.mask_rows.push_back(*mask - begin + start);
    copy(from.targets, first - from.mask_rows.begin(), last - from.mask_rows.begin(), batch.targets);
  }
  return batch;
}

/// Concatenates prompts into one batch, in order.
inline PackedBatch pack(std::span<const Prompt> prompts) {
  PackedBatch batch;
  for (const Prompt& prompt : prompts) batch.append(prompt);
  return batch;
}

}  // namespace cloze
