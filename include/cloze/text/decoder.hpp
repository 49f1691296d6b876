// Decoders: the spellings of tokens are joined to a text again. A list of steps, each named as in tokenizer.json.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/text/bpe.hpp>
#include <cloze/text/unicode.hpp>

namespace cloze::detail::text {

/// Pieces that begin with `prefix` go on with the word before them; `cleanup` takes spaces before punctuation back.
struct WordPieceDecoder {
  std::string prefix = "##";
  bool cleanup = true;
};

/// Symbols become bytes; what is not UTF-8 then becomes U+FFFD.
struct ByteLevelDecoder {};

/// `replacement` becomes a space; at the very beginning nothing, where the pre-tokenizer put it there.
struct MetaspaceDecoder {
  char32_t replacement = 0x2581;
  bool drop_first = true;
};

using DecoderStep = std::variant<WordPieceDecoder, ByteLevelDecoder, MetaspaceDecoder>;

inline void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

/// UTF-8 with every part that is not replaced by U+FFFD: one for each longest beginning of a code point.
inline std::string to_valid_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const Decoded next = decode_point(bytes, at);
    if (next.bytes > 0) {
      text.append(bytes, at, static_cast<std::size_t>(next.bytes));
      at += static_cast<std::size_t>(next.bytes);
      continue;
    }
    append_utf8(text, 0xFFFD);
    const auto lead = static_cast<unsigned char>(bytes[at++]);
    if (lead < 0xC2 || lead > 0xF4) continue;
    // The second byte of a few leads is bounded: that is what rules out overlong forms and surrogates.
    const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    for (int i = 0; i < more && at < bytes.size(); ++i) {
      const auto byte = static_cast<unsigned char>(bytes[at]);
      const unsigned low = i > 0 ? 0x80 : lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
      const unsigned high = i > 0 ? 0xBF : lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
      if (byte < low || byte > high) break;
      ++at;
    }
  }
  return text;
}

inline void apply(const WordPieceDecoder& step, std::vector<std::string>& tokens) {
  static constexpr std::pair<std::string_view, std::string_view> spaces[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    std::string& token = tokens[i];
    if (i > 0) {
      if (token.starts_with(step.prefix)) {
        token.erase(0, step.prefix.size());
      } else {
        token.insert(0, " ");
      }
    }
    if (!step.cleanup) continue;
    for (const auto& [from, to] : spaces) replace_all(token, from, to);
  }
}

inline void apply(const ByteLevelDecoder&, std::vector<std::string>& tokens) {
  std::string bytes;
  std::string one;
  for (const std::string& token : tokens) {
    one.clear();
    for (std::size_t at = 0; at < token.size();) {
      const Decoded next = decode_point(token, at);
      const int byte = next.bytes > 0 ? symbol_byte(next.point) : -1;
      if (byte < 0) {  // not spelled in symbols: an added token, which stands for itself
        one = token;
        break;
      }
      one += static_cast<char>(byte);
      at += static_cast<std::size_t>(next.bytes);
    }
    bytes += one;
  }
  tokens.assign(1, to_valid_utf8(bytes));
}

inline void apply(const MetaspaceDecoder& step, std::vector<std::string>& tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    std::string text;
    for (const char32_t point : to_points(tokens[i])) {
      if (point != step.replacement) {
        append_utf8(text, point);
      } else if (i > 0 || !step.drop_first) {
        text += ' ';
      }
    }
    tokens[i] = std::move(text);
  }
}

/// The steps in order, then everything joined; without steps, tokens are joined by spaces.
class Decoder {
 public:
  void add(DecoderStep step) { steps_.push_back(std::move(step)); }

  std::string operator()(std::vector<std::string> tokens) const {
    for (const DecoderStep& step : steps_) std::visit([&](const auto& s) { apply(s, tokens); }, step);
    std::string text;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (i > 0 && steps_.empty()) text += ' ';
      text += tokens[i];
    }
    return text;
  }

  const std::vector<DecoderStep>& steps() const { return steps_; }

  /// Everything that decides what the decoder does, as text (for the content hash).
  std::string describe() const {
    std::string all;
    for (const DecoderStep& step : steps_) all += std::visit([](const auto& s) { return describe(s); }, step) + ";";
    return all;
  }

 private:
  static std::string describe(const WordPieceDecoder& s) { return formatted("wordpiece {} {}", s.prefix, s.cleanup); }
  static std::string describe(const ByteLevelDecoder&) { return "bytes"; }
  static std::string describe(const MetaspaceDecoder& s) {
    return formatted("metaspace {} {}", static_cast<std::uint32_t>(s.replacement), s.drop_first);
  }

  std::vector<DecoderStep> steps_;
};

}  // namespace cloze::detail::text
