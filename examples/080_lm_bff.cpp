// test: --help
// cuda
// LM-BFF's whole experiment: tasks, seeds, methods and a grid of settings; every run is done once and kept in a file
// that survives a kill; and the tables made of it. docs/reproduce_lm_bff.md is its guide.
//
// usage: 080_lm_bff run --data k-shot --model roberta-large --results results.jsonl --task SST-2 mr --grid lm-bff
//        080_lm_bff gather results.jsonl [--out folder]
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <cloze/cloze.hpp>
#include <cloze/experiments.hpp>

using namespace cloze;

namespace {

struct Arguments {
  std::vector<std::string> tasks, methods, task_files, results;
  std::string grid, demo_filter = "random", device = "cpu", precision = "float32", out;
  std::string title = "Few-shot test scores";
  std::filesystem::path results_file = "lm_bff.jsonl";
  LmBffExperiment experiment;
  SweepOptions sweep;
  int threads = 0;
  bool no_times = false, dry_run = false;
};

int run(Arguments& arguments) {
  LmBffExperiment& experiment = arguments.experiment;
  TaskTable table;
  for (const std::string& file : arguments.task_files) table = read_tasks(file, std::move(table));
  for (const std::string& name : arguments.tasks) experiment.tasks.push_back(table.find(name));
  if (!arguments.methods.empty()) experiment.methods.clear();
  for (const std::string& name : arguments.methods) experiment.methods.push_back(lm_bff_method(name));
  if (arguments.grid == "lm-bff") experiment.grid = lm_bff_grid();
  require((arguments.demo_filter == "similar") == !experiment.settings.sentence_encoder.empty(), "cloze.lm_bff.2",
          "--demo-filter similar and --sentence-encoder go together");
  kernels::set_gemm_precision(kernels::gemm_precision_named(arguments.precision));
  arguments.sweep.record_times = !arguments.no_times;
  arguments.sweep.describe = describe_lm_bff;

  const auto plan = plan_lm_bff(experiment);
  std::vector<SweepRun> runs;
  for (const LmBffPlanned& planned : plan) runs.push_back({planned.identity, planned.label, planned.kind});
  std::fprintf(stderr, "%zu runs, results in %s\n", runs.size(), arguments.results_file.c_str());
  if (arguments.dry_run) {
    for (const SweepRun& one : runs) std::printf("%s\n", one.label.c_str());
    return 0;
  }

  const int all = arguments.threads > 0 ? arguments.threads : num_threads();
  JsonLog log(arguments.results_file);
  const SweepReport report = run_sweep(
      log, runs,
      [&](std::size_t i, const std::function<void(double)>& tell) {
        set_num_threads(std::max(1, all / arguments.sweep.jobs));
        return with_device(arguments.device, [&](auto device) {
          const auto found = lm_bff<float, decltype(device)>(plan[i].run, *plan[i].task, experiment.settings, tell);
          return lm_bff_json(found, *plan[i].task);
        });
      },
      arguments.sweep);
  std::fprintf(stderr, "%lld finished now, %lld before, %lld failed%s\n", static_cast<long long>(report.finished),
               static_cast<long long>(report.known), static_cast<long long>(report.failed),
               report.interrupted ? "; interrupted: the same command goes on" : "");
  return report.interrupted ? 130 : report.failed > 0 ? 1 : 0;
}

int show(const Arguments& arguments) {
  std::vector<nlohmann::json> records;
  for (const std::string& file : arguments.results)
    for (auto& record : read_json_log(file)) records.push_back(std::move(record));
  const Gathered gathered = gather(records);
  const Table means = gathered_table(gathered), medians = gathered_table(gathered, GatheredValue::median);
  std::string notes;
  for (const std::string& note : gathered.notes) notes += "- " + note + "\n";
  std::printf("mean (standard deviation) over seeds\n\n%s\nmedian over seeds\n\n%s", means.text().c_str(),
              medians.text().c_str());
  if (!notes.empty()) std::printf("\n%s", notes.c_str());
  if (arguments.out.empty()) return 0;
  const std::filesystem::path folder = arguments.out;
  std::filesystem::create_directories(folder);
  write_file_atomically(folder / "table.txt",
                        means.text() + "\n" + medians.text() + (notes.empty() ? "" : "\n" + notes));
  write_file_atomically(folder / "table.md", "Mean (standard deviation) over seeds:\n\n" + means.markdown() +
                                                 "\nMedian over seeds:\n\n" + medians.markdown() +
                                                 (notes.empty() ? "" : "\n" + notes));
  write_file_atomically(folder / "table.csv", gathered_details(gathered).csv());
  gathered_chart(gathered, arguments.title).write(folder / "chart.svg");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  LmBffExperiment& experiment = arguments.experiment;
  LmBffSettings& settings = experiment.settings;
  CLI::App app("LM-BFF's experiment: zero-shot, standard and prompt-based fine-tuning over tasks and seeds");
  app.require_subcommand(1);
  auto* runs = app.add_subcommand("run", "do the runs that are not in the results file");
  runs->add_option("--data", settings.data, "LM-BFF's k-shot folder: TASK/16-SEED/…")->required();
  runs->add_option("--model", settings.model, "a Hugging Face folder: BERT, RoBERTa, DistilBERT")->required();
  runs->add_option("--results", arguments.results_file, "JSON Lines, a run a line")->capture_default_str();
  runs->add_option("--task", arguments.tasks, "SST-2, sst-5, mr, … (also of --task-file)")->required();
  runs->add_option("--task-file", arguments.task_files, "more tasks, as JSON");
  runs->add_option("--seeds", experiment.seeds, "TASK/16-SEED folders; each is also the seed of training")
      ->capture_default_str();
  runs->add_option("--method", arguments.methods,
                   "majority zero-shot standard prompt prompt-demo in-context (default: all but the last)");
  runs->add_option("--grid", arguments.grid, "lm-bff: batches 2 4 8 and rates 1e-5 2e-5 5e-5")
      ->check(CLI::IsMember({"lm-bff"}));
  runs->add_option("--batch", experiment.grid.batches, "batch sizes to try")->capture_default_str();
  runs->add_option("--lr", experiment.grid.lrs, "learning rates to try")->capture_default_str();
  runs->add_option("--steps", settings.steps)->capture_default_str();
  runs->add_option("--evaluate-every", settings.evaluate_every, "steps between evaluations on dev")
      ->capture_default_str();
  runs->add_option("--weight-decay", settings.weight_decay)->capture_default_str();
  runs->add_option("--shots", settings.shots, "the 16 of 16-SEED")->capture_default_str();
  runs->add_option("--max-test", settings.max_test, "test on so many examples, a fixed sample; 0: on all")
      ->capture_default_str();
  runs->add_option("--demo-filter", arguments.demo_filter, "random or similar demonstrations")
      ->check(CLI::IsMember({"random", "similar"}))
      ->capture_default_str();
  runs->add_option("--sentence-encoder", settings.sentence_encoder,
                   "a Hugging Face folder, for similar demonstrations");
  runs->add_option("--embeddings", settings.embeddings, "folder that keeps the encoder's vectors");
  runs->add_option("--draws", settings.draws, "of demonstrations, averaged at prediction; 0: the task's own number")
      ->capture_default_str();
  runs->add_option("--demonstrations", settings.in_context_demonstrations, "of in-context learning")
      ->capture_default_str();
  runs->add_option("--jobs", arguments.sweep.jobs, "processes side by side; they share the threads")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  runs->add_option("--threads", arguments.threads, "of all processes together; 0: as OMP_NUM_THREADS says");
  runs->add_option("--device", arguments.device, "cpu, cuda or cuda:N, of every process")->capture_default_str();
  runs->add_option("--precision", arguments.precision,
                   "of matrix products on the CPU: float32, bf16, or fastest, which measures both")
      ->capture_default_str();
  runs->add_flag("--no-times", arguments.no_times, "leave wall times out: equal sweeps then write equal files");
  runs->add_flag("--dry-run", arguments.dry_run, "list the runs and stop");
  auto* tables = app.add_subcommand("gather", "tables and a chart of results files");
  tables->add_option("results", arguments.results, "results files")->required();
  tables->add_option("--out", arguments.out, "folder for table.txt, table.md, table.csv and chart.svg");
  tables->add_option("--title", arguments.title, "of the chart")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    return runs->parsed() ? run(arguments) : show(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
