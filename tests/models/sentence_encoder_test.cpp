// Sentence embeddings against sentence-transformers' recipe in double, and the real models of the shared data.
#include <algorithm>
#include <numeric>

#include <cloze/text/tokenizer.hpp>

#include "support/catch.hpp"
#include "support/golden_model.hpp"
#include "support/gradcheck.hpp"
#include "support/models.hpp"
#include "support/shared.hpp"
#include "support/tiny_model.hpp"

using namespace cloze;

TEST_CASE("embeddings of all-MiniLM-L6-v2 equal the golden ones to 1e-5") {
  CLOZE_SHARED_OR_SKIP(data, "data");
  const auto tokenizer = Tokenizer::from_pretrained(data / "weights/all-MiniLM-L6-v2");
  const auto model = SentenceEncoder<float>::from_pretrained(data / "weights/all-MiniLM-L6-v2");
  CHECK(model.load_report().unused == std::vector<std::string>{"pooler.dense.bias", "pooler.dense.weight"});
  const auto texts = read_json(data / "golden/sentence_embeddings.json").get<std::vector<std::string>>();
  const auto wanted =
      SafetensorsFile(data / "golden/sentence_embeddings.safetensors").read_values<double>("embeddings");
  REQUIRE(texts.size() == 85);
  double worst = 0;
  for (std::size_t begin = 0; begin < texts.size(); begin += 16) {
    const std::size_t end = std::min(begin + 16, texts.size());
    PackedBatch batch;
    for (std::size_t i = begin; i < end; ++i) {
      auto ids = tokenizer.encode(texts[i]);
      ids.resize(std::min<std::size_t>(ids.size(), 254));  // with the special tokens, the golden file's limit of 256
      ids.insert(ids.begin(), *tokenizer.special().cls);
      ids.push_back(*tokenizer.special().sep);
      batch.append({.ids = ids, .segments = {}, .masks = {}});
    }
    const auto found = model.encode(batch).to_vector();
    REQUIRE(found.size() == (end - begin) * 384);
    for (std::size_t i = 0; i < found.size(); ++i)
      worst = std::max(worst, std::abs(static_cast<double>(found[i]) - wanted[begin * 384 + i]));
  }
  INFO(worst);
  CHECK(worst < 1e-5);
}

TEST_CASE("minilm-mlm, stored in float16, fills blanks with the words that transformers ranks first") {
  CLOZE_SHARED_OR_SKIP(folder, "data/weights/minilm-mlm");
  const auto tokenizer = Tokenizer::from_pretrained(folder);
  const auto model = AutoModelForMaskedLM<float>::from_pretrained(folder);
  CHECK(model.load_report().unused.empty());
  const auto best = [&](const std::string& before, const std::string& after) {
    Prompt prompt;
    prompt.ids = {*tokenizer.special().cls};
    for (const TokenId id : tokenizer.encode(before)) prompt.ids.push_back(id);
    prompt.masks = {static_cast<Index>(prompt.ids.size())};
    prompt.ids.push_back(*tokenizer.special().mask);
    for (const TokenId id : tokenizer.encode(after)) prompt.ids.push_back(id);
    prompt.ids.push_back(*tokenizer.special().sep);
    PackedBatch batch;
    batch.append(prompt);
    const NoGrad no_grad;
    const auto scores = model.mask_logits(batch).to_vector();
    std::vector<Index> order(scores.size());
    std::iota(order.begin(), order.end(), Index{0});
    std::ranges::partial_sort(order, order.begin() + 5, std::ranges::greater{}, [&](Index i) { return scores[i]; });
    std::vector<std::string> words;
    for (std::size_t i = 0; i < 5; ++i) words.push_back(tokenizer.decode(std::vector{static_cast<TokenId>(order[i])}));
    return words;
  };
  using Words = std::vector<std::string>;
  CHECK(best("the movie was", ".") == Words{"terrible", "great", "horrible", "awful", "good"});
  CHECK(best("she opened the", "and walked into the room.") == Words{"room", "door", "bathroom", "house", "table"});
  CHECK(best("he was born in new", "city.") == Words{"york", "jersey", "city", "zealand", "new"});
  CHECK(best("paris is the capital of", ".") == Words{"paris", "france", "vegas", "london", "europe"});
}

TEST_CASE("the mean covers every token once, and vectors have length 1") {
  const test::TemporaryFolder folder;
  test::tiny_roberta().write(folder.path());
  const auto model = SentenceEncoder<double>::from_pretrained(folder.path());
  CHECK(model.load_report().unused.size() == 5);  // the head
  auto batch = test::tiny_batch({4, 1, 7});
  const auto hidden = model.encoder().forward(batch).to_vector();
  std::vector<double> wanted;
  for (Index s = 0; s < batch.sequences(); ++s) {
    std::vector<double> mean(test::tiny_hidden, 0.0);
    for (Index row = batch.cu_seqlens[s]; row < batch.cu_seqlens[s + 1]; ++row)
      for (std::size_t i = 0; i < mean.size(); ++i)
        mean[i] += hidden[static_cast<std::size_t>(row) * mean.size() + i] / static_cast<double>(batch.length(s));
    const double length = std::sqrt(std::inner_product(mean.begin(), mean.end(), mean.begin(), 0.0));
    for (const double x : mean) wanted.push_back(x / length);
  }
  CHECK(test::relative_error(model.encode(batch).to_vector(), wanted) < 1e-12);
  batch.append(Prompt{});  // nothing to take a mean of: zeros
  const auto with_empty = model.encode(batch).to_vector();
  CHECK(test::largest(std::vector<double>(with_empty.end() - test::tiny_hidden, with_empty.end())) == 0);
}

TEST_CASE("a folder that pools in another way is refused") {
  const test::TemporaryFolder folder;
  test::tiny_bert().write(folder.path());
  folder.write(
      "1_Pooling/config.json",
      R"({"word_embedding_dimension": 12, "pooling_mode_mean_tokens": true, "pooling_mode_cls_token": false})");
  CHECK(SentenceEncoder<float>::from_pretrained(folder.path()).encode(test::tiny_batch({3})).rows() == 1);
  folder.write("1_Pooling/config.json", R"({"pooling_mode_mean_tokens": false, "pooling_mode_cls_token": true})");
  REQUIRE_ERROR(SentenceEncoder<float>::from_pretrained(folder.path()), "cloze.sentence_encoder.1");
}
