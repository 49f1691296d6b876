// test:
// A verbalizer of your own: any class with words() and operator() works everywhere the built-in one does.
#include <cstdio>

#include <cloze/cloze.hpp>

using namespace cloze;

// Scores a label by the difference between a word and its opposite, so that words which the model likes anyway cancel
// out.
class ContrastVerbalizer {
 public:
  ContrastVerbalizer(const Tokenizer& tokenizer, const std::string& positive, const std::string& negative) {
    for (const std::string& word : {positive, negative}) {
      const auto ids = tokenizer.encode(std::string(tokenizer.word_prefix()) + word);
      require(ids.size() == 1, "example.verbalizer", "\"{}\" is {} tokens, wanted one", word, ids.size());
      words_.push_back(ids[0]);
    }
  }

  std::span<const TokenId> words() const { return words_; }  // the head computes these columns only

  template <Scalar T, Device D>
  Tensor<T, D> operator()(const Tensor<T, D>& scores) const {  // [masks, 2] -> [masks, 2]
    const auto contrast = Tensor<T, D>::from({-1, 1, 1, -1}, {2, 2});
    return matmul(scores, contrast);
  }

 private:
  std::vector<TokenId> words_;
};

static_assert(Verbalizer<ContrastVerbalizer>);

int main() {
  try {
    const std::string folder = "models/minilm-mlm-en", data = "examples/data/sentiment";
    const auto tokenizer = Tokenizer::from_pretrained(folder);
    const auto test =
        read_tsv(data + "/test.tsv", {.text_a = "sentence", .label = "label", .labels = {"0", "1"}, .header = true});
    const PromptClassifier classifier(AutoModelForMaskedLM<float>::from_pretrained(folder), tokenizer,
                                      Template("{text_a} It was {mask}."),
                                      ContrastVerbalizer(tokenizer, "great", "terrible"));
    std::printf("zero-shot accuracy with a verbalizer of our own: %.3f\n",
                accuracy(predict(classifier, test).predictions, labels_of(test)));
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
