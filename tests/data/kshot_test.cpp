#include <cloze/data/kshot.hpp>

#include <map>
#include <sstream>

#include <cloze/data/kshot_split.hpp>
#include <cloze/data/tasks.hpp>

#include "support/catch.hpp"
#include "support/md5.hpp"
#include "support/shared.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

// The table of the data's own README: file stem -> examples per label (STS-B: below 2.5, from 2.5).
const std::map<std::string, std::map<std::string, std::vector<Index>>> wanted_counts{
    {"SST-2", {{"test", {428, 444}}}},
    {"sst-5", {{"test", {279, 633, 389, 510, 399}}}},
    {"mr", {{"test", {1000, 1000}}}},
    {"mpqa", {{"test", {1000, 1000}}}},
    {"subj", {{"test", {1000, 1000}}}},
    {"CoLA", {{"test", {322, 721}}}},
    {"MRPC", {{"test", {129, 279}}}},
    {"RTE", {{"test", {146, 131}}}},
    {"STS-B", {{"test", {743, 757}}}},
    {"SNLI", {{"test", {3278, 3329, 3235}}, {"test_snli_official_test", {3237, 3368, 3219}}}},
    {"MNLI",
     {{"test_matched", {346, 401, 342}}, {"test_mismatched", {335, 345, 319}}, {"test_trainheldout", {668, 673, 659}}}},
    {"QQP", {{"test", {1289, 711}}, {"test_official_dev100", {70, 30}}}}};

std::vector<Index> count(const std::vector<Example>& examples, const Task& task) {
  std::vector<Index> counts(task.labels().size());
  for (const Example& e : examples)
    ++counts.at(task.regression() ? (*e.score < 2.5f ? 0 : 1) : static_cast<std::size_t>(value(*e.label)));
  return counts;
}

}  // namespace

TEST_CASE("every shared k-shot folder has the published number of examples of each class") {
  CLOZE_SHARED_OR_SKIP(root, "data/kshot");
  for (const auto& [name, files] : wanted_counts)
    for (const int seed : {13, 21, 42, 87, 100}) {
      const Task task = tasks::find(name);
      INFO(name << " seed " << seed);
      const KShot data = read_kshot(root / name / ("16-" + std::to_string(seed)), task);
      const std::vector<Index> sixteen(task.labels().size(), 16);
      CHECK(count(data.train, task) == sixteen);
      CHECK(count(data.dev, task) == sixteen);
      CHECK(data.more_tests.size() + 1 == files.size());
      for (const auto& [stem, counts] : files)
        CHECK(count(stem == task.test ? data.test : data.more_tests.at(stem), task) == counts);
      for (const Example& e : data.test) CHECK(e.text_b.has_value() == task.pair());
    }
}

TEST_CASE("files read raw and written back have their published MD5 sums") {
  CLOZE_SHARED_OR_SKIP(root, "data/kshot/checksum.lmbff");
  std::istringstream sums(read_file(root));
  std::string sum, name;
  int checked = 0;
  while (sums >> sum >> name) {
    const std::filesystem::path relative(name);
    const std::string task_name = relative.begin()->string(), stem = relative.stem().string();
    const auto path = root.parent_path() / relative;
    if (!std::filesystem::exists(path)) continue;
    const Task task = tasks::find(task_name);
    const RawRows raw = read_raw_rows(path, task);
    std::vector<std::string> rows;
    for (const auto& entry : raw.entries) rows.push_back(entry.bytes);
    INFO(name);
    CHECK(test::md5(RawRows::file(raw.header, rows)) == sum);
    ++checked;
  }
  CHECK(checked == 120);  // train and dev of 12 tasks and 5 seeds
}

TEST_CASE("splitting a published train and dev file again gives whole classes in order of first appearance") {
  CLOZE_SHARED_OR_SKIP(root, "data/kshot/SST-2/16-13/train.tsv");
  const Task task = tasks::sst2();
  const RawRows raw = read_raw_rows(root, task);
  const KShotSplit split = split_in_order(raw.entries, task, {.k = 8});
  REQUIRE(split.train.size() == 16);
  for (std::size_t i = 0; i < 8; ++i) {
    CHECK(split.train[i] == raw.entries[i].bytes);
    CHECK(split.dev[i] == raw.entries[8 + i].bytes);
    CHECK(split.train[8 + i] == raw.entries[16 + i].bytes);
  }
}

TEST_CASE("md5 gives the sums of RFC 1321") {
  CHECK(test::md5("") == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(test::md5("abc") == "900150983cd24fb0d6963f7d28e17f72");
  CHECK(test::md5("12345678901234567890123456789012345678901234567890123456789012345678901234567890") ==
        "57edf4a22be3c955ac49da2e2107b67a");
}

TEST_CASE("a k-shot folder is read with test files inside it, above it, or without") {
  test::TemporaryFolder folder;
  const Task task = tasks::sst2();
  const char* rows = "sentence\tlabel\ngood\t1\nbad\t0\n";
  folder.write("SST-2/16-1/train.tsv", rows);
  folder.write("SST-2/16-1/dev.tsv", rows);
  const auto path = folder.path() / "SST-2/16-1";
  REQUIRE_ERROR(read_kshot(path, task), "cloze.data.8");
  CHECK(read_kshot(path, task, {.need_test = false}).test.empty());
  folder.write("SST-2/test.tsv", "sentence\tlabel\nabove\t1\n");
  CHECK(read_kshot(path, task).test.at(0).text_a == "above");
  CHECK(read_kshot(path.string() + "/", task).test.at(0).text_a == "above");
  CHECK(read_kshot(path / ".", task).test.at(0).text_a == "above");
  folder.write("SST-2/16-1/test.tsv", "sentence\tlabel\ninside\t1\n");
  folder.write("SST-2/16-1/test_hard.tsv", "sentence\tlabel\nhard\t0\n");
  const KShot data = read_kshot(path, task);
  CHECK(data.test.at(0).text_a == "inside");
  CHECK(data.more_tests.at("test_hard").at(0).text_a == "hard");
  CHECK(data.train.at(0).source == (path / "train.tsv").string() + ":2");
}

TEST_CASE("what is wrong with a k-shot folder is said by name") {
  test::TemporaryFolder folder;
  const Task task = tasks::sst2();
  const auto path = folder.path() / "16-1";
  REQUIRE_ERROR(read_kshot(path, task), "cloze.data.8");
  const auto with_train = [&](std::string_view rows) {
    folder.write("16-1/train.tsv", rows);
    return read_kshot(path, task, {.need_test = false});
  };
  folder.write("16-1/dev.tsv", "sentence\tlabel\na\t1\nb\t0\n");
  REQUIRE_ERROR(read_kshot(path, task), "cloze.data.8");
  REQUIRE_ERROR(with_train("sentence\tlabel\n"), "cloze.data.9");
  REQUIRE_ERROR(with_train("sentence\tlabel\na\t1\n"), "cloze.data.9");
  REQUIRE_ERROR(with_train("sentence\tlabel\na\t2\n"), "cloze.data.3");
  REQUIRE_ERROR(with_train("sentence\tlabel\na\n"), "cloze.data.2");
  REQUIRE_ERROR(with_train("sentence\tlabel\n\xff\t1\n"), "cloze.data.1");
  REQUIRE_ERROR(with_train("a\t1\nb\t0\n"), "cloze.data.5");
  CHECK(with_train("sentence\tlabel\na\t1\nb\t0\n").train.size() == 2);
}
