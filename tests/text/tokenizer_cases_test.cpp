// Small tokenizers of every supported kind against what Hugging Face tokenizers answers (tests/golden/make_text.py).
// CLOZE_TEXT_CASES names another file of cases, such as a large one from the same script.
#include <cloze/text/tokenizer.hpp>

#include <cstdlib>
#include <filesystem>

#include "support/catch.hpp"
#include "text/temp_folder.hpp"

using namespace cloze;

namespace {

std::filesystem::path cases_path() {
  if (const char* set = std::getenv("CLOZE_TEXT_CASES")) return set;
  return std::filesystem::path(__FILE__).parent_path() / "data" / "tokenizers.json";
}

std::vector<Index> flat(const std::vector<TextSpan>& spans) {
  std::vector<Index> values;
  for (const TextSpan& span : spans) values.insert(values.end(), {span.begin, span.end});
  return values;
}

std::vector<int> numbers(const std::vector<TokenId>& ids) {
  std::vector<int> values;
  for (const TokenId id : ids) values.push_back(static_cast<int>(value(id)));
  return values;
}

}  // namespace

TEST_CASE("every supported component gives the ids, spans and decoded text of Hugging Face tokenizers") {
  const nlohmann::json all = read_json(cases_path());
  const auto texts = all.at("texts").get<std::vector<std::string>>();
  REQUIRE(all.at("cases").size() >= 20);
  cloze::test::TempFolder folder;
  for (const nlohmann::json& one : all.at("cases")) {
    const auto name = one.at("name").get<std::string>();
    write_file_atomically(folder / "tokenizer.json", one.at("tokenizer").dump());
    const Tokenizer tokenizer = Tokenizer::from_file(folder / "tokenizer.json");
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const Encoding encoding = tokenizer.encode_with_offsets(texts[i]);
      const auto wanted = one.at("ids")[i].get<std::vector<int>>();
      const auto spans = one.at("offsets")[i].get<std::vector<Index>>();
      const nlohmann::json& text = one.at("decoded")[i];  // null where it is not compared
      const bool equal = numbers(encoding.ids) == wanted && flat(encoding.offsets) == spans &&
                         tokenizer.encode(texts[i]) == encoding.ids &&
                         (text.is_null() || tokenizer.decode(encoding.ids, false) == text.get<std::string>());
      wrong += equal ? 0 : 1;
      if (equal || wrong > 3) continue;
      const auto show = [](const nlohmann::json& json) { return json.dump(-1, ' ', true).substr(0, 300); };
      UNSCOPED_INFO(name << ": text " << i << " " << show(texts[i]) << "\n ids " << show(numbers(encoding.ids))
                         << "\n want " << show(wanted) << "\n spans " << show(flat(encoding.offsets)) << "\n want "
                         << show(spans) << "\n text " << show(tokenizer.decode(encoding.ids, false)) << "\n want "
                         << show(text));
    }
    INFO(name);
    CHECK(wrong == 0);
  }
}
