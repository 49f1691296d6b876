// Where demonstrations stand, and which of them are left out when a prompt is too long.
#include <cloze/prompt/render.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/toy_tokenizer.hpp"

using namespace cloze;
using test::ToyTokenizer;

namespace {

struct Setting {
  ToyTokenizer tokenizer;
  std::vector<Example> data{{.text_a = "one"}, {.text_a = "two two"}, {.text_a = "three three three"}};
  std::vector<Demonstration> demos{{&data[0], LabelId{0}}, {&data[1], LabelId{1}}, {&data[2], LabelId{0}}};
  std::vector<TokenId> words{tokenizer.encode(" bad")[0], tokenizer.encode(" good")[0]};
  Example query{.text_a = "query"};

  std::string text(const Template& prompt, const RenderOptions& options) const {
    return tokenizer.decode(render(prompt, query, demos, tokenizer, words, options).ids);
  }
};

const std::string shown[] = {"one is bad</s>", "two two is good</s>", "three three three is bad</s>"};

}  // namespace

TEST_CASE("demonstrations stand after the query, or before it behind the first special tokens") {
  const Setting s;
  const std::string query = "query is<mask></s>";
  for (const Template& prompt : {Template("{text_a} is{mask}"), Template::lmbff("*cls**sent_0*_is*mask**sep+*"),
                                 Template("{cls}{text_a} is{mask}{sep}")}) {
    CHECK(s.text(prompt, {}) == "<s>" + query + shown[0] + shown[1] + shown[2]);
    CHECK(s.text(prompt, {.demos = DemoPlace::before}) == "<s>" + shown[0] + shown[1] + shown[2] + query);
  }
  const Prompt before =
      render(Template("{text_a} is{mask}"), s.query, s.demos, s.tokenizer, s.words, {.demos = DemoPlace::before});
  REQUIRE(before.masks.size() == 1);
  CHECK(before.ids[static_cast<std::size_t>(before.masks[0])] == *s.tokenizer.special().mask);
}

TEST_CASE("whole demonstrations are left out, farthest first, before any text is cut, and are counted") {
  const Setting s;
  const Template prompt("{text_a} is{mask}");
  // The query has 5 tokens with <s>; the demonstrations 4, 5 and 6.
  for (Index room = 5; room <= 21; ++room) {
    INFO(room);
    const auto cut = [&](DemoPlace place) {
      return render(prompt, s.query, s.demos, s.tokenizer, s.words,
                    {.max_length = room, .demos = place, .drop_demos = true});
    };
    const Index after = room >= 20 ? 3 : room >= 14 ? 2 : room >= 9 ? 1 : 0;
    std::string wanted = "<s>query is<mask></s>";
    for (Index i = 0; i < after; ++i) wanted += shown[i];
    const Prompt found = cut(DemoPlace::after);
    CHECK(s.tokenizer.decode(found.ids) == wanted);
    CHECK(found.tokens_cut == 20 - static_cast<Index>(found.ids.size()));

    const Index before = room >= 20 ? 3 : room >= 16 ? 2 : room >= 11 ? 1 : 0;
    wanted = "<s>";
    for (Index i = 3 - before; i < 3; ++i) wanted += shown[i];
    CHECK(s.tokenizer.decode(cut(DemoPlace::before).ids) == wanted + "query is<mask></s>");
  }
  const Prompt tight = render(prompt, s.query, s.demos, s.tokenizer, s.words, {.max_length = 4, .drop_demos = true});
  CHECK(s.tokenizer.decode(tight.ids) == "<s> is<mask></s>");  // then the query's own text
  CHECK(tight.tokens_cut == 16);
  REQUIRE_ERROR(render(prompt, s.query, s.demos, s.tokenizer, s.words, {.max_length = 3, .drop_demos = true}),
                "cloze.prompt.2");
}

TEST_CASE("demonstrations that the template names, or a compat template, cannot be left out") {
  const Setting s;
  const auto named = Template::lmbff("*cls**sent_0**mask**sent_1**label_0*");
  const auto compat = Template::lmbff("*cls**sent_0**mask*", {.compat = true});
  for (const Template& prompt : {named, compat})
    REQUIRE_ERROR(render(prompt, s.query, s.demos, s.tokenizer, s.words, {.drop_demos = true}), "cloze.prompt.4");
}

TEST_CASE("without demonstrations, place and dropping change nothing") {
  const Setting s;
  const Template prompt("{text_a} is{mask}");
  const auto plain = render(prompt, s.query, {}, s.tokenizer, s.words).ids;
  CHECK(render(prompt, s.query, {}, s.tokenizer, s.words, {.demos = DemoPlace::before, .drop_demos = true}).ids ==
        plain);
}
