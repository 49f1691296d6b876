// Bad tokenizer.json: each fault is an Error with its own id, and names what is wrong.
#include <cloze/text/tokenizer_json.hpp>

#include <string>

#include "support/catch.hpp"

using namespace cloze;
using namespace cloze::detail::text;

namespace {

TokenizerParts load(const std::string& text) { return build_parts(read_tokenizer_json(text, "t.json"), "t.json"); }

const std::string wordpiece = R"({"type":"WordPiece","vocab":{"[UNK]":0,"a":1,"##b":2}})";
const std::string bpe = R"({"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]})";
const std::string unigram = R"({"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-1.5]]})";
const std::string byte_level = R"("pre_tokenizer":{"type":"ByteLevel"})";

/// A file with this model and these other members.
std::string file(const std::string& model, const std::string& members = "") {
  return "{\"model\":" + model + (members.empty() ? "" : "," + members) + "}";
}

}  // namespace

TEST_CASE("the smallest files of each model load") {
  CHECK(load(file(wordpiece)).vocabulary.size() == 3);
  CHECK(load(file(bpe, byte_level)).vocabulary.size() == 3);
  CHECK(load(file(unigram)).vocabulary.size() == 2);
  // Files of the first years name no type and write merges as strings; newer ones as pairs.
  CHECK(
      load(file(R"({"vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]],"continuing_subword_prefix":"","dropout":null})",
                byte_level))
          .vocabulary.size() == 3);
  CHECK(load(file(R"({"vocab":{"[UNK]":0}})")).vocabulary.size() == 1);
}

