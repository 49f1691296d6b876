// explain with a model: what it sees of an example, what it expects at the masks, and what it answers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <cloze/autograd/softmax.hpp>
#include <cloze/methods/prompt_classifier.hpp>
#include <cloze/prompt/explain.hpp>

namespace cloze {

struct ExplainOptions {
  Index top = 5;           // tokens to show of each mask
  std::uint64_t seed = 0;  // draws the demonstrations, as a classifier's predict() does
};

namespace detail {

/// The `top` tokens with the highest scores of a row, highest first, equal ones by their ids, and their probabilities.
template <class T, TokenizerLike Tokenizer>
std::string most_likely(std::span<const T> row, Index top, const Tokenizer& tokenizer) {
  const auto score = [&](std::size_t id) {  // a NaN is never likely
    const auto found = static_cast<double>(row[id]);
    return std::isnan(found) ? -std::numeric_limits<double>::infinity() : found;
  };
  std::vector<std::size_t> order(row.size());
  for (std::size_t id = 0; id < order.size(); ++id) order[id] = id;
  const auto shown = std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(top), std::ssize(order));
  std::partial_sort(order.begin(), order.begin() + shown, order.end(),
                    [&](std::size_t a, std::size_t b) { return score(a) != score(b) ? score(a) > score(b) : a < b; });
  double sum = 0;
  for (std::size_t id = 0; id < row.size(); ++id) sum += std::exp(score(id) - score(order.front()));
  std::string text;
  for (std::ptrdiff_t i = 0; i < shown; ++i) {
    const std::size_t id = order[static_cast<std::size_t>(i)];
    const TokenId token = static_cast<TokenId>(id);
    text += formatted("{} \"{}\" {:.3f}", i == 0 ? "" : ",", spell(tokenizer, std::span(&token, 1)),
                      std::exp(score(id) - score(order.front())) / sum);
  }
  return text;
}

}  // namespace detail

/// explain() of the prompt, then for each mask the tokens of the whole vocabulary that the model expects there, and,
/// where there is one mask, the probability of each label. Errors: those of predict(); [cloze.explain.1] top below 1.
template <MaskedLM Model, class V, DemoSampler Demos, TokenizerLike Text>
std::string explain(const PromptClassifier<Model, V, Demos, Text>& classifier, const Example& example,
                    const ExplainOptions& options = {}) {
  require(options.top >= 1, "cloze.explain.1", "explain: {} tokens of each mask; wanted 1 or more", options.top);
  const NoGrad no_grad;
  Rng demo_rng(options.seed, "demos"), again(options.seed, "demos");
  std::string text = explain(classifier.prompt(), example, classifier.tokenizer(), classifier.verbalizer(),
                             classifier.demos().sample(example, demo_rng), classifier.options());
  const PackedBatch packed = classifier.batch({&example, 1}, again);
  const auto logits = classifier.model().mask_logits(packed, {});  // [masks, vocabulary]
  const auto values = logits.to_vector();
  const auto columns = static_cast<std::size_t>(logits.columns());
  for (std::size_t mask = 0; mask < packed.mask_rows.size(); ++mask)
    text += formatted(
        "at {}:{}\n", packed.mask_rows[mask],
        detail::most_likely(std::span(values.data() + mask * columns, columns), options.top, classifier.tokenizer()));
  if (packed.mask_rows.size() != 1) return text;
  text += "answer:";
  const auto scores = softmax(classifier.scores(packed, {})).to_vector();
  for (std::size_t label = 0; label < scores.size(); ++label) {
    std::string name = formatted("{}", label);
    if constexpr (requires { classifier.verbalizer().label_names(); })
      name = classifier.verbalizer().label_names()[label];
    text += formatted("{} {} {:.3f}", label == 0 ? "" : ",", name, static_cast<double>(scores[label]));
  }
  return text + "\n";
}

}  // namespace cloze
