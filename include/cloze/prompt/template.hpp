// Template: how an example becomes the text that a model sees. Parsed once, checked before any data.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/ids.hpp>
#include <cloze/data/task.hpp>
#include <cloze/prompt/lmbff_grammar.hpp>
#include <cloze/prompt/openprompt_grammar.hpp>
#include <cloze/prompt/piece.hpp>
#include <cloze/prompt/template_error.hpp>
#include <cloze/prompt/template_scan.hpp>

namespace cloze {

/// A template written in the source: one that is wrong does not compile. For text known only at run time:
/// Template::parse.
struct TemplateLiteral {
  std::string_view text;

  template <std::size_t N>
  consteval TemplateLiteral(const char (&literal)[N]) : text(literal, N - 1) {
    detail::check_template_literal(text);
  }
};

/// A sequence of pieces. In our own grammar:
///   {text_a} {text_b} {meta:KEY}     texts of the example, optionally filtered:
///   {text_a|strip_period|lower_first|max:110} {mask} {mask*3}                  what the model fills in (at least one)
///   {soft:NAME*4}                    trainable virtual tokens, shared by name
///   {cls} {sep} {bos} {eos} {pad}    special tokens; without {cls} and {sep} the tokenizer's own are put around
///   {{ }}                            braces as text
/// A space before a part belongs to that part's first token, as written; before a mask or special token it is dropped.
/// Filters: strip, strip_period, strip_punctuation, drop_punctuation, drop_last, lower_first, upper_first, lower
/// (filters.hpp); max:N limits the tokens of a text, demo_max:N those of a demonstration's; keep: never cut; cut_head:
/// cut at the beginning.
class Template {
 public:
  enum class Grammar { cloze, lmbff, openprompt, plain };

  Template(TemplateLiteral literal) : Template(parse(literal.text)) {}

  /// Our grammar, from text. Errors, all with column and a caret: [cloze.template.1] a brace without its partner,
  /// [cloze.template.2] unknown key, [cloze.template.3] unknown filter, [cloze.template.4] bad count,
  /// [cloze.template.5] no mask, [cloze.template.6] a key or filter where it means nothing, [cloze.template.7] not
  /// UTF-8.
  static Template parse(std::string_view text) {
    return Template(Grammar::cloze, std::string(text), scan(text, PieceKind::mask));
  }

  /// LM-BFF's grammar, see lmbff_grammar.hpp. An automatic expansion for demonstrations is not needed: demonstrations
  /// are rendered with this template too. One made by lmbff_expand_demos shows exactly the demonstrations it names.
  static Template lmbff(std::string_view text, const LmbffOptions& options = {}) {
    Template result(Grammar::lmbff, std::string(text), detail::parse_lmbff(text, options));
    result.wraps_ = false;
    result.cuts_anywhere_ = options.compat;
    result.lmbff_options_ = options;
    return result;
  }

  /// OpenPrompt's grammar, see openprompt_grammar.hpp. The tokenizer's cls and sep are put around, as its wrapper does.
  static Template openprompt(std::string_view text) {
    Template result(Grammar::openprompt, std::string(text), detail::OpenpromptParser(text).parse());
    result.wraps_ = true;
    return result;
  }

  /// The input of standard fine-tuning: cls text_a sep, and text_b sep. compat cuts it anywhere, as LM-BFF does.
  static Template plain(bool pair, bool compat = false) {
    const Piece cls{.kind = PieceKind::special, .special = SpecialRole::cls};
    const Piece sep{.kind = PieceKind::special, .special = SpecialRole::sep, .next_segment = true};
    std::vector<Piece> pieces{cls, {.kind = PieceKind::text, .slot = 0}, sep};
    if (pair) {
      pieces.push_back({.kind = PieceKind::text, .slot = 1});
      pieces.push_back(sep);
    }
    Template result(Grammar::plain, pair ? "pair" : "single", std::move(pieces));
    result.wraps_ = false;
    result.cuts_anywhere_ = compat;
    return result;
  }

  /// The published template of a task, with its limits.
  static Template of(const Task& task, bool compat = false) {
    return lmbff(task.prompt, {.compat = compat,
                               .first_sent_limit = task.limits.first_sent_limit,
                               .other_sent_limit = task.limits.other_sent_limit});
  }

  /// This template with another one, in our grammar, for demonstrations: it shows {label} where the query shows {mask}.
  /// Errors: parse's.
  Template with_demonstrations(std::string_view text) const {
    Template result = *this;
    result.demo_text_ = std::string(text);
    result.demo_ = scan(text, PieceKind::label);
    return result;
  }

