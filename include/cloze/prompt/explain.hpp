// explain: what a model will see of an example, for people.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/data/example.hpp>
#include <cloze/prompt/render.hpp>
#include <cloze/prompt/template.hpp>
#include <cloze/prompt/verbalizer.hpp>
#include <cloze/text/tokenizer_like.hpp>

namespace cloze {

namespace detail {

/// Tokens as the vocabulary spells them; virtual ones as their number.
template <TokenizerLike Tokenizer>
std::string spell(const Tokenizer& tokenizer, std::span<const TokenId> ids) {
  std::string text;
  for (const TokenId id : ids) {
    text += text.empty() ? "" : " ";
    if (value(id) < static_cast<Index>(tokenizer.vocab_size())) {
      text += std::string_view(tokenizer.token(id));
    } else {
      text += formatted("<soft {}>", value(id) - static_cast<Index>(tokenizer.vocab_size()));
    }
  }
  return text;
}

}  // namespace detail

/// The rendered input with its spans, what was cut, the mask positions and the label words with their ids. Errors:
/// render's.
template <TokenizerLike Tokenizer, NamesWords V>
std::string explain(const Template& prompt, const Example& example, const Tokenizer& tokenizer, const V& verbalizer,
                    std::span<const Demonstration> demos = {}, const RenderOptions& options = {}) {
  std::span<const TokenId> label_words;
  if constexpr (ShowsLabels<V>) label_words = verbalizer.label_words();
  const Rendered rendered = render_spans(prompt, example, demos, tokenizer, label_words, options);
  const std::span<const TokenId> ids = rendered.prompt.ids;
  std::string text = formatted("{}: {} tokens of at most {}, {} cut\ninput: {}\n", describe(example), ids.size(),
                               options.max_length, rendered.prompt.tokens_cut, detail::spell(tokenizer, ids));
  text += formatted("{:>9}  {:>4}  {:<24} {}\n", "positions", "cut", "piece", "tokens");
  for (const RenderedSpan& span : rendered.spans) {
    std::string piece = describe(*span.piece);
    if (span.demonstration >= 0) piece += formatted(" of demo {}", span.demonstration);
    const auto begin = static_cast<std::size_t>(span.begin), size = static_cast<std::size_t>(span.end - span.begin);
    text += formatted("{:>9}  {:>4}  {:<24} {}\n",
                      size == 0 ? std::string("-") : formatted("{}-{}", span.begin, span.end - 1), span.cut, piece,
                      detail::spell(tokenizer, ids.subspan(begin, size)));
  }
  text += "masks:";
  for (const Index mask : rendered.prompt.masks) text += formatted(" {}", mask);
  text += "\nlabel words:";
  if constexpr (requires { verbalizer.label_names(); }) {
    for (std::size_t i = 0; i < label_words.size(); ++i)
      text += formatted("{} {} = \"{}\" ({})", i == 0 ? "" : ",", verbalizer.label_names()[i],
                        tokenizer.token(label_words[i]), value(label_words[i]));
  } else {
    for (const TokenId id : std::span<const TokenId>(verbalizer.words()))
      text += formatted(" \"{}\" ({})", tokenizer.token(id), value(id));
  }
  return text + "\n";
}

}  // namespace cloze