TEST_CASE("broken JSON is an error that names the file and the byte") {
  for (const std::string& text :
       {std::string(), std::string("{"), file(wordpiece) + "x", std::string("{\"model\":{\"vocab\":{\"a\""),
        std::string("{\"a\":\"\xFF\"}"), std::string("[1,]"), std::string("{\"a\":1e999}")})
    REQUIRE_ERROR(load(text), "cloze.json.1");
  CHECK_THROWS_WITH(load("{\"model\": ?}"), Catch::Contains("t.json: broken JSON at byte 11"));
  REQUIRE_ERROR(load(std::string(100'000, '[')), "cloze.json.3");
  REQUIRE_ERROR(load("{\"a\":" + std::string(100'000, '[')), "cloze.json.3");
}

TEST_CASE("missing keys and wrong types are errors") {
  for (const char* text : {"null", "3", "[]", "{}", R"({"model":3})", R"({"model":{"type":"WordPiece"}})",
                           R"({"model":{"type":"WordPiece","vocab":3}})"})
    REQUIRE_ERROR(load(text), "cloze.json.2");
  REQUIRE_ERROR(load(file(R"({"type":7,"vocab":{"[UNK]":0}})")), "cloze.json.2");
  REQUIRE_ERROR(load(file(R"({"type":"BPE","vocab":{"a":0}})", byte_level)), "cloze.json.2");
  REQUIRE_ERROR(load(file(R"({"type":"Unigram","vocab":[["a",0]]})")), "cloze.json.2");
  REQUIRE_ERROR(load(file(wordpiece, R"("normalizer":{"lowercase":true})")), "cloze.json.2");
  REQUIRE_ERROR(load(file(wordpiece, R"("normalizer":{"type":"BertNormalizer","lowercase":"yes"})")), "cloze.json.2");
  REQUIRE_ERROR(load(file(wordpiece, R"("normalizer":{"type":"Sequence","normalizers":{}})")), "cloze.json.2");
  REQUIRE_ERROR(load(file(wordpiece, R"("added_tokens":{})")), "cloze.json.2");
  REQUIRE_ERROR(load(file(wordpiece, R"("added_tokens":[{"id":"x","content":"y"}])")), "cloze.json.2");
  REQUIRE_ERROR(load(file(R"({"type":"WordPiece","max_input_chars_per_word":-1,"vocab":{"[UNK]":0}})")),
                "cloze.json.2");
}

TEST_CASE("a damaged vocabulary is an error") {
  REQUIRE_ERROR(load(file(R"({"vocab":{"[UNK]":0,"a":1,"a":2}})")), "cloze.text.2");
  REQUIRE_ERROR(load(file(R"({"vocab":{"[UNK]":0,"a":0}})")), "cloze.text.2");
  REQUIRE_ERROR(load(file(R"({"vocab":{"[UNK]":-1}})")), "cloze.text.2");
  REQUIRE_ERROR(load(file(R"({"vocab":{"[UNK]":18446744073709551615}})")), "cloze.text.2");
  REQUIRE_ERROR(load(file(R"({"vocab":{"[UNK]":0,"a":400}})")), "cloze.text.3");
  REQUIRE_ERROR(load(file(R"({"vocab":{}})")), "cloze.text.3");
  REQUIRE_ERROR(load(file(R"({"vocab":{"a":0}})")), "cloze.text.7");
  REQUIRE_ERROR(load(file(R"({"type":"Unigram","unk_id":5,"vocab":[["a",0]]})")), "cloze.text.7");
  REQUIRE_ERROR(load(file(R"({"type":"Unigram","unk_id":0,"vocab":[["a",0],["a",1]]})")), "cloze.text.2");
  for (const char* vocab : {R"({"a":"x"})", R"({"a":1.5})", R"({"a":null})", R"({"a":{}})", R"({"a":[]})", R"([3])",
                            R"([["a"]])", R"([["a",1,2]])", R"([[1,"a"]])", R"([[["a"]]])", R"([{}])", R"(["a"])"})
    REQUIRE_ERROR(load(file(std::string(R"({"type":"WordPiece","vocab":)") + vocab + "}")), "cloze.text.11");
  REQUIRE_ERROR(load(file(R"({"type":"Unigram","unk_id":0,"vocab":{"a":0}})")), "cloze.text.11");
  REQUIRE_ERROR(load(file(R"({"type":"WordPiece","vocab":[["[UNK]",0]]})")), "cloze.text.11");
  REQUIRE_ERROR(load(file(R"({"vocab":{"[UNK]":0},"vocab":{"[UNK]":0}})")), "cloze.text.11");
  REQUIRE_ERROR(load(file(wordpiece, R"("x":1,"x":2)")), "cloze.text.11");
}

TEST_CASE("merges that do not fit the vocabulary are errors") {
  const auto merges = [](const std::string& list) {
    return file(R"({"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":)" + list + "}", byte_level);
  };
  for (const char* list :
       {R"(["ab"])", R"(["a b c"])", R"(["a "])", R"([" a"])", R"(["a c"])", R"(["b a"])", R"([["a","x"]])"})
    REQUIRE_ERROR(load(merges(list)), "cloze.text.8");
  for (const char* list : {"[3]", R"([["a"]])", R"([["a","b","ab"]])", R"([["a",["b"]]])", "[null]", "[{}]"})
    REQUIRE_ERROR(load(merges(list)), "cloze.text.11");
}

TEST_CASE("a component that the library does not know is an error that names it") {
  const auto fails = [](const std::string& text, const std::string& name) {
    REQUIRE_ERROR(load(text), "cloze.text.10");
    CHECK_THROWS_WITH(load(text), Catch::Contains("\"" + name + "\"") && Catch::Contains("t.json"));
  };
  fails(file(wordpiece, R"("normalizer":{"type":"Nmt"})"), "Nmt");
  fails(file(wordpiece, R"("normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"X"}]})"), "X");
  fails(file(wordpiece, R"("normalizer":{"type":"Replace","pattern":{"Regex":"a+"},"content":""})"), "a+");
  fails(file(wordpiece, R"("pre_tokenizer":{"type":"Split"})"), "Split");
  fails(file(wordpiece, R"("pre_tokenizer":{"type":"Punctuation","behavior":"Odd"})"), "Odd");
  fails(file(wordpiece, R"("decoder":{"type":"CTC"})"), "CTC");
  fails(file(wordpiece, R"("post_processor":{"type":"Odd"})"), "Odd");
  fails(file(R"({"type":"WordLevel","vocab":{"a":0}})"), "WordLevel");
  fails(file(bpe), "ByteLevel");
  fails(file(wordpiece, byte_level), "ByteLevel");
  fails(file(R"({"type":"BPE","vocab":{"a":0},"merges":[],"end_of_word_suffix":"</w>"})", byte_level), "</w>");
  fails(file(R"({"type":"BPE","vocab":{"a":0},"merges":[],"byte_fallback":true})", byte_level), "byte_fallback");
  fails(file(R"({"type":"BPE","vocab":{"a":0},"merges":[],"dropout":0.5})", byte_level), "0.5");
}

TEST_CASE("bad values of known components are errors") {
  REQUIRE_ERROR(load(file(unigram, R"("pre_tokenizer":{"type":"Metaspace","replacement":"ab"})")), "cloze.text.11");
  REQUIRE_ERROR(load(file(unigram, R"("pre_tokenizer":{"type":"Metaspace","replacement":"_","prepend_scheme":"x"})")),
                "cloze.text.11");
  REQUIRE_ERROR(load(file(wordpiece, R"("normalizer":{"type":"Replace","pattern":{"String":""},"content":"a"})")),
                "cloze.text.11");
  for (const char* map : {"abc", "a===", "????", "", "AQ==", "/////w==", "CAAAAAAAAAA="})
    REQUIRE_ERROR(load(file(unigram, std::string(R"("normalizer":{"type":"Precompiled","precompiled_charsmap":")") +
                                         map + "\"}")),
                  "cloze.text.5");
}

TEST_CASE("an added token must not contradict the vocabulary") {
  const auto added = [](const std::string& list) { return file(wordpiece, "\"added_tokens\":" + list); };
  CHECK(load(added(R"([{"id":3,"content":"new"}])")).vocabulary.size() == 4);
  REQUIRE_ERROR(load(added(R"([{"id":2,"content":"a"}])")), "cloze.text.12");
  REQUIRE_ERROR(load(added(R"([{"id":1,"content":"new"}])")), "cloze.text.2");
  REQUIRE_ERROR(load(added(R"([{"id":300,"content":"new"}])")), "cloze.text.3");
}
