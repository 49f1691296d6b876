#include <cloze/prompt/collate.hpp>

#include <cloze/prompt/explain.hpp>
#include <cloze/prompt/word_verbalizer.hpp>

#include "support/catch.hpp"
#include "support/toy_tokenizer.hpp"

using namespace cloze;
using test::ToyTokenizer;

namespace {

struct Setting {
  ToyTokenizer tokenizer;
  WordVerbalizer verbalizer{tokenizer, {{"0", {"terrible"}}, {"1", {"great"}}}};
  Template prompt{"{text_a} It was {mask}."};
  std::vector<Example> train{{.text_a = "a b", .label = LabelId{0}, .source = "t:1"},
                             {.text_a = "c", .label = LabelId{1}, .source = "t:2"},
                             {.text_a = "d e f", .label = LabelId{0}, .source = "t:3"},
                             {.text_a = "", .label = LabelId{1}, .source = "t:4"}};
};

}  // namespace

TEST_CASE("collate packs every prompt whole, with masks, labels and positions") {
  Setting s;
  Rng rng(1);
  const PackedBatch batch = collate(s.train, s.prompt, NoDemos{}, s.verbalizer, s.tokenizer, rng);
  CHECK(batch.sequences() == 4);
  CHECK(batch.cu_seqlens == std::vector<Index>{0, 8, 15, 24, 30});
  CHECK(batch.labels == std::vector<LabelId>{LabelId{0}, LabelId{1}, LabelId{0}, LabelId{1}});
  CHECK(batch.scores.empty());
  REQUIRE(batch.mask_rows.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    const Prompt alone = render(s.prompt, s.train[i], {}, s.tokenizer, {});
    const auto begin = batch.ids.begin() + batch.cu_seqlens[i], end = batch.ids.begin() + batch.cu_seqlens[i + 1];
    CHECK(std::vector<TokenId>(begin, end) == alone.ids);
    CHECK(batch.mask_rows[i] == batch.cu_seqlens[i] + alone.masks[0]);
    CHECK(batch.ids[static_cast<std::size_t>(batch.mask_rows[i])] == *s.tokenizer.special().mask);
  }
  CHECK(batch.segments == std::vector<std::int32_t>(30, 0));
}

TEST_CASE("collate takes examples, pointers to them, and nothing at all") {
  Setting s;
  Rng rng(1);
  const std::vector<const Example*> pointers{&s.train[2], &s.train[0]};
  const PackedBatch batch = collate(pointers, s.prompt, NoDemos{}, s.verbalizer, s.tokenizer, rng);
  CHECK(batch.labels == std::vector<LabelId>{LabelId{0}, LabelId{0}});
  CHECK(batch.length(0) == 9);
  CHECK(collate(std::span<const Example>(), s.prompt, NoDemos{}, s.verbalizer, s.tokenizer, rng).sequences() == 0);
  CHECK(collate(s.train | std::views::take(1), s.prompt, NoDemos{}, s.verbalizer, s.tokenizer, rng).sequences() == 1);
}

TEST_CASE("demonstrations are drawn from the rng, never the query itself") {
  Setting s;
  const RandomDemos demos(s.train, {.per_label = 1});
  Rng a(5), b(5);
  const PackedBatch batch = collate(s.train, s.prompt, demos, s.verbalizer, s.tokenizer, a);
  for (std::size_t i = 0; i < s.train.size(); ++i) {
    const Prompt wanted =
        render(s.prompt, s.train[i], demos.sample(s.train[i], b), s.tokenizer, s.verbalizer.label_words());
    CHECK(std::vector<TokenId>(batch.ids.begin() + batch.cu_seqlens[i], batch.ids.begin() + batch.cu_seqlens[i + 1]) ==
          wanted.ids);
  }
  CHECK(a.state() == b.state());
  CHECK(batch.mask_rows.size() == 4);
}

TEST_CASE("scores fill the batch; a mixture of labelled and unlabelled is an error") {
  Setting s;
  Rng rng(1);
  std::vector<Example> scored{{.text_a = "a", .score = 1.5f}, {.text_a = "b", .score = 4.f}};
  const PackedBatch batch = collate(scored, s.prompt, NoDemos{}, s.verbalizer, s.tokenizer, rng);
  CHECK(batch.scores == std::vector<float>{1.5f, 4.f});
  CHECK(batch.labels.empty());
  scored[1].score = std::nullopt;
  REQUIRE_ERROR(collate(scored, s.prompt, NoDemos{}, s.verbalizer, s.tokenizer, rng), "cloze.collate.1");
  s.train[0].label = std::nullopt;
  REQUIRE_ERROR(collate(s.train, s.prompt, NoDemos{}, s.verbalizer, s.tokenizer, rng), "cloze.collate.1");
}

TEST_CASE("the budget holds for every sequence, and its error names the example") {
  Setting s;
  Rng rng(1);
  CHECK(collate(s.train, s.prompt, NoDemos{}, s.verbalizer, s.tokenizer, rng, {.max_length = 7}).max_length() == 7);
  try {
    collate(s.train, s.prompt, NoDemos{}, s.verbalizer, s.tokenizer, rng, {.max_length = 5});
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.id() == "cloze.prompt.2");
    CHECK(std::string(error.what()).find("t:1: ") != std::string::npos);
  }
}

TEST_CASE("explain shows input, spans, what was cut, masks and label words") {
  Setting s;
  const std::vector<Demonstration> demos{{&s.train[1], LabelId{1}}};
  const std::string text = explain(s.prompt, s.train[2], s.tokenizer, s.verbalizer, demos, {.max_length = 14});
  CHECK(text.find("t:3: 14 tokens of at most 14, 1 cut\n") == 0);
  CHECK(text.find("input: <s> d  e  It  was <mask> . </s> c  It  was  great . </s>\n") != std::string::npos);
  CHECK(text.find("      1-2     1  {text_a}                 d  e\n") != std::string::npos);
  CHECK(text.find("        5     0") == std::string::npos);
  CHECK(text.find("      5-5     0  {mask}                   <mask>\n") != std::string::npos);
  CHECK(text.find("    11-11     0  {label} of demo 0         great\n") != std::string::npos);
  CHECK(text.find("masks: 5\n") != std::string::npos);
  CHECK(text.find(fmt::format("label words: 0 = \" terrible\" ({}), 1 = \" great\" ({})\n",
                              value(s.verbalizer.words()[0]), value(s.verbalizer.words()[1]))) != std::string::npos);
  CHECK(explain(Template("{soft:x*2}{mask}"), s.train[0], s.tokenizer, s.verbalizer).find("<soft 0> <soft 1>") !=
        std::string::npos);
}
