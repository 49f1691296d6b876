// lm_bff: one run of LM-BFF's experiment, from a k-shot folder and a model folder to test scores. Gao, Fisch, Chen:
// "Making pre-trained language models better few-shot learners", ACL 2021.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/data/kshot.hpp>
#include <cloze/methods/averaged_draws.hpp>
#include <cloze/methods/embedding_cache.hpp>
#include <cloze/methods/fine_tuning.hpp>
#include <cloze/methods/in_context.hpp>
#include <cloze/methods/lm_bff_method.hpp>
#include <cloze/methods/prompt_classifier.hpp>
#include <cloze/methods/regression.hpp>
#include <cloze/methods/sentence_embedder.hpp>
#include <cloze/methods/standard_classifier.hpp>
#include <cloze/models/auto.hpp>
#include <cloze/prompt/auto_demos.hpp>
#include <cloze/prompt/similar_demos.hpp>

namespace cloze {

/// What all runs of an experiment have in common.
struct LmBffSettings {
  std::filesystem::path data;              // holds TASK/SHOTS-SEED folders
  std::filesystem::path model;             // a Hugging Face folder
  std::filesystem::path sentence_encoder;  // of similar demonstrations; empty: they are random
  std::filesystem::path embeddings;        // where the encoder's vectors are kept; empty: nowhere
  Index shots = 16;
  Index steps = 1000;
  Index evaluate_every = 100;
  Index max_test = 0;                    // test on a sample of so many examples; 0: on all
  Index draws = 0;                       // of demonstrations, averaged at prediction; 0: the task's own number
  Index in_context_demonstrations = 32;  // fewer where the training set is smaller
  double top_fraction = 0.5;             // of similar demonstrations
  double weight_decay = 0;
};

/// One run.
struct LmBffRun {
  std::string task;
  std::uint64_t seed = 13;  // names the folder, and is the seed of training
  LmBffMethod method = LmBffMethod::prompt;
  Index batch = 8;  // of methods that train, as the next
  double lr = 1e-5;
};

/// Throws [cloze.lm_bff.2] where a setting is out of range.
inline void check_lm_bff(const LmBffRun& run, const LmBffSettings& settings) {
  require(settings.steps >= 1 && settings.evaluate_every >= 1 && settings.max_test >= 0 && settings.draws >= 0 &&
              settings.in_context_demonstrations >= 1 && run.batch >= 1 && run.lr > 0,
          "cloze.lm_bff.2",
          "steps {}, evaluate_every {}, max_test {}, draws {}, in-context demonstrations {}, batch {}, lr {}: wanted "
          "at least 1, 1, 0, 0, 1, 1 and a rate above 0",
          settings.steps, settings.evaluate_every, settings.max_test, settings.draws,
          settings.in_context_demonstrations, run.batch, run.lr);
}

/// A test set as it is scored and named in tables.
struct LmBffTest {
  std::string name;  // the task's, or "MNLI-mm"
  std::vector<Example> examples;
  Index all = 0;  // examples of the file, of which `examples` may be a sample
};

/// The seed of the sample that max_test asks for: the same for all runs.
inline constexpr std::uint64_t lm_bff_sample_seed = 0;

/// The test sets of a task: its main one, and, where that is matched, the mismatched one. Sampled examples keep the
/// order of the sample.
inline std::vector<LmBffTest> lm_bff_tests(const Task& task, KShot data, Index max_test) {
  std::vector<LmBffTest> tests;
  tests.push_back({task.name, std::move(data.test), 0});
  if (const auto at = data.more_tests.find("test_mismatched");
      task.test == "test_matched" && at != data.more_tests.end())
    tests.push_back({task.name + "-mm", std::move(at->second), 0});
  for (LmBffTest& test : tests) {
    test.all = static_cast<Index>(test.examples.size());
    if (max_test <= 0 || max_test >= test.all) continue;
    Rng(lm_bff_sample_seed, "test sample").shuffle(test.examples);
    test.examples.resize(static_cast<std::size_t>(max_test));
  }
  return tests;
}

/// What a run found.
struct LmBffReport {
  struct Test {
    std::string name;
    Index examples = 0, all = 0;                    // scored, in the file
    std::vector<std::pair<Metric, double>> scores;  // the task's metrics; NaN: not defined
  };
  std::optional<double> dev;  // the task's first metric, by which the best step and the grid point are chosen
  Index best_step = 0;
  std::vector<Test> tests;
};

namespace detail {

/// Any DemoSampler behind one type, so that the recipe is compiled once.
struct AnyDemos {
  std::function<std::vector<Demonstration>(const Example&, Rng&)> draw;

