#include <cloze/methods/sentence_embedder.hpp>

#include <algorithm>
#include <cmath>

#include "support/catch.hpp"
#include "support/models.hpp"
#include "support/shared.hpp"
#include "support/temporary.hpp"
#include "support/tiny_task.hpp"

using namespace cloze;

namespace {

double furthest(std::span<const float> a, std::span<const float> b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(double{a[i]} - double{b[i]}));
  return worst;
}

}  // namespace

TEST_CASE("texts embedded by all-MiniLM-L6-v2's own folder equal the golden embeddings to 1e-5") {
  CLOZE_SHARED_OR_SKIP(data, "data");
  const auto encoder = SentenceEmbedder<>::from_pretrained(data / "weights/all-MiniLM-L6-v2");
  CHECK(encoder.max_length() == 256);  // sentence_bert_config.json
  const auto texts = read_json(data / "golden/sentence_embeddings.json").get<std::vector<std::string>>();
  const auto wanted =
      SafetensorsFile(data / "golden/sentence_embeddings.safetensors").read_values<double>("embeddings");
  const auto found = encoder.embed(texts);
  CHECK(found.shape() == Shape{85, 384});
  const auto values = found.to_vector();
  double worst = 0;
  for (std::size_t i = 0; i < values.size(); ++i) worst = std::max(worst, std::abs(double{values[i]} - wanted[i]));
  INFO(worst);
  CHECK(worst < 1e-5);
}

TEST_CASE("a text's vector does not depend on its company, its place or the size of batches") {
  const test::TemporaryFolder folder;
  test::write_tiny_task_model(folder.path());
  const std::vector<std::string> texts{"the sea", "", "it was very cold in the town , and the road", "sun", "the sea"};
  const auto encoder = SentenceEmbedder<>::from_pretrained(folder.path());
  const auto all = encoder.embed(texts).to_vector();
  const auto width = all.size() / texts.size();
  CHECK(width == test::tiny_hidden);
  for (const Index budget : {1, 7, 100}) {
    const auto other = SentenceEmbedder<>::from_pretrained(folder.path(), {.batch_tokens = budget});
    CHECK(furthest(other.embed(texts).to_vector(), all) < 1e-6);
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto alone = encoder.embed(std::span(&texts[i], 1)).to_vector();
    CHECK(furthest(alone, std::span(all).subspan(i * width, width)) < 1e-6);
    double squares = 0;
    for (const float value : alone) squares += double{value} * double{value};
    CHECK(squares == Approx(1.0).epsilon(1e-5));
  }
  CHECK(encoder.embed(std::span<const std::string>()).shape() == Shape{0, test::tiny_hidden});
}

TEST_CASE("a text is cut to max_length tokens with its special tokens, the folder's number by default") {
  const test::TemporaryFolder folder;
  test::write_tiny_task_model(folder.path());
  CHECK(SentenceEmbedder<>::from_pretrained(folder.path()).max_length() == test::tiny_positions);
  folder.write("sentence_bert_config.json", R"({"max_seq_length": 5, "do_lower_case": false})");
  const auto encoder = SentenceEmbedder<>::from_pretrained(folder.path());
  CHECK(encoder.max_length() == 5);
  const std::vector<std::string> texts{"the sea and town", "the sea and", "the sea"};
  const auto vectors = encoder.embed(texts).to_vector();
  const auto row = [&](std::size_t i) { return std::span(vectors).subspan(i * test::tiny_hidden, test::tiny_hidden); };
  CHECK(furthest(row(0), row(1)) == 0);
  CHECK(furthest(row(1), row(2)) > 1e-4);
  CHECK(SentenceEmbedder<>::from_pretrained(folder.path(), {.max_length = 9}).max_length() == 9);
  REQUIRE_ERROR(SentenceEmbedder<>::from_pretrained(folder.path(), {.max_length = 2}), "cloze.sentence_encoder.2");
  REQUIRE_ERROR(SentenceEmbedder<>::from_pretrained(folder.path(), {.max_length = test::tiny_positions + 1}),
                "cloze.sentence_encoder.2");
  folder.write("sentence_bert_config.json", R"({"max_seq_length": "5"})");
  REQUIRE_ERROR(SentenceEmbedder<>::from_pretrained(folder.path()), "cloze.json.2");
}

TEST_CASE("an encoder's identity is that of its weights, tokenizer and length, not of its folder") {
  const test::TemporaryFolder a, b;
  test::write_tiny_task_model(a.path());
  test::write_tiny_task_model(b.path());
  const auto identity = [](const test::TemporaryFolder& folder, const EmbedOptions& options = {}) {
    return SentenceEmbedder<>::from_pretrained(folder.path(), options).identity();
  };
  const std::string first = identity(a);
  CHECK(first.size() == 32);
  CHECK(identity(b) == first);
  CHECK(identity(b, {.batch_tokens = 3, .label = "other"}) == first);
  CHECK(identity(b, {.max_length = 20}) != first);
  CHECK(SentenceEmbedder<double>::from_pretrained(b.path()).identity() != first);
  const auto changed = SentenceEmbedder<>::from_pretrained(b.path());
  auto parameters = changed.encoder().parameters();
  parameters.begin()->tensor.data()[3] += 1e-6f;
  CHECK(changed.identity() != first);
  std::string vocabulary = read_file(b.path() / "vocab.txt");
  vocabulary.replace(vocabulary.find("sea"), 3, "sky");
  b.write("vocab.txt", vocabulary);
  CHECK(identity(b) != first);
}
