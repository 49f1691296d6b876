// A temporary list of examples is refused by RandomDemos, which keeps a view; demonstrations need labels that show.
// expect 1: deleted
// expect 1: RandomDemos
// expect 2: the verbalizer needs label_words()
#include <span>
#include <vector>

#include <cloze/prompt/collate.hpp>
#include <cloze/text/tokenizer.hpp>

#ifndef CLOZE_MUST_FAIL
#define CLOZE_MUST_FAIL 0
#endif

struct Silent {
  std::vector<cloze::TokenId> wanted;
  std::span<const cloze::TokenId> words() const { return wanted; }
  cloze::Tensor<float> operator()(const cloze::Tensor<float>& scores) const { return scores; }
#if CLOZE_MUST_FAIL != 2
  std::span<const cloze::TokenId> label_words() const { return wanted; }
#endif
};

cloze::PackedBatch use(const std::vector<cloze::Example>& data, const cloze::Tokenizer& tokenizer, cloze::Rng& rng) {
#if CLOZE_MUST_FAIL == 1
  const cloze::RandomDemos demos(std::vector<cloze::Example>(data), {.per_label = 1});
#else
  const cloze::RandomDemos demos(data, {.per_label = 1});
#endif
  const cloze::Template prompt("{text_a} It was {mask}.");
  return cloze::collate(data, prompt, demos, Silent{}, tokenizer, rng);
}
