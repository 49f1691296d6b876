// test: examples/data/tasks.json examples/data/sentiment models/minilm-mlm-en 60
// Tasks as data: LM-BFF's 15, those of a JSON file, and one made in code; each answered without training.
// usage: 082_your_own_task [tasks.json] [folder with train, dev, test] [model] [test examples]
#include <cstdio>
#include <cstdlib>

#include <cloze/cloze.hpp>
#include <cloze/data/task_file.hpp>

using namespace cloze;

int main(int argc, char** argv) {
  try {
    const std::string file = argc > 1 ? argv[1] : "examples/data/tasks.json";
    const std::string data_folder = argc > 2 ? argv[2] : "examples/data/sentiment";
    const std::string model_folder = argc > 3 ? argv[3] : "models/minilm-mlm-en";
    const auto most = static_cast<std::size_t>(argc > 4 ? std::atoi(argv[4]) : 264);

    TaskTable tasks = read_tasks(file);
    std::printf("%zu tasks:", tasks.all().size());
    for (const Task& task : tasks.all()) std::printf(" %s;", task.name.c_str());
    std::printf("\n");

    // A variant in code is a copy with changes.
    Task mine = tasks.find("sentiment");
    mine.name = "sentiment, asked first";
    mine.prompt = "*cls**mask*!*+sent_0**sep+*";
    mine.label_words = {"awful", "wonderful"};
    tasks.add(mine);

    const auto tokenizer = Tokenizer::from_pretrained(model_folder);
    const auto model = AutoModelForMaskedLM<float>::from_pretrained(model_folder);
    for (const Task& task : tasks.all()) {
      if (!task.name.starts_with("sentiment")) continue;
      KShot data = read_kshot(data_folder, task);
      data.test.resize(std::min(most, data.test.size()));
      const PromptClassifier classifier(model, tokenizer, Template::of(task), WordVerbalizer(tokenizer, task),
                                        NoDemos{}, render_options(task, false));
      std::printf("%-24s %-40s %s %.3f on %zu examples\n", task.name.c_str(), task.prompt.c_str(),
                  std::string(metric_name(task.metrics.front())).c_str(),
                  score(task.metrics.front(), predict(classifier, data.test).predictions, labels_of(data.test)),
                  data.test.size());
    }
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
