// Folders read and written: every name that Hugging Face has used, every way a folder can be wrong, and the way back.
#include <algorithm>

#include "support/catch.hpp"
#include "support/gradcheck.hpp"
#include "support/models.hpp"
#include "support/tiny_model.hpp"

using namespace cloze;
using test::relative_error;
using test::TemporaryFolder;
using test::tiny_batch;

namespace {

using Auto = AutoModelForMaskedLM<float>;

Auto load(const test::TinyModel& tiny) {
  const TemporaryFolder folder;
  tiny.write(folder.path());
  return Auto::from_pretrained(folder.path());
}

std::vector<float> answer(const Auto& model) {
  const NoGrad no_grad;
  return model.logits(tiny_batch({7, 4})).to_vector();
}

std::string message(const test::TinyModel& tiny) {
  try {
    load(tiny);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

bool mentions(const std::string& text, std::initializer_list<std::string_view> parts) {
  INFO(text);
  return std::ranges::all_of(parts, [&](std::string_view part) { return text.find(part) != std::string::npos; });
}

}  // namespace

TEST_CASE("names without the encoder's prefix and TensorFlow's gamma and beta mean the same") {
  const auto wanted = answer(load(test::tiny_bert()));
  auto old = test::tiny_bert();
  std::vector<std::string> names;
  for (const auto& [name, tensor] : old.tensors) names.push_back(name);
  for (std::string name : names) {
    std::string renamed = name.starts_with("bert.") ? name.substr(5) : name;
    if (renamed.ends_with("LayerNorm.weight")) renamed.replace(renamed.size() - 6, 6, "gamma");
    if (renamed.ends_with("LayerNorm.bias")) renamed.replace(renamed.size() - 4, 4, "beta");
    if (renamed != name) old.rename(name, renamed);
  }
  CHECK(old.tensors.contains("embeddings.LayerNorm.gamma"));
  CHECK(old.tensors.contains("cls.predictions.transform.LayerNorm.beta"));
  CHECK(answer(load(old)) == wanted);
}

TEST_CASE("a repeated tied decoder is accepted where it is equal, and stands in for what is missing") {
  auto tiny = test::tiny_bert();
  const auto wanted = answer(load(tiny));
  tiny.tensors["cls.predictions.decoder.weight"] = tiny.tensors["bert.embeddings.word_embeddings.weight"];
  tiny.tensors["cls.predictions.decoder.bias"] = tiny.tensors["cls.predictions.bias"];
  const auto model = load(tiny);
  CHECK(answer(model) == wanted);
  CHECK(model.load_report().unused.empty());
  tiny.tensors.erase("cls.predictions.bias");
  tiny.tensors.erase("bert.embeddings.word_embeddings.weight");
  CHECK(answer(load(tiny)) == wanted);
}

TEST_CASE("a tied decoder that differs is an error unless config.json unties it") {
  auto tiny = test::tiny_roberta();
  tiny.tensors["lm_head.decoder.weight"] = tiny.tensors["roberta.embeddings.word_embeddings.weight"];
  tiny.tensors["lm_head.decoder.weight"].values[5] += 1;
  REQUIRE_ERROR(load(tiny), "cloze.pretrained.3");
  CHECK(mentions(message(tiny),
                 {"lm_head.decoder.weight", "roberta.embeddings.word_embeddings.weight", "tie_word_embeddings"}));
  tiny.config["tie_word_embeddings"] = false;
  const auto untied = load(tiny);
  CHECK(answer(untied) != answer(load(test::tiny_roberta())));
  CHECK(untied.parameters().size() == load(test::tiny_roberta()).parameters().size() + 1);
  tiny.tensors.erase("lm_head.decoder.weight");
  REQUIRE_ERROR(load(tiny), "cloze.pretrained.1");
  auto other_bias = test::tiny_roberta();
  other_bias.tensors["lm_head.decoder.bias"] = other_bias.tensors["lm_head.bias"];
  other_bias.tensors["lm_head.decoder.bias"].values[0] += 1;
  REQUIRE_ERROR(load(other_bias), "cloze.pretrained.3");
}

TEST_CASE("any missing tensor is an error that names it and the shape it should have") {
  for (const auto& whole : {test::tiny_bert(), test::tiny_roberta(), test::tiny_distilbert()}) {
    for (const auto& [name, tensor] : whole.tensors) {
      auto tiny = whole;
      tiny.tensors.erase(name);
      INFO(name);
      CHECK(mentions(message(tiny),
                     {"[cloze.pretrained.1]", name, Shape(std::span<const Index>(tensor.extents)).text()}));
    }
  }
}

TEST_CASE("any tensor of another shape is an error with both shapes, transposed matrices too") {
  const auto whole = test::tiny_bert();
  for (const auto& [name, tensor] : whole.tensors) {
    auto tiny = whole;
    tiny.add(name, {tensor.extents[0] + 1});
    INFO(name);
    CHECK(mentions(message(tiny), {"[cloze.pretrained.2]", name, Shape(std::span<const Index>(tensor.extents)).text(),
                                   Shape{tensor.extents[0] + 1}.text()}));
  }
  auto transposed = whole;
  std::ranges::reverse(transposed.tensors["bert.encoder.layer.0.output.dense.weight"].extents);
  REQUIRE_ERROR(load(transposed), "cloze.pretrained.2");
}

TEST_CASE("a checkpoint without a masked-LM head is refused, not filled") {
  auto tiny = test::tiny_bert();
  std::erase_if(tiny.tensors, [](const auto& item) { return item.first.starts_with("cls."); });
  REQUIRE_ERROR(load(tiny), "cloze.pretrained.1");
  CHECK(mentions(message(tiny), {"cls.predictions", "none begins with \"cls.\""}));
}

TEST_CASE("more layers in config.json than in the file are an error, and fewer are reported") {
  auto tiny = test::tiny_bert();
  tiny.config["num_hidden_layers"] = 3;
  REQUIRE_ERROR(load(tiny), "cloze.pretrained.1");
  tiny.config["num_hidden_layers"] = 1;
  CHECK(load(tiny).load_report().unused.size() == 16);
}

TEST_CASE("tensors without a place are listed; position_ids are not worth it") {
  auto tiny = test::tiny_bert();
  tiny.linear("bert.pooler.dense", test::tiny_hidden, test::tiny_hidden);
  tiny.linear("cls.seq_relationship", test::tiny_hidden, 2);
  tiny.add("bert.embeddings.position_ids", {1, test::tiny_positions});
  const auto model = load(tiny);
  CHECK(model.load_report().unused == std::vector<std::string>{"bert.pooler.dense.bias", "bert.pooler.dense.weight",
                                                               "cls.seq_relationship.bias",
                                                               "cls.seq_relationship.weight"});
  CHECK(model.load_report().fresh.empty());
}

TEST_CASE("the class must fit the folder, and the automatic class lists what it knows") {
  const TemporaryFolder folder;
  test::tiny_roberta().write(folder.path());
  REQUIRE_ERROR(BertForMaskedLM<float>::from_pretrained(folder.path()), "cloze.config.4");
  CHECK(std::holds_alternative<RobertaForMaskedLM<float>>(Auto::from_pretrained(folder.path()).variant()));
  auto unknown = test::tiny_roberta();
  unknown.config["model_type"] = "gpt2";
  REQUIRE_ERROR(load(unknown), "cloze.config.4");
  CHECK(mentions(message(unknown), {"gpt2", "bert, roberta, xlm-roberta, distilbert"}));
}

TEST_CASE("a folder without weights, without config, or cut short is an error") {
  const TemporaryFolder folder;
  REQUIRE_ERROR(Auto::from_pretrained(folder.path() / "nowhere"), "cloze.file.1");
  test::tiny_bert().write(folder.path());
  std::filesystem::remove(folder.path() / "config.json");
  REQUIRE_ERROR(Auto::from_pretrained(folder.path()), "cloze.file.1");
  test::tiny_bert().write(folder.path());
  const auto weights = folder.path() / "model.safetensors";
  std::filesystem::resize_file(weights, std::filesystem::file_size(weights) - 1);
  REQUIRE_ERROR(Auto::from_pretrained(folder.path()), "cloze.safetensors.5");
  std::filesystem::remove(weights);
  REQUIRE_ERROR(Auto::from_pretrained(folder.path()), "cloze.weights.1");
}

TEST_CASE("sizes in config.json that no file could hold are refused before memory is filled") {
  auto tiny = test::tiny_bert();
  tiny.config["vocab_size"] = 2147483648;
  tiny.config["hidden_size"] = 65535;
  REQUIRE_ERROR(load(tiny), "cloze.pretrained.2");
  tiny = test::tiny_bert();
  tiny.config["num_hidden_layers"] = 1024;
  REQUIRE_ERROR(load(tiny), "cloze.pretrained.1");
  tiny = test::tiny_bert();
  tiny.config["intermediate_size"] = 1000000;
  REQUIRE_ERROR(load(tiny), "cloze.pretrained.2");
  tiny = test::tiny_bert();
  tiny.config["max_position_embeddings"] = 10000000;
  REQUIRE_ERROR(load(tiny), "cloze.pretrained.2");
}

TEST_CASE("save_pretrained writes a folder that reads back to the same bits, whatever names it came from") {
  for (const auto& tiny : {test::tiny_bert(), test::tiny_roberta(), test::tiny_distilbert()}) {
    const TemporaryFolder folder;
    tiny.write(folder.path() / "from");
    const auto model = Auto::from_pretrained(folder.path() / "from");
    model.save_pretrained(folder.path() / "a" / "to");
    const auto again = Auto::from_pretrained(folder.path() / "a" / "to");
    CHECK(answer(again) == answer(model));
    CHECK(again.load_report().unused.empty());
    const SafetensorsFile file(folder.path() / "a" / "to" / "model.safetensors");
    CHECK(file.tensors().size() == tiny.tensors.size());
    for (const auto& [name, tensor] : tiny.tensors) {
      INFO(name);
      REQUIRE(file.contains(name));
      CHECK(file.info(name).shape == Shape(std::span<const Index>(tensor.extents)));
      CHECK(file.read_values<float>(name) == tensor.values);
    }
    const auto config = read_json(folder.path() / "a" / "to" / "config.json");
    CHECK(config["dtype"] == "float32");
    CHECK(config["architectures"][0].get<std::string>().ends_with("ForMaskedLM"));
    for (const auto& [key, value] : tiny.config.items()) CHECK(config[key] == value);
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path() / "a" / "to"), {}) == 2);
  }
}

