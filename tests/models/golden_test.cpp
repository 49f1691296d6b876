// Whole models against Hugging Face, on the host's devices.
#include <cmath>

#include <cloze/autograd/gather.hpp>
#include <cloze/batch/objectives/causal_lm.hpp>

#include "support/golden_checks.hpp"
#include "support/models.hpp"
#include "support/shared.hpp"

using namespace cloze;

namespace {

template <class T, Device D>
void check_shared() {
  CLOZE_SHARED_OR_SKIP(folder, "data/golden/models");
  for (const char* name : test::shared_golden_models) test::check_folder<T, D>(folder / name);
}

template <class T, Device D>
void check_own() {
  for (const auto& folder : test::own_golden_models()) test::check_folder<T, D>(folder);
}

}  // namespace

TEST_CASE("tiny models agree with transformers: in double to 1e-10, in float to 1e-5 and 1e-4, on both devices") {
  check_own<double, Cpu>();
  check_own<double, Reference>();
  check_own<float, Cpu>();
  check_own<float, Reference>();
}

TEST_CASE("the shared golden models agree in double on Cpu, to 1e-10") { check_shared<double, Cpu>(); }

TEST_CASE("the shared golden models agree in double on Reference, to 1e-10") { check_shared<double, Reference>(); }

TEST_CASE("the shared golden models agree in float on Cpu, to 1e-5 and 1e-4 in gradients") {
  check_shared<float, Cpu>();
}

TEST_CASE("the shared golden models agree in float on Reference, to 1e-5 and 1e-4 in gradients") {
  check_shared<float, Reference>();
}

TEST_CASE("causal LM on GPT-2's own logits gives transformers' loss") {
  CLOZE_SHARED_OR_SKIP(folder, "data/golden/models/gpt2");
  const SafetensorsFile file(folder / "golden.safetensors");
  const auto ids = file.read_values<std::int64_t>("input_ids"),
             attended = file.read_values<std::int64_t>("attention_mask");
  const Shape shape = file.info("logits").shape;  // [sequences, length, vocab]
  PackedBatch batch;
  List<Index> rows;  // of the padded logits, in the order of the batch's masks
  for (Index s = 0; s < shape[0]; ++s) {
    std::vector<TokenId> text;
    for (Index i = 0; i < shape[1] && attended[static_cast<std::size_t>(s * shape[1] + i)] != 0; ++i)
      text.push_back(static_cast<TokenId>(ids[static_cast<std::size_t>(s * shape[1] + i)]));
    const LmExample example = causal_lm(text);
    for (const Index at : example.prompt.masks) rows.push_back(s * shape[1] + at);
    for (const TokenId id : example.targets) batch.targets.push_back(id);
  }
  List<Index> targets;
  for (const TokenId id : batch.targets) targets.push_back(value(id));
  for (const bool last : {false, true}) {
    const auto all = Tensor<double>::from(file.read_values<double>(last ? "final_logits" : "logits"),
                                          {shape[0] * shape[1], shape[2]});
    const auto loss = cross_entropy(gather_rows(all, std::span<const Index>(rows)), std::span<const Index>(targets));
    if (last) {
      CHECK(loss.item() < file.read_values<double>("curve").back());  // one more step down the curve
    } else {
      CHECK(std::abs(loss.item() - file.read_values<double>("loss")[0]) < 1e-12);
    }
  }
}
