// render: an example and its demonstrations, through a template, into token ids with known mask positions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/batch/packed_batch.hpp>
#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/data/example.hpp>
#include <cloze/prompt/demonstration.hpp>
#include <cloze/prompt/filters.hpp>
#include <cloze/prompt/template.hpp>
#include <cloze/prompt/truncate.hpp>
#include <cloze/text/tokenizer_like.hpp>

namespace cloze {

/// Where demonstrations stand: after the query, or before it (the first one first), behind the leading special tokens.
enum class DemoPlace { after, before };

struct RenderOptions {
  Index max_length = 512;  // tokens of a prompt, special tokens included
  Truncation truncation =
      Truncation::longest;  // which texts are cut where it is longer; compat templates: tail or head
  bool segments = false;    // token type 1 after the first sep (BERT pairs); else all 0
  DemoPlace demos = DemoPlace::after;
  bool drop_demos = false;  // where it is too long, whole demonstrations go first, the farthest from the query first
};

/// Where a piece lies in the prompt. `piece` belongs to the template.
struct RenderedSpan {
  const Piece* piece = nullptr;
  Index demonstration = -1;  // -1: the query's
  Index begin = 0;           // in Prompt::ids
  Index end = 0;
  Index cut = 0;  // tokens taken away by limits and the budget
};

struct Rendered {
  Prompt prompt;
  std::vector<RenderedSpan> spans;
};

/// Virtual tokens of a template: their ids follow the vocabulary, in the order of first appearance.
struct SoftTokens {
  TokenId first{};  // ids first … first + count - 1
  Index count = 0;
  std::vector<TokenId> initial;  // tokens whose embeddings they start from; empty: random
};

template <TokenizerLike Tokenizer>
std::map<std::string, SoftTokens> soft_tokens(const Template& prompt, const Tokenizer& tokenizer) {
  std::map<std::string, SoftTokens> table;
  Index next = static_cast<Index>(tokenizer.vocab_size());
  for (const Piece& piece : prompt.pieces()) {
    if (piece.kind != PieceKind::soft || table.contains(piece.text)) continue;
    SoftTokens soft{.first = static_cast<TokenId>(next), .count = piece.count, .initial = {}};
    if (!piece.initial.empty()) soft.initial = tokenizer.encode(piece.initial);
    if (soft.count == 0) soft.count = static_cast<Index>(soft.initial.size());
    next += soft.count;
    table[piece.text] = std::move(soft);
  }
  return table;
}

/// A piece as a user would write it, for messages.
inline std::string describe(const Piece& piece) {
  static constexpr std::string_view roles[] = {"{cls}", "{sep}", "{bos}", "{eos}", "{pad}"};
  switch (piece.kind) {
    case PieceKind::literal:
      return "\"" + piece.text + "\"";
    case PieceKind::text:
      if (piece.flat) return "sent_" + std::to_string(piece.slot);
      return piece.slot == 0 ? "{text_a}" : "{text_b}";
    case PieceKind::meta:
      return "{meta:" + piece.text + "}";
    case PieceKind::mask:
      return piece.count == 1 ? "{mask}" : "{mask*" + std::to_string(piece.count) + "}";
    case PieceKind::label:
      return "{label}";
    case PieceKind::soft:
      return "{soft:" + piece.text + "}";
    case PieceKind::special:
      break;
  }
  return std::string(roles[static_cast<std::size_t>(piece.special)]);
}

namespace detail {

/// Renders one example. Every check of an input stands here; budget and limits are in fit().
template <TokenizerLike Tokenizer>
class Renderer {
 public:
  Renderer(const Template& prompt, const Example& example, std::span<const Demonstration> demos,
           const Tokenizer& tokenizer, std::span<const TokenId> label_words, const RenderOptions& options)
      : template_(prompt),
        example_(example),
        demos_(demos),
        tokenizer_(tokenizer),
        label_words_(label_words),
        options_(options) {}

  Rendered run() {
    require(options_.max_length > 0, "cloze.prompt.2", "a prompt of at most {} tokens is wanted", options_.max_length);
    for (const Demonstration& demo : demos_)
      require(demo.example != nullptr, "cloze.prompt.4", "{}: a demonstration without an example", describe(example_));
    require(!options_.drop_demos || (!template_.shows_demonstrations() && !template_.cuts_anywhere()), "cloze.prompt.4",
            "{}: template \"{}\" names its demonstrations or is cut anywhere, so none can be dropped",
            describe(example_), template_.text());
    const bool shows = !template_.shows_demonstrations(), before = shows && options_.demos == DemoPlace::before;
    if (template_.wraps()) wrap(SpecialRole::cls, -1);
    auto piece = template_.pieces().begin();
    if (before) {
      for (; piece != template_.pieces().end() && opens(*piece); ++piece) add(*piece, -1);
      add_demonstrations();
    }
    for (; piece != template_.pieces().end(); ++piece) add(*piece, -1);
    if (template_.wraps()) wrap(SpecialRole::sep, -1);
    if (shows && !before) add_demonstrations();
    if (options_.drop_demos) drop_demonstrations();
    if (!template_.cuts_anywhere()) fit();
    return emit();
  }

