// test: --model models/minilm-mlm-en --run ${WORK}/pretrain --fresh --corpus readme=README.md --corpus guides=docs --heldout-every 10 --steps 3 --sequence 64 --tokens-per-step 256 --heldout-tokens 256 --warmup 1
// Trains a masked language model on your own text, for minutes or for days: from a folder, or from nothing.
// usage: 070_pretrain --model FOLDER --run FOLDER --corpus NAME=PATH[:WEIGHT] … [--steps N] [--minutes M]
//        070_pretrain --from-scratch config.json --tokenizer FOLDER --run FOLDER --corpus …
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

#include <CLI/CLI.hpp>
#include <cloze/cloze.hpp>
#include <cloze/pretraining.hpp>
#ifdef CLOZE_EXAMPLE_XZ  // set where liblzma was found
#include <cloze/data/xz.hpp>
#endif

using namespace cloze;

namespace {

enum class Objective { mlm, mlm_nsp, mlm_sop };

struct Settings {
  std::string model, config, tokenizer, run, task, task_data;
  std::vector<std::string> corpora, held_out;
  Objective objective = Objective::mlm;
  double prompt_weight = 0.5;
  Index document_lines = 64;
  PretrainingDataOptions data;
  double mask_rate = 0.15;
  bool whole_words = false, fresh = false;
  std::string precision = "float32";
  Index tokens = 0, held_out_tokens = 16384;
  HeldOutRule rule;
  int threads = 0;
  PretrainingOptions training;
};

// A file, or all .txt and .xz files of a folder and its folders, in the order of their names.
std::vector<std::filesystem::path> files_of(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return {path};
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    const auto kind = entry.path().extension();
    if (entry.is_regular_file() && (kind == ".txt" || kind == ".xz" || kind == ".md")) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  require(!files.empty(), "cloze.pretraining.6", "{}: no .txt, .md or .xz file in this folder", path.string());
  return files;
}

std::pair<std::string, std::string> named(const std::string& text, const char* option) {
  const auto equals = text.find('=');
  require(equals != text.npos && equals > 0 && equals + 1 < text.size(), "cloze.pretraining.6",
          "{} {}: wanted NAME=PATH", option, text);
  return {text.substr(0, equals), text.substr(equals + 1)};
}

// NAME=PATH[:WEIGHT]; without weights a corpus weighs as much as its files.
std::vector<Corpus> corpora_of(const Settings& settings) {
  std::vector<Corpus> corpora;
  std::size_t weighted = 0;
  for (const std::string& text : settings.corpora) {
    auto [name, path] = named(text, "--corpus");
    Corpus corpus{.name = name, .weight = 0, .held_out = settings.rule};
    if (const auto colon = path.rfind(':'); colon != path.npos && !std::filesystem::exists(path)) {
      char* end = nullptr;
      corpus.weight = std::strtod(path.c_str() + colon + 1, &end);
      require(*end == '\0' && corpus.weight > 0, "cloze.pretraining.6",
              "--corpus {}: wanted a weight above 0 behind ':'", text);
      path.resize(colon);
      ++weighted;
    }
    corpus.files = files_of(path);
    for (const Corpus& other : corpora)
      require(other.name != name, "cloze.pretraining.6", "--corpus {}: two corpora of that name", text);
    corpora.push_back(std::move(corpus));
  }
  require(weighted == 0 || weighted == corpora.size(), "cloze.pretraining.6",
          "{} of {} corpora have a weight: wanted all or none", weighted, corpora.size());
  if (weighted == 0)
    for (Corpus& corpus : corpora)
      for (const auto& file : corpus.files) corpus.weight += static_cast<double>(fingerprint(file).size);
  for (const std::string& text : settings.held_out) {
    const auto [name, path] = named(text, "--heldout");
    const auto at = std::ranges::find_if(corpora, [&](const Corpus& corpus) { return corpus.name == name; });
    require(at != corpora.end(), "cloze.pretraining.6", "--heldout {}: no corpus of that name", text);
    at->held_out_files = files_of(path);
  }
  return corpora;
}

// What must not change between the sittings of a run.
RunIdentity identity_of(const Settings& settings, const std::vector<Corpus>& corpora, const Tokenizer& tokenizer,
                        const EncoderConfig& config) {
  RunIdentity identity;
  auto& facts = identity.facts;
  const auto add_files = [&](const std::string& name, const std::vector<std::filesystem::path>& files) {
    for (std::size_t i = 0; i < files.size(); ++i) {
      const FileFingerprint print = fingerprint(files[i]);
      facts[fmt::format("{} file {}", name, i)] = fmt::format("{} bytes, hash {:016x}", print.size, print.hash);
    }
  };
  facts["model"] =
      fmt::format("{} {}x{} vocabulary {}", config.model_type, config.layers, config.hidden_size, config.vocab_size);
  const auto weights = std::filesystem::path(settings.model) / "model.safetensors";
  if (settings.config.empty() && std::filesystem::exists(weights)) add_files("model", {weights});
  facts["tokenizer"] = fmt::format("{:016x}", tokenizer.hash());
  for (const Corpus& corpus : corpora) {
    facts["weight of " + corpus.name] = fmt::format("{}", corpus.weight);
    facts["held out of " + corpus.name] =
        corpus.held_out_files.empty()
            ? fmt::format("1 in {} blocks of {}", corpus.held_out.every, corpus.held_out.block)
            : "files";
    add_files("corpus " + corpus.name, corpus.files);
  }
  if (settings.objective != Objective::mlm)
    facts["pairs"] = fmt::format("{}, documents of {} lines",
                                 settings.objective == Objective::mlm_nsp ? "next sentence" : "sentence order",
                                 settings.document_lines);
  if (!settings.task.empty()) facts["prompts"] = fmt::format("{}, weight {}", settings.task, settings.prompt_weight);
  facts["sequence"] = fmt::format("{}", settings.data.sequence);
  facts["single lines"] = fmt::format("{}", settings.data.single_lines);
  facts["precision"] = kernels::gemm_precision() == kernels::GemmPrecision::bf16 ? "bf16" : "float32";
  facts["shuffle"] = fmt::format("{}", settings.data.shuffle);
  facts["masks"] = fmt::format("{}{}", settings.mask_rate, settings.whole_words ? " of words" : "");
  facts["tokens per step"] = fmt::format("{}", settings.training.tokens_per_step);
  facts["seed"] = fmt::format("{}", settings.training.seed);
  return identity;
}

// The k-shot training examples of an LM-BFF task as filled templates.
std::vector<LmExample> task_prompts(const Settings& settings, const Tokenizer& tokenizer) {
  if (settings.task.empty()) return {};
  const Task task = tasks::find(settings.task);
  const auto examples = read_kshot(settings.task_data, task).train;
  return filled_prompts(examples, Template::of(task), WordVerbalizer(tokenizer, task), tokenizer,
                        {.max_length = settings.data.sequence});
}

/// The exit status: 130 where Ctrl-C ended the sitting.
template <class Model>
int train(Settings& settings, const Model& model, const Tokenizer& tokenizer) {
  const auto corpora = corpora_of(settings);
  const auto tokens = PretrainingTokens::of(tokenizer, model.config().vocab_size);
  const MaskedLm masking({.mask = tokens.mask,
                          .vocab_size = tokenizer.vocab_size(),
                          .special = tokens.special,
                          .rate = settings.mask_rate,
                          .count = MaskCount::exact,
                          .starts_word = settings.whole_words ? word_starts(tokenizer) : std::vector<std::uint8_t>{}});
  const Rng root(settings.training.seed);
  const auto prompts = task_prompts(settings, tokenizer);

  std::vector<HeldOut> held_out;
  for (const Corpus& corpus : corpora) {
    held_out.push_back(
        read_held_out(corpus, tokenizer, tokens, masking, settings.held_out_tokens, settings.data, root));
    if (!held_out.back().batches.empty()) continue;
    std::fprintf(stderr, "%s: too small to hold anything out\n", corpus.name.c_str());
    held_out.pop_back();
  }
  const auto make_data = [&] {
    std::vector<ExampleStream> streams;
    std::vector<double> weights;
    double total = 0;
    for (const Corpus& corpus : corpora) {
      const PairTask pairs =
          settings.objective == Objective::mlm_sop ? PairTask::sentence_order : PairTask::next_sentence;
      streams.push_back(
          settings.objective == Objective::mlm
              ? packed_examples(corpus, tokenizer, tokens, settings.data)
              : pair_examples(corpus, tokenizer, tokens, pairs, settings.data, root, settings.document_lines));
      weights.push_back(corpus.weight);
      total += corpus.weight;
    }
    if (!prompts.empty()) {
      streams.emplace_back(ListStream(prompts, 0));
      weights.push_back(total * settings.prompt_weight / (1 - settings.prompt_weight));
    }
    return mixed_examples(std::move(streams), std::move(weights), settings.data.shuffle, root);
  };
  settings.training.save_model = [&](const std::filesystem::path& folder) {
    model.save_pretrained(folder);
    tokenizer.save_pretrained(folder);
  };
  const auto report = pretrain(model, make_data, masking, held_out,
                               identity_of(settings, corpora, tokenizer, model.config()), settings.training);
  pretraining_curves(settings.run);
  std::printf("%s after %lld steps and %lld tokens; the model is in %s/model\n",
              report.finished ? "finished" : "stopped", static_cast<long long>(report.steps),
              static_cast<long long>(report.tokens), settings.run.c_str());
  return report.interrupted ? 130 : 0;
}

int run(Settings& settings) {
  require(settings.model.empty() != settings.config.empty(), "cloze.pretraining.6",
          "wanted --model, or --from-scratch with --tokenizer");
  require(settings.config.empty() == settings.tokenizer.empty(), "cloze.pretraining.6",
          "--from-scratch and --tokenizer go together");
  require(
      settings.task.empty() == settings.task_data.empty() && settings.prompt_weight > 0 && settings.prompt_weight < 1,
      "cloze.pretraining.6", "--task and --task-data go together, with a --prompt-weight between 0 and 1");
  require(settings.task.empty() || settings.objective == Objective::mlm, "cloze.pretraining.6",
          "filled templates have no next sentence: --task goes with --objective mlm only");
  if (settings.threads > 0) set_num_threads(settings.threads);
  kernels::set_gemm_precision(kernels::gemm_precision_named(settings.precision));
  if (settings.fresh) std::filesystem::remove_all(settings.run);
  if (settings.tokens > 0)
    settings.training.steps = std::max<Index>(1, settings.tokens / settings.training.tokens_per_step);
  settings.training.folder = settings.run;
#ifdef CLOZE_EXAMPLE_XZ
  settings.data.lines.open = open_plain_or_xz;
#endif
  const auto tokenizer = Tokenizer::from_pretrained(settings.config.empty() ? settings.model : settings.tokenizer);
  const auto load = [&]<class Model>() {
    if (settings.config.empty()) return Model::from_pretrained(settings.model);
    return Model::from_config(encoder_config(read_json(settings.config), settings.config),
                              Rng(settings.training.seed, "weights"));
  };
  if (settings.objective == Objective::mlm)
    return train(settings, load.template operator()<AutoModelForMaskedLM<float>>(), tokenizer);
  return train(settings, load.template operator()<BertForPreTraining<float>>(), tokenizer);
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  PretrainingOptions& training = settings.training;
  const std::map<std::string, LrDecay> decays{
      {"linear", LrDecay::linear}, {"cosine", LrDecay::cosine}, {"none", LrDecay::none}};
  const std::map<std::string, Objective> objectives{
      {"mlm", Objective::mlm}, {"mlm-nsp", Objective::mlm_nsp}, {"mlm-sop", Objective::mlm_sop}};
  CLI::App app("Trains a masked language model on text files");
  app.add_option("--model", settings.model, "a Hugging Face folder to start from");
  app.add_option("--from-scratch", settings.config, "instead: a config.json, whose model gets random weights");
  app.add_option("--tokenizer", settings.tokenizer, "its tokenizer's folder");
  app.add_option("--objective", settings.objective,
                 "mlm; or, for BERT with both heads, mlm-nsp or mlm-sop: next sentence or sentence order as well")
      ->transform(CLI::CheckedTransformer(objectives));
  app.add_option("--document-lines", settings.document_lines, "for sentence pairs: a document ends after so many lines")
      ->capture_default_str();
  app.add_option("--task", settings.task, "mix in an LM-BFF task's training examples as filled templates");
  app.add_option("--task-data", settings.task_data, "its k-shot split");
  app.add_option("--prompt-weight", settings.prompt_weight, "their share")->capture_default_str();
  app.add_option("--run", settings.run, "folder of checkpoints, logs and the trained model; a run there goes on")
      ->required();
  app.add_option("--corpus", settings.corpora, "NAME=PATH[:WEIGHT], a text file (plain or .xz) or a folder of them")
      ->required();
  app.add_option("--heldout", settings.held_out, "NAME=PATH: score that corpus on these files instead of by the rule");
  app.add_option("--heldout-every", settings.rule.every, "hold out about one block of lines in so many; 0: none")
      ->capture_default_str();
  app.add_option("--heldout-block", settings.rule.block, "lines of such a block")->capture_default_str();
  app.add_option("--heldout-tokens", settings.held_out_tokens, "score each corpus on at most so many tokens")
      ->capture_default_str();
  app.add_option("--sequence", settings.data.sequence, "tokens of a sequence, at most")->capture_default_str();
  app.add_option("--single-lines", settings.data.single_lines,
                 "share of the lines that become short sequences of their own, as prompts are")
      ->capture_default_str();
  app.add_option("--shuffle", settings.data.shuffle, "sequences shuffled together")->capture_default_str();
  app.add_option("--mask-rate", settings.mask_rate)->capture_default_str();
  app.add_flag("--whole-words", settings.whole_words, "mask whole words");
  app.add_option("--tokens-per-step", training.tokens_per_step)->capture_default_str();
  app.add_option("--tokens-per-pass", training.tokens_per_pass, "at once through the model; gradients add up")
      ->capture_default_str();
  app.add_option("--steps", training.steps, "of the whole schedule")->capture_default_str();
  app.add_option("--tokens", settings.tokens, "of the whole schedule, instead of --steps");
  app.add_option("--stop-at", training.stop_at, "end this sitting at that step");
  app.add_option("--minutes", training.minutes, "end this sitting after so long; 0: no limit");
  app.add_option("--lr", training.optimizer.lr, "highest learning rate")->capture_default_str();
  app.add_option("--warmup", training.warmup, "steps up to it")->capture_default_str();
  app.add_option("--decay", training.decay, "from there on: linear, cosine, none")
      ->transform(CLI::CheckedTransformer(decays));
  app.add_option("--weight-decay", training.optimizer.weight_decay)->capture_default_str();
  app.add_option("--clip", training.clip_norm, "greatest norm of the gradients")->capture_default_str();
  app.add_option("--stop-after", training.guard.stop_after, "steps in a row that could not be used")
      ->capture_default_str();
  app.add_option("--checkpoint-minutes", training.checkpoint_minutes)->capture_default_str();
  app.add_option("--evaluate-minutes", training.evaluate_minutes)->capture_default_str();
  app.add_option("--keep", training.keep, "checkpoints")->capture_default_str();
  app.add_option("--log-every", training.log_every, "steps")->capture_default_str();
  app.add_option("--seed", training.seed)->capture_default_str();
  app.add_option("--precision", settings.precision,
                 "of matrix products: float32, bf16, or fastest, which measures both")
      ->capture_default_str();
  app.add_option("--threads", settings.threads, "0: OpenMP's setting")->capture_default_str();
  app.add_flag("--fresh", settings.fresh, "delete what is in the run's folder first");
  CLI11_PARSE(app, argc, argv);
  try {
    return run(settings);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
