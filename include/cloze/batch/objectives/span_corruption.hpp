// T5's span corruption: random spans leave a text, one sentinel each in their place, and the model writes them out.
// Raffel et al. 2020, section 3.1.4; lengths and segmentation as t5.data.preprocessors' random_spans_noise_mask.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <cloze/batch/objectives/lm_example.hpp>
#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/core/rng.hpp>

namespace cloze {

struct SpanNoise {
  double density = 0.15;   // share of the tokens that leave the text
  double mean_length = 3;  // of a span
};

namespace detail {

inline void check_noise(const SpanNoise& noise) {
  require(noise.density >= 0 && noise.density < 1, "cloze.span_corruption.1",
          "the noise density is {}: wanted a share from 0 to below 1", noise.density);
  require(noise.mean_length >= 1 && std::isfinite(noise.mean_length), "cloze.span_corruption.1",
          "the mean span length is {}: wanted at least 1", noise.mean_length);
}

inline Index round_half_even(double number) { return static_cast<Index>(std::nearbyint(number)); }

/// `items` cut into `segments` parts, none empty, every way equally likely. Needs 1 <= segments <= items.
inline std::vector<Index> random_segmentation(Index items, Index segments, Rng& rng) {
  std::vector<std::uint8_t> starts(static_cast<std::size_t>(items - 1));  // whether item i + 1 starts a segment
  std::fill_n(starts.begin(), segments - 1, std::uint8_t{1});
  rng.shuffle(starts);
  std::vector<Index> lengths{1};
  for (const std::uint8_t start : starts) {
    if (start) lengths.push_back(0);
    ++lengths.back();
  }
  return lengths;
}

}  // namespace detail

/// How many tokens become noise and in how many spans, in a text of `length` tokens (at least 2 are assumed).
struct SpanCounts {
  Index noise_tokens;
  Index spans;
};

/// Errors: [cloze.span_corruption.1] a density outside [0, 1), a mean length below 1, a negative length.
inline SpanCounts span_counts(Index length, const SpanNoise& noise = {}) {
  detail::check_noise(noise);
  require(length >= 0, "cloze.span_corruption.1", "a text cannot have {} tokens", length);
  if (noise.density == 0 || length == 0) return {0, 0};
  length = std::max<Index>(length, 2);
  const Index tokens =
      std::clamp<Index>(detail::round_half_even(static_cast<double>(length) * noise.density), 1, length - 1);
  const Index spans = detail::round_half_even(static_cast<double>(tokens) / noise.mean_length);
  // Each span follows at least one token that stays; at high densities T5's formula would ask for more spans than that.
  return {tokens, std::clamp<Index>(spans, 1, std::min(tokens, length - tokens))};
}

/// Which tokens of a text leave it: spans between tokens that stay, the last token always in a span. [length], 1 is
/// noise. The number of noise tokens and spans is span_counts' (a text of one token stays whole). Errors: span_counts'.
inline std::vector<std::uint8_t> random_spans(Index length, Rng& rng, const SpanNoise& noise = {}) {
  const auto [tokens, spans] = span_counts(length, noise);
  std::vector<std::uint8_t> mask;
  if (spans > 0) {
    const auto noise_lengths = detail::random_segmentation(tokens, spans, rng);
    const auto kept_lengths = detail::random_segmentation(std::max<Index>(length, 2) - tokens, spans, rng);
    for (std::size_t i = 0; i < noise_lengths.size(); ++i) {
      mask.insert(mask.end(), static_cast<std::size_t>(kept_lengths[i]), 0);
      mask.insert(mask.end(), static_cast<std::size_t>(noise_lengths[i]), 1);
    }
  }
  mask.resize(static_cast<std::size_t>(length));
  return mask;
}

/// How long a text must be so that its corrupted form fills the encoder exactly, and how long the targets then are.
struct SpanLengths {
  Index tokens;   // of the text
  Index targets;  // sentinels, noise and eos
};

/// T5's random_spans_helper: `inputs` counts kept tokens, sentinels and eos (512: 568 tokens, 114 targets).
/// Errors: [cloze.span_corruption.1] bad noise, fewer than 3 inputs.
inline SpanLengths span_lengths(Index inputs, const SpanNoise& noise = {}) {
  detail::check_noise(noise);
  require(inputs >= 3, "cloze.span_corruption.1", "{} input tokens hold no text, sentinel and eos: wanted at least 3",
          inputs);
  require(noise.density > 0 && noise.density <= 0.9, "cloze.span_corruption.1",
          "lengths can be planned for a noise density above 0 and up to 0.9, found {}", noise.density);
  const auto lengths_of = [&](Index tokens) {
    const auto [noise_tokens, spans] = span_counts(tokens, noise);
    return std::pair{tokens - noise_tokens + spans + 1, noise_tokens + spans + 1};
  };
  Index tokens = inputs - 2;
  while (tokens > 1 && lengths_of(tokens).first > inputs) --tokens;
  while (lengths_of(tokens + 1).first <= inputs) ++tokens;
  Index targets = lengths_of(tokens).second;
  if (noise.density == 0.5 && targets > inputs) {  // as T5: at half noise both sides get the same room
    --tokens;
    --targets;
  }
  return {tokens, targets};
}

struct SpanCorruptionOptions {
  TokenId first_sentinel{};  // <extra_id_0>; the next ones have descending ids
  Index sentinels = 100;     // how many there are
  TokenId eos{};             // ends inputs and targets
  SpanNoise noise = {};
};

/// Replaces spans by sentinels.
class SpanCorruption {
 public:
  /// Errors: [cloze.span_corruption.1] bad noise; [cloze.span_corruption.2] no sentinels, or ids below 0.
  explicit SpanCorruption(SpanCorruptionOptions options) : options_(options) {
    detail::check_noise(options_.noise);
    require(options_.sentinels > 0 && value(options_.first_sentinel) - options_.sentinels + 1 >= 0,
            "cloze.span_corruption.2", "{} sentinels descending from id {}: wanted at least one and no id below 0",
            options_.sentinels, value(options_.first_sentinel));
  }

  /// With random spans. Errors: [cloze.span_corruption.3] no tokens; [cloze.span_corruption.4] more spans than
  /// sentinels.
  Seq2SeqExample operator()(std::span<const TokenId> ids, Rng& rng) const {
    return at(ids, random_spans(static_cast<Index>(ids.size()), rng, options_.noise));
  }

  /// With given noise [tokens], 1 is noise. Errors: as above; [cloze.span_corruption.3] a mask of another length.
  Seq2SeqExample at(std::span<const TokenId> ids, std::span<const std::uint8_t> noise) const {
    require(!ids.empty() && noise.size() == ids.size(), "cloze.span_corruption.3",
            "a noise mask of {} entries for a text of {} tokens: wanted one each, and at least one", noise.size(),
            ids.size());
    Seq2SeqExample example;
    Index spans = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (!noise[i]) {
        example.inputs.push_back(ids[i]);
        continue;
      }
      if (i == 0 || !noise[i - 1]) {
        require(spans < options_.sentinels, "cloze.span_corruption.4",
                "a text of {} tokens has more spans than there are sentinels ({})", ids.size(), options_.sentinels);
        const TokenId sentinel{static_cast<std::int32_t>(value(options_.first_sentinel) - spans++)};
        example.inputs.push_back(sentinel);
        example.targets.push_back(sentinel);
      }
      example.targets.push_back(ids[i]);
    }
    example.inputs.push_back(options_.eos);
    example.targets.push_back(options_.eos);
    return example;
  }

 private:
  SpanCorruptionOptions options_;
};

}  // namespace cloze