 private:
  struct Span {
    const Piece* piece;
    Index demo;
    std::vector<TokenId> ids;
    Index cut = 0;
    bool shortenable() const {
      if (piece->kind == PieceKind::literal) return piece->shorten;
      return (piece->kind == PieceKind::text || piece->kind == PieceKind::meta) && !piece->keep;
    }
  };

  static bool opens(const Piece& piece) {
    return piece.kind == PieceKind::special && (piece.special == SpecialRole::cls || piece.special == SpecialRole::bos);
  }

  void drop_demonstrations() {
    Index total = 0;
    std::vector<Index> sizes(demos_.size());
    for (const Span& span : spans_) {
      const auto size = static_cast<Index>(span.ids.size());
      total += size;
      if (span.demo >= 0) sizes[static_cast<std::size_t>(span.demo)] += size;
    }
    Index first = 0, last = static_cast<Index>(demos_.size());  // those that stay
    while (total > options_.max_length && first < last) {
      const Index gone = options_.demos == DemoPlace::before ? first++ : --last;
      total -= sizes[static_cast<std::size_t>(gone)];
      dropped_ += sizes[static_cast<std::size_t>(gone)];
    }
    std::erase_if(spans_, [&](const Span& span) { return span.demo >= 0 && (span.demo < first || span.demo >= last); });
  }

  void add_demonstrations() {
    require(demos_.empty() || template_.demonstration().has_value(), "cloze.prompt.4",
            "{}: template \"{}\" has {} masks, which leaves open how a demonstration shows its label; say so with "
            "with_demonstrations(\"… {{label}} …\")",
            describe(example_), template_.text(), template_.masks());
    for (std::size_t i = 0; i < demos_.size(); ++i) {
      for (const Piece& piece : *template_.demonstration()) add(piece, static_cast<Index>(i));
      if (template_.wraps()) wrap(SpecialRole::sep, static_cast<Index>(i));
    }
  }

  // The tokenizer's own cls and sep; a tokenizer without them puts none.
  void wrap(SpecialRole role, Index demo) {
    static const Piece cls{.kind = PieceKind::special, .special = SpecialRole::cls};
    static const Piece sep{.kind = PieceKind::special, .special = SpecialRole::sep, .next_segment = true};
    if (const auto id = special(role)) spans_.push_back({role == SpecialRole::cls ? &cls : &sep, demo, {*id}});
  }

  std::optional<TokenId> special(SpecialRole role) const {
    const SpecialTokens& special = tokenizer_.special();
    switch (role) {
      case SpecialRole::cls:
        return special.cls;
      case SpecialRole::sep:
        return special.sep;
      case SpecialRole::bos:
        return special.bos ? special.bos : special.cls;
      case SpecialRole::eos:
        return special.eos ? special.eos : special.sep;
      case SpecialRole::pad:
        return special.pad;
    }
    return std::nullopt;
  }

  TokenId wanted_special(const std::optional<TokenId>& id, const Piece& piece) const {
    require(id.has_value(), "cloze.prompt.3", "template \"{}\" has {}, but the tokenizer has no such token",
            template_.text(), describe(piece));
    return *id;
  }

  void add(const Piece& piece, Index demo) {
    Span span{&piece, demo, {}};
    switch (piece.kind) {
      case PieceKind::literal:
        span.ids = literal(piece);
        break;
      case PieceKind::text:
      case PieceKind::meta: {
        // LM-BFF's expanded form counts the texts of the query and of the demonstrations in one row.
        const bool row = piece.flat && template_.shows_demonstrations();
        if (row) span.demo = piece.slot / texts_each() - 1;
        span.ids = encode_text(piece, span.demo, row ? piece.slot % texts_each() : piece.slot);
        const auto& limit = demo >= 0 && piece.demo_limit ? piece.demo_limit : piece.limit;
        if (limit) shorten(span, *limit, piece.cut_head);
        break;
      }
      case PieceKind::mask:
        span.ids.assign(static_cast<std::size_t>(piece.count), wanted_special(tokenizer_.special().mask, piece));
        break;
      case PieceKind::label:
        span.ids.push_back(label_word(piece, demo));
        break;
      case PieceKind::soft: {
        if (soft_.empty()) soft_ = soft_tokens(template_, tokenizer_);
        const SoftTokens& soft = soft_[piece.text];
        for (Index i = 0; i < soft.count; ++i) span.ids.push_back(static_cast<TokenId>(value(soft.first) + i));
        break;
      }
      case PieceKind::special:
        span.ids.push_back(wanted_special(special(piece.special), piece));
        break;
    }
    spans_.push_back(std::move(span));
  }

