#include <cloze/data/task_file.hpp>

#include <cloze/data/kshot.hpp>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

const char* const whole = R"({"tasks": [{
  "name": "reviews", "format": "jsonl", "text_a": "title", "text_b": "body", "label": "stars", "labels": ["1", "5"],
  "meta": {"shop": "shop"}, "template": "*cls**sent_0**mask*,*+sent_1**sep+*", "words": ["bad", "good"],
  "max_length": 200, "first_sent_limit": 20, "other_sent_limit": 90, "double_demo": true, "num_sample": 3,
  "truncate_head": true, "metrics": ["f1", "accuracy"], "dev": "valid", "test": "held_out"}]})";

/// `whole` with one part replaced.
std::string with(const std::string& from, const std::string& to) {
  std::string text = whole;
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("a task file says everything that a task is") {
  test::TemporaryFolder folder;
  const TaskTable table = read_tasks(folder.write("tasks.json", whole));
  CHECK(table.all().size() == 16);
  const Task& task = table.find("reviews");
  CHECK(task.kind == FileKind::jsonl);
  CHECK(task.columns.text_a.name() == "title");
  CHECK(task.columns.text_b->name() == "body");
  CHECK(task.columns.label->name() == "stars");
  REQUIRE(task.columns.meta.size() == 1);
  CHECK(task.columns.meta[0].second.name() == "shop");
  CHECK(task.labels() == std::vector<std::string>{"1", "5"});
  CHECK(task.label_words == std::vector<std::string>{"bad", "good"});
  CHECK(task.limits.max_length == 200);
  CHECK(task.limits.first_sent_limit == 20);
  CHECK(task.limits.other_sent_limit == 90);
  CHECK(task.limits.double_demo);
  CHECK(task.limits.truncate_head);
  CHECK(task.limits.num_sample == 3);
  CHECK(task.metrics == std::vector<Metric>{Metric::f1, Metric::accuracy});
  CHECK(task.dev == "valid");
  CHECK(task.test == "held_out");
  CHECK(task.pair());
  CHECK_FALSE(task.regression());
}

TEST_CASE("a variant of a known task says only what is different, and null takes a part away") {
  test::TemporaryFolder folder;
  const TaskTable table = read_tasks(folder.write("tasks.json", R"({"tasks": [
    {"name": "mine", "like": "sst-5", "words": ["a", "b", "c", "d", "e"], "other_sent_limit": null},
    {"name": "mine too", "like": "mine", "text_a": 3},
    {"name": "closeness", "like": "STS-B", "bounds": [1, 7], "score": "closeness"}]})"));
  const Task& mine = table.find("mine");
  CHECK(mine.kind == FileKind::csv);
  CHECK(mine.prompt == tasks::sst5().prompt);
  CHECK(mine.limits.first_sent_limit == 110);
  CHECK_FALSE(mine.limits.other_sent_limit.has_value());
  CHECK(table.find("mine too").label_words == mine.label_words);
  CHECK(table.find("mine too").columns.text_a.position() == 3);
  CHECK(table.find("closeness").regression());
  CHECK(table.find("closeness").columns.bounds->upper == 7);
}

TEST_CASE("every built-in task written to a file is read back the same, and passes the checks of one's own") {
  test::TemporaryFolder folder;
  std::vector<Task> renamed;
  for (Task task : tasks::all()) {
    check_task(task, task.name);
    task.name += " again";
    renamed.push_back(task);
  }
  const auto path = folder.path() / "all.json";
  write_tasks(path, renamed);
  const TaskTable table = read_tasks(path);
  for (const Task& task : renamed) CHECK(task_json(table.find(task.name)) == task_json(task));
  CHECK(table.all().size() == 30);
  CHECK(read_tasks(folder.write("none.json", R"({"tasks": []})")).all().size() == 15);
}

