// The other denoising objectives that T5 compared: independent noise with four treatments, and deshuffling.
// Raffel et al. 2020, sections 3.3.1 and 3.3.2, tables 3 to 5.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <cloze/batch/objectives/lm_example.hpp>
#include <cloze/batch/objectives/span_corruption.hpp>
#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/core/rng.hpp>

namespace cloze {

/// Each token by itself with probability `density`. [length], 1 is noise. Errors: [cloze.denoising.1] a share outside
/// [0, 1] or a negative length.
inline std::vector<std::uint8_t> independent_noise(Index length, double density, Rng& rng) {
  require(length >= 0 && density >= 0 && density <= 1, "cloze.denoising.1",
          "noise of density {} on {} tokens: wanted a share between 0 and 1, and no negative length", density, length);
  std::vector<std::uint8_t> noise(static_cast<std::size_t>(length));
  for (std::uint8_t& token : noise) token = rng.uniform() < density;
  return noise;
}

/// What becomes of noise tokens, and what the targets are ("i.i.d. noise, replace spans" is SpanCorruption::at).
enum class NoiseTreatment {
  mask,         // each is hidden by the mask; the whole text is written (MASS-style)
  mask_random,  // as `mask`, but one in ten is replaced by a random token instead (BERT-style)
  drop,         // they are left out; they alone are written
};

struct DenoisingOptions {
  NoiseTreatment treatment = NoiseTreatment::mask;
  TokenId mask{};        // unused where noise is dropped
  TokenId eos{};         // ends inputs and targets
  Index vocab_size = 0;  // for random tokens
};

/// Treats the tokens that `noise` [tokens] marks. Errors: [cloze.denoising.2] no tokens, a mask of another length,
/// random tokens without a vocabulary.
inline Seq2SeqExample denoise(std::span<const TokenId> ids, std::span<const std::uint8_t> noise,
                              const DenoisingOptions& options, Rng& rng) {
  require(!ids.empty() && noise.size() == ids.size(), "cloze.denoising.2",
          "a noise mask of {} entries for a text of {} tokens: wanted one each, and at least one", noise.size(),
          ids.size());
  require(options.treatment != NoiseTreatment::mask_random || options.vocab_size > 0, "cloze.denoising.2",
          "random tokens need a vocabulary, vocab_size is {}", options.vocab_size);
  Seq2SeqExample example;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const bool dropped = noise[i] && options.treatment == NoiseTreatment::drop;
    if (!dropped) {
      TokenId shown = noise[i] ? options.mask : ids[i];
      if (noise[i] && options.treatment == NoiseTreatment::mask_random && rng.uniform() < 0.1)
        shown = TokenId{static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(options.vocab_size)))};
      example.inputs.push_back(shown);
    }
    if (dropped || options.treatment != NoiseTreatment::drop) example.targets.push_back(ids[i]);
  }
  example.inputs.push_back(options.eos);
  example.targets.push_back(options.eos);
  return example;
}

/// The tokens in random order are read, the text is written; `eos` ends both. Errors: [cloze.denoising.2] no tokens.
inline Seq2SeqExample deshuffle(std::span<const TokenId> ids, TokenId eos, Rng& rng) {
  require(!ids.empty(), "cloze.denoising.2", "a text without tokens cannot be shuffled");
  Seq2SeqExample example{.inputs = {ids.begin(), ids.end()}, .targets = {ids.begin(), ids.end()}};
  rng.shuffle(example.inputs);
  example.inputs.push_back(eos);
  example.targets.push_back(eos);
  return example;
}

}  // namespace cloze
