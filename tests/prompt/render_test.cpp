#include <cloze/prompt/render.hpp>

#include "support/catch.hpp"
#include "support/toy_tokenizer.hpp"

using namespace cloze;
using test::ToyTokenizer;

namespace {

const ToyTokenizer& toy() {
  static const ToyTokenizer tokenizer;
  return tokenizer;
}

std::string shown(const Prompt& prompt, const ToyTokenizer& tokenizer = toy()) {
  std::string text;
  for (const TokenId id : prompt.ids) text += "[" + std::string(tokenizer.token(id)) + "]";
  return text;
}

std::string shown(const Template& prompt, const Example& example, const RenderOptions& options = {}) {
  return shown(render(prompt, example, {}, toy(), {}, options));
}

std::string message(const Template& prompt, const Example& example, const RenderOptions& options = {}) {
  try {
    render(prompt, example, {}, toy(), {}, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

const Template it_was("{text_a} It was {mask}.");

}  // namespace

TEST_CASE("pieces are tokenised on their own, a span after a literal carries its space") {
  CHECK(shown(it_was, {.text_a = "a fine film"}) == "[<s>][a][ fine][ film][ It][ was][<mask>][.][</s>]");
  CHECK(shown(Template("{text_a}? {mask}, {text_b|lower_first}"), {.text_a = "Why", .text_b = "So It"}) ==
        "[<s>][Why][?][<mask>][,][ so][ It][</s>]");
  CHECK(shown(Template("{mask}: {text_a} {meta:k}!"), {.text_a = "x", .meta = {{"k", "v w"}}}) ==
        "[<s>][<mask>][:][ x][ v][ w][!][</s>]");
  CHECK(shown(Template("{mask} ({text_a}) {{b}}"), {.text_a = "x"}) == "[<s>][<mask>][ (][x][)][ {][b][}][</s>]");
}

TEST_CASE("an empty text takes its space with it") {
  CHECK(shown(Template("{mask}: {text_a}."), {.text_a = ""}) == "[<s>][<mask>][:][.][</s>]");
}

TEST_CASE("mask positions come from the template") {
  const Prompt prompt = render(Template("{mask*2} x {text_a} {mask}"), {.text_a = "one two"}, {}, toy(), {});
  CHECK(shown(prompt) == "[<s>][<mask>][<mask>][ x][ one][ two][<mask>][</s>]");
  CHECK(prompt.masks == std::vector<Index>{1, 2, 6});
  CHECK(prompt.segments.empty());
  CHECK(prompt.tokens_cut == 0);
}

TEST_CASE("explicit special tokens replace the automatic ones, and absent ones are not put around") {
  CHECK(shown(Template("{cls}{text_a}{sep} {mask}{sep}"), {.text_a = "x"}) == "[<s>][x][</s>][<mask>][</s>]");
  CHECK(shown(Template("{mask}{sep}"), {.text_a = ""}) == "[<mask>][</s>]");
  CHECK(shown(Template("{mask}{pad}{bos}{eos}"), {.text_a = ""}) == "[<s>][<mask>][<pad>][<s>][</s>][</s>]");
  ToyTokenizer bare;
  bare.special() = {.cls = {}, .sep = {}, .mask = TokenId{4}, .pad = {}, .unk = {}, .bos = {}, .eos = {}};
  CHECK(shown(render(it_was, {.text_a = "x"}, {}, bare, {}), bare) == "[x][ It][ was][<mask>][.]");
  REQUIRE_ERROR(render(Template("{mask}{sep}"), {.text_a = "x"}, {}, bare, {}), "cloze.prompt.3");
  bare.special().mask = std::nullopt;
  REQUIRE_ERROR(render(it_was, {.text_a = "x"}, {}, bare, {}), "cloze.prompt.3");
}

TEST_CASE("an example must have what the template shows") {
  REQUIRE_ERROR(render(Template("{text_b}{mask}"), {.text_a = "x"}, {}, toy(), {}), "cloze.prompt.1");
  REQUIRE_ERROR(render(Template("{meta:k}{mask}"), {.text_a = "x", .meta = {{"l", ""}}}, {}, toy(), {}),
                "cloze.prompt.1");
  REQUIRE_ERROR(render(Template::lmbff("*sent_1**mask*"), {.text_a = "x"}, {}, toy(), {}), "cloze.prompt.1");
  REQUIRE_ERROR(render(Template::lmbff("*sent_2**mask*"), {.text_a = "x", .text_b = "y"}, {}, toy(), {}),
                "cloze.prompt.1");
  CHECK(
      message(Template("{text_b}{mask}"), {.text_a = "x", .source = "f.tsv:7"}).find("f.tsv:7: no text for {text_b}") !=
      std::string::npos);
}

TEST_CASE("segments rise after the first sep, and only where they are asked for") {
  const Example pair{.text_a = "a", .text_b = "b c"};
  const Prompt plain = render(Template::plain(true), pair, {}, toy(), {}, {.segments = true});
  CHECK(plain.segments == std::vector<std::int32_t>{0, 0, 0, 1, 1, 1});
  CHECK(render(Template::plain(true), pair, {}, toy(), {}).segments.empty());
  const Prompt cloze = render(Template("{text_a} {mask} {text_b}"), pair, {}, toy(), {}, {.segments = true});
  CHECK(cloze.segments == std::vector<std::int32_t>(6, 0));
  const Prompt three =
      render(Template("{cls}{text_a}{sep}{mask}{sep}{text_b}{sep}"), pair, {}, toy(), {}, {.segments = true});
  CHECK(three.segments == std::vector<std::int32_t>{0, 0, 0, 1, 1, 1, 1, 1});
}

TEST_CASE("limits and the budget cut texts only, and report it") {
  const Example example{.text_a = "a b c d e f", .text_b = "g h i"};
  CHECK(shown(Template("{text_a|max:2} {mask}"), example) == "[<s>][a][ b][<mask>][</s>]");
  CHECK(shown(Template("{text_a|max:2|cut_head} {mask}"), example) == "[<s>][ e][ f][<mask>][</s>]");
  CHECK(shown(Template("{text_a|max:0} {mask}"), example) == "[<s>][<mask>][</s>]");
  const Template pair("{text_a} {mask} {text_b}");
  CHECK(shown(pair, example, {.max_length = 8}) == "[<s>][a][ b][ c][<mask>][ g][ h][</s>]");
  CHECK(shown(pair, example, {.max_length = 8, .truncation = Truncation::tail}) ==
        "[<s>][a][ b][ c][ d][ e][<mask>][</s>]");
  CHECK(shown(pair, example, {.max_length = 8, .truncation = Truncation::head}) ==
        "[<s>][ e][ f][<mask>][ g][ h][ i][</s>]");
  CHECK(shown(Template("{text_a|keep} {mask} {text_b}"), example, {.max_length = 10}) ==
        "[<s>][a][ b][ c][ d][ e][ f][<mask>][ g][</s>]");
  CHECK(shown(pair, example, {.max_length = 3}) == "[<s>][<mask>][</s>]");
  const Rendered report = render_spans(pair, example, {}, toy(), {}, {.max_length = 8});
  CHECK(report.prompt.tokens_cut == 4);
  REQUIRE(report.spans.size() == 5);
  CHECK(report.spans[1].cut == 3);
  CHECK(report.spans[3].cut == 1);
  CHECK(report.spans[2].begin == report.prompt.masks.at(0));
}

TEST_CASE("whatever the budget, masks, literals and special tokens survive or it is an error") {
  const Template prompt("{text_a} It was {mask} for {text_b}.");
  const Example example{.text_a = "a b c d e f g h i j k l m n o p", .text_b = "q r s t u v w x y z"};
  const Index fixed = 7;
  for (Index budget = 1; budget < 40; ++budget)
    for (const Truncation policy : {Truncation::longest, Truncation::tail, Truncation::head}) {
      const RenderOptions options{.max_length = budget, .truncation = policy};
      if (budget < fixed) {
        REQUIRE_ERROR(render(prompt, example, {}, toy(), {}, options), "cloze.prompt.2");
        continue;
      }
      const Prompt found = render(prompt, example, {}, toy(), {}, options);
      CHECK(static_cast<Index>(found.ids.size()) == std::min<Index>(budget, fixed + 26));
      REQUIRE(found.masks.size() == 1);
      CHECK(found.ids[static_cast<std::size_t>(found.masks[0])] == TokenId{4});
      const std::string text = shown(found);
      CHECK(text.starts_with("[<s>]"));
      CHECK(text.ends_with("[.][</s>]"));
      CHECK(text.find("[ It][ was][<mask>][ for]") != std::string::npos);
      CHECK(found.tokens_cut == fixed + 26 - static_cast<Index>(found.ids.size()));
    }
}

TEST_CASE("a budget that is too small names example, budget and part") {
  const std::string text = message(Template("{text_a} a rather long literal here {mask}."),
                                   {.text_a = "x", .source = "f.tsv:3"}, {.max_length = 5});
  CHECK(text.find(
            "[cloze.prompt.2] f.tsv:3: the budget is 5 tokens, but what is never cut has 9; the largest part of it is "
            "\" a rather long literal here\" with 5") == 0);
  CHECK(message(Template("{text_a|keep}{mask}"), {.text_a = "a b c d"}, {.max_length = 5}).find("{text_a} with 4") !=
        std::string::npos);
  REQUIRE_ERROR(render(it_was, {.text_a = ""}, {}, toy(), {}, {.max_length = 0}), "cloze.prompt.2");
  REQUIRE_ERROR(render(it_was, {.text_a = ""}, {}, toy(), {}, {.max_length = -1}), "cloze.prompt.2");
}

TEST_CASE("demonstrations follow the query, each with its label's word") {
  const Example query{.text_a = "q"}, bad{.text_a = "b"}, good{.text_a = "g"};
  const std::vector<TokenId> words{toy().encode(" terrible").at(0), toy().encode(" great").at(0)};
  const std::vector<Demonstration> demos{{&bad, LabelId{0}}, {&good, LabelId{1}}};
  const Prompt prompt = render(it_was, query, demos, toy(), words);
  CHECK(shown(prompt) ==
        "[<s>][q][ It][ was][<mask>][.][</s>][b][ It][ was][ terrible][.][</s>][g][ It][ was][ great][.][</s>]");
  CHECK(prompt.masks == std::vector<Index>{4});
  // LM-BFF's own form, unexpanded and expanded, says the same.
  const char* lmbff = "*cls**sent_0*_It_was*mask*.*sep+*";
  CHECK(render(Template::lmbff(lmbff), query, demos, toy(), words).ids == prompt.ids);
  CHECK(render(Template::lmbff(lmbff_expand_demos(lmbff, 2)), query, demos, toy(), words).ids == prompt.ids);
  // A template of its own for demonstrations.
  CHECK(shown(render(it_was.with_demonstrations("{label}: {text_a}"), query, demos, toy(), words)) ==
        "[<s>][q][ It][ was][<mask>][.][</s>][ terrible][:][ b][</s>][ great][:][ g][</s>]");
  CHECK(render(it_was, query, demos, toy(), words, {.segments = true}).segments ==
        std::vector<std::int32_t>{0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
}

TEST_CASE("limits of demonstrations are their own") {
  const Example query{.text_a = "a b c d"}, demo{.text_a = "e f g h"};
  const std::vector<TokenId> words{toy().encode(" no").at(0)};
  const std::vector<Demonstration> demos{{&demo, LabelId{0}}};
  CHECK(shown(render(Template("{text_a|max:3|demo_max:1} {mask}"), query, demos, toy(), words)) ==
        "[<s>][a][ b][ c][<mask>][</s>][e][ no][</s>]");
  CHECK(shown(render(Template("{text_a|max:3} {mask}"), query, demos, toy(), words)) ==
        "[<s>][a][ b][ c][<mask>][</s>][e][ f][ g][ no][</s>]");
  const LmbffOptions limits{.first_sent_limit = 3, .other_sent_limit = 2};
  const std::string wanted = "[<s>][a][ b][ c][<mask>][</s>][e][ f][ no][</s>]";
  CHECK(shown(render(Template::lmbff("*cls**sent_0**mask**sep+*", limits), query, demos, toy(), words)) == wanted);
  CHECK(shown(render(Template::lmbff(lmbff_expand_demos("*cls**sent_0**mask**sep+*", 1), limits), query, demos, toy(),
                     words)) == wanted);
}

TEST_CASE("demonstrations that do not fit the template or the labels are errors") {
  const Example query{.text_a = "q"}, demo{.text_a = "d"};
  const std::vector<TokenId> words{TokenId{50}};
  const auto with = [&](const Template& prompt, std::vector<Demonstration> demos) {
    return render(prompt, query, demos, toy(), words);
  };
  REQUIRE_ERROR(with(it_was, {{&demo, LabelId{1}}}), "cloze.prompt.4");
  REQUIRE_ERROR(with(it_was, {{&demo, LabelId{-1}}}), "cloze.prompt.4");
  REQUIRE_ERROR(with(it_was, {{nullptr, LabelId{0}}}), "cloze.prompt.4");
  REQUIRE_ERROR(with(Template("{mask*2} {text_a}"), {{&demo, LabelId{0}}}), "cloze.prompt.4");
  REQUIRE_ERROR(with(Template::lmbff("*mask**sent_1*_is*label_0*"), {}), "cloze.prompt.4");
  REQUIRE_ERROR(with(Template::lmbff("*mask**label_1*"), {}), "cloze.prompt.4");
  REQUIRE_ERROR(with(Template::lmbff("*mask**labelx_0*"), {}), "cloze.prompt.4");
  CHECK(with(Template::lmbff("*mask**labelx_0*"), {{&demo, LabelId{0}}}).ids ==
        std::vector<TokenId>{TokenId{4}, TokenId{50}});
}

TEST_CASE("soft tokens get ids after the vocabulary, shared by name") {
  const Template prompt("{soft:a*2} {text_a} {soft:b}{mask}{soft:a*2}");
  const Prompt found = render(prompt, {.text_a = "x"}, {}, toy(), {});
  const std::vector<Index> wanted{0, 1000, 1001, -1, 1002, 4, 1000, 1001, 2};
  REQUIRE(found.ids.size() == wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (wanted[i] >= 0) CHECK(value(found.ids[i]) == wanted[i]);
  const auto table = soft_tokens(prompt, toy());
  CHECK(table.at("b").first == TokenId{1002});
  CHECK(table.at("a").count == 2);
  const auto open = soft_tokens(Template::openprompt("{\"soft\"} {\"soft\": \"It was\"} {\"mask\"}"), toy());
  CHECK(open.at("soft 2").count == 2);
  CHECK(open.at("soft 2").initial == toy().encode(" It was"));
  CHECK(open.at("soft 2").first == TokenId{1001});
}

TEST_CASE("text that spells special tokens stays text") {
  const Prompt prompt = render(it_was, {.text_a = "<mask> </s> <s> {mask} *mask*"}, {}, toy(), {});
  CHECK(std::count(prompt.ids.begin(), prompt.ids.end(), TokenId{4}) == 1);
  CHECK(prompt.masks.size() == 1);
  CHECK(prompt.ids[static_cast<std::size_t>(prompt.masks[0])] == TokenId{4});
}

TEST_CASE("compat cuts anywhere, keeps the first mask, and reports a lost one") {
  const Template prompt = Template::lmbff("*cls**sent_0*_It_was*mask*.*sep+*", {.compat = true});
  const Example example{.text_a = "a b c d"};
  const auto cut = [&](Index budget, Truncation policy) {
    return shown(prompt, example, {.max_length = budget, .truncation = policy});
  };
  CHECK(cut(8, Truncation::tail) == "[<s>][a][ b][ c][ d][ It][ was][<mask>]");
  CHECK(cut(5, Truncation::head) == "[ It][ was][<mask>][.][</s>]");
  REQUIRE_ERROR(cut(7, Truncation::tail), "cloze.prompt.5");
  REQUIRE_ERROR(cut(2, Truncation::head), "cloze.prompt.5");
  CHECK(shown(Template::plain(false, true), example, {.max_length = 3}) == "[<s>][a][ b]");
  CHECK(shown(Template::plain(false), example, {.max_length = 3}) == "[<s>][a][</s>]");
  const Prompt two = render(Template::lmbff("*mask*a*mask*", {.compat = true}), example, {}, toy(), {},
                            {.max_length = 2, .truncation = Truncation::head});
  CHECK(two.masks == std::vector<Index>{1});
}
