// The shared golden lines: 3,843 texts of real and hostile Unicode, ids and spans by Hugging Face tokenizers.
#include <cloze/text/tokenizer.hpp>

#include "support/catch.hpp"
#include "support/shared.hpp"

using namespace cloze;

namespace {

std::vector<std::vector<int>> numbers(const std::vector<std::vector<TokenId>>& all) {
  std::vector<std::vector<int>> values;
  for (const auto& ids : all) {
    values.emplace_back();
    for (const TokenId id : ids) values.back().push_back(static_cast<int>(value(id)));
  }
  return values;
}

std::size_t unequal(const std::vector<std::vector<int>>& found, const std::vector<std::vector<int>>& wanted) {
  REQUIRE(found.size() == wanted.size());
  std::size_t count = 0;
  for (std::size_t i = 0; i < found.size(); ++i) count += found[i] == wanted[i] ? 0 : 1;
  return count;
}

}  // namespace

TEST_CASE("all golden lines have the ids and the spans of Hugging Face tokenizers") {
  CLOZE_SHARED_OR_SKIP(folder, "data/golden/tokens");
  const auto lines = read_json(folder / "lines.json").get<std::vector<std::string>>();
  REQUIRE(lines.size() == 3843);
  for (const std::string name : {"roberta", "roberta_prefix_space", "gpt2", "bert_uncased", "bert_cased_option"}) {
    INFO(name);
    const Tokenizer tokenizer = Tokenizer::from_pretrained(folder / name);
    const auto wanted = read_json(folder / (name + ".json")).get<std::vector<std::vector<int>>>();
    CHECK(unequal(numbers(tokenizer.encode_batch(lines)), wanted) == 0);
    std::vector<std::vector<TokenId>> ids;
    nlohmann::json spans = nlohmann::json::array();
    for (const std::string& line : lines) {
      Encoding encoding = tokenizer.encode_with_offsets(line);
      nlohmann::json one = nlohmann::json::array();
      for (const TextSpan& span : encoding.offsets) one.push_back({span.begin, span.end});
      spans.push_back(std::move(one));
      ids.push_back(std::move(encoding.ids));
    }
    CHECK(unequal(numbers(ids), wanted) == 0);
    const auto offsets = folder / ("offsets_" + name + ".json");
    if (!std::filesystem::exists(offsets)) continue;
    const nlohmann::json wanted_spans = read_json(offsets);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) wrong += spans[i] == wanted_spans[i] ? 0 : 1;
    CHECK(wrong == 0);
  }
}

TEST_CASE("decoding byte-level ids gives the text back") {
  CLOZE_SHARED_OR_SKIP(folder, "data/golden/tokens");
  const auto lines = read_json(folder / "lines.json").get<std::vector<std::string>>();
  const Tokenizer tokenizer = Tokenizer::from_pretrained(folder / "roberta");
  std::size_t wrong = 0;
  for (const std::string& line : lines) wrong += tokenizer.decode(tokenizer.encode(line), false) == line ? 0 : 1;
  CHECK(wrong == 0);
}

TEST_CASE("vocabulary files give the same tokenizer as tokenizer.json") {
  CLOZE_SHARED_OR_SKIP(data, "data");
  const Tokenizer roberta = Tokenizer::from_pretrained(data / "tokenizers/roberta-base");
  CHECK(roberta.hash() == Tokenizer::from_pretrained(data / "golden/tokens/roberta").hash());
  CHECK(roberta.hash() != Tokenizer::from_pretrained(data / "golden/tokens/roberta_prefix_space").hash());
  CHECK(roberta.vocab_size() == 50265);
  CHECK(roberta.special().mask == TokenId{50264});
  CHECK(roberta.special().cls == TokenId{0});
  CHECK(roberta.special().bos == TokenId{0});
  CHECK(roberta.special().pad == TokenId{1});
  CHECK(roberta.word_prefix() == " ");
  REQUIRE_ERROR(roberta.token(TokenId{50262}), "cloze.text.4");
  const Tokenizer gpt2 = Tokenizer::from_pretrained(data / "tokenizers/gpt2");
  CHECK(gpt2.hash() == Tokenizer::from_pretrained(data / "golden/tokens/gpt2").hash());
  CHECK(gpt2.special().eos == TokenId{50256});
  CHECK_FALSE(gpt2.special().mask.has_value());
  const Tokenizer bert = Tokenizer::from_pretrained(data / "tokenizers/bert-base-uncased");
  CHECK(bert.hash() == Tokenizer::from_pretrained(data / "golden/tokens/bert_uncased").hash());
  CHECK(bert.hash() == Tokenizer::from_pretrained(data / "weights/minilm-mlm").hash());
  CHECK(bert.special().mask == TokenId{103});
  CHECK(bert.word_prefix().empty());
  CHECK(bert.decode(bert.encode("It was great, wasn't it?")) == "it was great, wasn ' t it?");
}

TEST_CASE("special tokens are skipped by decode and never found in a text") {
  CLOZE_SHARED_OR_SKIP(folder, "data/weights/minilm-mlm");
  const Tokenizer tokenizer = Tokenizer::from_pretrained(folder);
  const SpecialTokens& special = tokenizer.special();
  const std::vector<TokenId> ids{*special.cls, *tokenizer.find("great"), *special.mask, *special.sep, *special.pad};
  CHECK(tokenizer.decode(ids) == "great");
  CHECK(tokenizer.decode(ids, false) == "[CLS] great [MASK] [SEP] [PAD]");
  for (const TokenId id : tokenizer.encode("a [MASK] b [SEP] [CLS] [PAD] [UNK]")) {
    CHECK(id != *special.mask);
    CHECK(id != *special.sep);
    CHECK(id != *special.unk);
  }
}
