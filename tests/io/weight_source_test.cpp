#include <cloze/io/weight_source.hpp>

#include <cloze/io/safetensors_writer.hpp>

#include "support/catch.hpp"
#include "support/shared.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

void write_one(const std::filesystem::path& path, const std::string& name, std::vector<float> values) {
  SafetensorsWriter writer;
  writer.add<float>(name, {static_cast<Index>(values.size())}, values);
  writer.write(path);
}

}  // namespace

TEST_CASE("a folder of one file and a folder of shards look alike") {
  const test::TemporaryFolder one, many;
  {
    SafetensorsWriter writer;
    const std::vector<float> a{1, 2}, b{3};
    writer.add<float>("a", {2}, a);
    writer.add<float>("b", {1}, b);
    writer.write(one.path() / "model.safetensors");
  }
  write_one(many.path() / "model-00001-of-00002.safetensors", "a", {1, 2});
  write_one(many.path() / "model-00002-of-00002.safetensors", "b", {3});
  write_file_atomically(many.path() / "model.safetensors.index.json",
                        R"({"metadata":{"total_size":12},"weight_map":{"a":"model-00001-of-00002.safetensors",)"
                        R"("b":"model-00002-of-00002.safetensors"}})");
  for (const auto& path : {one.path(), many.path(), one.path() / "model.safetensors"}) {
    const auto source = WeightSource::open(path);
    const bool both = source.names() == std::vector<std::string>{"a", "b"};
    CHECK(both);
    CHECK(source.contains("a"));
    CHECK_FALSE(source.contains("c"));
    CHECK(source.shape("a") == Shape{2});
    CHECK(source.dtype("a") == Dtype::f32);
    double values[2];
    source.read_into("a", values, 2);
    CHECK((values[0] == 1 && values[1] == 2));
    CHECK(source.read<float>("b").item() == 3);
    REQUIRE_ERROR(source.shape("c"), "cloze.weights.3");
    REQUIRE_ERROR(source.read_into("a", values, 1), "cloze.safetensors.7");
  }
}

TEST_CASE("a folder without weights or with a broken index is refused") {
  const test::TemporaryFolder folder;
  REQUIRE_ERROR(WeightSource::open(folder.path()), "cloze.weights.1");
  REQUIRE_ERROR(WeightSource::open(folder.path() / "absent"), "cloze.file.1");
  write_one(folder.path() / "shard.safetensors", "a", {1});
  const auto with_index = [&](const std::string& text) {
    write_file_atomically(folder.path() / "model.safetensors.index.json", text);
    return WeightSource::open(folder.path());
  };
  CHECK(with_index(R"({"weight_map":{"a":"shard.safetensors"}})").read<float>("a").item() == 1);
  REQUIRE_ERROR(with_index("{"), "cloze.json.1");
  for (const auto* text :
       {"[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{"a":3}})", R"({"weight_map":{"a":""}})",
        R"({"weight_map":{"a":"../shard.safetensors"}})", R"({"weight_map":{"a":"/etc/passwd"}})",
        R"({"weight_map":{"a":".."}})", R"({"weight_map":{"b":"shard.safetensors"}})"}) {
    INFO(text);
    REQUIRE_ERROR(with_index(text), "cloze.weights.2");
  }
  REQUIRE_ERROR(with_index(R"({"weight_map":{"a":"missing.safetensors"}})"), "cloze.file.1");
}

TEST_CASE("the scales of a quantised tensor are no weights of their own") {
  const test::TemporaryFolder folder;
  SafetensorsWriter writer;
  writer.set_metadata("format", "cloze-int8-rows");
  const std::vector<std::int8_t> rows{1, 2, -3, 4};
  const std::vector<float> scales{10, 0.5f}, bias{7};
  writer.add<std::int8_t>("w", {2, 2}, rows);
  writer.add<float>("w.scale", {2}, scales);
  writer.add<float>("bias.scale", {1}, bias);  // no I8 tensor "bias": an ordinary tensor
  writer.write(folder.path() / "model.safetensors");
  const auto source = WeightSource::open(folder.path());
  const bool names = source.names() == std::vector<std::string>{"bias.scale", "w"};
  CHECK(names);
  CHECK(source.read<float>("w").to_vector() == std::vector<float>{10, 20, -1.5f, 2});
}

TEST_CASE("the float16 weights of a real model read into float") {
  CLOZE_SHARED_OR_SKIP(folder, "data/weights/minilm-mlm");
  const auto source = WeightSource::open(folder);
  const std::string name = "bert.embeddings.word_embeddings.weight";
  REQUIRE(source.contains(name));
  CHECK(source.dtype(name) == Dtype::f16);
  const auto words = source.read<float>(name);
  CHECK(words.shape() == Shape{30522, 384});
  double largest = 0;
  for (const float x : words.span()) largest = std::max(largest, std::abs(double{x}));
  CHECK(largest > 0.05);
  CHECK(largest < 10);
}