TEST_CASE("a wrong task file is an error with file and key, and adds nothing") {
  test::TemporaryFolder folder;
  const auto read = [&](const std::string& text) { return read_tasks(folder.write("tasks.json", text)); };
  CHECK(read(whole).all().size() == 16);
  REQUIRE_ERROR(read_tasks(folder.path() / "absent.json"), "cloze.file.1");
  REQUIRE_ERROR(read("{"), "cloze.json.1");
  REQUIRE_ERROR(read("[]"), "cloze.json.2");
  REQUIRE_ERROR(read("{}"), "cloze.json.2");
  REQUIRE_ERROR(read(R"({"tasks": {}})"), "cloze.json.2");
  REQUIRE_ERROR(read(R"({"tasks": [3]})"), "cloze.json.2");
  REQUIRE_ERROR(read(R"({"tasks": [], "more": 1})"), "cloze.task.1");
  REQUIRE_ERROR(read(with("\"dev\"", "\"devs\"")), "cloze.task.1");
  REQUIRE_ERROR(read(with("\"jsonl\"", "\"xlsx\"")), "cloze.task.1");
  REQUIRE_ERROR(read(with("\"f1\"", "\"f2\"")), "cloze.task.1");
  REQUIRE_ERROR(read(with("\"name\"", "\"like\": \"SST\", \"name\"")), "cloze.task.1");
  for (const char* key : {"name", "text_a", "labels", "template", "words"})
    REQUIRE_ERROR(read(with("\"" + std::string(key) + "\"", "\"meta\"")), "cloze.json.2");
  REQUIRE_ERROR(read(with("200", "\"200\"")), "cloze.json.2");
  REQUIRE_ERROR(read(with("200", "2.5")), "cloze.json.2");
  REQUIRE_ERROR(read(with("true", "1")), "cloze.json.2");
  REQUIRE_ERROR(read(with("\"title\"", "true")), "cloze.json.2");
  REQUIRE_ERROR(read(with("[\"bad\", \"good\"]", "\"bad\"")), "cloze.json.2");
  REQUIRE_ERROR(read(with("{\"shop\": \"shop\"}", "[]")), "cloze.json.2");
  REQUIRE_ERROR(read(with("\"dev\": \"valid\"", "\"bounds\": [1]")), "cloze.task.2");
  REQUIRE_ERROR(read(with("[\"bad\", \"good\"]", "[\"bad\"]")), "cloze.task.2");
  REQUIRE_ERROR(read(with("\"reviews\"", "\"SST-2\"")), "cloze.task.3");
  try {
    read(with("\"dev\"", "\"devs\""));
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("tasks.json: task 1 (\"reviews\"): unknown key \"devs\"") !=
          std::string::npos);
  }
}

TEST_CASE("a task whose parts do not fit is refused, in code as in a file") {
  TaskTable table;
  const auto refuse = [&](auto&& change) {
    Task task = tasks::sst2();
    task.name = "mine";
    change(task);
    REQUIRE_ERROR(table.add(task), "cloze.task.2");
  };
  refuse([](Task& t) { t.name = ""; });
  refuse([](Task& t) { t.prompt = ""; });
  refuse([](Task& t) { t.columns.label.reset(); });
  refuse([](Task& t) { t.columns.score = 1; });
  refuse([](Task& t) { t.columns.labels = {"0"}; });
  refuse([](Task& t) { t.columns.labels = {"0", "0"}; });
  refuse([](Task& t) { t.columns.labels = {"0", ""}; });
  refuse([](Task& t) { t.label_words = {"great"}; });
  refuse([](Task& t) { t.label_words = {"great", ""}; });
  refuse([](Task& t) { t.columns.bounds = Bounds{0, 1}; });
  refuse([](Task& t) { t.metrics = {}; });
  refuse([](Task& t) { t.metrics = {Metric::pearson}; });
  refuse([](Task& t) { t.limits.max_length = 0; });
  refuse([](Task& t) { t.limits.num_sample = 0; });
  refuse([](Task& t) { t.limits.first_sent_limit = 0; });
  refuse([](Task& t) { t.dev = ""; });
  const auto refuse_regression = [&](auto&& change) {
    Task task = tasks::stsb();
    task.name = "mine";
    change(task);
    REQUIRE_ERROR(table.add(task), "cloze.task.2");
  };
  refuse_regression([](Task& t) { t.columns.bounds.reset(); });
  refuse_regression([](Task& t) { t.columns.bounds = Bounds{5, 5}; });
  refuse_regression([](Task& t) { t.columns.bounds = Bounds{0, std::nanf("")}; });
  refuse_regression([](Task& t) { t.metrics = {Metric::accuracy}; });
  refuse_regression([](Task& t) {
    t.columns.labels = {"0", "1", "2"};
    t.label_words = {"a", "b", "c"};
  });
  Task five = tasks::sst5();
  five.name = "five";
  five.metrics = {Metric::f1};
  REQUIRE_ERROR(table.add(five), "cloze.task.2");
  five.metrics = {Metric::accuracy};
  table.add(five);
  REQUIRE_ERROR(table.add(five), "cloze.task.3");
  REQUIRE_ERROR(table.add(tasks::cr()), "cloze.task.3");
  REQUIRE_ERROR(table.find("six"), "cloze.data.7");
  CHECK(table.find("five").labels().size() == 5);
}

