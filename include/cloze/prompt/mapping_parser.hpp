// MappingParser: LM-BFF's mappings are Python dicts; this reads them without running them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/text/unicode.hpp>

namespace cloze::detail {

/// A flat Python dict of strings, as LM-BFF's mappings are: keys are strings in single or double quotes or integers,
/// values strings. (The original hands the text to eval; here it is only data.)
class MappingParser {
 public:
  MappingParser(std::string_view text, std::string_view where) : text_(text), where_(where) {}

  std::vector<std::pair<std::string, std::string>> parse() {
    std::vector<std::pair<std::string, std::string>> entries;
    expect('{');
    while (peek() != '}') {
      const std::size_t begin = at_;
      std::string key = peek() == '"' || peek() == '\'' ? quoted() : integer();
      for (const auto& [known, word] : entries)
        if (known == key) fail_at(begin, "a key that was not there before, not \"" + key + "\" again");
      expect(':');
      if (peek() != '"' && peek() != '\'') fail_at(at_, "a word in quotes");
      entries.emplace_back(std::move(key), quoted());
      if (peek() != ',') break;
      ++at_;
    }
    expect('}');
    if (peek() != '\0' || at_ < text_.size()) fail_at(at_, "nothing after the closing brace");
    return entries;
  }

 private:
  /// The next character that is no space; 0 at the end.
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r')) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  void expect(char wanted) {
    if (peek() != wanted || at_ >= text_.size()) fail_at(at_, std::string("'") + wanted + "'");
    ++at_;
  }
  std::string integer() {
    const std::size_t begin = at_;
    if (at_ < text_.size() && text_[at_] == '-') ++at_;
    const std::size_t digits = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    if (at_ == digits) fail_at(begin, "a label: a number or a string in quotes");
    return std::string(text_.substr(begin, at_ - begin));
  }
  std::string quoted() {
    const char quote = text_[at_++];
    std::string value;
    while (at_ < text_.size() && text_[at_] != quote) {
      if (text_[at_] != '\\') {
        value += text_[at_++];
        continue;
      }
      const std::size_t begin = at_++;
      const char kind = at_ < text_.size() ? text_[at_++] : '\0';
      switch (kind) {
        case 'u':
          detail::text::append_utf8(value, escaped_point(begin));
          break;
        case 'n':
          value += '\n';
          break;
        case 't':
          value += '\t';
          break;
        case '\\':
        case '\'':
        case '"':
        case '/':
          value += kind;
          break;
        default:
          fail_at(begin, R"(\\, \', \", \/, \n, \t or \uXXXX)");
      }
    }
    if (at_ >= text_.size()) fail_at(at_, std::string("the closing ") + quote);
    ++at_;
    return value;
  }
  /// Four hexadecimal digits, and for a character beyond them a second escape.
  char32_t escaped_point(std::size_t begin) {
    const auto four = [&] {
      char32_t point = 0;
      for (int i = 0; i < 4; ++i, ++at_) {
        const char c = at_ < text_.size() ? text_[at_] : '\0';
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0) fail_at(begin, "\\u and four hexadecimal digits");
        point = point * 16 + static_cast<char32_t>(digit);
      }
      return point;
    };
    const char32_t point = four();
    if (point < 0xD800 || point > 0xDFFF) return point;
    if (point > 0xDBFF || text_.substr(at_, 2) != "\\u") fail_at(begin, "a whole character, not half a surrogate pair");
    at_ += 2;
    const char32_t low = four();
    if (low < 0xDC00 || low > 0xDFFF) fail_at(begin, "a whole character, not half a surrogate pair");
    return 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
  }
  [[noreturn]] void fail_at(std::size_t at, const std::string& wanted) const {
    fail("cloze.mapping.1", "{}: column {}: wanted {} in the mapping {}", where_, at + 1, wanted, text_);
  }

  std::string_view text_, where_;
  std::size_t at_ = 0;
};

}  // namespace cloze::detail
