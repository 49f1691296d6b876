// Prefix language modelling: the start of a text is read in both directions, the rest is predicted from left to right
// (Liu et al. 2018; Raffel et al. 2020, section 3.2.3).
#pragma once

#include <span>
#include <vector>

#include <cloze/batch/objectives/causal_lm.hpp>
#include <cloze/batch/objectives/lm_example.hpp>
#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/core/rng.hpp>

namespace cloze {

/// Where the prefix ends: uniform in [1, tokens - 1], so that neither part is empty. Errors: [cloze.prefix_lm.1] fewer
/// than two tokens.
inline Index draw_prefix(Index tokens, Rng& rng) {
  require(tokens >= 2, "cloze.prefix_lm.1", "a text of {} tokens has no prefix and rest: wanted at least 2", tokens);
  return 1 + static_cast<Index>(rng.below(static_cast<std::uint64_t>(tokens - 1)));
}

namespace detail {

inline void check_prefix(std::span<const TokenId> ids, Index prefix) {
  require(prefix >= 1 && prefix < static_cast<Index>(ids.size()), "cloze.prefix_lm.1",
          "a prefix of {} tokens in a text of {}: wanted 1 to {}", prefix, ids.size(),
          static_cast<Index>(ids.size()) - 1);
}

}  // namespace detail

/// For one stack: the first `prefix` tokens see each other, each later token is predicted by the row before it.
/// Errors: [cloze.prefix_lm.1] an empty prefix or nothing after it.
inline LmExample prefix_lm(std::span<const TokenId> ids, Index prefix) {
  detail::check_prefix(ids, prefix);
  LmExample example = causal_lm(ids, prefix);
  example.prefix = prefix;
  return example;
}

/// For an encoder-decoder: it reads the prefix and writes the rest; `eos` ends both. Errors: as above.
inline Seq2SeqExample split_prefix(std::span<const TokenId> ids, Index prefix, TokenId eos) {
  detail::check_prefix(ids, prefix);
  Seq2SeqExample example{.inputs = {ids.begin(), ids.begin() + prefix}, .targets = {ids.begin() + prefix, ids.end()}};
  example.inputs.push_back(eos);
  example.targets.push_back(eos);
  return example;
}

}  // namespace cloze
