// test: --draws 2 --max-test 40 --cache ${WORK}/embeddings
// Demonstrations: none, random ones, and the most similar ones; their answers averaged over several draws.
// usage: 084_similar_demos [--encoder all-MiniLM-L6-v2] [--cache folder] …
#include <cstdio>

#include <CLI/CLI.hpp>
#include <cloze/cloze.hpp>
#include <cloze/experiments.hpp>

using namespace cloze;

int main(int argc, char** argv) {
  std::string model_folder = "models/minilm-mlm-en", encoder_folder = model_folder,
              data_folder = "examples/data/sentiment";
  std::string cache_folder = "embedding-cache";
  Index draws = 8, max_test = 264;
  double top_fraction = 0.5;
  CLI::App app("Random and similar demonstrations, without training");
  app.add_option("--model", model_folder, "a BERT, RoBERTa or DistilBERT folder")->capture_default_str();
  app.add_option("--encoder", encoder_folder, "a sentence encoder's folder; any encoder will do")
      ->capture_default_str();
  app.add_option("--data", data_folder, "train.tsv, dev.tsv, test.tsv: sentence, label")->capture_default_str();
  app.add_option("--cache", cache_folder, "where embeddings are kept")->capture_default_str();
  app.add_option("--draws", draws, "draws of demonstrations to average over")->capture_default_str();
  app.add_option("--top-fraction", top_fraction, "of the training examples, by similarity")->capture_default_str();
  app.add_option("--max-test", max_test)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    const Task task = read_tasks("examples/data/tasks.json").find("sentiment");
    KShot data = read_kshot(data_folder, task);
    data.test.resize(std::min(static_cast<std::size_t>(max_test), data.test.size()));

    // Training examples and queries are embedded once, and never again while text and encoder stay the same.
    const CachedEmbedder encoder(SentenceEmbedder<>::from_pretrained(encoder_folder), cache_folder);
    SimilarDemos similar(encoder, data.train, {.top_fraction = top_fraction});
    similar.prepare(data.test);
    const Example& query = data.test.front();
    std::printf("like \"%s\":\n", query.text_a.c_str());
    for (const auto& group : similar.candidates(query))
      std::printf("  label %s: %s\n", task.labels()[static_cast<std::size_t>(value(*group.front()->label))].c_str(),
                  group.front()->text_a.c_str());

    // Each demonstration is shown many times and tokenised once.
    const CachedTokenizer tokenizer(Tokenizer::from_pretrained(model_folder));
    const auto model = AutoModelForMaskedLM<float>::from_pretrained(model_folder);
    const WordVerbalizer words(tokenizer, task);
    const auto report = [&](const char* name, const auto& demos, Index count, bool shown) {
      RenderOptions options = render_options(task, shown);
      if (shown) options.max_length *= 3;  // the query and one demonstration of each label
      const PromptClassifier classifier(model, tokenizer, Template::of(task), words, demos, options);
      const auto found = predict_draws(classifier, data.test, {.draws = count});
      std::printf("%-24s accuracy %.3f\n", name, accuracy(found.predictions, labels_of(data.test)));
    };
    report("no demonstrations", NoDemos{}, 1, false);
    report("random demonstrations", RandomDemos(data.train), draws, true);
    report("similar demonstrations", similar, draws, true);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
