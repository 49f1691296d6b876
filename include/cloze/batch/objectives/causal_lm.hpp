// Left-to-right language modelling: each row predicts the token after it (GPT, Radford et al. 2018).
#pragma once

#include <span>
#include <vector>

#include <cloze/batch/objectives/lm_example.hpp>
#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>

namespace cloze {

/// Every token from position `first_predicted` (at least 1: nothing stands before the first token) on is predicted by
/// the row before it. With a prompt in front, `first_predicted` is its length: only the completion is learned. A text
/// of one token predicts nothing. Errors: [cloze.causal_lm.1] no tokens, or a first position below 1 or beyond the end.
inline LmExample causal_lm(std::span<const TokenId> ids, Index first_predicted = 1) {
  const auto size = static_cast<Index>(ids.size());
  require(size > 0, "cloze.causal_lm.1", "a text without tokens cannot be predicted");
  require(first_predicted >= 1 && first_predicted <= size, "cloze.causal_lm.1",
          "first_predicted is {}: wanted 1 to {}, the number of tokens", first_predicted, size);
  LmExample example{.prompt = {.ids = {ids.begin(), ids.end()}}};
  for (Index at = first_predicted; at < size; ++at) {
    example.prompt.masks.push_back(at - 1);
    example.targets.push_back(ids[static_cast<std::size_t>(at)]);
  }
  return example;
}

}  // namespace cloze
