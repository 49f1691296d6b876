// Filling sequences and batches with tokens to a budget, without padding.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <cloze/batch/packed_batch.hpp>
#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>

namespace cloze {

struct FullSentencesOptions {
  Index max_length = 512;  // of a block, with its special tokens
  TokenId cls{};
  TokenId sep{};                // ends a block, and stands between two documents in it
  bool cross_documents = true;  // false: a block ends with its document (DOC-SENTENCES)
};

/// Where a FullSentences stands between two sentences.
struct FullSentencesPending {
  std::vector<TokenId> tokens = {};  // of the open block, without cls and the last sep
  bool document_ended = false;
};

/// RoBERTa's FULL-SENTENCES (Liu et al. 2019, section 4.2): cls, whole sentences in their order, sep. A sentence longer
/// than a block is cut into blocks; no token is lost. State: `pending`, to be handed to the constructor to go on.
class FullSentences {
 public:
  using Pending = FullSentencesPending;

  /// Errors: [cloze.packing.1] no room for a token between cls and sep, or pending tokens beyond the room.
  explicit FullSentences(FullSentencesOptions options, Pending pending = {})
      : options_(options), pending_(std::move(pending)) {
    require(options_.max_length >= 3, "cloze.packing.1", "max_length is {}: cls, sep and a token need at least 3",
            options_.max_length);
    require(static_cast<Index>(pending_.tokens.size()) <= room(), "cloze.packing.1",
            "{} pending tokens in blocks of {}: the state is of another packing", pending_.tokens.size(),
            options_.max_length);
  }

  /// The blocks that the sentence completed (it may begin the next one).
  std::vector<Prompt> add(std::span<const TokenId> sentence) {
    std::vector<Prompt> done;
    if (sentence.empty()) return done;
    const Index separator = pending_.document_ended && !pending_.tokens.empty() ? 1 : 0;
    if (free() < separator + static_cast<Index>(sentence.size())) {
      close(done);
    } else if (separator) {
      pending_.tokens.push_back(options_.sep);
    }
    pending_.document_ended = false;
    while (static_cast<Index>(sentence.size()) > room()) {
      pending_.tokens.assign(sentence.begin(), sentence.begin() + room());
      sentence = sentence.subspan(static_cast<std::size_t>(room()));
      close(done);
    }
    pending_.tokens.insert(pending_.tokens.end(), sentence.begin(), sentence.end());
    return done;
  }

  /// Tells that the next sentence belongs to another document.
  std::vector<Prompt> end_document() {
    std::vector<Prompt> done;
    pending_.document_ended = true;
    if (!options_.cross_documents) close(done);
    return done;
  }

  /// The open block, if any: at the end of the data.
  std::vector<Prompt> finish() {
    std::vector<Prompt> done;
    close(done);
    return done;
  }

  const Pending& pending() const { return pending_; }

 private:
  Index room() const { return options_.max_length - 2; }
  Index free() const { return room() - static_cast<Index>(pending_.tokens.size()); }

  void close(std::vector<Prompt>& done) {
    if (!pending_.tokens.empty()) {
      Prompt block{.ids = {options_.cls}};
      block.ids.insert(block.ids.end(), pending_.tokens.begin(), pending_.tokens.end());
      block.ids.push_back(options_.sep);
      done.push_back(std::move(block));
    }
    pending_ = {};
  }

  FullSentencesOptions options_;
  Pending pending_;
};

struct FixedBlocksOptions {
  Index length = 512;                        // of a block, with its special tokens
  std::optional<TokenId> first = {};         // begins each block (cls, bos)
  std::optional<TokenId> last = {};          // ends each block (sep)
  std::optional<TokenId> document_end = {};  // stands behind each document (GPT: eos)
};

/// All documents as one ribbon, cut every `length` tokens wherever that falls (GPT, T5). State: `pending`.
class FixedBlocks {
 public:
  /// Errors: [cloze.packing.1] no room for a token, or pending tokens that fill a block.
  explicit FixedBlocks(FixedBlocksOptions options, std::vector<TokenId> pending = {})
      : options_(options),
        room_(options.length - (options.first ? 1 : 0) - (options.last ? 1 : 0)),
        pending_(std::move(pending)) {
    require(room_ >= 1, "cloze.packing.1", "blocks of {} tokens have no room between their special tokens",
            options_.length);
    require(static_cast<Index>(pending_.size()) < room_, "cloze.packing.1",
            "{} pending tokens in blocks of {}: the state is of another packing", pending_.size(), options_.length);
  }

