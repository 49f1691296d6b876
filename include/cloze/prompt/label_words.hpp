// Candidates for label words: which vocabulary entries are words, and which of them a masked language model expects at
// the masks of each class.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/prompt/word_verbalizer.hpp>
#include <cloze/text/tokenizer_like.hpp>
#include <cloze/text/unicode.hpp>

namespace cloze {

/// What a model scores at one mask of each example, for its whole vocabulary: all that the searches know of the model.
struct MaskScores {
  std::vector<double> values;  // [examples, vocab]
  Index vocab = 0;

  Index examples() const { return vocab == 0 ? 0 : static_cast<Index>(values.size()) / vocab; }
  std::span<const double> row(Index example) const {
    return std::span<const double>(values).subspan(static_cast<std::size_t>(example * vocab),
                                                   static_cast<std::size_t>(vocab));
  }
  double at(Index example, TokenId word) const {
    return values[static_cast<std::size_t>(example * vocab + value(word))];
  }
};

/// A vocabulary entry that can be a label word, and its text.
struct VocabularyWord {
  TokenId id{};
  std::string text;

  friend bool operator==(const VocabularyWord&, const VocabularyWord&) = default;
};

struct VocabularyWordsOptions {
  Index least_letters = 0;  // words with fewer letters are left out; PETAL: 2
  /// LM-BFF's own rule: every entry spelled with a leading "Ġ", whether or not that text gives that entry again. It
  /// finds nothing in a vocabulary without "Ġ" (BERT's), where the original fails.
  bool lmbff_compat = false;
};

namespace detail {

inline Index count_letters(std::string_view text) {
  Index letters = 0;
  for (const char32_t point : detail::text::to_points(text)) letters += detail::text::is_letter(point) ? 1 : 0;
  return letters;
}

}  // namespace detail

/// The entries that a label word may be, in the order of their ids: those in the form of a whole word inside a
/// sentence, whose text a WordVerbalizer turns into that entry again. Parts of words and special tokens are none.
template <TokenizerLike Tokenizer>
std::vector<VocabularyWord> vocabulary_words(const Tokenizer& tokenizer, const VocabularyWordsOptions& options = {}) {
  constexpr std::string_view marker = "\u0120";
  std::vector<VocabularyWord> words;
  for (Index i = 0; i < tokenizer.vocab_size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    std::string text;
    try {
      const std::string_view spelled = tokenizer.token(id);
      if (options.lmbff_compat) {
        if (!spelled.starts_with(marker)) continue;
        text = std::string(spelled.substr(marker.size()));
      } else {
        text = tokenizer.decode(std::span<const TokenId>(&id, 1));
      }
    } catch (const Error&) {
      continue;  // published vocabularies have ids without a token
    }
    if (!options.lmbff_compat) {
      const std::string_view prefix = tokenizer.word_prefix();
      if (!prefix.empty() && text.starts_with(prefix)) text.erase(0, prefix.size());
      if (text.empty() || text == tokenizer.word_prefix()) continue;
      const auto is_this = [&](const std::vector<TokenId>& ids) { return ids.size() == 1 && ids.front() == id; };
      if (!is_this(tokenizer.encode(std::string(prefix) + text)) || id == tokenizer.special().unk) continue;
      if (!is_this(WordVerbalizer::find_word(tokenizer, text))) continue;
    }
    if (detail::count_letters(text) < options.least_letters) continue;
    words.push_back({id, std::move(text)});
  }
  return words;
}

/// The `count` of these words that are most frequent in texts (equal ones in the order given).
template <TokenizerLike Tokenizer>
std::vector<VocabularyWord> most_frequent(std::vector<VocabularyWord> words, const Tokenizer& tokenizer,
                                          std::span<const std::string> texts, Index count) {
  std::map<TokenId, Index> found;
  for (const std::string& text : texts)
    for (const TokenId id : tokenizer.encode(std::string(tokenizer.word_prefix()) + text)) ++found[id];
  std::ranges::stable_sort(words, std::ranges::greater{}, [&](const VocabularyWord& word) {
    const auto at = found.find(word.id);
    return at == found.end() ? Index{0} : at->second;
  });
  if (count >= 0 && count < static_cast<Index>(words.size())) words.resize(static_cast<std::size_t>(count));
  return words;
}

namespace detail {

/// The examples of each class. Errors: [cloze.label_words.1] labels that do not fit the scores or the classes, or a
/// class without examples.
inline std::vector<std::vector<Index>> examples_of_classes(const MaskScores& scores, std::span<const LabelId> labels,
                                                           Index classes) {
  require(classes >= 1, "cloze.label_words.1", "{} classes: wanted at least 1", classes);
  require(scores.examples() == static_cast<Index>(labels.size()), "cloze.label_words.1",
          "mask scores of {} examples, but labels of {}", scores.examples(), labels.size());
  std::vector<std::vector<Index>> groups(static_cast<std::size_t>(classes));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    require(value(labels[i]) >= 0 && value(labels[i]) < classes, "cloze.label_words.1",
            "example {} has label {} of {} classes", i, value(labels[i]), classes);
    groups[static_cast<std::size_t>(value(labels[i]))].push_back(static_cast<Index>(i));
  }
  for (std::size_t c = 0; c < groups.size(); ++c)
    require(!groups[c].empty(), "cloze.label_words.1", "class {} of {} has no example to find words for", c, classes);
  return groups;
}

/// Errors: [cloze.label_words.2] no words, or one that the scores do not reach.
inline void check_words(const MaskScores& scores, std::span<const TokenId> words) {
  require(!words.empty(), "cloze.label_words.2", "no words to choose from: none of the vocabulary passed the filter");
  for (const TokenId word : words)
    require(value(word) >= 0 && value(word) < scores.vocab, "cloze.label_words.2",
            "word {} is outside the {} entries that the model scores", value(word), scores.vocab);
}

inline std::vector<TokenId> ids_of(std::span<const VocabularyWord> words) {
  std::vector<TokenId> ids;
  ids.reserve(words.size());
  for (const VocabularyWord& word : words) ids.push_back(word.id);
  return ids;
}

/// The `count` words with the highest value, highest first, equal ones in the order given.
inline std::vector<std::size_t> highest(std::span<const double> values, Index count) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::size_t i) { return values[i]; });
  if (count < static_cast<Index>(order.size())) order.resize(static_cast<std::size_t>(std::max<Index>(0, count)));
  return order;
}

}  // namespace detail

