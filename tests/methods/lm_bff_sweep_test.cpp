#include <cloze/methods/lm_bff_sweep.hpp>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

/// A k-shot folder of SST-2 and MNLI for the seeds 13 and 21, and a model's folder of which only the bytes matter.
struct Folder {
  test::TemporaryFolder folder;

  Folder() {
    for (const std::string seed : {"13", "21"}) {
      folder.write("data/SST-2/16-" + seed + "/train.tsv", "sentence\tlabel\na " + seed + "\t0\nb\t1\n");
      folder.write("data/SST-2/16-" + seed + "/dev.tsv", "sentence\tlabel\nc\t0\nd\t1\n");
    }
    folder.write("data/SST-2/test.tsv", "sentence\tlabel\ne\t0\nf\t1\ng\t1\n");
    folder.write("model/config.json", "{}");
    folder.write("model/model.safetensors", "weights");
    folder.write("model/README.md", "not read");
  }

  LmBffExperiment experiment() const {
    LmBffExperiment wanted;
    wanted.tasks = {tasks::sst2()};
    wanted.seeds = {13, 21};
    wanted.settings.data = folder.path() / "data";
    wanted.settings.model = folder.path() / "model";
    return wanted;
  }
};

std::vector<std::string> labels(const std::vector<LmBffPlanned>& plan) {
  std::vector<std::string> list;
  for (const LmBffPlanned& planned : plan) list.push_back(planned.label);
  return list;
}

}  // namespace

TEST_CASE("a plan has every run once, and what knows no seed once for all seeds") {
  const Folder files;
  auto experiment = files.experiment();
  experiment.methods = {LmBffMethod::majority, LmBffMethod::zero_shot, LmBffMethod::prompt, LmBffMethod::in_context};
  experiment.grid = {{2, 4}, {1e-5}};
  CHECK(labels(plan_lm_bff(experiment)) ==
        std::vector<std::string>{"SST-2 majority", "SST-2 zero-shot", "SST-2 seed 13 prompt batch 2 lr 1e-05",
                                 "SST-2 seed 13 prompt batch 4 lr 1e-05", "SST-2 seed 13 in-context",
                                 "SST-2 seed 21 prompt batch 2 lr 1e-05", "SST-2 seed 21 prompt batch 4 lr 1e-05",
                                 "SST-2 seed 21 in-context"});
  experiment.methods = {LmBffMethod::standard};
  experiment.grid = lm_bff_grid();
  CHECK(plan_lm_bff(experiment).size() == 18);
}

TEST_CASE("the identity of a run changes with all that its result depends on, and with nothing else") {
  const Folder files;
  auto experiment = files.experiment();
  experiment.methods = {LmBffMethod::prompt};
  experiment.seeds = {13};
  const auto identity = [&] { return plan_lm_bff(experiment).front().identity.dump(); };
  const std::string first = identity();
  CHECK(identity() == first);
  CHECK(parse_json(first, "an identity").dump() == first);  // as a results file gives it back

  files.folder.write("model/README.md", "changed");
  CHECK(identity() == first);
  experiment.settings.in_context_demonstrations = 3;  // of another method
  experiment.settings.draws = 5;
  CHECK(identity() == first);

  std::set<std::string> seen{first};
  const auto changed = [&] { return seen.insert(identity()).second; };
  files.folder.write("model/model.safetensors", "Weights");
  CHECK(changed());
  files.folder.write("data/SST-2/test.tsv", "sentence\tlabel\ne\t0\nf\t1\ng\t0\n");
  CHECK(changed());
  files.folder.write("data/SST-2/16-13/train.tsv", "sentence\tlabel\na\t0\nb\t1\n");
  CHECK(changed());
  experiment.tasks[0].label_words = {"bad", "good"};
  CHECK(changed());
  experiment.tasks[0].limits.max_length = 64;
  CHECK(changed());
  experiment.settings.steps = 10;
  CHECK(changed());
  experiment.settings.max_test = 2;
  CHECK(changed());
  experiment.settings.weight_decay = 0.1;
  CHECK(changed());
  experiment.grid.lrs = {3e-5};
  CHECK(changed());
  experiment.seeds = {21};
  CHECK(changed());
}

TEST_CASE("a sample of the test set is the same for all, and MNLI has two test sets") {
  KShot data;
  for (int i = 0; i < 50; ++i) data.test.push_back({.text_a = std::to_string(i), .label = LabelId{0}});
  data.more_tests["test_mismatched"] = std::vector<Example>(3);
  data.more_tests["test_other"] = std::vector<Example>(3);
  const auto tests = lm_bff_tests(tasks::mnli(), data, 10);
  REQUIRE(tests.size() == 2);
  CHECK(tests[0].name == "MNLI");
  CHECK(tests[0].examples.size() == 10);
  CHECK(tests[0].all == 50);
  CHECK(tests[1].name == "MNLI-mm");
  CHECK(tests[1].examples.size() == 3);
  const auto again = lm_bff_tests(tasks::mnli(), data, 10);
  for (std::size_t i = 0; i < 10; ++i) CHECK(again[0].examples[i].text_a == tests[0].examples[i].text_a);
  CHECK(lm_bff_tests(tasks::sst2(), data, 0).size() == 1);
}

TEST_CASE("an experiment that cannot be run is refused before anything runs") {
  const Folder files;
  const auto plan_with = [&](auto change) {
    auto experiment = files.experiment();
    change(experiment);
    return plan_lm_bff(experiment);
  };
  REQUIRE_ERROR(plan_with([](auto& e) { e.tasks.clear(); }), "cloze.lm_bff.3");
  REQUIRE_ERROR(plan_with([](auto& e) { e.seeds = {13, 13}; }), "cloze.lm_bff.3");
  REQUIRE_ERROR(plan_with([](auto& e) { e.tasks.push_back(e.tasks[0]); }), "cloze.lm_bff.3");
  REQUIRE_ERROR(plan_with([](auto& e) { e.seeds = {99}; }), "cloze.data.8");
  REQUIRE_ERROR(plan_with([](auto& e) { e.settings.steps = 0; }), "cloze.lm_bff.2");
  REQUIRE_ERROR(plan_with([](auto& e) { e.grid.lrs = {-1}; }), "cloze.lm_bff.2");
  REQUIRE_ERROR(plan_with([](auto& e) { e.settings.model = "/no/such/model"; }), "cloze.file.1");
  REQUIRE_ERROR(lm_bff_method("magic"), "cloze.lm_bff.1");
  CHECK(lm_bff_method("prompt-demo") == LmBffMethod::prompt_demo);
  CHECK(plan_with([](auto& e) {
          e.tasks = {tasks::sst2()};
          e.methods = {LmBffMethod::majority};
          e.settings.model = "/no/such/model";  // it is not needed
        }).size() == 1);
}
