// Masked language modelling: some tokens are hidden or replaced, and the model says what stood there.
// BERT (Devlin et al. 2019), whole words (its 2019 update), any rate (Wettig et al. 2023).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include <cloze/batch/objectives/lm_example.hpp>
#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/core/rng.hpp>

namespace cloze {

enum class MaskCount {
  bernoulli,  // each token (or word) by itself with probability `rate`: the count varies and may be 0 (Hugging Face)
  exact,      // round(rate * tokens that may be chosen), halves to even, at least 1 (BERT)
};

struct MaskedLmOptions {
  TokenId mask{};                     // what hides a token
  Index vocab_size = 0;               // random replacements are drawn from it
  std::vector<TokenId> special = {};  // never chosen, never drawn; the mask is always among them
  double rate = 0.15;                 // share of the other tokens that are predicted
  double mask_share = 0.8;            // of the predicted tokens: replaced by the mask
  double random_share = 0.1;          // replaced by a random token; what is left keeps its token
  MaskCount count = MaskCount::bernoulli;
  Index max_predictions = 0;                   // in one sequence; 0: no limit (BERT: 20 of 128)
  std::vector<std::uint8_t> starts_word = {};  // [vocab_size] tokens that begin a word; empty: no whole words
  bool draw_special = false;                   // random replacements may be special tokens, as in BERT's code
};

/// Chooses and replaces. The caller's generator decides when masks repeat: one that goes on gives new masks in every
/// epoch (RoBERTa's dynamic masking); `rng.stream(std::to_string(i))` for example i gives the same in each (BERT's
/// static masking).
class MaskedLm {
 public:
  /// Errors: [cloze.masked_lm.1] a share outside [0, 1], shares that add up to more than 1, a negative limit, no
  /// vocabulary; [cloze.masked_lm.2] an id outside the vocabulary, or nothing but special tokens in it;
  /// [cloze.masked_lm.3] a `starts_word` of another size than the vocabulary.
  explicit MaskedLm(MaskedLmOptions options) : options_(std::move(options)) {
    const auto share = [](double value, const char* name) {
      require(value >= 0 && value <= 1, "cloze.masked_lm.1", "{} is {}: wanted a share between 0 and 1", name, value);
    };
    share(options_.rate, "rate");
    share(options_.mask_share, "mask_share");
    share(options_.random_share, "random_share");
    require(options_.mask_share + options_.random_share <= 1 + 1e-9, "cloze.masked_lm.1",
            "mask_share {} and random_share {} add up to more than 1", options_.mask_share, options_.random_share);
    require(options_.max_predictions >= 0, "cloze.masked_lm.1", "max_predictions is {}: wanted 0 (no limit) or more",
            options_.max_predictions);
    require(options_.vocab_size > 0, "cloze.masked_lm.1", "vocab_size is {}: wanted the size of the vocabulary",
            options_.vocab_size);
    is_special_.resize(static_cast<std::size_t>(options_.vocab_size));
    check_id(options_.mask, "the mask");
    is_special_[index(options_.mask)] = 1;
    for (const TokenId id : options_.special) {
      check_id(id, "a special token");
      is_special_[index(id)] = 1;
    }
    require(std::find(is_special_.begin(), is_special_.end(), 0) != is_special_.end(), "cloze.masked_lm.2",
            "all {} tokens of the vocabulary are special: none can be drawn", options_.vocab_size);
    require(options_.starts_word.empty() || options_.starts_word.size() == is_special_.size(), "cloze.masked_lm.3",
            "starts_word has {} entries: wanted {}, one for each token of the vocabulary", options_.starts_word.size(),
            options_.vocab_size);
  }

  const MaskedLmOptions& options() const { return options_; }

  /// A copy of `ids` with random tokens predicted. `starts_word` [tokens], where given, says for this text which tokens
  /// begin a word. Errors: [cloze.masked_lm.2] an id outside the vocabulary; [cloze.masked_lm.3] a wrong length.
  LmExample operator()(std::span<const TokenId> ids, Rng& rng, std::span<const std::uint8_t> starts_word = {}) const {
    return (*this)(Prompt{.ids = {ids.begin(), ids.end()}}, rng, starts_word);
  }

  /// The same for a rendered prompt; segments are kept. The positions in `prompt.masks` are always predicted and always
  /// hidden, beyond the rate: they hold the label words of a filled template (continued pretraining on prompts).
  /// Errors: as above; [cloze.masked_lm.4] such a position out of order, outside, or not filled (it holds the mask).
  LmExample operator()(const Prompt& prompt, Rng& rng, std::span<const std::uint8_t> starts_word = {}) const {
    require(starts_word.empty() || starts_word.size() == prompt.ids.size(), "cloze.masked_lm.3",
            "starts_word has {} entries for {} tokens", starts_word.size(), prompt.ids.size());
    for (const TokenId id : prompt.ids) check_id(id, "a token");
    check_positions(prompt.ids, prompt.masks);
    const std::vector<Index> chosen = choose(units(prompt, starts_word), rng);
    LmExample example{.prompt = {.ids = prompt.ids, .segments = prompt.segments, .tokens_cut = prompt.tokens_cut}};
    std::merge(chosen.begin(), chosen.end(), prompt.masks.begin(), prompt.masks.end(),
               std::back_inserter(example.prompt.masks));
    for (const Index at : example.prompt.masks) {
      TokenId& token = example.prompt.ids[static_cast<std::size_t>(at)];
      example.targets.push_back(token);
      token = std::binary_search(prompt.masks.begin(), prompt.masks.end(), at) ? options_.mask : replace(token, rng);
    }
    return example;
  }

