// WordVerbalizer: one or several words for each label, one token each.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/autograd/reduce.hpp>
#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/data/task.hpp>
#include <cloze/prompt/verbalizer.hpp>
#include <cloze/text/tokenizer_like.hpp>

namespace cloze {

/// A label and the words that mean it.
struct LabelWords {
  std::string label;
  std::vector<std::string> words;
  std::vector<float> weights = {};  // for WordScore::weighted: one for each word; their sum is scaled to 1
};

/// How the scores of a label's words become the label's score.
enum class WordScore { mean, max, logsumexp, weighted };

struct WordOptions {
  WordScore score = WordScore::mean;
  bool leading_space = true;  // words as they stand inside a sentence; false where nothing stands before the mask
};

/// Checked against the tokenizer when built. The score of a label is the mean, maximum, logsumexp or weighted mean of
/// the scores of its words (Schick and Schütze: "It's not just size that matters", NAACL 2021, use the mean; Gao et al.
/// one word).
class WordVerbalizer {
 public:
  /// A label's place in the list is its LabelId. Words are plain text: the tokenizer's form inside a sentence is
  /// chosen. A word that begins with one of < [ . , is taken as the vocabulary entry of that spelling (LM-BFF's rule).
  /// Errors: [cloze.verbalizer.1] words that are no single token, unknown, special, or shared by two labels, all of
  /// them in one message; [cloze.verbalizer.2] no labels, a label twice or without words, weights that do not fit.
  template <TokenizerLike Tokenizer>
  WordVerbalizer(const Tokenizer& tokenizer, std::vector<LabelWords> labels, const WordOptions& options = {})
      : options_(options) {
    check_labels(labels);
    std::string faults;
    std::map<TokenId, std::size_t> owner;
    bounds_.push_back(0);
    for (std::size_t label = 0; label < labels.size(); ++label) {
      label_names_.push_back(labels[label].label);
      std::set<std::string> seen;
      for (const std::string& word : labels[label].words) {
        const auto add_fault = [&](const std::string& what) {
          faults += formatted("\n  label \"{}\": \"{}\" {}", labels[label].label, word, what);
        };
        if (!seen.insert(word).second) {
          add_fault("is listed twice");
          continue;
        }
        const auto ids = find_word(tokenizer, word, options.leading_space);
        if (const std::string fault = token_fault(tokenizer, word, ids); !fault.empty()) {
          add_fault(fault);
          continue;
        }
        const auto [first, added] = owner.emplace(ids.front(), label);
        if (!added) {
          add_fault(first->second == label ? "is the same token as another word of this label"
                                           : formatted("also stands for label \"{}\"", labels[first->second].label));
          continue;
        }
        words_.push_back(ids.front());
      }
      bounds_.push_back(static_cast<Index>(words_.size()));
    }
    require(faults.empty(), "cloze.verbalizer.1", "label words must be single, known tokens of one label each:{}",
            faults);
    for (const LabelWords& label : labels) add_weights(label);
    for (std::size_t label = 0; label < labels.size(); ++label)
      label_words_.push_back(words_[static_cast<std::size_t>(bounds_[label])]);
    labels_ = std::move(labels);
  }

  /// The published words of a task. (A template, so that a braced list is never taken for a Task.)
  template <TokenizerLike Tokenizer, std::same_as<Task> T>
  WordVerbalizer(const Tokenizer& tokenizer, const T& task, const WordOptions& options = {})
      : WordVerbalizer(tokenizer, words_of(task), options) {}

  /// The vocabulary entries whose scores operator() wants, label by label.   [words]
  std::span<const TokenId> words() const noexcept { return {words_.data(), words_.size()}; }

  /// The first word of each label: what demonstrations show.   [labels]
  std::span<const TokenId> label_words() const noexcept { return {label_words_.data(), label_words_.size()}; }

  const std::vector<std::string>& label_names() const noexcept { return label_names_; }
  Index num_labels() const noexcept { return static_cast<Index>(label_names_.size()); }

  /// What it was built from.
  const std::vector<LabelWords>& labels() const noexcept { return labels_; }
  const WordOptions& options() const noexcept { return options_; }

