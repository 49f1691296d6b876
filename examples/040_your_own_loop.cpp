// test: 10
// The training loop by hand: every line of it is yours to change.
// usage: 040_your_own_loop [steps]
#include <cstdio>
#include <cstdlib>

#include <cloze/cloze.hpp>

int main(int argc, char** argv) {
  try {
    const cloze::Index steps = argc > 1 ? std::atoi(argv[1]) : 100;
    const std::string folder = "models/minilm-mlm-en", data = "examples/data/sentiment";
    const cloze::Columns columns{.text_a = "sentence", .label = "label", .labels = {"0", "1"}, .header = true};
    const auto train = cloze::read_tsv(data + "/train.tsv", columns);
    const auto test = cloze::read_tsv(data + "/test.tsv", columns);

    const auto tokenizer = cloze::Tokenizer::from_pretrained(folder);
    const auto model = cloze::BertForMaskedLM<float>::from_pretrained(folder);
    const cloze::Template prompt("{text_a} It was {mask}.");
    const cloze::WordVerbalizer verbalizer(tokenizer, {{"0", {"terrible"}}, {"1", {"great"}}});
    const cloze::RandomDemos demos(train, {.per_label = 1});

    auto parameters = model.parameters();
    parameters.freeze("bert.embeddings");  // names are Hugging Face's
    cloze::AdamW optimizer(parameters, {.lr = 5e-5});
    const cloze::CosineSchedule schedule{.total = steps, .warmup = steps / 10};
    cloze::Rng rng(1);
    cloze::EpochSampler sampler(static_cast<cloze::Index>(train.size()), rng.stream("data order"));

    for (const auto step : cloze::progress(steps)) {
      const auto examples = cloze::pick(train, sampler.next(8));
      const auto batch = cloze::collate(examples, prompt, demos, verbalizer, tokenizer, rng);  // packed: no padding
      const auto words =
          model.mask_scores(batch, verbalizer.words(), {.training = true, .rng = &rng});  // [masks, words]
      const auto labels = verbalizer(words);                                              // [examples, labels]
      const auto loss = cloze::cross_entropy(labels, std::span<const cloze::LabelId>(batch.labels));
      loss.backward();
      optimizer.set_lr(5e-5 * schedule(step));
      optimizer.step(cloze::clip_factor(parameters, 1.0).factor);
      optimizer.zero_grad();
    }

    const cloze::NoGrad no_grad;
    const auto evaluation = cloze::evaluate(
        [&](std::vector<cloze::Example> examples) {
          const auto batch = cloze::collate(examples, prompt, demos, verbalizer, tokenizer, rng);
          return verbalizer(model.mask_scores(batch, verbalizer.words()));
        },
        test, cloze::sequential_batches(static_cast<cloze::Index>(test.size()), 32));
    std::printf("accuracy %.3f, F1 %.3f\n", cloze::accuracy(evaluation.predictions, cloze::labels_of(test)),
                cloze::f1_binary(evaluation.predictions, cloze::labels_of(test)));
  } catch (const cloze::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
