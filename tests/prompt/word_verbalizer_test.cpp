#include <cloze/prompt/word_verbalizer.hpp>

#include <cmath>

#include <cloze/data/tasks.hpp>

#include "support/catch.hpp"
#include "support/gradcheck.hpp"
#include "support/toy_tokenizer.hpp"

using namespace cloze;
using test::ToyTokenizer;

namespace {

std::string message(const ToyTokenizer& tokenizer, std::vector<LabelWords> labels, const WordOptions& options = {}) {
  try {
    WordVerbalizer(tokenizer, std::move(labels), options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// A verbalizer of a user's own: no base class, twenty lines.
class FirstAndLast {
 public:
  FirstAndLast(TokenId low, TokenId high) : words_{low, high} {}
  std::span<const TokenId> words() const { return words_; }
  template <Scalar T, Device D>
  Tensor<T, D> operator()(const Tensor<T, D>& scores) const {
    return scores;
  }

 private:
  std::vector<TokenId> words_;
};
static_assert(Verbalizer<FirstAndLast>);
static_assert(!ShowsLabels<FirstAndLast>);
static_assert(!Verbalizer<int>);

const std::vector<LabelWords> several{
    {"bad", {"terrible", "awful", "bad"}, {1, 2, 1}}, {"good", {"great"}, {3}}, {"meh", {"okay", "fine"}, {1, 0}}};

std::vector<LabelWords> unweighted() {
  auto labels = several;
  for (LabelWords& label : labels) label.weights.clear();
  return labels;
}

const std::vector<double> row{1.0, -2.0, 0.5, 3.0, 4.0, 4.5, /**/ -1.0, 0.0, 2.0, 1.0, 0.25, 0.5};

}  // namespace

TEST_CASE("label words are looked up in the form they have inside a sentence") {
  const ToyTokenizer spaced, bare(false);
  const WordVerbalizer verbalizer(spaced, {{"0", {"terrible"}}, {"1", {"great"}}});
  CHECK(verbalizer.words()[0] == spaced.encode(" terrible")[0]);
  CHECK(verbalizer.label_words()[1] == spaced.encode(" great")[0]);
  CHECK(verbalizer.num_labels() == 2);
  CHECK(verbalizer.label_names() == std::vector<std::string>{"0", "1"});
  CHECK(WordVerbalizer(bare, {{"0", {"terrible"}}}).words()[0] == bare.encode("terrible")[0]);
  CHECK(WordVerbalizer(spaced, {{"0", {"terrible"}}}, {.leading_space = false}).words()[0] ==
        spaced.encode("terrible")[0]);
  // LM-BFF's rule for words that begin with punctuation.
  spaced.encode("<b>");
  CHECK(WordVerbalizer(spaced, {{"0", {"<"}}}).words()[0] == spaced.find("<"));
}

TEST_CASE("a task brings its own words") {
  ToyTokenizer tokenizer;
  const WordVerbalizer verbalizer(tokenizer, tasks::mnli());
  CHECK(verbalizer.label_names() == std::vector<std::string>{"contradiction", "entailment", "neutral"});
  CHECK(verbalizer.words()[2] == tokenizer.encode(" Maybe")[0]);
  Task broken = tasks::sst2();
  broken.label_words.pop_back();
  REQUIRE_ERROR(WordVerbalizer(tokenizer, broken), "cloze.verbalizer.2");
}

TEST_CASE("one error lists every bad word with its tokens") {
  const ToyTokenizer tokenizer;
  const std::string text =
      message(tokenizer, {{"0", {"so so", "fine", "qq"}}, {"1", {"incredible", "fine", ""}}, {"2", {"ok", "ok"}}});
  CHECK(text.find("[cloze.verbalizer.1]") == 0);
  CHECK(text.find("label \"0\": \"so so\" is 2 tokens: \" so\" \" so\"") != std::string::npos);
  CHECK(text.find("label \"0\": \"qq\" is unknown to the tokenizer") != std::string::npos);
  CHECK(text.find("label \"1\": \"incredible\" is 2 tokens: \" incredib\" \"le\"") != std::string::npos);
  CHECK(text.find("label \"1\": \"fine\" also stands for label \"0\"") != std::string::npos);
  CHECK(text.find("label \"1\": \"\" has no tokens") != std::string::npos);
  CHECK(text.find("label \"2\": \"ok\" is listed twice") != std::string::npos);
  CHECK(std::count(text.begin(), text.end(), '\n') == 6);
  CHECK(message(tokenizer, {{"0", {"<mask>"}}}).find("is a special token") != std::string::npos);
  REQUIRE_ERROR(WordVerbalizer(tokenizer, {{"0", {"so so"}}, {"1", {"great"}}}), "cloze.verbalizer.1");
}

TEST_CASE("labels that make no sense are errors") {
  const ToyTokenizer tokenizer;
  REQUIRE_ERROR(WordVerbalizer(tokenizer, std::vector<LabelWords>{}), "cloze.verbalizer.2");
  for (const std::vector<LabelWords>& labels :
       {std::vector<LabelWords>{{"0", {}}}, {{"0", {"a"}}, {"0", {"b"}}}, {{"0", {"a"}, {1}}}})
    REQUIRE_ERROR(WordVerbalizer(tokenizer, labels), "cloze.verbalizer.2");
  const WordOptions weighted{.score = WordScore::weighted};
  for (const std::vector<float>& weights :
       {std::vector<float>{}, {1}, {1, 2, 3}, {-1, 2}, {0, 0}, {NAN, 1}, {INFINITY, 1}})
    REQUIRE_ERROR(WordVerbalizer(tokenizer, {{"0", {"a", "b"}, weights}}, weighted), "cloze.verbalizer.2");
}

TEST_CASE("the score of a label is the mean, maximum, logsumexp or weighted mean of its words' scores") {
  const ToyTokenizer tokenizer;
  const auto score = [&](WordScore kind, auto device) {
    const WordVerbalizer verbalizer(tokenizer, kind == WordScore::weighted ? several : unweighted(), {.score = kind});
    REQUIRE(verbalizer.words().size() == 6);
    return verbalizer(Tensor<double, decltype(device)>::from(row, {2, 6})).to_vector();
  };
  for (const WordScore kind : {WordScore::mean, WordScore::max, WordScore::logsumexp, WordScore::weighted}) {
    std::vector<double> wanted;
    for (std::size_t at = 0; at < row.size(); at += 6) {
      const auto label = [&](std::initializer_list<std::size_t> words, std::initializer_list<double> weights) {
        double sum = 0, most = -1e9, exps = 0, weighted = 0, total = 0;
        auto weight = weights.begin();
        for (const std::size_t w : words) {
          const double x = row[at + w];
          sum += x, most = std::max(most, x), exps += std::exp(x), weighted += *weight * x, total += *weight++;
        }
        wanted.push_back(kind == WordScore::mean        ? sum / static_cast<double>(words.size())
                         : kind == WordScore::max       ? most
                         : kind == WordScore::logsumexp ? std::log(exps)
                                                        : weighted / total);
      };
      label({0, 1, 2}, {1, 2, 1});
      label({3}, {3});
      label({4, 5}, {1, 0});
    }
    const auto cpu = score(kind, Cpu{}), reference = score(kind, Reference{});
    REQUIRE(cpu.size() == wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      CHECK(cpu[i] == Approx(wanted[i]).epsilon(1e-12));
      CHECK(reference[i] == Approx(wanted[i]).epsilon(1e-12));
    }
  }
}

TEST_CASE("gradients flow through every way to score") {
  const ToyTokenizer tokenizer;
  for (const WordScore kind : {WordScore::mean, WordScore::max, WordScore::logsumexp, WordScore::weighted}) {
    const WordVerbalizer verbalizer(tokenizer, kind == WordScore::weighted ? several : unweighted(), {.score = kind});
    const auto score = [&](const auto& inputs) { return verbalizer(inputs[0]); };
    CLOZE_GRADCHECK(Cpu, score, Shape{3, 6});
    CLOZE_GRADCHECK(Reference, score, Shape{3, 6});
  }
}

TEST_CASE("one word for each label passes the scores through") {
  const ToyTokenizer tokenizer;
  const WordVerbalizer verbalizer(tokenizer, {{"0", {"terrible"}}, {"1", {"great"}}});
  const auto scores = Tensor<float>::from({1, 2, 3, 4, 5, 6}, {3, 2});
  CHECK(verbalizer(scores).to_vector() == scores.to_vector());
  CHECK(verbalizer(scores).shape() == Shape({3, 2}));
  CHECK(verbalizer(Tensor<float>::empty({0, 2})).size() == 0);
}

TEST_CASE("scores of another width are an error") {
  const ToyTokenizer tokenizer;
  const WordVerbalizer verbalizer(tokenizer, {{"0", {"terrible"}}, {"1", {"great"}}});
  REQUIRE_ERROR(verbalizer(Tensor<float>::zeros({3, 3})), "cloze.verbalizer.3");
  REQUIRE_ERROR(verbalizer(Tensor<float>::zeros({2})), "cloze.verbalizer.3");
  REQUIRE_ERROR(verbalizer(Tensor<float>{}), "cloze.verbalizer.3");
}
