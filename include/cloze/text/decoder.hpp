// Decoders: the spellings of tokens are joined to a text again. A list of steps, each named as in tokenizer.json.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/text/bpe.hpp>
#include <cloze/text/step_list.hpp>
#include <cloze/text/unicode.hpp>

namespace cloze::detail::text {

/// One step of a decoder.
class DecoderStep {
 public:
  virtual ~DecoderStep() = default;
  virtual void apply(std::vector<std::string>& tokens) const = 0;
  virtual std::string describe() const = 0;
};

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

/// Pieces that begin with `prefix` go on with the word before them; `cleanup` takes spaces before punctuation back.
struct WordPieceDecoder final : DecoderStep {
  WordPieceDecoder(std::string marker, bool clean) : prefix(std::move(marker)), cleanup(clean) {}

  void apply(std::vector<std::string>& tokens) const override {
    static constexpr std::pair<std::string_view, std::string_view> spaces[] = {
        {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
        {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      std::string& token = tokens[i];
      if (i > 0) {
        if (token.starts_with(prefix)) {
          token.erase(0, prefix.size());
        } else {
          token.insert(0, " ");
        }
      }
      if (!cleanup) continue;
      for (const auto& [from, to] : spaces) replace_all(token, from, to);
    }
  }
  std::string describe() const override { return formatted("wordpiece {} {}", prefix, cleanup); }

  std::string prefix;
  bool cleanup;
};

/// Symbols become bytes; what is not UTF-8 then becomes U+FFFD.
struct ByteLevelDecoder final : DecoderStep {
  void apply(std::vector<std::string>& tokens) const override {
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
  std::string describe() const override { return "bytes"; }
};

/// `replacement` becomes a space; at the very beginning nothing, where the pre-tokenizer put it there.
struct MetaspaceDecoder final : DecoderStep {
  MetaspaceDecoder(char32_t for_space, bool without_first) : replacement(for_space), drop_first(without_first) {}

  void apply(std::vector<std::string>& tokens) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      std::string text;
      for (const char32_t point : to_points(tokens[i])) {
        if (point != replacement) {
          append_utf8(text, point);
        } else if (i > 0 || !drop_first) {
          text += ' ';
        }
      }
      tokens[i] = std::move(text);
    }
  }
  std::string describe() const override {
    return formatted("metaspace {} {}", static_cast<std::uint32_t>(replacement), drop_first);
  }

  char32_t replacement;
  bool drop_first;
};

/// The steps in order, then everything joined; without steps, tokens are joined by spaces.
class Decoder : public StepList<DecoderStep> {
 public:
  std::string operator()(std::vector<std::string> tokens) const {
    for (const auto& step : steps_) step->apply(tokens);
    std::string text;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (i > 0 && steps_.empty()) text += ' ';
      text += tokens[i];
    }
    return text;
  }
};

}  // namespace cloze::detail::text
