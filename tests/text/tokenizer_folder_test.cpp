// Tokenizer folders: which files are read, who the special tokens are, writing them back, and what is refused.
#include <cloze/text/tokenizer.hpp>

#include <string>
#include <thread>

#include "support/catch.hpp"
#include "text/temp_folder.hpp"

using namespace cloze;
using cloze::test::TempFolder;
using namespace std::string_literals;

namespace {

const std::string vocab_txt = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ngreat\n##ly\ncafe\nCaf\u00e9\n,\n";
const std::string vocab_json = R"({"<s>":0,"<pad>":1,"</s>":2,"<unk>":3,"<mask>":4,"a":5,"b":6,"ab":7,"Ġ":8,"Ġab":9})";
const std::string merges_txt = "#version: 0.2\na b\nĠ ab\n";

std::vector<TokenId> ids(std::initializer_list<int> values) {
  std::vector<TokenId> result;
  for (const int value : values) result.push_back(TokenId{value});
  return result;
}

}  // namespace

TEST_CASE("vocab.txt is BERT's tokenizer, lower-casing unless the configuration says otherwise") {
  TempFolder folder;
  folder.write("vocab.txt", vocab_txt);
  const Tokenizer lower = Tokenizer::from_pretrained(folder.path());
  CHECK(lower.vocab_size() == 10);
  CHECK(lower.encode("Greatly, Caf\u00e9") == ids({5, 6, 9, 7}));
  CHECK(lower.special() == SpecialTokens{.cls = TokenId{2},
                                         .sep = TokenId{3},
                                         .mask = TokenId{4},
                                         .pad = TokenId{0},
                                         .unk = TokenId{1},
                                         .bos = {},
                                         .eos = {}});
  folder.write("tokenizer_config.json", R"({"do_lower_case": false, "tokenizer_class": "DistilBertTokenizerFast"})");
  const Tokenizer cased = Tokenizer::from_pretrained(folder.path());
  CHECK(cased.encode("great Caf\u00e9") == ids({5, 8}));
  CHECK(cased.hash() != lower.hash());
  folder.write("vocab.txt", "[UNK]\r\na\r\nb");  // other line ends, and none at the end
  CHECK(Tokenizer::from_pretrained(folder.path()).encode("b a") == ids({2, 1}));
}

TEST_CASE("vocab.json with merges.txt is RoBERTa's or GPT-2's tokenizer") {
  TempFolder folder;
  folder.write("vocab.json", vocab_json);
  REQUIRE_ERROR(Tokenizer::from_pretrained(folder.path()), "cloze.text.14");
  folder.write("merges.txt", merges_txt);
  const Tokenizer tokenizer = Tokenizer::from_pretrained(folder.path());
  CHECK(tokenizer.encode("ab ab") == ids({7, 9}));
  CHECK(tokenizer.decode(ids({0, 7, 9, 4, 2})) == "ab ab");
  CHECK(tokenizer.word_prefix() == " ");
  folder.write("tokenizer_config.json", R"({"add_prefix_space": true})");
  CHECK(Tokenizer::from_pretrained(folder.path()).encode("ab ab") == ids({9, 9}));
  REQUIRE_ERROR(tokenizer.encode("abc"), "cloze.text.9");
  folder.write("merges.txt", "a b\nab\n");
  REQUIRE_ERROR(Tokenizer::from_pretrained(folder.path()), "cloze.text.8");
  CHECK_THROWS_WITH(Tokenizer::from_pretrained(folder.path()), Catch::Contains("merges.txt:2"));
  folder.write("vocab.json", "[]");
  REQUIRE_ERROR(Tokenizer::from_pretrained(folder.path()), "cloze.json.2");
}

TEST_CASE("the configuration names the special tokens, and null takes one away") {
  TempFolder folder;
  folder.write("vocab.txt", vocab_txt);
  folder.write("special_tokens_map.json", R"({"pad_token": "great", "sep_token": null})");
  folder.write("tokenizer_config.json", R"({"mask_token": {"content": "cafe", "lstrip": true}, "bos_token": "[CLS]"})");
  const Tokenizer tokenizer = Tokenizer::from_pretrained(folder.path());
  CHECK(tokenizer.special().mask == tokenizer.find("cafe"));
  CHECK(tokenizer.special().pad == tokenizer.find("great"));
  CHECK(tokenizer.special().bos == tokenizer.find("[CLS]"));
  CHECK_FALSE(tokenizer.special().sep.has_value());
  CHECK(tokenizer.decode(ids({7, 8})) == "Caf\u00e9");
  folder.write("tokenizer_config.json", R"({"mask_token": "<mask>"})");
  REQUIRE_ERROR(Tokenizer::from_pretrained(folder.path()), "cloze.text.13");
  folder.write("tokenizer_config.json", R"({"mask_token": 3})");
  REQUIRE_ERROR(Tokenizer::from_pretrained(folder.path()), "cloze.json.2");
  folder.write("tokenizer_config.json", "[]");
  REQUIRE_ERROR(Tokenizer::from_pretrained(folder.path()), "cloze.json.2");
}