  std::vector<TokenId> literal(const Piece& piece) const {
    if (piece.vocabulary_entry) {
      const auto entry = tokenizer_.find(piece.text);
      return {entry ? *entry : wanted_special(tokenizer_.special().unk, piece)};
    }
    return tokenizer_.encode((piece.space ? " " : "") + piece.text);
  }

  Index texts_each() const { return example_.text_b ? 2 : 1; }

  const std::string& text_of(const Piece& piece, Index owner, Index part) const {
    require(owner < static_cast<Index>(demos_.size()), "cloze.prompt.4",
            "{}: template \"{}\" shows {}, but {} demonstrations are given", describe(example_), template_.text(),
            describe(piece), demos_.size());
    const Example& source = owner < 0 ? example_ : *demos_[static_cast<std::size_t>(owner)].example;
    if (piece.kind == PieceKind::meta) {
      const auto found = source.meta.find(piece.text);
      require(found != source.meta.end(), "cloze.prompt.1", "{}: no meta value \"{}\", which template \"{}\" shows",
              describe(source), piece.text, template_.text());
      return found->second;
    }
    if (part == 0) return source.text_a;
    require(part == 1 && source.text_b.has_value(), "cloze.prompt.1", "{}: no text for {} of template \"{}\"",
            describe(source), describe(piece), template_.text());
    return *source.text_b;
  }

  std::vector<TokenId> encode_text(const Piece& piece, Index owner, Index part) const {
    std::string text = apply_filters(piece.filters, text_of(piece, owner, part));
    if (piece.space && (!text.empty() || template_.cuts_anywhere())) text.insert(0, " ");
    try {
      return tokenizer_.encode(text);
    } catch (const Error& error) {
      // The tokenizer cannot know which example it was given.
      const std::string_view message = error.what();
      throw Error(error.id(), describe(owner < 0 ? example_ : *demos_[static_cast<std::size_t>(owner)].example) + ": " +
                                  std::string(message.substr(std::min(message.size(), error.id().size() + 3))));
    }
  }

  TokenId label_word(const Piece& piece, Index demo) const {
    Index label = piece.slot;
    if (!piece.fixed_label) {
      const Index shown = piece.flat ? piece.slot : demo;
      require(shown >= 0 && shown < static_cast<Index>(demos_.size()), "cloze.prompt.4",
              "{}: template \"{}\" shows the label of demonstration {}, but {} are given", describe(example_),
              template_.text(), shown, demos_.size());
      label = value(demos_[static_cast<std::size_t>(shown)].label);
    }
    require(label >= 0 && label < static_cast<Index>(label_words_.size()), "cloze.prompt.4",
            "{}: a demonstration shows label {}, but there are words for {} labels", describe(example_), label,
            label_words_.size());
    return label_words_[static_cast<std::size_t>(label)];
  }

  static void shorten(Span& span, Index keep, bool at_head) {
    const Index size = static_cast<Index>(span.ids.size());
    if (size <= keep) return;
    const auto begin = span.ids.begin();
    if (at_head) {
      span.ids.erase(begin, begin + (size - keep));
    } else {
      span.ids.erase(begin + keep, span.ids.end());
    }
    span.cut += size - keep;
  }

