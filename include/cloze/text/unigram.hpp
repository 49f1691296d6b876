// Unigram (Kudo 2018; XLM-R, T5, ALBERT): of all ways to spell a word with pieces, the one whose scores add up highest.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/text/token_model.hpp>
#include <cloze/text/vocabulary.hpp>

namespace cloze::detail::text {

/// Finds every key that begins a text, in one walk. Nodes lie in order of depth, children of one node side by side.
class PieceTrie {
 public:
  PieceTrie() = default;

  struct Key {
    std::string_view piece;
    std::int32_t value;
  };

  explicit PieceTrie(std::vector<Key> keys) {
    std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) { return a.piece < b.piece; });
    struct Range {
      std::size_t low, high, depth;  // the keys below a node
    };
    std::vector<Range> queue{{0, keys.size(), 0}};
    labels_ = std::string(1, '\0');
    for (std::size_t node = 0; node < queue.size(); ++node) {
      auto [low, high, depth] = queue[node];
      const bool is_key = low < high && keys[low].piece.size() == depth;
      nodes_.push_back({static_cast<std::uint32_t>(labels_.size()), is_key ? keys[low].value : -1});
      if (is_key) ++low;
      while (low < high) {
        const char label = keys[low].piece[depth];
        const std::size_t begin = low;
        while (low < high && keys[low].piece[depth] == label) ++low;
        labels_ += label;
        queue.push_back({begin, low, depth + 1});
      }
    }
    nodes_.push_back({static_cast<std::uint32_t>(labels_.size()), -1});
  }

  /// Calls visit(bytes, value) for each key that begins `text`, the shortest first.
  template <class Visit>
  void prefixes(std::string_view text, Visit&& visit) const {
    std::size_t node = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const std::size_t first = nodes_[node].children;
      const std::size_t count = nodes_[node + 1].children - first;
      const void* found = count == 0 ? nullptr : std::memchr(labels_.data() + first, text[i], count);
      if (found == nullptr) return;
      node = static_cast<std::size_t>(static_cast<const char*>(found) - labels_.data());
      if (nodes_[node].value >= 0) visit(i + 1, nodes_[node].value);
    }
  }

 private:
  struct Node {
    std::uint32_t children;  // the first child; the next node's is one past the last
    std::int32_t value;      // -1: no key ends here
  };
  std::vector<Node> nodes_;
  std::string labels_;  // [nodes]: the byte that leads to each
};

class Unigram final : public TokenModel {
 public:
  /// `scores` by id. Errors: [cloze.text.7] unk_id is not one of the pieces.
  Unigram(const Vocabulary& vocabulary, std::vector<double> scores, std::int64_t unk_id, bool byte_fallback,
          std::string_view where)
      : scores_(std::move(scores)) {
    require(unk_id >= 0 && static_cast<std::size_t>(unk_id) < scores_.size(), "cloze.text.7",
            "{}: unk_id is {}, wanted one of the {} pieces", where, unk_id, scores_.size());
    unk_ = static_cast<std::int32_t>(unk_id);
    std::vector<PieceTrie::Key> keys;
    keys.reserve(scores_.size());
    ids_.reserve(scores_.size(), scores_.size() * 8);
    for (std::size_t id = 0; id < scores_.size(); ++id) {
      const std::string_view piece = vocabulary.token(TokenId{static_cast<std::int32_t>(id)});
      if (!piece.empty()) keys.push_back({piece, static_cast<std::int32_t>(id)});
      ids_.add(piece, static_cast<std::int32_t>(id));
    }
    trie_ = PieceTrie(std::move(keys));
    unk_score_ = *std::min_element(scores_.begin(), scores_.end()) - 10.0;  // SentencePiece's penalty
    if (!byte_fallback) return;
    fallback_ = true;
    for (int byte = 0; byte < 256; ++byte) {
      const auto found = ids_.find(formatted("<0x{:02X}>", byte));
      byte_ids_[static_cast<std::size_t>(byte)] = found ? *found : -1;
    }
  }

  std::optional<TokenId> unk() const override { return TokenId{unk_}; }
  const std::vector<double>& scores() const { return scores_; }

  /// Appends the tokens of one word of valid UTF-8. Neighbouring unknown code points make one unknown token.
  void encode(std::string_view word, std::vector<WordToken>& out) const override {
    if (word.empty()) return;
    std::vector<Best> best(word.size() + 1);
    for (std::size_t at = 0; at < word.size();) {
      std::size_t next = at + 1;
      while (next < word.size() && is_continuation(word[next])) ++next;
      const double here = best[at].score;
      bool single = false;
      const auto offer = [&](std::size_t end, double score, std::int32_t id) {
        if (best[end].begin == unset || score > best[end].score) best[end] = {score, at, id};
      };
      trie_.prefixes(word.substr(at), [&](std::size_t bytes, std::int32_t id) {
        offer(at + bytes, scores_[static_cast<std::size_t>(id)] + here, id);
        single = single || at + bytes == next;
      });
      if (!single) offer(next, unk_score_ + here, unk_);
      at = next;
    }
    const std::size_t start = out.size();
    for (std::size_t end = word.size(); end > 0; end = best[end].begin) {
      const bool joins =
          best[end].id == unk_ && out.size() > start && out.back().id == TokenId{unk_} && out.back().begin == end;
      if (joins) {
        out.back().begin = best[end].begin;
      } else {
        out.push_back({TokenId{best[end].id}, best[end].begin, end});
      }
    }
    std::reverse(out.begin() + static_cast<std::ptrdiff_t>(start), out.end());
    resolve_unknown(word, start, out);
  }

 private:
  static constexpr std::size_t unset = static_cast<std::size_t>(-1);
  struct Best {
    double score = 0;
    std::size_t begin = unset;
    std::int32_t id = -1;
  };

  /// What was joined may be a piece after all, or may be spelled in bytes where the model has byte pieces.
  void resolve_unknown(std::string_view word, std::size_t start, std::vector<WordToken>& out) const {
    const auto is_unknown = [&](const WordToken& token) { return token.id == TokenId{unk_}; };
    const auto first = std::find_if(out.begin() + static_cast<std::ptrdiff_t>(start), out.end(), is_unknown);
    if (first == out.end()) return;
    const std::vector<WordToken> path(first, out.end());
    out.erase(first, out.end());
    for (WordToken token : path) {
      const std::string_view part = word.substr(token.begin, token.end - token.begin);
      const auto has_byte = [&](char byte) { return byte_ids_[static_cast<unsigned char>(byte)] >= 0; };
      const auto found = is_unknown(token) ? ids_.find(part) : std::nullopt;
      if (found) token.id = TokenId{*found};
      const bool spelled = fallback_ && !found && is_unknown(token) && std::all_of(part.begin(), part.end(), has_byte);
      if (!spelled) {
        out.push_back(token);
        continue;
      }
      for (const char byte : part)
        out.push_back({TokenId{byte_ids_[static_cast<unsigned char>(byte)]}, token.begin, token.end});
    }
  }

  std::vector<double> scores_;
  PieceTrie trie_;
  StringTable ids_;
  std::int32_t unk_ = 0;
  double unk_score_ = 0;
  bool fallback_ = false;
  std::array<std::int32_t, 256> byte_ids_{};
};

}  // namespace cloze::detail::text