  /// The same for a pair of segments: its label is kept.
  LmExample operator()(const LmExample& pair, Rng& rng, std::span<const std::uint8_t> starts_word = {}) const {
    LmExample example = (*this)(pair.prompt, rng, starts_word);
    example.label = pair.label;
    return example;
  }

  /// Predicts exactly the tokens at `positions` (ascending). Each is hidden or, where given, replaced by the entry of
  /// `replacements` [positions]. Errors: [cloze.masked_lm.2], [cloze.masked_lm.3], [cloze.masked_lm.4] as above.
  LmExample at(const Prompt& prompt, std::span<const Index> positions,
               std::span<const TokenId> replacements = {}) const {
    require(replacements.empty() || replacements.size() == positions.size(), "cloze.masked_lm.3",
            "{} replacements for {} positions", replacements.size(), positions.size());
    for (const TokenId id : prompt.ids) check_id(id, "a token");
    for (const TokenId id : replacements) check_id(id, "a replacement");
    check_positions(prompt.ids, positions);
    LmExample example{.prompt = prompt};
    example.prompt.masks.assign(positions.begin(), positions.end());
    for (std::size_t i = 0; i < positions.size(); ++i) {
      TokenId& token = example.prompt.ids[static_cast<std::size_t>(positions[i])];
      example.targets.push_back(token);
      token = replacements.empty() ? options_.mask : replacements[i];
    }
    return example;
  }

 private:
  /// Tokens that are chosen together: one, or the pieces of a word.
  struct Unit {
    Index begin, end;
  };

  static std::size_t index(TokenId id) { return static_cast<std::size_t>(value(id)); }

  void check_id(TokenId id, const char* what) const {
    require(value(id) >= 0 && value(id) < options_.vocab_size, "cloze.masked_lm.2",
            "{} has id {}, outside a vocabulary of {}", what, value(id), options_.vocab_size);
  }

  void check_positions(std::span<const TokenId> ids, std::span<const Index> positions) const {
    for (std::size_t i = 0; i < positions.size(); ++i) {
      require(positions[i] >= 0 && positions[i] < static_cast<Index>(ids.size()) &&
                  (i == 0 || positions[i - 1] < positions[i]),
              "cloze.masked_lm.4", "position {} is out of order or outside a text of {} tokens", positions[i],
              ids.size());
      require(ids[static_cast<std::size_t>(positions[i])] != options_.mask, "cloze.masked_lm.4",
              "position {} holds the mask already: fill in what is to be predicted there", positions[i]);
    }
  }

  std::vector<Unit> units(const Prompt& prompt, std::span<const std::uint8_t> starts_word) const {
    const bool words = !starts_word.empty() || !options_.starts_word.empty();
    std::vector<Unit> found;
    auto fixed = prompt.masks.begin();
    bool open = false;  // the token before may be chosen, so a piece can belong to its word
    for (std::size_t i = 0; i < prompt.ids.size(); ++i) {
      const TokenId id = prompt.ids[i];
      const bool is_fixed = fixed != prompt.masks.end() && *fixed == static_cast<Index>(i);
      if (is_fixed) ++fixed;
      if (is_fixed || is_special_[index(id)]) {
        open = false;
        continue;
      }
      const bool starts = !words || !open || (starts_word.empty() ? options_.starts_word[index(id)] : starts_word[i]);
      if (starts) {
        found.push_back({static_cast<Index>(i), static_cast<Index>(i) + 1});
      } else {
        found.back().end = static_cast<Index>(i) + 1;
      }
      open = true;
    }
    return found;
  }

  /// Ascending positions. A word that would go beyond the number wanted is passed over, as in BERT's code.
  std::vector<Index> choose(std::vector<Unit> from, Rng& rng) const {
    Index tokens = 0;
    for (const Unit& unit : from) tokens += unit.end - unit.begin;
    Index wanted = options_.max_predictions == 0 ? tokens : options_.max_predictions;
    std::vector<Index> chosen;
    if (tokens == 0 || options_.rate == 0) return chosen;
    if (options_.count == MaskCount::exact) {
      const auto share = static_cast<Index>(std::nearbyint(options_.rate * static_cast<double>(tokens)));
      wanted = std::min(wanted, std::max<Index>(1, share));
      rng.shuffle(from);
    } else {
      std::erase_if(from, [&](const Unit&) { return rng.uniform() >= options_.rate; });
      Index drawn = 0;
      for (const Unit& unit : from) drawn += unit.end - unit.begin;
      if (drawn > wanted) rng.shuffle(from);
    }
    for (const Unit& unit : from) {
      if (static_cast<Index>(chosen.size()) + unit.end - unit.begin > wanted) continue;
      for (Index at = unit.begin; at < unit.end; ++at) chosen.push_back(at);
    }
    if (chosen.empty() && options_.count == MaskCount::exact)  // every word is longer than the number wanted
      for (Index at = from.front().begin; at < from.front().end; ++at) chosen.push_back(at);
    std::sort(chosen.begin(), chosen.end());
    return chosen;
  }

  TokenId replace(TokenId token, Rng& rng) const {
    const double draw = rng.uniform();
    if (draw < options_.mask_share) return options_.mask;
    if (draw >= options_.mask_share + options_.random_share) return token;
    std::uint64_t drawn = rng.below(is_special_.size());
    while (!options_.draw_special && is_special_[drawn]) drawn = rng.below(is_special_.size());
    return TokenId{static_cast<std::int32_t>(drawn)};
  }

  MaskedLmOptions options_;
  std::vector<std::uint8_t> is_special_;  // [vocab_size]
};

}  // namespace cloze
