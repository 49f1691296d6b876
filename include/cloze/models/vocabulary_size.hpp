// A model with another vocabulary: cut to the tokens that are kept, or made larger for new ones.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <cloze/models/config.hpp>
#include <cloze/nn/module.hpp>

namespace cloze {

namespace detail {

/// A fresh model of `vocab_size` tokens, and then every weight from `model`: row i of a table by token from its row
/// kept[i], as far as `kept` goes. Tables by token are those whose first extent changes with the vocabulary.
template <class Model>
Model with_vocabulary(const Model& model, EncoderConfig config, Index vocab_size, std::span<const TokenId> kept,
                      const Rng& rng) {
  using D = typename Model::device;
  config.vocab_size = vocab_size;
  config.json["vocab_size"] = vocab_size;
  Model result = Model::from_config(config, rng);
  const auto from = model.state_dict();
  auto to = result.state_dict();
  for (std::size_t i = 0; i < from.size(); ++i) {
    const auto source = from[i].slice();
    auto target = to[i].slice();
    if (source.shape() == target.shape()) {
      copy_elements<D, D>(source.data(), target.data(), source.size());
      continue;
    }
    const Index row = source.size() / source.dim(0);
    const auto rows = static_cast<Index>(std::min(kept.size(), static_cast<std::size_t>(vocab_size)));
    for (Index r = 0; r < rows; ++r)
      copy_elements<D, D>(source.data() + value(kept[static_cast<std::size_t>(r)]) * row, target.data() + r * row, row);
  }
  return result;
}

}  // namespace detail

/// A copy of the model that knows only the tokens `kept` (ascending, as prune_vocabulary() gives them): kept[i] becomes
/// token i, in the embeddings, in the head, and where config.json names an id. Scores of kept tokens stay the same
/// bits. Model: anything with config(), state_dict() and from_config(). Dropout rates are config.json's. Errors:
/// [cloze.prune.3] `kept` is empty, not ascending, or has an id outside the vocabulary; [cloze.prune.4] an architecture
/// whose positions are counted from the padding id, and another id for padding.
template <class Model>
Model keep_vocabulary(const Model& model, std::span<const TokenId> kept) {
  EncoderConfig config = model.config();
  require(!kept.empty(), "cloze.prune.3", "{}: no token is kept", config.where);
  for (std::size_t i = 0; i < kept.size(); ++i)
    require(value(kept[i]) >= (i == 0 ? 0 : value(kept[i - 1]) + 1) && value(kept[i]) < config.vocab_size,
            "cloze.prune.3", "{}: kept token {}: wanted ascending ids below {}, found {}", config.where, i,
            config.vocab_size, value(kept[i]));
  for (auto entry = config.json.begin(); entry != config.json.end(); ++entry) {
    nlohmann::json& id = entry.value();
    if (!entry.key().ends_with("_token_id") || !id.is_number_integer()) continue;
    const std::int64_t old = id;
    const auto at = std::ranges::lower_bound(kept, old, {}, [](TokenId token) { return value(token); });
    if (at != kept.end() && value(*at) == old) {
      id = at - kept.begin();
    } else {
      id = nullptr;
    }
    require(entry.key() != "pad_token_id" || !config.architecture->positions_after_padding || id == old,
            "cloze.prune.4", "{}: token {} is padding, and positions are counted from its id: keep it and all below it",
            config.where, old);
  }
  return detail::with_vocabulary(model, std::move(config), static_cast<Index>(kept.size()), kept, Rng(0));
}

/// A copy of the model with tables for `vocab_size` tokens: the first rows are the model's own; rows beyond them are
/// drawn as fresh weights are (initialize_parameters). Errors: [cloze.config.1] a size outside 1 to 2³¹.
template <class Model>
Model resize_vocabulary(const Model& model, Index vocab_size, const Rng& rng) {
  const EncoderConfig& config = model.config();
  require(vocab_size >= 1 && vocab_size <= Index{1} << 31, "cloze.config.1",
          "{}: \"vocab_size\": wanted {} to {}, found {}", config.where, 1, Index{1} << 31, vocab_size);
  std::vector<TokenId> all;
  for (Index id = 0; id < config.vocab_size; ++id) all.push_back(TokenId{static_cast<std::int32_t>(id)});
  return detail::with_vocabulary(model, config, vocab_size, all, rng);
}

}  // namespace cloze
