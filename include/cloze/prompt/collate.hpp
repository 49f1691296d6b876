// collate: examples into one packed batch, each rendered with its own demonstrations.
#pragma once

#include <concepts>
#include <ranges>
#include <span>
#include <type_traits>
#include <vector>

#include <cloze/batch/packed_batch.hpp>
#include <cloze/core/error.hpp>
#include <cloze/core/rng.hpp>
#include <cloze/data/example.hpp>
#include <cloze/prompt/demos.hpp>
#include <cloze/prompt/render.hpp>
#include <cloze/prompt/template.hpp>
#include <cloze/prompt/verbalizer.hpp>
#include <cloze/text/tokenizer_like.hpp>

namespace cloze {

namespace detail {

inline const Example& as_example(const Example& example) { return example; }
inline const Example& as_example(const Example* example) { return *example; }

}  // namespace detail

/// A range of examples, or of pointers to examples.
template <class R>
concept ExampleRange = std::ranges::input_range<R> && requires(std::ranges::range_reference_t<R> item) {
  { detail::as_example(item) } -> std::same_as<const Example&>;
};

/// Renders every example and packs them, in order. Demonstrations are drawn from `rng` in that order. Labels and scores
/// are filled where every example has one; where some have and some have not, it is an error. A verbalizer that shows
/// no labels goes only with NoDemos. Errors: render's and the sampler's; [cloze.collate.1] some examples are labelled
/// (or scored) and some are not.
template <ExampleRange Examples, DemoSampler Demos, NamesWords V, TokenizerLike Tokenizer>
PackedBatch collate(Examples&& examples, const Template& prompt, const Demos& demos, const V& verbalizer,
                    const Tokenizer& tokenizer, Rng& rng, const RenderOptions& options = {}) {
  static_assert(ShowsLabels<V> || std::same_as<Demos, NoDemos>,
                "demonstrations show a word for each label: the verbalizer needs label_words()");
  std::span<const TokenId> label_words;
  if constexpr (ShowsLabels<V>) label_words = verbalizer.label_words();
  PackedBatch batch;
  for (auto&& item : examples) {
    const Example& example = detail::as_example(item);
    batch.append(render(prompt, example, demos.sample(example, rng), tokenizer, label_words, options));
    if (example.label) batch.labels.push_back(*example.label);
    if (example.score) batch.scores.push_back(*example.score);
    const auto sequences = static_cast<std::size_t>(batch.sequences());
    require((batch.labels.empty() || batch.labels.size() == sequences) &&
                (batch.scores.empty() || batch.scores.size() == sequences),
            "cloze.collate.1", "{}: {} of {} examples of the batch have a label, {} a score; wanted all or none",
            describe(example), batch.labels.size(), sequences, batch.scores.size());
  }
  return batch;
}

}  // namespace cloze
