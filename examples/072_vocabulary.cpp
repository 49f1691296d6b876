// test: train --text README.md docs --size 600 --min-frequency 1 --out ${WORK}/vocabulary
// Trains a vocabulary on your text, or cuts a model's vocabulary down to what your text uses.
// usage: 072_vocabulary train --text FILE|FOLDER … --size N --out FOLDER [--kind wordpiece|bpe] [--cased]
//        072_vocabulary prune --text FILE|FOLDER … --size N --out FOLDER --model FOLDER
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cloze/cloze.hpp>
#include <cloze/pretraining.hpp>
#ifdef CLOZE_EXAMPLE_XZ  // set where liblzma was found
#include <cloze/data/xz.hpp>
#endif

using namespace cloze;

namespace {

enum class Kind { wordpiece, bpe };

struct Settings {
  std::vector<std::string> text;
  std::string out, model;
  Index size = 8000, alphabet = 1000;
  Kind kind = Kind::wordpiece;
  std::uint64_t min_frequency = 2;
  bool cased = false;
};

// Files as they are, folders as all their .txt, .md and .xz files in the order of their names.
std::vector<std::filesystem::path> files_of(const std::vector<std::string>& paths) {
  std::vector<std::filesystem::path> files;
  for (const std::filesystem::path path : paths) {
    if (!std::filesystem::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    const auto first = static_cast<std::ptrdiff_t>(files.size());
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      const auto extension = entry.path().extension();
      if (extension == ".txt" || extension == ".md" || extension == ".xz") files.push_back(entry.path());
    }
    std::sort(files.begin() + first, files.end());
  }
  return files;
}

// Hands all lines to `take`, some thousands at a time.
template <class Take>
void read_lines(const Settings& settings, Take take) {
  LineStreamOptions options{.long_lines = LongLine::split};
#ifdef CLOZE_EXAMPLE_XZ
  options.open = open_plain_or_xz;
#endif
  LineStream lines(files_of(settings.text), options);
  std::vector<std::string> part;
  std::uint64_t count = 0;
  const auto give = [&] {
    take(std::span<const std::string>(part));
    count += part.size();
    part.clear();
    if (::isatty(2) != 0) std::fprintf(stderr, "\r%llu lines", static_cast<unsigned long long>(count));
  };
  while (auto line = lines.next()) {
    part.push_back(std::move(line->text));
    if (part.size() == 8192) give();
  }
  give();
  std::fprintf(stderr, "\r%llu lines\n", static_cast<unsigned long long>(count));
}

template <class Trainer>
Index train(const Settings& settings, Trainer trainer) {
  read_lines(settings, [&](std::span<const std::string> texts) { trainer.add(texts); });
  const auto vocabulary = trainer.train();
  std::filesystem::create_directories(settings.out);
  vocabulary.save_pretrained(settings.out);
  return static_cast<Index>(vocabulary.tokens.size());
}

// The tokens that the text uses most, and a model that knows only them.
Index prune(const Settings& settings) {
  const nlohmann::json full = read_json(std::filesystem::path(settings.model) / "tokenizer.json");
  const auto tokenizer = Tokenizer::from_pretrained(settings.model);
  const auto model = AutoModelForMaskedLM<float>::from_pretrained(settings.model);
  std::vector<std::pair<std::uint64_t, TokenId>> uses;
  for (Index id = 0; id < tokenizer.vocab_size(); ++id) uses.emplace_back(0, TokenId{static_cast<std::int32_t>(id)});
  read_lines(settings, [&](std::span<const std::string> texts) {
    for (const auto& ids : tokenizer.encode_batch(texts))
      for (const TokenId id : ids) ++uses[static_cast<std::size_t>(value(id))].first;
  });
  std::ranges::stable_sort(uses, std::ranges::greater{}, [](const auto& use) { return use.first; });
  std::vector<std::string> keep;
  for (std::size_t i = 0; i < std::min(uses.size(), static_cast<std::size_t>(settings.size)); ++i)
    if (uses[i].first > 0) keep.emplace_back(tokenizer.token(uses[i].second));

  const PrunedTokenizer pruned = prune_vocabulary(full, keep);
  keep_vocabulary(model, pruned.kept).save_pretrained(settings.out);
  write_file_atomically(std::filesystem::path(settings.out) / "tokenizer.json", pruned.tokenizer_json.dump(1));
  return static_cast<Index>(pruned.kept.size());
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app("Vocabularies from text");
  app.require_subcommand(1);
  CLI::App* trains = app.add_subcommand("train", "a new vocabulary");
  CLI::App* prunes = app.add_subcommand("prune", "a model with only the tokens that the text uses most");
  for (CLI::App* command : {trains, prunes}) {
    command->add_option("--text", settings.text, "text files (plain or .xz) or folders of them")->required();
    command->add_option("--out", settings.out, "folder to write to")->required();
    command->add_option("--size", settings.size, "tokens, at most (prune: beside those that every text may need)")
        ->capture_default_str();
  }
  const std::map<std::string, Kind> kinds{{"wordpiece", Kind::wordpiece}, {"bpe", Kind::bpe}};
  trains->add_option("--kind", settings.kind, "wordpiece (BERT's) or bpe (byte-level, RoBERTa's)")
      ->transform(CLI::CheckedTransformer(kinds));
  trains->add_option("--min-frequency", settings.min_frequency, "of a pair, to become a token")->capture_default_str();
  trains->add_option("--alphabet", settings.alphabet, "wordpiece: characters, the most frequent ones")
      ->capture_default_str();
  trains->add_flag("--cased", settings.cased, "wordpiece: keep capitals and accents");
  prunes->add_option("--model", settings.model, "a Hugging Face folder with a tokenizer.json")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    const Index size =
        prunes->parsed() ? prune(settings)
        : settings.kind == Kind::bpe
            ? train(settings, BpeTrainer({.vocab_size = settings.size, .min_frequency = settings.min_frequency}))
            : train(settings, WordPieceTrainer({.vocab_size = settings.size,
                                                .min_frequency = settings.min_frequency,
                                                .limit_alphabet = settings.alphabet,
                                                .lowercase = !settings.cased}));
    std::printf("%lld tokens in %s\n", static_cast<long long>(size), settings.out.c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