  std::vector<Demonstration> sample(const Example& query, Rng& rng) const {
    return draw ? draw(query, rng) : std::vector<Demonstration>{};
  }
};

template <class S>
AnyDemos any_demos(S sampler) {
  return {[sampler = std::move(sampler)](const Example& query, Rng& rng) { return sampler.sample(query, rng); }};
}

inline AnyDemos lm_bff_demos(const LmBffSettings& settings, const Task& task, const std::vector<Example>& train,
                             const std::vector<Example>& dev, const std::vector<LmBffTest>& tests) {
  const auto threshold = score_threshold(task);
  if (settings.sentence_encoder.empty()) return any_demos(RandomDemos(train, {.score_threshold = threshold}));
  const auto similar = [&](auto encoder) {
    SimilarDemos demos(std::move(encoder), train,
                       {.top_fraction = settings.top_fraction, .score_threshold = threshold});
    demos.prepare(dev);
    for (const LmBffTest& test : tests) demos.prepare(test.examples);
    return any_demos(std::move(demos));
  };
  auto encoder = SentenceEmbedder<float>::from_pretrained(settings.sentence_encoder);
  if (settings.embeddings.empty()) return similar(std::move(encoder));
  return similar(CachedEmbedder(std::move(encoder), settings.embeddings));
}

inline void lm_bff_majority(const Task& task, const std::vector<LmBffTest>& tests, LmBffReport& report) {
  require(!task.regression(), "cloze.lm_bff.2", "{} is a regression task: its majority has no label", task.name);
  for (const LmBffTest& test : tests) {
    const auto labels = labels_of(test.examples);
    std::map<LabelId, Index> counts;
    for (const LabelId label : labels) ++counts[label];
    const auto most = std::max_element(counts.begin(), counts.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    const std::vector<LabelId> answer(labels.size(), most == counts.end() ? LabelId{} : most->first);
    auto& found =
        report.tests.emplace_back(LmBffReport::Test{test.name, static_cast<Index>(labels.size()), test.all, {}});
    for (const Metric metric : task.metrics) found.scores.emplace_back(metric, score(metric, answer, labels));
  }
}

}  // namespace detail

/// Runs it. `tell` is told the share of the training steps that are done. The pieces are public: copy this function to
/// change a step of it. Deviations from LM-BFF's code: a batch is one batch, not several of two whose gradients add up
/// (they differ in dropout only); best-step ties go to the earlier step, as there. Errors: read_kshot's, the models',
/// fine_tune's; [cloze.lm_bff.2] a setting that does not fit.
template <Scalar T = float, Device D = Cpu>
LmBffReport lm_bff(const LmBffRun& run, const Task& task, const LmBffSettings& settings,
                   const std::function<void(double)>& tell = {}) {
  check_lm_bff(run, settings);
  KShot data = read_kshot(settings.data / task.name / formatted("{}-{}", settings.shots, run.seed), task);
  const std::vector<Example> train = std::move(data.train), dev = std::move(data.dev);
  const std::vector<LmBffTest> tests = lm_bff_tests(task, std::move(data), settings.max_test);
  LmBffReport report;
  if (run.method == LmBffMethod::majority) {
    detail::lm_bff_majority(task, tests, report);
    return report;
  }

  FineTuningOptions training{.steps = lm_bff_trains(run.method) ? settings.steps : 0,
                             .batch_size = run.batch,
                             .lr = run.lr,
                             .weight_decay = settings.weight_decay,
                             .evaluate_every = settings.evaluate_every,
                             .metric = task.metrics.front(),
                             .seed = run.seed,
                             .show_progress = false};
  if (tell)
    training.on_step = [&](Index step, double) {
      tell(static_cast<double>(step + 1) / static_cast<double>(settings.steps));
    };
  const auto train_and_score = [&](const auto& classifier) {
    const auto found = fine_tune(classifier, train, dev, training);
    report.best_step = found.best_step;
    report.dev = found.best;
    if (run.method == LmBffMethod::in_context)  // untrained, but its demonstrations are the seed's
      report.dev = score(training.metric, predict(classifier, dev, {.seed = run.seed}), dev);
    for (const LmBffTest& test : tests) {
      const Evaluation answers = predict(classifier, test.examples, {.seed = run.seed});
      auto& entry = report.tests.emplace_back(
          LmBffReport::Test{test.name, static_cast<Index>(test.examples.size()), test.all, {}});
      for (const Metric metric : task.metrics) entry.scores.emplace_back(metric, score(metric, answers, test.examples));
    }
  };

  const auto tokenizer = Tokenizer::from_pretrained(settings.model);
  const auto within = [](RenderOptions render, const EncoderConfig& config) {
    render.max_length = std::min(render.max_length, config.max_length());
    return render;
  };
  if (run.method == LmBffMethod::standard) {
    const Index outputs = task.regression() ? 1 : static_cast<Index>(task.labels().size());
    auto model = AutoModelForSequenceClassification<T, D>::from_pretrained(
        settings.model, {.num_labels = outputs, .new_head_seed = run.seed});
    RenderOptions render = within(render_options(task, false), model.config());
    render.segments = model.config().segment_types > 1;
    if (task.regression()) {
      train_and_score(StandardRegressor(std::move(model), tokenizer, task.pair(), render));
    } else {
      train_and_score(StandardClassifier(std::move(model), tokenizer, task.pair(), render));
    }
    return report;
  }

  auto model = AutoModelForMaskedLM<T, D>::from_pretrained(settings.model);
  const bool demonstrates = run.method == LmBffMethod::prompt_demo;
  RenderOptions render = render_options(task, demonstrates);
  detail::AnyDemos demos;
  if (demonstrates) demos = detail::lm_bff_demos(settings, task, train, dev, tests);
  if (run.method == LmBffMethod::in_context) {
    const Index most = static_cast<Index>(train.size());
    demos = detail::any_demos(InContextDemos(train, {.count = std::min(settings.in_context_demonstrations, most),
                                                     .score_threshold = score_threshold(task)}));
    render.max_length = 512;
    render.drop_demos = true;
  }
  render = within(render, model.config());
  const Index draws = !demonstrates ? 1 : settings.draws > 0 ? settings.draws : task.limits.num_sample;
  const auto with = [&](auto classifier) {
    if (draws == 1) return train_and_score(classifier);
    train_and_score(AveragedDraws(std::move(classifier), draws));
  };
  if (task.regression()) {
    with(PromptRegressor(std::move(model), tokenizer, Template::of(task), RegressionVerbalizer(tokenizer, task),
                         std::move(demos), render));
  } else {
    with(PromptClassifier(std::move(model), tokenizer, Template::of(task), WordVerbalizer(tokenizer, task),
                          std::move(demos), render));
  }
  return report;
}

}  // namespace cloze
