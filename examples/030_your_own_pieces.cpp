// test: 12
// A demonstration sampler and an optimizer rule of your own, and templates chosen at run time.
// usage: 030_your_own_pieces [steps]
#include <cstdio>
#include <cstdlib>

#include <cloze/cloze.hpp>

using namespace cloze;

// Shows the shortest training example of each label: cheap, and the same for every query but the example itself.
class ShortestDemos {
 public:
  explicit ShortestDemos(std::span<const Example> data) : data_(data) {}

  std::vector<Demonstration> sample(const Example& query, Rng&) const {
    std::vector<Demonstration> shown;
    for (const LabelId label : {LabelId{0}, LabelId{1}}) {
      const Example* shortest = nullptr;
      for (const Example& example : data_)
        if (example.label == label && example.text_a != query.text_a &&
            (shortest == nullptr || example.text_a.size() < shortest->text_a.size()))
          shortest = &example;
      shown.push_back({shortest, label});
    }
    return shown;
  }

 private:
  std::span<const Example> data_;
};
static_assert(DemoSampler<ShortestDemos>);

// Sign descent on the plain gradient: an optimizer is anything with step(), zero_grad() and set_lr().
template <Scalar T>
class SignDescent {
 public:
  SignDescent(ParameterList<T> parameters, double lr) : parameters_(std::move(parameters)), lr_(lr) {}

  void step() {
    for (auto& parameter : parameters_) {
      if (!parameter.tensor.has_grad()) continue;
      const Tensor<T> grad = parameter.tensor.grad();
      const auto g = grad.span();
      const auto w = parameter.tensor.span();
      for (std::size_t i = 0; i < w.size(); ++i)
        if (g[i] != 0) w[i] -= static_cast<T>(g[i] > 0 ? lr_ : -lr_);
    }
  }
  void zero_grad() { parameters_.zero_grad(); }
  void set_lr(double lr) { lr_ = lr; }

 private:
  ParameterList<T> parameters_;
  double lr_;
};
static_assert(Optimizer<SignDescent<float>>);

int main(int argc, char** argv) {
  try {
    const Index steps = argc > 1 ? std::atoi(argv[1]) : 60;
    const std::string folder = "models/minilm-mlm-en", data = "examples/data/sentiment";
    const Columns columns{.text_a = "sentence", .label = "label", .labels = {"0", "1"}, .header = true};
    const auto train = read_tsv(data + "/train.tsv", columns), test = read_tsv(data + "/test.tsv", columns);
    const auto tokenizer = Tokenizer::from_pretrained(folder);
    const WordVerbalizer words(tokenizer, {{"negative", {"terrible", "bad"}}, {"positive", {"great", "good"}}},
                               {.score = WordScore::logsumexp});

    for (const char* text : {"{text_a} It was {mask}.", "{text_a|strip_period} , a {mask} experience ."}) {
      // Text that comes at run time goes through parse(); a wrong one throws and says where.
      const PromptClassifier classifier(AutoModelForMaskedLM<float>::from_pretrained(folder), tokenizer,
                                        Template::parse(text), words, ShortestDemos(train));
      SignDescent optimizer(classifier.parameters(), 2e-6);
      EpochSampler sampler(static_cast<Index>(train.size()), Rng(7, "data order"));
      Rng demos(7, "demos");
      double loss = 0;
      for (Index step = 0; step < steps; ++step) {
        const auto loss_now = classifier.loss(pick(train, sampler.next(8)), {.training = true, .rng = &demos}, demos);
        loss_now.backward();
        optimizer.step();
        optimizer.zero_grad();
        loss = loss_now.item();
      }
      std::printf("%-48s last loss %.3f, accuracy %.3f\n", text, loss,
                  accuracy(predict(classifier, test).predictions, labels_of(test)));
    }
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
