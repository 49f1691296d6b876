// tokenizer.json: whatever the bytes, an Error or a tokenizer that encodes and decodes without harm.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <cloze/text/tokenizer_folder.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cloze;
  using namespace cloze::detail::text;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    TokenizerParts parts = build_parts(read_tokenizer_json(bytes, "fuzz"), "fuzz");
    parts.special = default_special_tokens(parts);
    finish_parts(parts);
    // The file is a text too, and one that is full of the vocabulary's own words.
    for (const std::string_view text : {bytes, std::string_view("  a cafe\u0301 [MASK]s \u6587\u5B57\u2581\n")}) {
      EncodeScratch scratch;
      std::vector<TokenId> ids;
      std::vector<TokenId> tracked;
      std::vector<TextSpan> spans;
      parts.encode(text, scratch, ids, nullptr);
      parts.encode(text, scratch, tracked, &spans);
      if (ids != tracked || ids.size() != spans.size()) std::abort();
      std::vector<std::string> tokens;
      for (const TokenId id : ids) tokens.emplace_back(parts.vocabulary.token(id));
      parts.decoder(std::move(tokens));
      for (const TextSpan& span : spans) {
        if (span.begin < 0 || span.begin > span.end || span.end > static_cast<Index>(text.size())) std::abort();
      }
    }
  } catch (const Error&) {
  }
  return 0;
}
