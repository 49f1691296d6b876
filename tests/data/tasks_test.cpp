#include <cloze/data/tasks.hpp>

#include <set>

#include "support/catch.hpp"

using namespace cloze;

TEST_CASE("there are 15 tasks, each found by its name, each with a word and a distinct name for every label") {
  std::set<std::string> names;
  for (const Task& task : tasks::all()) {
    INFO(task.name);
    names.insert(task.name);
    CHECK(tasks::find(task.name).prompt == task.prompt);
    CHECK(task.label_words.size() == task.labels().size());
    CHECK(std::set<std::string>(task.labels().begin(), task.labels().end()).size() == task.labels().size());
    CHECK(task.regression() != task.columns.label.has_value());
    CHECK(task.regression() == task.columns.bounds.has_value());
    CHECK(task.pair() == (task.prompt.find("_1*") != std::string::npos));
    CHECK(!task.metrics.empty());
    CHECK(task.kind == (task.limits.double_demo ? FileKind::csv : FileKind::tsv));
  }
  CHECK(names.size() == 15);
  REQUIRE_ERROR(tasks::find("sst-2"), "cloze.data.7");
  REQUIRE_ERROR(tasks::find(""), "cloze.data.7");
}

TEST_CASE("labels stand in LM-BFF's order and have its words") {
  const Task mnli = tasks::find("MNLI"), qnli = tasks::qnli(), trec = tasks::trec();
  CHECK(mnli.labels() == std::vector<std::string>{"contradiction", "entailment", "neutral"});
  CHECK(mnli.label_words == std::vector<std::string>{"No", "Yes", "Maybe"});
  CHECK(qnli.labels() == std::vector<std::string>{"entailment", "not_entailment"});
  CHECK(qnli.label_words == std::vector<std::string>{"Yes", "No"});
  CHECK(trec.label_words[2] == "Expression");
  CHECK(trec.labels()[5] == "5");
}

TEST_CASE("limits are those of the published script") {
  CHECK(tasks::mnli().limits.max_length == 256);
  CHECK(tasks::mnli().limits.num_sample == 4);
  CHECK(tasks::qqp().limits.num_sample == 4);
  CHECK(tasks::rte().limits.first_sent_limit == 240);
  CHECK(tasks::sst5().limits.other_sent_limit == 20);
  CHECK(tasks::mr().limits.other_sent_limit == 50);
  CHECK(tasks::trec().limits.first_sent_limit == 110);
  CHECK_FALSE(tasks::trec().limits.other_sent_limit.has_value());
  CHECK(tasks::sst2().limits.max_length == 128);
}
