// Demonstration templates made from the task alone, against LM-BFF's own inputs.
#include <cloze/prompt/auto_demos.hpp>

#include <map>
#include <sstream>

#include <cloze/core/json.hpp>
#include <cloze/data/tasks.hpp>
#include <cloze/prompt/collate.hpp>
#include <cloze/prompt/in_context_demos.hpp>
#include <cloze/prompt/word_verbalizer.hpp>
#include <cloze/text/tokenizer.hpp>

#include "support/catch.hpp"
#include "support/shared.hpp"
#include "support/toy_tokenizer.hpp"

using namespace cloze;
using test::ToyTokenizer;

namespace {

// One line of the golden file: the query, and the demonstrations as a sampler that shows them.
struct Shown {
  Example query;
  std::vector<Example> examples;
  std::vector<Demonstration> sample(const Example&, Rng&) const {
    std::vector<Demonstration> demos;
    for (const Example& example : examples) demos.push_back({&example, *example.label});
    return demos;
  }
};
static_assert(DemoSampler<Shown>);

Shown read_texts(const nlohmann::json& line, const Task& task) {
  Shown shown;
  const auto texts = line.at("texts").get<std::vector<std::string>>();
  const std::size_t each = task.pair() ? 2 : 1;
  for (std::size_t at = 0; at < texts.size(); at += each) {
    Example example{.text_a = texts.at(at), .source = task.name};
    if (task.pair()) example.text_b = texts.at(at + 1);
    if (at == 0) {
      shown.query = std::move(example);
    } else {
      example.label = static_cast<LabelId>(at / each - 1);
      shown.examples.push_back(std::move(example));
    }
  }
  return shown;
}

Task in_lower_case(Task task) {
  for (std::string& word : task.label_words)
    for (char& letter : word) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return task;
}

}  // namespace

TEST_CASE("every golden input with demonstrations follows from its task alone: template, words, limits and length") {
  CLOZE_SHARED_OR_SKIP(golden, "data/golden");
  std::map<std::string, Tokenizer> tokenizers;
  for (const char* name : {"roberta", "bert_uncased"})
    tokenizers.emplace(name, Tokenizer::from_pretrained(golden / "tokens" / name));
  std::istringstream lines(read_file(golden / "lmbff_prompts.jsonl"));
  int same = 0, failed = 0, agreeing = 0, corrected = 0, number = 0;
  std::map<std::string, int> tasks_seen;
  for (std::string text; std::getline(lines, text);) {
    INFO("line " << ++number);
    const auto line = nlohmann::json::parse(text);
    if (line.at("mode") != "demo") continue;
    const Tokenizer& tokenizer = tokenizers.at(line.at("tokenizer").get<std::string>());
    Task task = tasks::find(line.at("task").get<std::string>());
    if (tokenizer.word_prefix().empty()) task = in_lower_case(task);
    ++tasks_seen[task.name];
    const Shown shown = read_texts(line, task);
    // The generator's own variations: some lines cut at the head, some at 64 tokens.
    task.limits.truncate_head = line.at("truncate_head").get<bool>();
    RenderOptions options = render_options(task, true, true);
    const Index length = line.at("max_length").get<Index>();
    if (length == 64) {
      options.max_length = 64;
    } else {
      CHECK(options.max_length == length);
    }
    const WordVerbalizer words(tokenizer, task);
    const Template compat = demonstration_template(task, true), modern = demonstration_template(task);
    CHECK(compat.text() == line.at("template").get<std::string>());
    Rng rng(1);
    const auto collated = [&](const Template& prompt, const RenderOptions& render) {
      return collate(std::span(&shown.query, 1), prompt, shown, words, tokenizer, rng, render);
    };
    // The corrected template, and the task's own template rendered with the same demonstrations, agree everywhere.
    const RenderOptions now = render_options(task, true);
    const PackedBatch ours = collated(modern, now);
    CHECK(ours.ids == collated(Template::of(task), now).ids);
    CHECK(ours.mask_rows.size() == 1);
    CHECK(static_cast<Index>(ours.ids.size()) <= now.max_length);
    ++agreeing;
    if (line.contains("error")) {
      REQUIRE_ERROR(collated(compat, options), "cloze.prompt.5");
      ++failed;
      continue;
    }
    const PackedBatch found = collated(compat, options);
    std::vector<Index> ids;
    for (const TokenId id : found.ids) ids.push_back(value(id));
    const bool equal = ids == line.at("ids").get<std::vector<Index>>() &&
                       found.mask_rows == std::vector<Index>{line.at("mask_pos").get<Index>()};
    CHECK(equal);
    same += equal;
    // Where the original has no quirk and cuts nothing, the corrected default says the same.
    const bool quirk = task.regression() || task.prompt.find("sent-") != std::string::npos;
    if (quirk || length == 64 || static_cast<Index>(found.ids.size()) == length) continue;
    CHECK(ours.ids == found.ids);
    ++corrected;
  }
  CHECK(same == 452);
  CHECK(failed == 4);
  CHECK(agreeing == 456);
  CHECK(corrected > 150);
  CHECK(tasks_seen.size() == 12);
}

