// LM-BFF's experiment as a list of runs: tasks, seeds, methods and a grid of settings, each run with an identity that
// holds everything its result depends on, and nothing else.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <cloze/core/content_hash.hpp>
#include <cloze/core/error.hpp>
#include <cloze/data/task_file.hpp>
#include <cloze/kernels/cpu/gemm_precision.hpp>
#include <cloze/methods/lm_bff.hpp>

namespace cloze {

/// Batch sizes and learning rates that trained methods are tried with; dev chooses.
struct LmBffGrid {
  std::vector<Index> batches{8};
  std::vector<double> lrs{1e-5};
};

/// The paper's.
inline LmBffGrid lm_bff_grid() { return {{2, 4, 8}, {1e-5, 2e-5, 5e-5}}; }

struct LmBffExperiment {
  std::vector<Task> tasks{};
  std::vector<std::uint64_t> seeds{13, 21, 42, 87, 100};
  std::vector<LmBffMethod> methods{LmBffMethod::majority, LmBffMethod::zero_shot, LmBffMethod::standard,
                                   LmBffMethod::prompt, LmBffMethod::prompt_demo};
  LmBffGrid grid{};
  LmBffSettings settings{};
};

/// A hash of the files that decide what a model folder answers: configuration, weights and tokenizer.
/// Errors: [cloze.file.1], [cloze.file.2] the folder or a file cannot be read.
inline std::string model_folder_hash(const std::filesystem::path& folder) {
  constexpr std::array<std::string_view, 4> kinds{".json", ".safetensors", ".txt", ".model"};
  std::vector<std::filesystem::path> files;
  std::error_code code;
  for (std::filesystem::directory_iterator entry(folder, code), end; !code && entry != end; entry.increment(code))
    if (std::ranges::find(kinds, entry->path().extension().string()) != kinds.end()) files.push_back(entry->path());
  require(!code && !files.empty(), "cloze.file.1", "{}: wanted a model's folder: {}", folder.string(),
          code ? code.message() : "none of its files is one of a model");
  std::ranges::sort(files);
  ContentHash hash;
  std::vector<char> bytes(std::size_t{1} << 20);
  for (const auto& path : files) {
    hash.add_text(path.filename().string());
    std::ifstream file = detail::open_regular(path);
    std::uint64_t size = 0;
    while (file.read(bytes.data(), static_cast<std::streamsize>(bytes.size())), file.gcount() > 0) {
      const auto count = static_cast<std::size_t>(file.gcount());
      hash.add(std::as_bytes(std::span(bytes.data(), count)));
      size += count;
    }
    require(file.eof(), "cloze.file.2", "{}: reading stopped after {} bytes", path.string(), size);
    hash.add_number(size);
  }
  return hash.hex();
}

namespace detail {

inline void add_examples(ContentHash& hash, std::span<const Example> examples) {
  hash.add_number(examples.size());
  for (const Example& example : examples) {
    hash.add_text(example.text_a);
    hash.add_text(example.text_b.value_or(""));
    hash.add_number(example.label ? static_cast<std::uint64_t>(value(*example.label)) : ~std::uint64_t{0});
    hash.add_text(example.score ? formatted("{}", *example.score) : "");
  }
}

inline std::string short_hash(const ContentHash& hash) { return hash.hex().substr(0, 16); }

/// The hashes of one task's data: of all that a seeded run reads, and of the tests alone.
struct LmBffDataHash {
  std::string all, tests;
};

inline LmBffDataHash hash_kshot(const Task& task, const LmBffSettings& settings, std::uint64_t seed) {
  KShot data = read_kshot(settings.data / task.name / formatted("{}-{}", settings.shots, seed), task);
  ContentHash all, tests;
  add_examples(all, data.train);
  add_examples(all, data.dev);
  for (const LmBffTest& test : lm_bff_tests(task, std::move(data), 0)) {
    add_examples(all, test.examples);
    add_examples(tests, test.examples);
  }
  return {short_hash(all), short_hash(tests)};
}

}  // namespace detail

/// A run with its identity (what a results file knows it by) and a name for people.
struct LmBffPlanned {
  LmBffRun run;
  const Task* task = nullptr;  // of the experiment, which must outlive the plan
  nlohmann::json identity;
  std::string label, kind;
};

/// All runs of an experiment, in the order task, seed, method, batch, learning rate. All data are read and checked, the
/// model's files are hashed; nothing is trained. The precision of products is the one that is set. What cannot change a
/// result is not part of its identity: zero-shot runs know no seed, so they are done once for all seeds, and regression
/// tasks have no majority. Errors: read_kshot's, model_folder_hash's, check_lm_bff's; [cloze.lm_bff.3] nothing to run,
/// or a task, seed or method named twice.
inline std::vector<LmBffPlanned> plan_lm_bff(const LmBffExperiment& experiment) {
  const LmBffSettings& settings = experiment.settings;
  require(!experiment.tasks.empty() && !experiment.seeds.empty() && !experiment.methods.empty() &&
              !experiment.grid.batches.empty() && !experiment.grid.lrs.empty(),
          "cloze.lm_bff.3",
          "{} tasks, {} seeds, {} methods, {} batch sizes, {} learning rates: wanted at least one of each",
          experiment.tasks.size(), experiment.seeds.size(), experiment.methods.size(), experiment.grid.batches.size(),
          experiment.grid.lrs.size());
  for (const Index batch : experiment.grid.batches)
    for (const double lr : experiment.grid.lrs) check_lm_bff({.task = {}, .batch = batch, .lr = lr}, settings);
  const bool reads_model =
      std::ranges::any_of(experiment.methods, [](LmBffMethod method) { return method != LmBffMethod::majority; });
  const bool shows_similar =
      !settings.sentence_encoder.empty() && std::ranges::count(experiment.methods, LmBffMethod::prompt_demo) > 0;
  const std::string model_hash = reads_model ? model_folder_hash(settings.model).substr(0, 16) : "";
  const std::string encoder_hash = shows_similar ? model_folder_hash(settings.sentence_encoder).substr(0, 16) : "";
  const auto folder_name = [](std::filesystem::path path) {
    path = std::filesystem::absolute(path).lexically_normal();
    return (path.has_filename() ? path : path.parent_path()).filename().string();
  };

  std::vector<LmBffPlanned> plan;
  std::set<std::string> seen;
  const auto add = [&](const Task& task, const LmBffRun& run, const detail::LmBffDataHash& data) {
    nlohmann::json identity;
    std::string label = task.name;
    identity["task"] = task.name;
    identity["method"] = lm_bff_method_name(run.method);
    identity["data"] = lm_bff_seeded(run.method) ? data.all : data.tests;
    if (settings.max_test > 0) {
      identity["max_test"] = settings.max_test;
      identity["sample_seed"] = lm_bff_sample_seed;
    }
    if (run.method != LmBffMethod::majority) {
      identity["model"] = folder_name(settings.model);
      identity["model_hash"] = model_hash;
      if (kernels::gemm_precision() == kernels::GemmPrecision::bf16) identity["precision"] = "bf16";
      ContentHash task_hash;
      task_hash.add_text(task_json(task).dump());
      identity["task_hash"] = detail::short_hash(task_hash);
    }
    if (run.method != LmBffMethod::majority && run.method != LmBffMethod::standard) {
      identity["template"] = task.prompt;
      identity["words"] = task.label_words;
    }
    if (lm_bff_seeded(run.method)) {
      identity["seed"] = run.seed;
      identity["shots"] = settings.shots;
      label += formatted(" seed {}", run.seed);
    }
    label += " " + lm_bff_method_name(run.method);
    if (lm_bff_trains(run.method)) {
      identity["batch"] = run.batch;
      identity["lr"] = run.lr;
      identity["steps"] = settings.steps;
      identity["evaluate_every"] = settings.evaluate_every;
      if (settings.weight_decay != 0) identity["weight_decay"] = settings.weight_decay;
      label += formatted(" batch {} lr {}", run.batch, run.lr);
    }
    if (run.method == LmBffMethod::prompt_demo) {
      if (settings.draws > 0) identity["draws"] = settings.draws;  // else the task's, which its hash covers
      identity["demos"] = shows_similar ? "similar" : "random";
      if (shows_similar) {
        identity["sentence_encoder"] = folder_name(settings.sentence_encoder);
        identity["sentence_encoder_hash"] = encoder_hash;
        identity["top_fraction"] = settings.top_fraction;
      }
    }
    if (run.method == LmBffMethod::in_context) identity["demonstrations"] = settings.in_context_demonstrations;
    const std::string kind = task.name + " " + lm_bff_method_name(run.method);
    // Seeds of a method without one fall together.
    if (seen.insert(identity.dump()).second) {
      plan.push_back({run, &task, std::move(identity), std::move(label), kind});
      return;
    }
    require(!lm_bff_seeded(run.method), "cloze.lm_bff.3", "{}: the same run is asked for twice", label);
  };
  std::set<std::string> names;
  for (const Task& task : experiment.tasks) {
    require(names.insert(task.name).second, "cloze.lm_bff.3", "task {} is asked for twice", task.name);
    for (const std::uint64_t seed : experiment.seeds) {
      const auto data = detail::hash_kshot(task, settings, seed);
      for (const LmBffMethod method : experiment.methods) {
        if (method == LmBffMethod::majority && task.regression()) continue;
        LmBffRun run{.task = task.name, .seed = seed, .method = method};
        if (!lm_bff_trains(method)) {
          add(task, run, data);
          continue;
        }
        for (const Index batch : experiment.grid.batches)
          for (const double lr : experiment.grid.lrs) {
            run.batch = batch;
            run.lr = lr;
            add(task, run, data);
          }
      }
    }
  }
  return plan;
}

/// A run's report as fields of a record: {"metric", "dev", "best_step", "tests": [{"name", "examples", "of",
/// "scores"}]}. A score that is not defined is null.
inline nlohmann::json lm_bff_json(const LmBffReport& report, const Task& task) {
  const auto number = [](double value) { return std::isnan(value) ? nlohmann::json() : nlohmann::json(value); };
  nlohmann::json json;
  json["metric"] = std::string(metric_name(task.metrics.front()));
  if (report.dev) json["dev"] = number(*report.dev);
  if (report.best_step > 0) json["best_step"] = report.best_step;
  json["tests"] = nlohmann::json::array();
  for (const auto& test : report.tests) {
    nlohmann::json entry;
    entry["name"] = test.name;
    entry["examples"] = test.examples;
    entry["of"] = test.all;
    for (const auto& [metric, value] : test.scores) entry["scores"][std::string(metric_name(metric))] = number(value);
    json["tests"].push_back(std::move(entry));
  }
  return json;
}

/// Such fields in a few words: "accuracy 0.745, dev 0.812".
inline std::string describe_lm_bff(const nlohmann::json& record) {
  std::string text;
  const auto say = [&](const std::string& name, const nlohmann::json& value) {
    text += (text.empty() ? "" : ", ") + name +
            (value.is_number() ? formatted(" {:.3f}", value.get<double>()) : std::string(" undefined"));
  };
  for (const auto& test : json_get<std::vector<nlohmann::json>>(record, "tests", "a record")) {
    const auto scores = json_get<nlohmann::json>(test, "scores", "a record");  // items() refers to it
    for (const auto& [metric, value] : scores.items()) say(metric, value);
  }
  if (record.contains("dev")) say("dev", record.at("dev"));
  return text;
}

}  // namespace cloze
