#include <cloze/text/prune_vocabulary.hpp>

#include <algorithm>
#include <fstream>
#include <set>

#include <cloze/core/file.hpp>
#include <cloze/text/tokenizer.hpp>
#include <cloze/text/train_bpe.hpp>
#include <cloze/text/train_wordpiece.hpp>

#include "support/catch.hpp"
#include "support/shared.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

using Texts = std::vector<std::string>;

const Texts sentences{"The newest low tower is lower than the lowest, wider tower.",
                      "Low, lower, lowest! New, newer, newest; wide, wider, widest.",
                      "owners owe the widow 1,000 yen, no more, no less.", "banana bananas abab ababab"};

Tokenizer from_json(const nlohmann::json& file) {
  test::TemporaryFolder folder;
  return Tokenizer::from_file(folder.write("tokenizer.json", file.dump()));
}

/// Prunes to the tokens that `texts` take, and requires the same tokens from the smaller vocabulary.
PrunedTokenizer prune_to(const nlohmann::json& file, const Texts& texts) {
  const Tokenizer old = from_json(file);
  std::set<std::string> used;
  for (const auto& text : texts)
    for (const TokenId id : old.encode(text)) used.emplace(old.token(id));
  const PrunedTokenizer pruned = prune_vocabulary(file, Texts(used.begin(), used.end()));
  const Tokenizer fresh = from_json(pruned.tokenizer_json);
  REQUIRE(fresh.vocab_size() == static_cast<Index>(pruned.kept.size()));
  REQUIRE(std::is_sorted(pruned.kept.begin(), pruned.kept.end()));
  for (std::size_t id = 0; id < pruned.kept.size(); ++id)
    REQUIRE(fresh.token(TokenId{static_cast<std::int32_t>(id)}) == old.token(pruned.kept[id]));
  for (const auto& text : texts) {
    std::vector<TokenId> mapped;
    for (const TokenId id : fresh.encode(text)) mapped.push_back(pruned.kept[static_cast<std::size_t>(value(id))]);
    REQUIRE(mapped == old.encode(text));
  }
  return pruned;
}

}  // namespace

TEST_CASE("texts of the kept tokens are tokenized as before") {
  WordPieceTrainer pieces({.vocab_size = 200, .min_frequency = 1});
  pieces.add(sentences);
  const auto pieces_file = pieces.train().tokenizer_json();
  BpeTrainer bytes({.vocab_size = 400, .min_frequency = 1});
  bytes.add(sentences);
  const auto bytes_file = bytes.train().tokenizer_json();
  for (const auto& text : sentences) {
    const auto wordpiece = prune_to(pieces_file, {text});
    CHECK(wordpiece.kept.size() < pieces_file["model"]["vocab"].size());
    const auto bpe = prune_to(bytes_file, {text});
    CHECK(bpe.kept.size() < bytes_file["model"]["vocab"].size());
    CHECK(bpe.tokenizer_json["model"]["merges"].size() < bytes_file["model"]["merges"].size());
  }
  prune_to(pieces_file, sentences);
  prune_to(bytes_file, sentences);
  // Other texts can still be spelled, if in more tokens.
  const auto small = from_json(prune_to(bytes_file, {"low"}).tokenizer_json);
  CHECK(small.decode(small.encode("banana tower \u4E2D")) == "banana tower \u4E2D");
  const auto one = from_json(prune_to(pieces_file, {"low"}).tokenizer_json);
  CHECK(one.decode(one.encode("banana tower")) == "banana tower");
}

