#include <cloze/methods/ensemble_folder.hpp>

#include <cmath>

#include <cloze/methods/regression.hpp>
#include <cloze/methods/score.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"
#include "support/temporary.hpp"
#include "support/tiny_task.hpp"

using namespace cloze;

namespace {

using Member = PromptClassifier<AutoModelForMaskedLM<float>>;

Evaluation answered(std::vector<double> scores, Index labels) {
  const auto examples = scores.size() / static_cast<std::size_t>(labels);
  return {.predictions = std::vector<LabelId>(examples), .scores = std::move(scores), .labels = labels};
}

struct Tiny {
  test::TemporaryFolder folder;
  Tiny() { test::write_tiny_task_model(folder.path() / "model"); }

  /// A member of its own: `shift` moves the first weights, as training would.
  Member member(Template prompt, std::vector<LabelWords> labels, float shift = 0) const {
    const auto tokenizer = Tokenizer::from_pretrained(folder.path() / "model");
    Member member(AutoModelForMaskedLM<float>::from_pretrained(folder.path() / "model"), tokenizer, std::move(prompt),
                  WordVerbalizer(tokenizer, std::move(labels)));
    for (auto& parameter : member.parameters()) parameter.tensor.data()[0] += shift;
    return member;
  }
  std::vector<Member> members() const {
    return {member(Template("{text_a} it was {mask}."), {{"no", {"terrible"}}, {"yes", {"great"}}}),
            member(Template("{mask} {text_a}"), {{"no", {"cold", "rain"}}, {"yes", {"warm"}}}, 0.5f),
            member(Template::lmbff("*cls**sent_0*_it_was*mask*.*sep+*"), {{"no", {"terrible"}}, {"yes", {"great"}}},
                   -0.75f)};
  }
};

}  // namespace

TEST_CASE("the joint answer is the weighted mean of probabilities, or of scores, by hand") {
  // Probabilities (1/4, 3/4) and (4/5, 1/5); weights 1 and 3.
  const std::vector<Evaluation> members{answered({0, std::log(3)}, 2), answered({std::log(4) + 7, 7}, 2)};
  const std::vector<double> weights{1, 3};
  const auto all = mean_answers(members, weights);
  CHECK(std::exp(all.scores[0]) == Approx(0.25 * 0.25 + 0.75 * 0.8));
  CHECK(std::exp(all.scores[1]) == Approx(0.25 * 0.75 + 0.75 * 0.2));
  CHECK(all.predictions == std::vector{LabelId{0}});
  const auto raw = mean_answers(members, weights, EnsembleMean::lmbff_compat);
  CHECK(raw.scores[0] == Approx(0.75 * (std::log(4) + 7)));
  CHECK(raw.scores[1] == Approx(0.25 * std::log(3) + 0.75 * 7));
  // Without weights, and ties to the first label.
  CHECK(std::exp(mean_answers(members).scores[0]) == Approx((0.25 + 0.8) / 2));
  CHECK(mean_answers(std::vector{answered({0, 1}, 2), answered({1, 0}, 2)}).predictions[0] == LabelId{0});
  // A member that is sure of itself outvotes two others with raw scores only.
  const std::vector<Evaluation> loud{answered({0, 2}, 2), answered({0, 2}, 2), answered({50, 0}, 2)};
  CHECK(mean_answers(loud).predictions[0] == LabelId{1});
  CHECK(mean_answers(loud, {}, EnsembleMean::lmbff_compat).predictions[0] == LabelId{0});
  CHECK(mean_answers(std::vector{answered({}, 2)}).predictions.empty());
}

TEST_CASE("an ensemble of one is its member, and predict() agrees with predict(text)") {
  const Tiny tiny;
  const auto examples = test::tiny_examples(7);
  const auto members = tiny.members();
  const Ensemble<Member> one({members[0]}), three(members, {0.5, 0.25, 0.75});
  const auto alone = predict(members[0], examples), same = predict(one, examples);
  CHECK(same.predictions == alone.predictions);
  const auto found = predict(three, examples);
  for (std::size_t i = 0; i < examples.size(); ++i) {
    CHECK(one.predict(examples[i].text_a).probabilities[1] ==
          Approx(members[0].predict(examples[i].text_a).probabilities[1]));
    const auto answer = three.predict(examples[i].text_a);
    double wanted = 0;
    for (std::size_t m = 0; m < 3; ++m)
      wanted += std::vector{0.5, 0.25, 0.75}[m] / 1.5 * members[m].predict(examples[i].text_a).probabilities[1];
    CHECK(answer.probabilities[1] == Approx(wanted).epsilon(1e-5));
    CHECK(std::exp(found.row(static_cast<Index>(i))[1]) == Approx(wanted).epsilon(1e-5));
    CHECK(answer.label == found.predictions[i]);
    CHECK(answer.label == static_cast<LabelId>(wanted > 0.5 ? 1 : 0));
  }
}

TEST_CASE("regressors answer together with the mean of their numbers") {
  const Tiny tiny;
  const auto tokenizer = Tokenizer::from_pretrained(tiny.folder.path() / "model");
  using Regressor = PromptRegressor<AutoModelForMaskedLM<float>>;
  std::vector<Regressor> members;
  for (const char* high : {"great", "warm"})
    members.emplace_back(AutoModelForMaskedLM<float>::from_pretrained(tiny.folder.path() / "model"), tokenizer,
                         Template("{text_a} it was {mask}."),
                         RegressionVerbalizer(tokenizer, "terrible", high, {0, 5}));
  const Ensemble<Regressor> both(members, {1, 3}, EnsembleMean::values);
  const auto examples = test::tiny_examples(3);
  const auto found = predict(both, examples);
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(found.scores[i] ==
          Approx(0.25 * members[0].predict(examples[i].text_a) + 0.75 * members[1].predict(examples[i].text_a)));
}