  // Cuts texts until the prompt fits. Masks, literals, labels and special tokens always stay.
  void fit() {
    Index total = 0;
    std::vector<Index> lengths;
    for (const Span& span : spans_) {
      total += static_cast<Index>(span.ids.size());
      if (span.shortenable()) lengths.push_back(static_cast<Index>(span.ids.size()));
    }
    if (total <= options_.max_length) return;
    Index fixed = total;
    for (const Index length : lengths) fixed -= length;
    if (fixed > options_.max_length) {
      const Span* largest = nullptr;
      for (const Span& span : spans_)
        if (!span.shortenable() && (largest == nullptr || span.ids.size() > largest->ids.size())) largest = &span;
      fail("cloze.prompt.2",
           "{}: the budget is {} tokens, but what is never cut has {}; the largest part of it is {}{} with {}",
           describe(example_), options_.max_length, fixed, describe(*largest->piece),
           largest->demo < 0 ? "" : formatted(" of demonstration {}", largest->demo), largest->ids.size());
    }
    const auto kept = fit_texts(lengths, options_.max_length - fixed, options_.truncation);
    std::size_t next = 0;
    for (Span& span : spans_)
      if (span.shortenable())
        shorten(span, kept[next++], span.piece->cut_head || options_.truncation == Truncation::head);
  }

  Rendered emit() const {
    Rendered result;
    Prompt& prompt = result.prompt;
    prompt.tokens_cut = dropped_;
    std::int32_t segment = 0;
    for (const Span& span : spans_) {
      const Index begin = static_cast<Index>(prompt.ids.size());
      for (const TokenId id : span.ids) {
        prompt.ids.push_back(id);
        if (options_.segments) prompt.segments.push_back(segment);
      }
      const Index end = static_cast<Index>(prompt.ids.size());
      if (span.piece->next_segment) segment = 1;
      if (span.piece->kind == PieceKind::mask)
        for (Index at = begin; at < end; ++at) prompt.masks.push_back(at);
      prompt.tokens_cut += span.cut;
      result.spans.push_back({span.piece, span.demo, begin, end, span.cut});
    }
    if (template_.cuts_anywhere()) cut_anywhere(result);
    return result;
  }

  // The original's way: a window of the finished sequence; only its first mask counts; BERT's segments are never used.
  void cut_anywhere(Rendered& result) const {
    Prompt& prompt = result.prompt;
    const Index size = static_cast<Index>(prompt.ids.size());
    const Index over = std::max<Index>(0, size - options_.max_length);
    const Index begin = options_.truncation == Truncation::head ? over : 0, end = begin + size - over;
    prompt.ids = std::vector<TokenId>(prompt.ids.begin() + begin, prompt.ids.begin() + end);
    prompt.segments.clear();
    prompt.tokens_cut += over;
    const bool masked = !prompt.masks.empty();
    std::erase_if(prompt.masks, [&](Index at) { return at < begin || at >= end; });
    require(!masked || !prompt.masks.empty(), "cloze.prompt.5", "{}: cutting {} tokens to {} took the mask away",
            describe(example_), size, options_.max_length);
    if (masked) prompt.masks = {prompt.masks.front() - begin};
    for (RenderedSpan& span : result.spans) {
      const Index length = span.end - span.begin;
      span.begin = std::clamp(span.begin, begin, end) - begin;
      span.end = std::clamp(span.end, begin, end) - begin;
      span.cut += length - (span.end - span.begin);
    }
  }

  const Template& template_;
  const Example& example_;
  std::span<const Demonstration> demos_;
  const Tokenizer& tokenizer_;
  std::span<const TokenId> label_words_;
  const RenderOptions& options_;
  std::vector<Span> spans_;
  Index dropped_ = 0;  // tokens of demonstrations that were left out
  std::map<std::string, SoftTokens> soft_;
};

}  // namespace detail

/// render, with every piece's place in the prompt. Errors: render's.
template <TokenizerLike Tokenizer>
Rendered render_spans(const Template& prompt, const Example& example, std::span<const Demonstration> demos,
                      const Tokenizer& tokenizer, std::span<const TokenId> label_words,
                      const RenderOptions& options = {}) {
  return detail::Renderer<Tokenizer>(prompt, example, demos, tokenizer, label_words, options).run();
}

/// The prompt of one example. Every piece is tokenised on its own, text as plain text: no text can become a mask or
/// special token, and mask positions come from the template. label_words [labels] are what demonstrations show. Errors,
/// naming the example: [cloze.prompt.1] it lacks a text or meta value that the template shows; [cloze.prompt.2] the
/// budget is below the parts that are never cut; [cloze.prompt.3] the tokenizer lacks a special token; [cloze.prompt.4]
/// demonstrations do not fit the template or the labels; [cloze.prompt.5] compat only: the mask was cut away; the
/// tokenizer's own.
template <TokenizerLike Tokenizer>
Prompt render(const Template& prompt, const Example& example, std::span<const Demonstration> demos,
              const Tokenizer& tokenizer, std::span<const TokenId> label_words, const RenderOptions& options = {}) {
  return render_spans(prompt, example, demos, tokenizer, label_words, options).prompt;
}

}  // namespace cloze
