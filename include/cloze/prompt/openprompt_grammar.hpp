// OpenPrompt's template grammar, `{"placeholder": "text_a"} It was {"mask"}.`, read without evaluating any code
// (Ding et al.: "OpenPrompt: an open-source framework for prompt-learning", ACL 2022 demos).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/ids.hpp>
#include <cloze/prompt/piece.hpp>
#include <cloze/prompt/template_error.hpp>

namespace cloze::detail {

/// What stands after a key: a string, a number, True, False, None, or the text of a lambda.
struct OpenpromptValue {
  enum class Kind { none, boolean, number, string, lambda } kind = Kind::none;
  std::string text = {};  // string or lambda
  Index number = 0;       // number, or 1 for True
  std::size_t at = 0;
};

struct OpenpromptLambda {
  std::string_view body;  // without spaces, its argument named s
  Filter filter;
};
inline constexpr std::array<OpenpromptLambda, 9> openprompt_lambdas{{
    {"s[:-1]", Filter::drop_last},
    {"s[:1].lower()+s[1:]", Filter::lower_first},
    {"s[0].lower()+s[1:]", Filter::lower_first},
    {"s[:1].upper()+s[1:]", Filter::upper_first},
    {"s[0].upper()+s[1:]", Filter::upper_first},
    {"s.lower()", Filter::lower},
    {"s.strip()", Filter::strip},
    {"s.rstrip(string.punctuation)", Filter::strip_punctuation},
    {"s.rstrip('.')", Filter::strip_period},
}};

/// Parses one template. A cursor over the text; every error names its column.
class OpenpromptParser {
 public:
  explicit OpenpromptParser(std::string_view text) : text_(text) {}

  /// Errors: [cloze.template.1] a brace without partner, [cloze.template.2] an unknown key, [cloze.template.3] an
  /// unknown post_processing, [cloze.template.4] a count, [cloze.template.5] no mask, [cloze.template.6] a key where it
  /// means nothing, [cloze.template.7] not UTF-8, [cloze.template.9] not Python's syntax for a dict or set of such
  /// values.
  std::vector<Piece> parse() {
    for (std::size_t i = 0; i < text_.size();) {
      const std::size_t size = utf8_sequence(text_.substr(i));
      if (size == 0) fail_in_template("cloze.template.7", text_, i, "the template is not UTF-8");
      i += size;
    }
    while (at_ < text_.size()) {
      const bool space = text_[at_] == ' ' || (at_ > 0 && text_[at_ - 1] == ' ');
      at_ = std::min(text_.find_first_not_of(' ', at_), text_.size());
      if (at_ == text_.size()) break;
      if (text_[at_] == '{') {
        braces(space);
      } else {
        const std::size_t end = std::min(text_.find('{', at_), text_.size());
        const std::string_view literal = text_.substr(at_, end - at_);
        pieces_.push_back({.kind = PieceKind::literal,
                           .text = std::string(literal.substr(0, literal.find_last_not_of(' ') + 1)),
                           .space = space});
        at_ = end;
      }
    }
    const bool masked =
        std::any_of(pieces_.begin(), pieces_.end(), [](const Piece& p) { return p.kind == PieceKind::mask; });
    if (!masked) fail_in_template("cloze.template.5", text_, text_.size(), "no {\"mask\"}");
    return std::move(pieces_);
  }

 private:
  using Kind = OpenpromptValue::Kind;

