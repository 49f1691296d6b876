// Template grammars: whatever the text, an Error or a template that renders with its masks where it says.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cloze/prompt/render.hpp>

namespace {

using namespace cloze;

/// Every byte a token, below the special ones.
struct ByteTokenizer {
  static constexpr int mask = 259;
  SpecialTokens roles{TokenId{256}, TokenId{257}, TokenId{mask}, TokenId{258}, TokenId{260}, {}, {}};

  std::vector<TokenId> encode(std::string_view text) const {
    std::vector<TokenId> ids;
    for (const char c : text) ids.push_back(static_cast<TokenId>(static_cast<unsigned char>(c)));
    return ids;
  }
  std::string decode(std::span<const TokenId>) const { return {}; }
  Index vocab_size() const { return 261; }
  const SpecialTokens& special() const { return roles; }
  std::optional<TokenId> find(std::string_view) const { return std::nullopt; }
  std::string_view token(TokenId) const { return "x"; }
  std::string_view word_prefix() const { return " "; }
};

void require_true(bool ok) {
  if (!ok) std::abort();
}

void check(const Template& prompt, std::string_view data) {
  const ByteTokenizer tokenizer;
  const std::vector<TokenId> words{TokenId{'n'}, TokenId{'y'}};
  const Example query{.text_a = std::string(data), .text_b = "second", .meta = {{"k", "v"}}, .source = "fuzz:1"};
  const std::vector<Demonstration> demos{{&query, LabelId{0}}, {&query, LabelId{1}}};
  for (const Index budget : {Index{8}, Index{64}, Index{100000}})
    for (const Truncation policy : {Truncation::longest, Truncation::tail, Truncation::head})
      for (const std::size_t shown : {std::size_t{0}, demos.size()}) {
        try {
          const RenderOptions options{.max_length = budget, .truncation = policy, .segments = true};
          const Prompt found = render(prompt, query, std::span(demos).first(shown), tokenizer, words, options);
          require_true(static_cast<Index>(found.ids.size()) <= budget);
          Index masks = 0;
          for (const TokenId id : found.ids) masks += value(id) == ByteTokenizer::mask ? 1 : 0;
          for (const Index at : found.masks)
            require_true(value(found.ids.at(static_cast<std::size_t>(at))) == ByteTokenizer::mask);
          require_true(prompt.cuts_anywhere() || masks == prompt.masks());
          require_true(prompt.cuts_anywhere() || static_cast<Index>(found.masks.size()) == masks);
          require_true(found.segments.empty() || found.segments.size() == found.ids.size());
        } catch (const Error&) {
        }
      }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    switch (data[0] % 4) {
      case 0:
        check(Template::parse(text), text);
        break;
      case 1:
        check(Template::openprompt(text), text);
        break;
      case 2:
        check(Template::lmbff(text, {.compat = size % 2 == 0, .first_sent_limit = 5}), text);
        break;
      default:
        check(Template::lmbff(lmbff_expand_demos(text, 2, size % 2 == 0), {.other_sent_limit = 3}), text);
    }
  } catch (const Error&) {
  }
  return 0;
}