/// For each class, the `count` words with the highest mean score at the masks of its training examples, highest first
/// (equal ones in the order of `words`). Gao, Fisch, Chen: "Making pre-trained language models better few-shot
/// learners", ACL 2021, section 5.1; LM-BFF takes 100.   -> [classes][count]
/// Errors: [cloze.label_words.1] labels that do not fit, a class without examples; [cloze.label_words.2] no words.
inline std::vector<std::vector<TokenId>> likely_words(const MaskScores& scores, std::span<const LabelId> labels,
                                                      Index classes, std::span<const VocabularyWord> words,
                                                      Index count = 100) {
  const auto groups = detail::examples_of_classes(scores, labels, classes);
  const auto ids = detail::ids_of(words);
  detail::check_words(scores, ids);
  require(count >= 1, "cloze.label_words.2", "{} words a class: wanted at least 1", count);
  std::vector<std::vector<TokenId>> likely(groups.size());
  for (std::size_t c = 0; c < groups.size(); ++c) {
    std::vector<double> sums(ids.size());
    for (const Index example : groups[c])
      for (std::size_t w = 0; w < ids.size(); ++w) sums[w] += scores.at(example, ids[w]);
    for (const std::size_t w : detail::highest(sums, count)) likely[c].push_back(ids[w]);
  }
  return likely;
}

/// The classes of a regression's label words: 1 above the median target, else 0, as LM-BFF has it.
/// Errors: [cloze.label_words.1] no targets.   targets [n] -> [n]
inline std::vector<LabelId> median_classes(std::span<const float> targets) {
  require(!targets.empty(), "cloze.label_words.1", "no examples to find words for");
  std::vector<float> sorted(targets.begin(), targets.end());
  std::ranges::sort(sorted);
  const std::size_t half = sorted.size() / 2;
  const double median = sorted.size() % 2 == 1
                            ? static_cast<double>(sorted[half])
                            : (static_cast<double>(sorted[half - 1]) + static_cast<double>(sorted[half])) / 2;
  std::vector<LabelId> classes;
  for (const float target : targets) classes.push_back(static_cast<LabelId>(static_cast<double>(target) > median));
  return classes;
}

/// Words as a WordVerbalizer takes them, one for each label.   labels, choice [classes] -> [classes]
/// Errors: [cloze.label_words.2] a word that is not among `words`, or another number of words than labels.
inline std::vector<LabelWords> label_words_of(std::span<const std::string> labels, std::span<const TokenId> choice,
                                              std::span<const VocabularyWord> words) {
  require(labels.size() == choice.size(), "cloze.label_words.2", "{} words for {} labels", choice.size(),
          labels.size());
  std::vector<LabelWords> result;
  for (std::size_t c = 0; c < labels.size(); ++c) {
    const auto found = std::ranges::find(words, choice[c], &VocabularyWord::id);
    require(found != words.end(), "cloze.label_words.2", "entry {} is not among the {} words", value(choice[c]),
            words.size());
    result.push_back({labels[c], {found->text}});
  }
  return result;
}

}  // namespace cloze