TEST_CASE("the published expansions are reproduced, with the original's quirks in compat mode only") {
  CHECK(automatic_demonstrations(tasks::sst2()) ==
        "*cls**sent_0*_It_was*mask*.*sep+**sent_1*_It_was*label_0*.*sep+**sent_2*_It_was*label_1*.*sep+*");
  CHECK(automatic_demonstrations(tasks::mnli()) ==
        "*cls**sent-_0*?*mask*,*+sentl_1**sep+**sent-_2*?*label_0*,*+sentl_3**sep+**sent-_4*?*label_1*,*+sentl_5**sep+*"
        "*sent-_6*?*label_2*,*+sentl_7**sep+*");
  for (const Task& task : tasks::all())
    if (!task.regression()) CHECK(automatic_demonstrations(task) == automatic_demonstrations(task, true));
  // STS-B: two poles are sampled, but the original's template has one slot.
  CHECK(automatic_demonstrations(tasks::stsb(), true) ==
        "*cls**sent_0**mask*,*+sentl_1**sep+**sent_2**label_0*,*+sentl_3**sep+*");
  CHECK(automatic_demonstrations(tasks::stsb()) ==
        automatic_demonstrations(tasks::stsb(), true) + "*sent_4**label_1*,*+sentl_5**sep+*");
  Task task = tasks::mnli();  // a fifth label corrupts an index; "_1990" is taken for a second sentence
  for (const char* label : {"d", "e"}) task.columns.labels.push_back(label);
  CHECK(automatic_demonstrations(task, true).find("_110*") != std::string::npos);
  CHECK(automatic_demonstrations(task).find("*sent-_10*?*label_4*,*+sentl_11**sep+*") != std::string::npos);
  task = tasks::sst2();
  task.prompt = "*cls**sent_0*_in_1990*mask*.*sep+*";
  CHECK(automatic_demonstrations(task, true).find("_in_3990") != std::string::npos);
  CHECK(automatic_demonstrations(task) ==
        "*cls**sent_0*_in_1990*mask*.*sep+**sent_1*_in_1990*label_0*.*sep+**sent_2*_in_1990*label_1*.*sep+*");
}

