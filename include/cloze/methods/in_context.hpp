// In-context learning: a masked language model answers beside many answered examples, and nothing is trained.
#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <cloze/methods/prompt_classifier.hpp>
#include <cloze/prompt/in_context_demos.hpp>

namespace cloze {

struct InContextOptions {
  Index demonstrations = 32;
  DemoPlace place = DemoPlace::after;
  Index max_length = 512;                     // tokens; the model's own limit may be lower
  bool segments = false;                      // as RenderOptions
  std::optional<float> score_threshold = {};  // regression: as InContextDemosOptions
};

/// A classifier that shows each query so many random examples with their answers (Brown et al.: "Language models are
/// few-shot learners", NeurIPS 2020; LM-BFF's gpt3_in_context modes). Use predict, or predict_draws to average.
/// Where a prompt is too long, whole demonstrations are left out, the farthest first, and then texts are cut. A
/// template that names its own demonstrations (lmbff_expand_in_context) is taken as it is, and a compat one is cut
/// anywhere at its beginning, as LM-BFF's --truncate_head does. `data` must outlive the classifier. Errors:
/// InContextDemos'.
template <MaskedLM Model, TokenizerLike Text, Verbalizer<typename Model::value_type, typename Model::device> V>
PromptClassifier<Model, V, InContextDemos, Text> in_context(Model model, Text tokenizer, Template prompt, V verbalizer,
                                                            std::span<const Example> data,
                                                            const InContextOptions& options = {}) {
  const RenderOptions render{.max_length = options.max_length,
                             .truncation = prompt.cuts_anywhere() ? Truncation::head : Truncation::longest,
                             .segments = options.segments,
                             .demos = options.place,
                             .drop_demos = !prompt.shows_demonstrations() && !prompt.cuts_anywhere()};
  return {std::move(model),
          std::move(tokenizer),
          std::move(prompt),
          std::move(verbalizer),
          InContextDemos(data, {.count = options.demonstrations, .score_threshold = options.score_threshold}),
          render};
}

}  // namespace cloze