TEST_CASE("special tokens are kept, and the post-processor has their new ids") {
  WordPieceTrainer trainer({.vocab_size = 100, .special = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}});
  trainer.add(sentences);
  auto file = trainer.train().tokenizer_json();
  // As in BERT's own vocabulary: the special tokens lie far from 0.
  for (auto& [token, id] : file["model"]["vocab"].items())
    id = id.get<int>() < 5 ? id.get<int>() + 95 : id.get<int>() - 5;
  const auto size = static_cast<int>(file["model"]["vocab"].size());
  for (auto& [token, id] : file["model"]["vocab"].items())
    if (id.get<int>() >= 95) id = size - 5 + (id.get<int>() - 95);
  for (auto& token : file["added_tokens"]) token["id"] = size - 5 + token["id"].get<int>();
  for (const char* token : {"[CLS]", "[SEP]"})
    file["post_processor"]["special_tokens"][token]["ids"] = {file["model"]["vocab"][token]};
  const auto pruned = prune_vocabulary(file, Texts{"the"});
  const Tokenizer fresh = from_json(pruned.tokenizer_json);
  for (const char* token : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}) REQUIRE(fresh.find(token).has_value());
  CHECK(pruned.tokenizer_json["post_processor"]["special_tokens"]["[SEP]"]["ids"][0] == value(*fresh.find("[SEP]")));
  CHECK(pruned.tokenizer_json["added_tokens"][4]["id"] == value(*fresh.find("[MASK]")));
  file["post_processor"] = {{"type", "BertProcessing"},
                            {"sep", {"[SEP]", file["model"]["vocab"]["[SEP]"]}},
                            {"cls", {"[CLS]", file["model"]["vocab"]["[CLS]"]}}};
  CHECK(prune_vocabulary(file, Texts{"the"}).tokenizer_json["post_processor"]["cls"][1] == value(*fresh.find("[CLS]")));
}

TEST_CASE("a real vocabulary is pruned to what a text needs") {
  for (const char* name : {"bert_uncased", "roberta"}) {
    CLOZE_SHARED_OR_SKIP(path, std::filesystem::path("data/golden/tokens") / name / "tokenizer.json");
    CLOZE_SHARED_OR_SKIP(text, "data/corpus/heldout/yelp_sentences.txt");
    std::ifstream file(text);
    Texts lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    const auto pruned = prune_to(read_json(path), lines);
    CHECK(pruned.kept.size() < 8000);
    CHECK(pruned.kept.size() > 1000);
  }
}

TEST_CASE("pruning refuses what cannot be right") {
  WordPieceTrainer trainer({.vocab_size = 100});
  trainer.add(sentences);
  const auto file = trainer.train().tokenizer_json();
  REQUIRE_ERROR(prune_vocabulary(file, Texts{"the", "no such token"}), "cloze.prune.2");
  REQUIRE_ERROR(prune_vocabulary(nlohmann::json::object(), Texts{}), "cloze.json.2");
  auto bad = file;
  bad["model"]["type"] = "Unigram";
  REQUIRE_ERROR(prune_vocabulary(bad, Texts{}), "cloze.prune.1");
  bad = file;
  bad["model"]["vocab"]["the"] = "seven";
  REQUIRE_ERROR(prune_vocabulary(bad, Texts{}), "cloze.prune.1");
  bad = file;
  bad["model"]["unk_token"] = "absent";
  REQUIRE_ERROR(prune_vocabulary(bad, Texts{}), "cloze.prune.1");
  bad = file;
  bad["post_processor"]["special_tokens"]["[SEP]"]["ids"] = {99999};
  REQUIRE_ERROR(prune_vocabulary(bad, Texts{}), "cloze.prune.1");
  bad = file;
  bad["model"]["vocab"]["[CLS]"] = bad["model"]["vocab"]["[SEP]"];
  REQUIRE_ERROR(prune_vocabulary(bad, Texts{"[CLS]", "[SEP]"}), "cloze.prune.1");
  BpeTrainer bytes({.vocab_size = 300});
  bytes.add(sentences);
  bad = bytes.train().tokenizer_json();
  bad["model"]["merges"][3] = "one";
  REQUIRE_ERROR(prune_vocabulary(bad, Texts{}), "cloze.prune.1");
  bad["model"]["merges"][3] = {"x", 1};
  REQUIRE_ERROR(prune_vocabulary(bad, Texts{}), "cloze.prune.1");
}