TEST_CASE("added tokens of the configuration are words of the vocabulary unless they are special") {
  TempFolder folder;
  folder.write("vocab.txt", vocab_txt);
  folder.write(
      "tokenizer_config.json",
      R"({"added_tokens_decoder": {"10": {"content": "newword"}, "11": {"content": "<x>", "special": true}}})");
  const Tokenizer tokenizer = Tokenizer::from_pretrained(folder.path());
  CHECK(tokenizer.vocab_size() == 12);
  CHECK(tokenizer.encode("great newword") == ids({5, 10}));
  CHECK(tokenizer.encode("<x>") == ids({1, 1, 1}));
  folder.write("added_tokens.json", R"({"other": 12})");
  CHECK(Tokenizer::from_pretrained(folder.path()).encode("other newword") == ids({12, 10}));
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder": {"x": {"content": "newword"}}})");
  REQUIRE_ERROR(Tokenizer::from_pretrained(folder.path()), "cloze.text.11");
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder": {"3": {"content": "newword"}}})");
  REQUIRE_ERROR(Tokenizer::from_pretrained(folder.path()), "cloze.text.2");
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder": []})");
  REQUIRE_ERROR(Tokenizer::from_pretrained(folder.path()), "cloze.json.2");
}

TEST_CASE("damaged or unknown folders are errors that name file and line") {
  TempFolder folder;
  REQUIRE_ERROR(Tokenizer::from_pretrained(folder.path()), "cloze.text.14");
  REQUIRE_ERROR(Tokenizer::from_pretrained(folder / "absent"), "cloze.text.14");
  REQUIRE_ERROR(Tokenizer::from_file(folder / "tokenizer.json"), "cloze.file.1");
  folder.write("vocab.txt", "[UNK]\na\na\n");
  REQUIRE_ERROR(Tokenizer::from_pretrained(folder.path()), "cloze.text.2");
  CHECK_THROWS_WITH(Tokenizer::from_pretrained(folder.path()), Catch::Contains("vocab.txt:3"));
  folder.write("vocab.txt", "");
  REQUIRE_ERROR(Tokenizer::from_pretrained(folder.path()), "cloze.text.3");
  folder.write("vocab.txt", "a\n\xFF\n");
  REQUIRE_ERROR(Tokenizer::from_pretrained(folder.path()), "cloze.text.1");
  folder.write("vocab.txt", vocab_txt);
  for (const char* config : {R"({"tokenizer_class": "BertJapaneseTokenizer"})", R"({"never_split": ["a"]})",
                             R"({"do_basic_tokenize": false})"}) {
    folder.write("tokenizer_config.json", config);
    REQUIRE_ERROR(Tokenizer::from_pretrained(folder.path()), "cloze.text.10");
  }
  folder.write("tokenizer_config.json", "{");
  REQUIRE_ERROR(Tokenizer::from_pretrained(folder.path()), "cloze.json.1");
  folder.write("tokenizer_config.json", "{}");
  std::filesystem::create_directory(folder / "tokenizer.json");
  REQUIRE_ERROR(Tokenizer::from_pretrained(folder.path()), "cloze.file.1");
}

TEST_CASE("a saved tokenizer loads as the same tokenizer") {
  TempFolder bert;
  bert.write("vocab.txt", vocab_txt);
  TempFolder roberta;
  roberta.write("vocab.json", vocab_json);
  roberta.write("merges.txt", merges_txt);
  roberta.write("tokenizer_config.json", R"({"add_prefix_space": true, "pad_token": "</s>"})");
  TempFolder file;
  file.write("tokenizer.json",
             R"({"model":{"type":"WordPiece","vocab":{"[UNK]":0,"a":1}},"normalizer":{"type":"NFC"}})");
  for (const TempFolder* folder : {&bert, &roberta, &file}) {
    const Tokenizer tokenizer = Tokenizer::from_pretrained(folder->path());
    TempFolder copy;
    tokenizer.save_pretrained(copy / "a/b");
    const Tokenizer again = Tokenizer::from_pretrained(copy / "a/b");
    CHECK(again.hash() == tokenizer.hash());
    CHECK(again.special() == tokenizer.special());
    CHECK(again.encode("a ab") == tokenizer.encode("a ab"));
    CHECK(std::filesystem::exists(copy / "a/b/tokenizer_config.json"));
  }
  const Tokenizer alone = Tokenizer::from_file(file / "tokenizer.json");
  file.write("plain", "x");
  REQUIRE_ERROR(alone.save_pretrained(file / "plain"), "cloze.file.3");
  REQUIRE_ERROR(alone.decode(ids({7})), "cloze.text.4");
}

TEST_CASE("a batch has the ids of its texts one by one, and an error names the text") {
  TempFolder folder;
  folder.write("vocab.txt", vocab_txt);
  const Tokenizer tokenizer = Tokenizer::from_pretrained(folder.path());
  CHECK(tokenizer.encode_batch({}).empty());
  for (const std::size_t size : {1, 3, 15, 16, 17, 200}) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < size; ++i)
      texts.push_back(i % 7 == 0 ? "" : "greatly " + std::string(i, ',') + "\0cafe"s);
    const auto all = tokenizer.encode_batch(texts);
    REQUIRE(all.size() == size);
    for (std::size_t i = 0; i < size; ++i) CHECK(all[i] == tokenizer.encode(texts[i]));
  }
  const std::vector<std::string> bad{"great", "caf\xE9"};
  REQUIRE_ERROR(tokenizer.encode_batch(bad), "cloze.text.1");
  CHECK_THROWS_WITH(tokenizer.encode_batch(bad), Catch::Contains("text 1 of 2") && Catch::Contains("byte 3"));
  REQUIRE_ERROR(tokenizer.encode_with_offsets("\xC3"), "cloze.text.1");
}

TEST_CASE("copies may be used from many threads at once") {
  TempFolder folder;
  folder.write("vocab.json", vocab_json);
  folder.write("merges.txt", merges_txt);
  const Tokenizer tokenizer = Tokenizer::from_pretrained(folder.path());
  const auto wanted = tokenizer.encode("ab ab ba ab");
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t, copy = tokenizer] {
      for (int i = 0; i < 200; ++i) wrong[t] += copy.encode("ab ab ba ab") == wanted ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4, 0));
}
