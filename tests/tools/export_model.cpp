// Writes a model out with save_pretrained, with what it answers for a fixed batch beside it: for
// scripts/check_export.py.
//
//   export_model masked_lm|pretraining|classification|fresh_classification|sentence FROM TO
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>

#include "support/models.hpp"

using namespace cloze;

namespace {

/// Five sequences of uneven length with ids spread over the vocabulary, clear of the lowest (special) ones.
PackedBatch fixed_batch(const EncoderConfig& config) {
  PackedBatch batch;
  for (const Index wanted : {Index{11}, Index{1}, Index{64}, Index{2}, Index{30}}) {
    const Index length = std::min(wanted, config.max_length());
    Prompt prompt;
    for (Index i = 0; i < length; ++i) {
      prompt.ids.push_back(static_cast<TokenId>(5 + (7919 * (i + 3 * length) + i * i) % (config.vocab_size - 5)));
      prompt.segments.push_back(config.segment_types > 1 && 2 * i > length ? 1 : 0);
    }
    batch.append(prompt);
  }
  return batch;
}

void write_answer(const std::filesystem::path& folder, const PackedBatch& batch, const Tensor<float>& answer) {
  const std::vector<std::int64_t> ids = [&] {
    std::vector<std::int64_t> values;
    for (const TokenId id : batch.ids) values.push_back(value(id));
    return values;
  }();
  const std::vector<std::int64_t> segments(batch.segments.begin(), batch.segments.end());
  const std::vector<std::int64_t> bounds(batch.cu_seqlens.begin(), batch.cu_seqlens.end());
  SafetensorsWriter writer;
  const auto add = [&](const char* name, const std::vector<std::int64_t>& values) {
    writer.add(name, Shape{static_cast<Index>(values.size())}, std::span<const std::int64_t>(values));
  };
  add("ids", ids);
  add("segments", segments);
  add("cu_seqlens", bounds);
  writer.add("answer", answer);
  writer.write(folder / "answer.safetensors");
}

template <class Model, class Answer>
void run(const Model& model, const std::filesystem::path& to, Answer answer) {
  model.save_pretrained(to);
  const auto batch = fixed_batch(model.config());
  const NoGrad no_grad;
  write_answer(to, batch, answer(model, batch));
}

}  // namespace

int main(int count, char** arguments) {
  const std::string kind = count == 4 ? arguments[1] : "";
  const auto logits = [](const auto& model, const PackedBatch& batch) { return model.logits(batch); };
  try {
    const std::filesystem::path from = count == 4 ? arguments[2] : "", to = count == 4 ? arguments[3] : "";
    if (kind == "masked_lm") {
      run(AutoModelForMaskedLM<float>::from_pretrained(from), to, logits);
    } else if (kind == "pretraining") {
      run(BertForPreTraining<float>::from_pretrained(from), to, logits);
    } else if (kind == "classification") {
      run(AutoModelForSequenceClassification<float>::from_pretrained(from), to, logits);
    } else if (kind == "fresh_classification") {
      run(AutoModelForSequenceClassification<float>::from_pretrained(from, {.num_labels = 4, .new_head_seed = 1}), to,
          logits);
    } else if (kind == "sentence") {
      run(SentenceEncoder<float>::from_pretrained(from), to,
          [](const auto& model, const PackedBatch& batch) { return model.encode(batch); });
    } else {
      std::fputs("usage: export_model masked_lm|pretraining|classification|fresh_classification|sentence FROM TO\n",
                 stderr);
      return 2;
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