TEST_CASE("a saved ensemble answers as before, and saving again replaces it whole") {
  const Tiny tiny;
  const auto saved = tiny.folder.path() / "ensemble";
  const Ensemble<Member> ensemble(tiny.members(), {0.3, 0.6, 0.1});
  for (int again = 0; again < 2; ++again) {
    save_ensemble(ensemble, saved);
    const auto loaded = load_ensemble(saved);
    CHECK(loaded.weights() == ensemble.weights());
    CHECK(loaded.members().size() == 3);
    for (const char* text : {"the sea in rain", "", "a warm night on the hill"})
      CHECK(loaded.predict(text).probabilities == ensemble.predict(text).probabilities);
    int folders = 0;
    for (const auto& entry : std::filesystem::directory_iterator(saved)) folders += entry.is_directory() ? 1 : 0;
    CHECK(folders == 1);  // nothing of the older one is left
  }
  // A member that cannot be saved: the ensemble that was there stays.
  auto members = tiny.members();
  members.push_back(tiny.member(Template::plain(false), {{"no", {"terrible"}}, {"yes", {"great"}}}));
  REQUIRE_ERROR(save_ensemble(Ensemble<Member>(members), saved), "cloze.method.5");
  CHECK(load_ensemble(saved).predict("the sea").probabilities == ensemble.predict("the sea").probabilities);
}

TEST_CASE("members that do not fit together and weights that do not fit are refused") {
  const Tiny tiny;
  const auto members = tiny.members();
  const auto other = [&](std::vector<LabelWords> labels) {
    return std::vector{members[0], tiny.member(Template("{text_a} {mask}"), std::move(labels))};
  };
  REQUIRE_ERROR(Ensemble<Member>(other({{"yes", {"great"}}, {"no", {"cold"}}})), "cloze.ensemble.1");
  REQUIRE_ERROR(Ensemble<Member>(other({{"no", {"cold"}}, {"yes", {"great"}}, {"so", {"so"}}})), "cloze.ensemble.1");
  REQUIRE_ERROR(Ensemble<Member>({}), "cloze.ensemble.2");
  REQUIRE_ERROR(Ensemble<Member>(members, {1, 2}), "cloze.ensemble.2");
  REQUIRE_ERROR(Ensemble<Member>(members, {1, -1, 1}), "cloze.ensemble.2");
  REQUIRE_ERROR(Ensemble<Member>(members, {0, 0, 0}), "cloze.ensemble.2");
  REQUIRE_ERROR(Ensemble<Member>(members, {1, std::nan(""), 0}), "cloze.ensemble.2");
  REQUIRE_ERROR(mean_answers(std::vector{answered({1, 2}, 2), answered({1, 2, 3, 4}, 2)}), "cloze.ensemble.1");
  REQUIRE_ERROR(mean_answers({}), "cloze.ensemble.2");
}

TEST_CASE("a damaged ensemble folder is refused") {
  const Tiny tiny;
  const auto saved = tiny.folder.path() / "ensemble";
  const Ensemble<Member> ensemble(tiny.members());
  const auto spoiled = [&](auto&& spoil) {
    save_ensemble(ensemble, saved);
    auto json = read_json(saved / "ensemble.json");
    spoil(json, saved / json["members"][1]["folder"].get<std::string>());
    write_file_atomically(saved / "ensemble.json", json.dump());
    return saved;
  };
  using Json = nlohmann::json;
  using Path = std::filesystem::path;
  REQUIRE_ERROR(load_ensemble(tiny.folder.path() / "model"), "cloze.file.1");
  REQUIRE_ERROR(load_ensemble(spoiled([](Json& json, const Path&) { json["version"] = 2; })), "cloze.method.5");
  REQUIRE_ERROR(load_ensemble(spoiled([](Json& json, const Path&) { json["mean"] = "median"; })), "cloze.method.5");
  REQUIRE_ERROR(load_ensemble(spoiled([](Json& json, const Path&) { json.erase("members"); })), "cloze.json.2");
  REQUIRE_ERROR(load_ensemble(spoiled([](Json& json, const Path&) { json["members"] = Json::array(); })),
                "cloze.ensemble.2");
  REQUIRE_ERROR(load_ensemble(spoiled([](Json& json, const Path&) { json["members"][0]["weight"] = -1; })),
                "cloze.ensemble.2");
  for (const char* elsewhere : {"../model", "/tmp", "", "members-1/../../model"})
    REQUIRE_ERROR(load_ensemble(spoiled([&](Json& json, const Path&) { json["members"][0]["folder"] = elsewhere; })),
                  "cloze.ensemble.3");
  REQUIRE_ERROR(load_ensemble(spoiled([](Json&, const Path& member) { std::filesystem::remove_all(member); })),
                "cloze.file.1");
  REQUIRE_ERROR(load_ensemble(spoiled(
                    [](Json&, const Path& member) { std::filesystem::resize_file(member / "prompt.json", 9); })),
                "cloze.json.1");
  REQUIRE_ERROR(load_ensemble(spoiled([](Json&, const Path& member) {
                  auto prompt = read_json(member / "prompt.json");
                  prompt["labels"][0]["label"] = "perhaps";
                  write_file_atomically(member / "prompt.json", prompt.dump());
                })),
                "cloze.ensemble.1");
  write_file_atomically(saved / "ensemble.json", "{");
  REQUIRE_ERROR(load_ensemble(saved), "cloze.json.1");
}
