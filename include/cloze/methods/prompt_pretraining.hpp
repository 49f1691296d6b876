// Prompt-based continued pretraining: a task's examples as filled templates, whose label words the model has to
// predict. Shi, Lipani: "Don't stop pretraining? Make prompt-based fine-tuning powerful learner", NeurIPS 2023.
#pragma once

#include <concepts>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <cloze/batch/objectives/lm_example.hpp>
#include <cloze/core/error.hpp>
#include <cloze/data/example.hpp>
#include <cloze/prompt/render.hpp>
#include <cloze/prompt/template.hpp>
#include <cloze/prompt/verbalizer.hpp>
#include <cloze/text/tokenizer_like.hpp>

namespace cloze {

/// Each example rendered by the template with the word of its label (or pseudo-label) where the mask was.
/// `prompt.masks` keeps that place: MaskedLm always predicts it, and other tokens at its rate. Give the list to a
/// ListStream, mixed with other text or alone. Errors: render's; [cloze.prompt_pretraining.1] an example without a
/// label, or with one that has no word; [cloze.prompt_pretraining.2] a template without exactly one mask.
template <ShowsLabels V, TokenizerLike Tokenizer>
std::vector<LmExample> filled_prompts(std::span<const Example> examples, const Template& prompt, const V& verbalizer,
                                      const Tokenizer& tokenizer, const RenderOptions& options = {}) {
  const std::span<const TokenId> words = verbalizer.label_words();
  std::vector<LmExample> filled;
  for (const Example& example : examples) {
    require(example.label.has_value(), "cloze.prompt_pretraining.1",
            "{}: it has no label: predict one first, or leave it out", describe(example));
    const Index label = value(*example.label);
    require(label >= 0 && label < static_cast<Index>(words.size()), "cloze.prompt_pretraining.1",
            "{}: label {} has no word: the verbalizer has {} labels", describe(example), label, words.size());
    LmExample one{.prompt = render(prompt, example, {}, tokenizer, words, options)};
    require(one.prompt.masks.size() == 1, "cloze.prompt_pretraining.2",
            "{}: the template has {} masks: wanted one, which a label's word can fill", describe(example),
            one.prompt.masks.size());
    one.prompt.ids[static_cast<std::size_t>(one.prompt.masks[0])] = words[static_cast<std::size_t>(label)];
    filled.push_back(std::move(one));
  }
  return filled;
}

}  // namespace cloze