  Grammar grammar() const noexcept { return grammar_; }
  const std::string& text() const noexcept { return text_; }
  const std::optional<std::string>& demonstration_text() const noexcept { return demo_text_; }
  const std::vector<Piece>& pieces() const noexcept { return pieces_; }

  /// One demonstration's pieces; nothing where several masks leave open how its label is shown.
  const std::optional<std::vector<Piece>>& demonstration() const noexcept { return demo_; }

  /// True where the tokenizer's cls and sep are put around the pieces.
  bool wraps() const noexcept { return wraps_; }

  /// True where a too long input is cut anywhere (compat), not only in its texts.
  bool cuts_anywhere() const noexcept { return cuts_anywhere_; }

  /// True where the template itself names demonstrations (LM-BFF's expanded form).
  bool shows_demonstrations() const noexcept { return expanded_; }

  /// What lmbff() was given.
  const LmbffOptions& lmbff_options() const noexcept { return lmbff_options_; }

  /// Masks of one prompt.
  Index masks() const noexcept { return masks_; }

 private:
  Template(Grammar grammar, std::string text, std::vector<Piece> pieces)
      : grammar_(grammar), text_(std::move(text)), pieces_(std::move(pieces)) {
    std::map<std::string, std::size_t> soft;  // name -> the first piece of that name
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      const Piece& piece = pieces_[i];
      if (piece.kind == PieceKind::mask) masks_ += piece.count;
      if (piece.kind == PieceKind::label) expanded_ = true;
      if (piece.kind == PieceKind::special && (piece.special == SpecialRole::cls || piece.special == SpecialRole::sep))
        wraps_ = false;
      if (piece.kind != PieceKind::soft) continue;
      const Piece& first = pieces_[soft.try_emplace(piece.text, std::size_t{i}).first->second];
      require(first.count == piece.count, "cloze.template.4",
              "template \"{}\": soft tokens \"{}\" are {} at first and {} later", text_, piece.text, first.count,
              piece.count);
    }
    if (masks_ != 1 || expanded_) return;
    demo_.emplace();
    for (Piece piece : pieces_) {
      if (piece.kind == PieceKind::special && (piece.special == SpecialRole::cls || piece.special == SpecialRole::bos))
        continue;
      if (piece.kind == PieceKind::mask) piece.kind = PieceKind::label;
      demo_->push_back(std::move(piece));
    }
  }

  static std::vector<Piece> scan(std::string_view text, PieceKind answer) {
    std::vector<Piece> pieces;
    bool space = false;  // the last literal ended in a space, which belongs to what follows
    const auto error = detail::scan_template(text, answer, [&](const detail::ScannedPiece& scanned) {
      Piece piece{.kind = scanned.kind,
                  .slot = scanned.slot,
                  .count = scanned.count,
                  .special = scanned.special,
                  .space = space};
      space = false;
      piece.next_segment = piece.kind == PieceKind::special && piece.special == SpecialRole::sep;
      if (piece.kind == PieceKind::literal) {
        for (std::size_t i = 0; i < scanned.body.size(); ++i) {
          piece.text += scanned.body[i];
          if (scanned.body[i] == '{' || scanned.body[i] == '}') ++i;  // written twice
        }
        space = piece.text.ends_with(' ');
        if (space) piece.text.pop_back();
        if (piece.text.empty()) return;
      } else {
        piece.text = std::string(scanned.body);
      }
      detail::scan_filters(scanned.filters, 0, [&](std::string_view name, std::string_view argument) {
        for (const auto& known : detail::filter_names)
          if (known.name == name) piece.filters.push_back(known.filter);
        if (name == "keep") piece.keep = true;
        if (name == "cut_head") piece.cut_head = true;
        if (name == "max") piece.limit = detail::parse_count(argument, true);
        if (name == "demo_max") piece.demo_limit = detail::parse_count(argument, true);
      });
      pieces.push_back(std::move(piece));
    });
    if (error.fault != detail::TemplateFault::none) detail::fail_scan(text, error, answer);
    return pieces;
  }

  Grammar grammar_;
  std::string text_;
  std::vector<Piece> pieces_;
  std::optional<std::string> demo_text_;
  std::optional<std::vector<Piece>> demo_;
  Index masks_ = 0;
  bool wraps_ = true;
  bool cuts_anywhere_ = false;
  bool expanded_ = false;
  LmbffOptions lmbff_options_{};
};

}  // namespace cloze