  /// The blocks that a document, or a part of one, completed.
  std::vector<Prompt> add(std::span<const TokenId> tokens) {
    std::vector<Prompt> done;
    while (!tokens.empty()) {
      const auto count = std::min(tokens.size(), static_cast<std::size_t>(room_) - pending_.size());
      pending_.insert(pending_.end(), tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(count));
      tokens = tokens.subspan(count);
      if (static_cast<Index>(pending_.size()) == room_) close(done);
    }
    return done;
  }

  std::vector<Prompt> end_document() {
    if (!options_.document_end) return {};
    return add(std::span(&*options_.document_end, 1));
  }

  /// What is left, as one shorter block, if any: at the end of the data.
  std::vector<Prompt> finish() {
    std::vector<Prompt> done;
    if (!pending_.empty()) close(done);
    return done;
  }

  const std::vector<TokenId>& pending() const { return pending_; }

 private:
  void close(std::vector<Prompt>& done) {
    Prompt block;
    if (options_.first) block.ids.push_back(*options_.first);
    block.ids.insert(block.ids.end(), pending_.begin(), pending_.end());
    if (options_.last) block.ids.push_back(*options_.last);
    done.push_back(std::move(block));
    pending_.clear();
  }

  FixedBlocksOptions options_;
  Index room_;
  std::vector<TokenId> pending_;
};

struct TokenBudget {
  Index tokens = 4096;  // in a batch, at most
  Index sequences = 0;  // in a batch, at most; 0: no limit
  Index open = 16;      // batches filled side by side: more fill better, and move sequences further from their place
};

/// Sequences of these lengths, dealt into batches: each goes into the first open batch with room for it; where none
/// has, the fullest is closed. Returns the indices of each batch, ascending. Nothing is padded, so a batch costs its
/// tokens. Errors: [cloze.packing.2] a sequence longer than the budget or of negative length, a budget below 1.
inline std::vector<std::vector<Index>> budget_batches(std::span<const Index> lengths, const TokenBudget& budget = {}) {
  require(budget.tokens >= 1 && budget.open >= 1 && budget.sequences >= 0, "cloze.packing.2",
          "a budget of {} tokens, {} sequences, {} open batches: wanted at least 1, 0 and 1", budget.tokens,
          budget.sequences, budget.open);
  struct Open {
    std::vector<Index> members;
    Index tokens = 0;
  };
  std::vector<Open> open;
  std::vector<std::vector<Index>> batches;
  const auto close = [&](std::size_t i) {
    batches.push_back(std::move(open[i].members));
    open.erase(open.begin() + static_cast<std::ptrdiff_t>(i));
  };
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    require(lengths[i] >= 0 && lengths[i] <= budget.tokens, "cloze.packing.2",
            "sequence {} has {} tokens: wanted 0 to {}, the budget of a batch", i, lengths[i], budget.tokens);
    std::size_t place = 0;
    while (place < open.size() && open[place].tokens + lengths[i] > budget.tokens) ++place;
    if (place == open.size()) {
      if (static_cast<Index>(open.size()) == budget.open) {
        const auto fullest = std::max_element(open.begin(), open.end(),
                                              [](const Open& a, const Open& b) { return a.tokens < b.tokens; });
        close(static_cast<std::size_t>(fullest - open.begin()));
      }
      place = open.size();
      open.emplace_back();
    }
    open[place].members.push_back(static_cast<Index>(i));
    open[place].tokens += lengths[i];
    const bool all = budget.sequences > 0 && static_cast<Index>(open[place].members.size()) == budget.sequences;
    if (all || open[place].tokens == budget.tokens) close(place);
  }
  while (!open.empty()) close(0);
  return batches;
}

}  // namespace cloze