  /// scores of words() at each mask [masks, words] -> [masks, labels]; one mask an example makes that [examples,
  /// labels]. Throws [cloze.verbalizer.3] where the columns are not words().
  template <Scalar T, Device D>
  Tensor<T, D> operator()(const Tensor<T, D>& scores) const {
    require(scores.defined() && scores.rank() == 2 && scores.columns() == static_cast<Index>(words_.size()),
            "cloze.verbalizer.3", "word scores {}: wanted [masks, {}], a column for each of the verbalizer's words",
            scores.defined() ? scores.shape() : Shape(), words_.size());
    if (options_.score == WordScore::weighted) {
      const List<T> weights(weights_.begin(), weights_.end());
      return reduce_columns(scores, bounds_, ColumnReduce::sum,
                            Tensor<T, D>::from(std::span<const T>(weights), {static_cast<Index>(weights.size())}));
    }
    if (words_.size() == label_names_.size()) return scores;  // one word each, in the order of the labels
    return reduce_columns(scores, bounds_, kind());
  }

  /// The tokens that a word stands for: one where it can be a label word.
  template <TokenizerLike Tokenizer>
  static std::vector<TokenId> find_word(const Tokenizer& tokenizer, const std::string& word,
                                        bool leading_space = true) {
    if (!word.empty() && std::string_view("<[.,").find(word.front()) != std::string_view::npos)
      if (const auto entry = tokenizer.find(word)) return {*entry};
    return tokenizer.encode((leading_space ? std::string(tokenizer.word_prefix()) : std::string()) + word);
  }

 private:
  static void check_labels(const std::vector<LabelWords>& labels) {
    require(!labels.empty(), "cloze.verbalizer.2", "a verbalizer without labels");
    std::set<std::string> names;
    for (const LabelWords& label : labels) {
      require(names.insert(label.label).second, "cloze.verbalizer.2", "label \"{}\" is listed twice", label.label);
      require(!label.words.empty(), "cloze.verbalizer.2", "label \"{}\" has no words", label.label);
    }
  }

  static std::vector<LabelWords> words_of(const Task& task) {
    require(task.label_words.size() == task.labels().size(), "cloze.verbalizer.2",
            "task {}: {} labels but {} label words", task.name, task.labels().size(), task.label_words.size());
    std::vector<LabelWords> labels;
    for (std::size_t i = 0; i < task.labels().size(); ++i) labels.push_back({task.labels()[i], {task.label_words[i]}});
    return labels;
  }

  /// What is wrong with a word's tokens; empty where nothing is.
  template <TokenizerLike Tokenizer>
  static std::string token_fault(const Tokenizer& tokenizer, const std::string& word, const std::vector<TokenId>& ids) {
    if (word.empty() || ids.empty()) return "has no tokens";
    const SpecialTokens& special = tokenizer.special();
    if (ids.size() > 1) {
      std::string tokens;
      for (const TokenId id : ids) tokens += formatted(" \"{}\"", tokenizer.token(id));
      return formatted("is {} tokens:{}", ids.size(), tokens);
    }
    if (ids.front() == special.unk) return "is unknown to the tokenizer";
    for (const auto& id : {special.cls, special.sep, special.mask, special.pad, special.bos, special.eos})
      if (id == ids.front()) return "is a special token";
    return "";
  }

  void add_weights(const LabelWords& label) {
    if (options_.score != WordScore::weighted) {
      require(label.weights.empty(), "cloze.verbalizer.2",
              "label \"{}\" has weights, but the score is not WordScore::weighted", label.label);
      return;
    }
    require(label.weights.size() == label.words.size(), "cloze.verbalizer.2",
            "label \"{}\" has {} words and {} weights", label.label, label.words.size(), label.weights.size());
    double sum = 0;
    for (const float weight : label.weights) {
      require(std::isfinite(weight) && weight >= 0, "cloze.verbalizer.2",
              "label \"{}\" has weight {}; wanted 0 or more", label.label, weight);
      sum += weight;
    }
    require(sum > 0, "cloze.verbalizer.2", "label \"{}\" has weights that are all 0", label.label);
    for (const float weight : label.weights) weights_.push_back(weight / sum);
  }

  ColumnReduce kind() const {
    return options_.score == WordScore::max         ? ColumnReduce::max
           : options_.score == WordScore::logsumexp ? ColumnReduce::logsumexp
                                                    : ColumnReduce::mean;
  }

  WordOptions options_;
  std::vector<LabelWords> labels_;
  std::vector<std::string> label_names_;
  std::vector<TokenId> words_;        // label by label
  std::vector<Index> bounds_;         // [labels + 1] words of label l: [bounds[l], bounds[l + 1])
  std::vector<double> weights_;       // [words], only where weighted
  std::vector<TokenId> label_words_;  // [labels]
};

static_assert(Verbalizer<WordVerbalizer> && ShowsLabels<WordVerbalizer>);

}  // namespace cloze
