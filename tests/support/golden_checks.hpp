// Whole models against Hugging Face, on any device: hidden states, logits, loss, every gradient, a training curve.
#pragma once

#include <cmath>
#include <concepts>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <cloze/autograd/losses.hpp>
#include <cloze/models/auto.hpp>
#include <cloze/train/adamw.hpp>

#include "support/catch.hpp"
#include "support/golden_model.hpp"

namespace cloze::test {

template <class T>
constexpr double states_within = sizeof(T) == 8 ? 1e-10 : 1e-5;
template <class T>
constexpr double gradients_within = sizeof(T) == 8 ? 1e-10 : 1e-4;

template <class T, Device D>
void check_hidden_states(const GoldenModel& golden, const TransformerEncoder<T, D>& encoder) {
  const NoGrad no_grad;
  const auto states = encoder.hidden_states(golden.batch);
  for (std::size_t k = 0; k < states.size(); ++k) {
    const auto wanted = golden.packed("hidden." + std::to_string(k));
    INFO("hidden." << k);
    CHECK(distance(states[k].to_vector(), wanted, largest(wanted)) < states_within<T>);
  }
  CHECK_FALSE(golden.file.contains("hidden." + std::to_string(states.size())));
}

/// Gradients by Hugging Face name. A tensor whose gradient is zero but for rounding (key biases) is compared on the
/// scale of the largest gradient of all.
template <class T, Device D>
void check_gradients(const GoldenModel& golden, const std::vector<StateEntry<T, D>>& entries) {
  double largest_of_all = 0;
  std::size_t expected = 0;
  for (const auto& name : golden.file.names()) {
    if (!name.starts_with("grad.")) continue;
    ++expected;
    largest_of_all = std::max(largest_of_all, largest(golden.values(name)));
  }
  CHECK(entries.size() == expected);
  for (const auto& entry : entries) {
    INFO(entry.name);
    // XLM-RoBERTa's golden file calls the tied matrix by its other name.
    const bool other =
        entry.name == "roberta.embeddings.word_embeddings.weight" && !golden.file.contains("grad." + entry.name);
    const std::string name = "grad." + (other ? "lm_head.decoder.weight" : entry.name);
    REQUIRE(golden.file.contains(name));
    REQUIRE(entry.tensor.has_grad());
    const auto wanted = golden.values(name);
    const auto whole = entry.tensor.grad().to_vector();
    const auto row = static_cast<Index>(whole.size()) / entry.tensor.dim(0);
    const std::vector<T> found(whole.begin() + entry.first_row * row,
                               whole.begin() + (entry.first_row + entry.rows) * row);
    const double scale = largest(wanted) < 1e-9 * largest_of_all ? largest_of_all : largest(wanted);
    CHECK(distance(found, wanted, scale) < gradients_within<T>);
  }
}

/// `loss()` runs forward on the golden batch; `logits()` gives what golden calls logits.
template <class T, Device D, class Model, class Loss, class Logits>
void check_training(const GoldenModel& golden, const Model& model, Loss loss, Logits logits) {
  const auto check_logits = [&](const std::string& name) {
    const NoGrad no_grad;
    const auto wanted = golden.file.info(name).shape.rank() == 3 ? golden.packed(name) : golden.values(name);
    INFO(name);
    const double tolerance = name == "logits" ? states_within<T> : gradients_within<T>;
    CHECK(distance(logits().to_vector(), wanted, largest(wanted)) < tolerance);
  };
  check_logits("logits");
  const auto wanted_loss = golden.values("loss");
  auto first = loss();
  CHECK(distance(first.to_vector(), wanted_loss, wanted_loss[0]) < states_within<T>);
  first.backward();
  check_gradients<T, D>(golden, model.state_dict());

  for (auto& parameter : model.parameters()) parameter.tensor.zero_grad();
  AdamW<T, D> optimizer(model.parameters(), {.lr = 2e-3, .weight_decay = .01});
  std::vector<T> curve;
  for (int step = 0; step < 20; ++step) {
    auto now = loss();
    curve.push_back(now.item());
    now.backward();
    optimizer.step();
    optimizer.zero_grad();
  }
  const auto wanted_curve = golden.values("curve");
  CHECK(distance(curve, wanted_curve, largest(wanted_curve)) < gradients_within<T>);
  check_logits("final_logits");
}

template <class T, Device D>
void check_masked_lm(const GoldenModel& golden) {
  const auto model = AutoModelForMaskedLM<T, D>::from_pretrained(golden.folder);
  CHECK(model.load_report().unused.empty());
  std::visit([&](const auto& inner) { check_hidden_states<T, D>(golden, inner.encoder()); }, model.variant());
  check_training<T, D>(
      golden, model,
      [&] {
        // The loss without logits on one device, the loss of logits on the other.
        if constexpr (std::same_as<D, Cpu>) {
          return model.mask_loss(golden.batch);
        } else {
          return cross_entropy(model.mask_logits(golden.batch), std::span<const Index>(golden.labels));
        }
      },
      [&] { return model.logits(golden.batch); });
}

template <class T, Device D>
void check_pretraining(const GoldenModel& golden) {
  const auto model = BertForPreTraining<T, D>::from_pretrained(golden.folder);
  CHECK(model.load_report().unused.empty());
  check_hidden_states<T, D>(golden, model.encoder());
  const auto next = golden.file.template read_values<std::int64_t>("next_sentence_label");
  const std::vector<Index> next_labels(next.begin(), next.end());
  {
    const NoGrad no_grad;
    const auto wanted = golden.values("seq_relationship_logits");
    CHECK(distance(model.next_sentence_logits(golden.batch).to_vector(), wanted, largest(wanted)) < states_within<T>);
    CHECK(distance(model.forward(golden.batch).next_sentence_logits.to_vector(), wanted, largest(wanted)) <
          states_within<T>);
  }
  check_training<T, D>(
      golden, model,
      [&] {
        if constexpr (std::same_as<D, Cpu>) {
          auto batch = golden.batch;
          for (const Index label : next_labels) batch.labels.push_back(static_cast<LabelId>(label));
          const auto both = model.losses(batch);
          return both.masked + both.next_sentence;
        }
        const auto both = model.forward(golden.batch);
        return cross_entropy(both.mask_logits, std::span<const Index>(golden.labels)) +
               cross_entropy(both.next_sentence_logits, std::span<const Index>(next_labels));
      },
      [&] { return model.logits(golden.batch); });
}

template <class T, Device D>
void check_classification(const GoldenModel& golden) {
  const auto model = AutoModelForSequenceClassification<T, D>::from_pretrained(golden.folder);
  CHECK(model.load_report().unused.empty());
  CHECK(model.num_labels() == 3);
  std::visit([&](const auto& inner) { check_hidden_states<T, D>(golden, inner.encoder()); }, model.variant());
  check_training<T, D>(
      golden, model, [&] { return cross_entropy(model.logits(golden.batch), std::span<const Index>(golden.labels)); },
      [&] { return model.logits(golden.batch); });
}

template <class T, Device D>
void check_folder(const std::filesystem::path& folder) {
  INFO(folder.string());
  const GoldenModel golden(folder);
  const std::string name = folder.filename().string();
  if (name.ends_with("pretraining")) {
    check_pretraining<T, D>(golden);
  } else if (name.ends_with("classification")) {
    check_classification<T, D>(golden);
  } else {
    check_masked_lm<T, D>(golden);
  }
}

/// The tiny models in tests/golden/models.
inline std::vector<std::filesystem::path> own_golden_models() {
  const auto folder = std::filesystem::path(__FILE__).parent_path().parent_path() / "golden" / "models";
  std::vector<std::filesystem::path> all;
  for (const char* name : {"bert", "bert_pretraining", "bert_classification", "roberta", "roberta_classification",
                           "distilbert", "distilbert_classification"})
    all.push_back(folder / name);
  return all;
}

/// Those of the shared data.
inline constexpr auto shared_golden_models = {"bert",        "bert_wide_head",         "bert_pretraining", "roberta",
                                              "xlm_roberta", "roberta_classification", "distilbert"};

}  // namespace cloze::test