  [[noreturn]] void syntax(std::string_view message) const {
    fail_in_template("cloze.template.9", text_, at_, message);
  }

  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || (text_[at_] >= '\t' && text_[at_] <= '\r'))) ++at_;
  }

  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  std::string quoted() {
    const char quote = text_[at_++];
    std::string value;
    for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] != '\\') {
        value += text_[at_];
        continue;
      }
      if (++at_ >= text_.size()) break;
      switch (text_[at_]) {
        case 'n':
          value += '\n';
          break;
        case 't':
          value += '\t';
          break;
        case '\\':
        case '\'':
        case '"':
          value += text_[at_];
          break;
        default:
          syntax("an escape other than \\n, \\t, \\\\, \\' and \\\"");
      }
    }
    if (at_ >= text_.size()) syntax("a string that is never closed");
    ++at_;
    return value;
  }

  OpenpromptValue read_value() {
    skip_blanks();
    OpenpromptValue value{.at = at_};
    if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'')) {
      value.kind = Kind::string;
      value.text = quoted();
    } else if (take("True") || take("False")) {
      value.kind = Kind::boolean;
      value.number = text_[at_ - 2] == 'u' ? 1 : 0;
    } else if (take("None")) {
      value.kind = Kind::none;
    } else if (take("lambda ")) {
      value.kind = Kind::lambda;
      int depth = 0;  // the lambda ends at a comma or brace outside its own brackets and strings
      std::size_t end = at_;
      for (char quote = 0; end < text_.size(); ++end) {
        const char c = text_[end];
        if (quote != 0) {
          quote = c == quote ? char{0} : quote;
        } else if (c == '"' || c == '\'') {
          quote = c;
        } else if (c == '(' || c == '[' || c == '{') {
          ++depth;
        } else if (depth == 0 && (c == ',' || c == '}')) {
          break;
        } else if (c == ')' || c == ']' || c == '}') {
          --depth;
        }
      }
      value.text = "lambda " + std::string(text_.substr(at_, end - at_));
      at_ = end;
    } else {
      const std::size_t end = std::min(text_.find_first_not_of("0123456789", at_), text_.size());
      value.number = parse_count(text_.substr(at_, end - at_), true);
      if (value.number < 0) syntax("wanted a string, a number, True, False, None or a lambda");
      value.kind = Kind::number;
      at_ = end;
    }
    return value;
  }

  void braces(bool space) {
    const std::size_t open = at_++;
    std::map<std::string, OpenpromptValue> values;
    for (;;) {
      skip_blanks();
      if (at_ >= text_.size()) fail_in_template("cloze.template.1", text_, open, "this brace is never closed");
      if (text_[at_] == '}') break;
      if (text_[at_] != '"' && text_[at_] != '\'') syntax("wanted a key in quotes");
      const std::size_t key_at = at_;
      std::string key = quoted();
      skip_blanks();
      OpenpromptValue value{.at = key_at};
      if (take(":")) value = read_value();
      values[std::move(key)] = std::move(value);
      skip_blanks();
      if (at_ < text_.size() && text_[at_] != '}' && !take(",")) syntax("wanted a comma or a closing brace");
    }
    ++at_;
    add_piece(open, std::move(values), space);
  }

  std::string string_of(const OpenpromptValue& value) const {
    if (value.kind != Kind::string) fail_in_template("cloze.template.9", text_, value.at, "wanted a string here");
    return value.text;
  }

  void add_piece(std::size_t open, std::map<std::string, OpenpromptValue> values, bool space) {
    static constexpr std::array<std::string_view, 6> primary{"placeholder", "meta", "mask", "soft", "special", "text"};
    static constexpr std::array<std::string_view, 6> secondary{"soft_id",     "duplicate",       "same",
                                                               "shortenable", "post_processing", "add_prefix_space"};
    std::string_view main;
    for (const auto& [key, value] : values) {
      if (std::find(primary.begin(), primary.end(), key) != primary.end()) {
        if (!main.empty())
          fail_in_template("cloze.template.6", text_, value.at,
                           "two of placeholder, meta, mask, soft, special, text in one brace");
        main = key;
      } else if (std::find(secondary.begin(), secondary.end(), key) == secondary.end()) {
        fail_in_template("cloze.template.2", text_, value.at, "unknown key \"" + key + "\"");
      }
    }
    if (main.empty() && values.contains("soft_id")) main = "soft";
    if (main.empty())
      fail_in_template("cloze.template.2", text_, open, "none of placeholder, meta, mask, soft, special, text");
    Piece piece{.space = space};
    if (const auto set = values.find("add_prefix_space"); set != values.end()) {
      const std::string prefix = string_of(set->second);
      if (prefix != "" && prefix != " ")
        fail_in_template("cloze.template.6", text_, set->second.at, "add_prefix_space: wanted \"\" or \" \"");
      piece.space = prefix == " ";
    }
    if (main == "placeholder" || main == "meta") {
      text_piece(piece, main == "meta", values);
    } else if (main == "text") {
      piece.text = string_of(values["text"]);
    } else if (main == "mask") {
      piece.kind = PieceKind::mask;
    } else if (main == "special") {
      piece.kind = PieceKind::special;
      std::string name = string_of(values["special"]);
      if (name.starts_with('<') && name.ends_with('>') && name.size() > 2) name = name.substr(1, name.size() - 2);
      const auto role = std::find(special_names.begin(), special_names.end(), name);
      if (role == special_names.end())
        fail_in_template("cloze.template.2", text_, values["special"].at,
                         "unknown special token; wanted <cls>, <sep>, <bos>, <eos> or <pad>");
      piece.special = static_cast<SpecialRole>(role - special_names.begin());
    } else {
      soft_piece(piece, values);
      return;
    }
    common(piece, values);
    pieces_.push_back(std::move(piece));
  }

  void text_piece(Piece& piece, bool meta, std::map<std::string, OpenpromptValue>& values) {
    const OpenpromptValue& value = values[meta ? "meta" : "placeholder"];
    const std::string name = string_of(value);
    piece.kind = meta ? PieceKind::meta : PieceKind::text;
    piece.keep = meta;
    if (meta) {
      piece.text = name;
    } else {
      if (name != "text_a" && name != "text_b")
        fail_in_template("cloze.template.2", text_, value.at,
                         "unknown placeholder \"" + name + "\"; wanted text_a or text_b");
      piece.slot = name == "text_a" ? 0 : 1;
    }
  }

  // "shortenable" and "post_processing", where they mean something.
  void common(Piece& piece, std::map<std::string, OpenpromptValue>& values) {
    const bool is_text = piece.kind == PieceKind::text || piece.kind == PieceKind::meta;
    if (const auto set = values.find("shortenable"); set != values.end()) {
      if (set->second.kind != Kind::boolean)
        fail_in_template("cloze.template.9", text_, set->second.at, "shortenable: wanted True or False");
      const bool shorten = set->second.number == 1;
      if (shorten && !is_text && piece.kind != PieceKind::literal)
        fail_in_template("cloze.template.6", text_, set->second.at, "a mask or special token is never shortened");
      piece.keep = is_text && !shorten;
      piece.shorten = !is_text && shorten;
    }
    if (const auto set = values.find("post_processing"); set != values.end()) {
      if (!is_text)
        fail_in_template("cloze.template.6", text_, set->second.at, "post_processing belongs to placeholder and meta");
      piece.filters.push_back(filter_of(set->second));
    }
    for (const char* key : {"duplicate", "same", "soft_id"})
      if (values.contains(key))
        fail_in_template("cloze.template.6", text_, values[key].at, "this key belongs to soft tokens");
  }

  Filter filter_of(const OpenpromptValue& value) const {
    std::string body;
    const std::size_t colon = value.text.find(':');
    if (value.text.starts_with("lambda ") && colon != std::string::npos) {
      std::string name = value.text.substr(7, colon - 7);
      std::erase(name, ' ');
      body = value.text.substr(colon + 1);
      std::erase(body, ' ');
      std::replace(body.begin(), body.end(), '"', '\'');
      // Rename the argument, where it stands as a whole word at the start of the body or after its '+'.
      for (std::size_t at = 0; at != std::string::npos && !name.empty();) {
        if (std::string_view(body).substr(at).starts_with(name)) body.replace(at, name.size(), "s");
        at = body.find('+', at);
        if (at != std::string::npos) ++at;
      }
    }
    for (const OpenpromptLambda& known : openprompt_lambdas)
      if (known.body == body) return known.filter;
    fail_in_template("cloze.template.3", text_, value.at,
                     "code is never evaluated, and this post_processing is not one of the known ones: s[:-1], "
                     "s[:1].lower() + s[1:], s[:1].upper() + s[1:], s.lower(), s.strip(), s.rstrip('.'), "
                     "s.rstrip(string.punctuation)");
  }

  Index positive(const OpenpromptValue& value) const {
    if (value.kind != Kind::number || value.number < 1 || value.number > template_max_count)
      fail_in_template("cloze.template.4", text_, value.at, "wanted a number from 1 to 1000");
    return value.number;
  }

  void soft_piece(Piece& piece, std::map<std::string, OpenpromptValue>& values) {
    piece.kind = PieceKind::soft;
    const auto text = values.find("soft");
    if (text != values.end() && text->second.kind != Kind::none) piece.initial = string_of(text->second);
    if (!piece.initial.empty() && piece.space) piece.initial.insert(0, " ");
    const auto id = values.find("soft_id");
    if (id != values.end()) {
      piece.text = "soft_id " + std::to_string(positive(id->second));
      if (const auto first = initial_.find(piece.text); first != initial_.end()) {
        piece.initial = first->second;  // the first one that names an id says what it starts from
      } else {
        initial_[piece.text] = piece.initial;
      }
    } else {
      piece.text = "soft " + std::to_string(++anonymous_);
    }
    piece.count = piece.initial.empty() ? 1 : 0;
    Index copies = 1;
    const auto duplicate = values.find("duplicate");
    if (duplicate != values.end()) copies = positive(duplicate->second);
    if (duplicate != values.end() && !piece.initial.empty())
      fail_in_template("cloze.template.6", text_, duplicate->second.at,
                       "duplicate does not go with a text to start from");
    const auto same = values.find("same");
    if (same != values.end() && same->second.kind != Kind::boolean)
      fail_in_template("cloze.template.9", text_, same->second.at, "same: wanted True or False");
    for (const char* key : {"shortenable", "post_processing"})
      if (values.contains(key))
        fail_in_template("cloze.template.6", text_, values[key].at, "this key does not belong to soft tokens");
    if (same != values.end() && same->second.number == 1) {
      for (Index i = 0; i < copies; ++i) pieces_.push_back(piece);
    } else {
      if (copies > 1) piece.count = copies;
      pieces_.push_back(std::move(piece));
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Piece> pieces_;
  std::map<std::string, std::string> initial_;
  Index anonymous_ = 0;
};

}  // namespace cloze::detail