TEST_CASE("cr, trec and QNLI are read from folders of LM-BFF's own layout") {
  test::TemporaryFolder folder;
  const std::string cr = "1,\"it plays \"\"well\"\" , and loud\"\n0,broke in a week .\n";
  const std::string trec =
      "0,How did it start ?\n1,What films featured him ?\n2,What is the full form of .com ?\n3,Who was she ?\n"
      "4,Where is it ?\n5,When was it ?\n";
  const std::string qnli =
      "index\tquestion\tsentence\tlabel\n0\tWho ran?\tThe \"big\" man ran.\tentailment\n"
      "1\tWhen was it?\tNobody said.\tnot_entailment\n";
  for (const auto& [name, extension, text] :
       {std::tuple("cr", ".csv", cr), std::tuple("trec", ".csv", trec), std::tuple("QNLI", ".tsv", qnli)}) {
    const std::string base = std::string(name) + "/16-13/";
    for (const char* stem : {"train", "dev", "test"}) folder.write(base + stem + extension, text);
    const Task task = TaskTable().find(name);
    const KShot data = read_kshot(folder.path() / base, task);
    CHECK(data.train.size() == task.labels().size());
    CHECK(data.test.size() == data.dev.size());
    for (const Example& example : data.train) CHECK(example.text_b.has_value() == task.pair());
  }
  const auto read = [&](const char* name, const char* file) {
    return read_examples(folder.path() / name / "16-13" / file, tasks::find(name));
  };
  CHECK(read("cr", "train.csv").at(0).text_a == "it plays \"well\" , and loud");
  CHECK(read("cr", "train.csv").at(0).label == LabelId{1});
  CHECK(read("trec", "dev.csv").at(4).label == LabelId{4});
  const Example question = read("QNLI", "test.tsv").at(0);
  CHECK(question.text_a == "Who ran?");
  CHECK(question.text_b == "The \"big\" man ran.");
  CHECK(question.label == LabelId{0});
}

TEST_CASE("scores outside a task's bounds are errors with file and line") {
  test::TemporaryFolder folder;
  const auto path = folder.write("scores.csv", "3.5,a,b\n7.25,c,d\n");
  const TaskTable table = read_tasks(folder.write("tasks.json", R"({"tasks": [{"name": "near", "like": "STS-B",
    "format": "csv", "header": false, "score": 0, "text_a": 1, "text_b": 2, "bounds": [1, 7]}]})"));
  REQUIRE_ERROR(read_examples(path, table.find("near")), "cloze.data.4");
  try {
    read_examples(path, table.find("near"));
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("scores.csv:2: score 7.25 is outside [1, 7]") != std::string::npos);
  }
  folder.write("scores.csv", "3.5,a,b\n7,c,d\n1,e,f\n");
  CHECK(read_examples(path, table.find("near")).at(1).score == 7.0f);
}