TEST_CASE("an untied model and a double one read back too") {
  auto tiny = test::tiny_bert();
  tiny.config["tie_word_embeddings"] = false;
  tiny.add("cls.predictions.decoder.weight", {test::tiny_vocab, test::tiny_hidden});
  const TemporaryFolder folder;
  tiny.write(folder.path() / "from");
  const auto model = AutoModelForMaskedLM<double>::from_pretrained(folder.path() / "from");
  model.save_pretrained(folder.path() / "to");
  const auto again = AutoModelForMaskedLM<double, Reference>::from_pretrained(folder.path() / "to");
  const NoGrad no_grad;
  CHECK(relative_error(again.logits(tiny_batch({5})).to_vector(), model.logits(tiny_batch({5})).to_vector()) < 1e-13);
  CHECK(read_json(folder.path() / "to" / "config.json")["dtype"] == "float64");
}

TEST_CASE("saving where it cannot be done is an error, and leaves what was there") {
  const TemporaryFolder folder;
  test::tiny_bert().write(folder.path() / "from");
  const auto model = Auto::from_pretrained(folder.path() / "from");
  folder.write("file", "kept");
  REQUIRE_ERROR(model.save_pretrained(folder.path() / "file"), "cloze.file.3");
  CHECK(read_file(folder.path() / "file") == "kept");
  std::filesystem::create_directories(folder.path() / "taken" / "model.safetensors");
  REQUIRE_ERROR(model.save_pretrained(folder.path() / "taken"), "cloze.file.3");
}
