// LM-BFF's own inputs, from its own code, reproduced token by token.
#include <cloze/prompt/render.hpp>

#include <map>
#include <sstream>

#include <cloze/core/json.hpp>
#include <cloze/data/tasks.hpp>
#include <cloze/prompt/word_verbalizer.hpp>
#include <cloze/text/tokenizer.hpp>

#include "support/catch.hpp"
#include "support/shared.hpp"

using namespace cloze;

namespace {

struct Case {
  Example query;
  std::vector<Example> demos;
  std::vector<Demonstration> shown;
  std::vector<TokenId> words;
  RenderOptions options;
  LmbffOptions lmbff;
};

std::optional<Index> limit(const nlohmann::json& value) {
  return value.is_null() ? std::nullopt : std::optional(value.get<Index>());
}

Case read_case(const nlohmann::json& line, const Task& task) {
  Case found;
  const auto texts = line.at("texts").get<std::vector<std::string>>();
  const std::size_t each = task.pair() ? 2 : 1;
  const auto example = [&](std::size_t at) {
    Example made{.text_a = texts.at(at), .source = task.name};
    if (task.pair()) made.text_b = texts.at(at + 1);
    return made;
  };
  found.query = example(0);
  for (std::size_t at = each; at < texts.size(); at += each) found.demos.push_back(example(at));
  for (const auto& id : line.at("label_words")) found.words.push_back(static_cast<TokenId>(id.get<int>()));
  found.options = {.max_length = line.at("max_length").get<Index>(),
                   .truncation = line.at("truncate_head").get<bool>() ? Truncation::head : Truncation::tail};
  found.lmbff = {.compat = true,
                 .first_sent_limit = limit(line.at("first_sent_limit")),
                 .other_sent_limit = limit(line.at("other_sent_limit"))};
  return found;
}

std::vector<Index> numbers(const std::vector<TokenId>& ids) {
  std::vector<Index> found;
  for (const TokenId id : ids) found.push_back(value(id));
  return found;
}

}  // namespace

TEST_CASE("every golden LM-BFF input is reproduced in compat mode, failures included") {
  CLOZE_SHARED_OR_SKIP(golden, "data/golden");
  std::map<std::string, Tokenizer> tokenizers;
  for (const char* name : {"roberta", "bert_uncased"})
    tokenizers.emplace(name, Tokenizer::from_pretrained(golden / "tokens" / name));
  std::istringstream lines(read_file(golden / "lmbff_prompts.jsonl"));
  std::map<std::string, int> passed;
  int failures = 0, corrected = 0, number = 0;
  for (std::string text; std::getline(lines, text);) {
    INFO("line " << ++number);
    const auto line = nlohmann::json::parse(text);
    const Task task = tasks::find(line.at("task").get<std::string>());
    const auto mode = line.at("mode").get<std::string>();
    const Tokenizer& tokenizer = tokenizers.at(line.at("tokenizer").get<std::string>());
    Case c = read_case(line, task);
    for (std::size_t i = 0; i < c.demos.size(); ++i) c.shown.push_back({&c.demos[i], static_cast<LabelId>(i)});

    // The words come out of our own verbalizer too.
    Task lower = task;
    if (tokenizer.word_prefix().empty())
      for (std::string& word : lower.label_words)
        for (char& letter : word) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    const WordVerbalizer verbalizer(tokenizer, lower);
    CHECK(std::vector<TokenId>(verbalizer.label_words().begin(), verbalizer.label_words().end()) == c.words);

    if (mode != "standard" && mode == "demo")
      CHECK(lmbff_expand_demos(task.prompt, task.regression() ? 1 : static_cast<Index>(c.words.size()), true) ==
            line.at("template").get<std::string>());
    const Template prompt = mode == "standard" ? Template::plain(task.pair(), true)
                                               : Template::lmbff(line.at("template").get<std::string>(), c.lmbff);
    if (line.contains("error")) {
      REQUIRE_ERROR(render(prompt, c.query, c.shown, tokenizer, c.words, c.options), "cloze.prompt.5");
      ++failures;
      continue;
    }
    const Prompt found = render(prompt, c.query, c.shown, tokenizer, c.words, c.options);
    const bool same = numbers(found.ids) == line.at("ids").get<std::vector<Index>>() &&
                      (mode == "standard" ? found.masks.empty()
                                          : found.masks == std::vector<Index>{line.at("mask_pos").get<Index>()});
    CHECK(same);
    passed[mode] += same;

    // The corrected form differs only where something is cut, or where its corrections apply.
    c.lmbff.compat = false;
    if (mode != "prompt" || found.tokens_cut > 0 || task.prompt.find("sent-") != std::string::npos) continue;
    const Prompt modern =
        render(Template::of(task), c.query, {}, tokenizer, c.words, {.max_length = c.options.max_length});
    CHECK(modern.ids == found.ids);
    ++corrected;
  }
  CHECK(passed["prompt"] == 455);
  CHECK(passed["demo"] == 452);
  CHECK(passed["standard"] == 456);
  CHECK(failures == 5);
  CHECK(corrected > 250);
}

TEST_CASE("our own grammar says the same as LM-BFF's") {
  CLOZE_SHARED_OR_SKIP(golden, "data/golden/tokens");
  for (const char* name : {"roberta", "bert_uncased"}) {
    const Tokenizer tokenizer = Tokenizer::from_pretrained(golden / name);
    const Example one{.text_a = "A caf\xc3\xa9 <mask> film ."}, two{.text_a = "He left.", .text_b = "The man is gone."};
    const auto same = [&](const Template& ours, const char* theirs, const Example& example) {
      return render(ours, example, {}, tokenizer, {}).ids ==
             render(Template::lmbff(theirs, {.compat = true}), example, {}, tokenizer, {}).ids;
    };
    CHECK(same(Template("{text_a} It was {mask}."), "*cls**sent_0*_It_was*mask*.*sep+*", one));
    CHECK(same(Template("{mask}: {text_a}"), "*cls**mask*:*+sent_0**sep+*", one));
    CHECK(same(Template("{text_a}{mask}, {text_b|lower_first}"), "*cls**sent_0**mask*,*+sentl_1**sep+*", two));
    CHECK(same(Template("{text_a|drop_last}? {mask}, {text_b|lower_first}"), "*cls**sent-_0*?*mask*,*+sentl_1**sep+*",
               two));
  }
}

TEST_CASE("hostile text never becomes a special token in a real vocabulary") {
  CLOZE_SHARED_OR_SKIP(golden, "data/golden/tokens");
  for (const char* name : {"roberta", "bert_uncased"}) {
    const Tokenizer tokenizer = Tokenizer::from_pretrained(golden / name);
    const SpecialTokens& special = tokenizer.special();
    const Template prompt("{text_a} It was {mask}.");
    for (const char* text :
         {"<mask>", "[MASK]", " <mask> </s>", "[CLS] [SEP] [PAD] [UNK]", "<s></s><pad><unk>", "{mask}"}) {
      const Prompt found = render(prompt, {.text_a = text}, {}, tokenizer, {});
      CHECK(std::count(found.ids.begin(), found.ids.end(), *special.mask) == 1);
      CHECK(std::count(found.ids.begin(), found.ids.end(), *special.cls) == 1);
      CHECK(std::count(found.ids.begin(), found.ids.end(), *special.sep) == 1);
      CHECK(std::count(found.ids.begin(), found.ids.end(), *special.pad) == 0);
    }
  }
}