TEST_CASE("in-context templates stand after or before the query; compat reverses them before its cls") {
  const std::string sst = tasks::sst2().prompt, pair = tasks::mrpc().prompt;
  const auto expand = [](const std::string& text, Index n, DemoPlace place, bool compat) {
    return lmbff_expand_in_context(text, n, place, compat);
  };
  const std::string after =
      "*cls**sent_0*_It_was*mask*.*sep+**sent_1*_It_was*labelx_0*.*sep+**sent_2*_It_was*labelx_1*.*sep+*";
  CHECK(expand(sst, 2, DemoPlace::after, false) == after);
  CHECK(expand(sst, 2, DemoPlace::after, true) == after);
  CHECK(expand(sst, 2, DemoPlace::before, false) ==
        "*cls**sent_1*_It_was*labelx_0*.*sep+**sent_2*_It_was*labelx_1*.*sep+**sent_0*_It_was*mask*.*sep+*");
  CHECK(expand(sst, 2, DemoPlace::before, true) ==
        "*sent_2*_It_was*labelx_1*.*sep+**sent_1*_It_was*labelx_0*.*sep+**cls**sent_0*_It_was*mask*.*sep+*");
  CHECK(expand(pair, 1, DemoPlace::after, true) ==
        "*cls**sent_0**mask*,*+sentl_1**sep+**sent_2**labelx_0*,*+sentl_3**sep+*");
  CHECK(expand(pair, 1, DemoPlace::after, false) == expand(pair, 1, DemoPlace::after, true));
  CHECK(expand(pair, 6, DemoPlace::after, false) == expand(pair, 6, DemoPlace::after, true));  // this one is anchored
  CHECK(expand(sst, 0, DemoPlace::before, false) == sst);
  CHECK(expand("*sent_0**mask*", 1, DemoPlace::before, false) == "*sent_1**labelx_0**sent_0**mask*");
  REQUIRE_ERROR(expand(sst, -1, DemoPlace::after, false), "cloze.template.4");
  REQUIRE_ERROR(expand(sst, 1001, DemoPlace::after, false), "cloze.template.4");
}

TEST_CASE("an in-context template and the same demonstrations placed by the renderer give the same tokens") {
  const ToyTokenizer tokenizer;
  const Task task = tasks::sst2();
  const WordVerbalizer words(tokenizer, task);
  std::vector<Example> data;
  for (int i = 0; i < 6; ++i)
    data.push_back({.text_a = std::string(static_cast<std::size_t>(i + 1), 'a'), .label = static_cast<LabelId>(i < 2)});
  const InContextDemos demos(data, {.count = 4});
  for (const DemoPlace place : {DemoPlace::after, DemoPlace::before}) {
    const Template named = Template::lmbff(lmbff_expand_in_context(task.prompt, 4, place));
    Rng a(8), b(8);
    const Example query{.text_a = "the query"};
    const Prompt one = render(named, query, demos.sample(query, a), tokenizer, words.label_words());
    const Prompt two =
        render(Template::of(task), query, demos.sample(query, b), tokenizer, words.label_words(), {.demos = place});
    CHECK(one.ids == two.ids);
    CHECK(one.masks == two.masks);
  }
}

TEST_CASE("a template with more demonstration slots than demonstrations is an error that names the slot") {
  const ToyTokenizer tokenizer;
  const Task task = tasks::sst2();
  const WordVerbalizer words(tokenizer, task);
  const Example query{.text_a = "q"}, shown{.text_a = "d"};
  const std::vector<Demonstration> one{{&shown, LabelId{0}}};
  REQUIRE_ERROR(render(demonstration_template(task), query, one, tokenizer, words.label_words()), "cloze.prompt.4");
  const auto five = Template::lmbff(lmbff_expand_in_context(task.prompt, 5, DemoPlace::after, true), {.compat = true});
  REQUIRE_ERROR(render(five, query, one, tokenizer, words.label_words()), "cloze.prompt.4");
  const std::vector<Example> data{{.text_a = "a", .label = LabelId{0}}, {.text_a = "b", .label = LabelId{1}}};
  REQUIRE_ERROR(InContextDemos(data, {.count = 5}), "cloze.demos.2");
}

TEST_CASE("length limits double for demonstrations where the task says so, and cutting follows the task") {
  CHECK(render_options(tasks::sst2(), true).max_length == 128);
  CHECK(render_options(tasks::mr(), false).max_length == 128);
  CHECK(render_options(tasks::mr(), true).max_length == 256);
  CHECK(render_options(tasks::mnli(), true).max_length == 256);
  CHECK(render_options(tasks::mr(), true).truncation == Truncation::longest);
  CHECK(render_options(tasks::mr(), true, true).truncation == Truncation::tail);
  Task task = tasks::mr();
  task.limits.truncate_head = true;
  CHECK(render_options(task, true).truncation == Truncation::head);
  CHECK(render_options(task, true, true).truncation == Truncation::head);
  CHECK(score_threshold(tasks::stsb()) == 2.5f);
  CHECK(score_threshold(tasks::mr()) == std::nullopt);
}
