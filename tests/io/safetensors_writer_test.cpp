#include <cloze/io/safetensors_writer.hpp>

#include <csignal>
#include <limits>

#include <sys/resource.h>

#include <cloze/io/safetensors.hpp>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

std::ptrdiff_t entries(const test::TemporaryFolder& folder) {
  return std::distance(std::filesystem::directory_iterator(folder.path()), {});
}

// While one is alive, no file of this process can grow beyond `bytes`: what a full disk looks like.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit small{bytes, before_.rlim_max};
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int) = SIG_DFL;
};

}  // namespace

TEST_CASE("what is written is read back, in every dtype") {
  const test::TemporaryFolder folder;
  const std::vector<double> exact{0, 1, -2, 0.5, 65504, -0.25};
  const std::vector<std::int64_t> ids{1, -2, std::numeric_limits<std::int64_t>::max()};
  const auto tensor = Tensor<float>::from({1, 2, 3, 4, 5, 6}, {2, 3});
  SafetensorsWriter writer;
  writer.set_metadata("format", "pt");
  writer.set_metadata("note", "\"quoted\" \n и");
  for (const auto dtype : {Dtype::f64, Dtype::f32, Dtype::f16})
    writer.add<double>(fmt::format("exact {}", dtype_name(dtype)), {2, 3}, exact, dtype);
  writer.add<double>("brain", {6}, exact, Dtype::bf16);
  writer.add<std::int64_t>("ids", {3}, ids);
  writer.add("tensor", tensor);
  writer.add("tensor half", tensor, Dtype::bf16);
  writer.add("empty", Tensor<float>::zeros({0, 4}));
  writer.add("scalar \"name\"\\", Tensor<double, Reference>::scalar(3));
  writer.write(folder.path() / "x.safetensors");
  CHECK(entries(folder) == 1);

  const SafetensorsFile file(folder.path() / "x.safetensors");
  CHECK(file.metadata().at("note") == "\"quoted\" \n и");
  for (const auto dtype : {Dtype::f64, Dtype::f32, Dtype::f16}) {
    const auto name = fmt::format("exact {}", dtype_name(dtype));
    CHECK(file.info(name).dtype == dtype);
    CHECK(file.read_values<double>(name) == exact);
    CHECK(file.info(name).shape == Shape{2, 3});
  }
  CHECK(file.read_values<double>("brain") == std::vector<double>{0, 1, -2, 0.5, 65536, -0.25});
  CHECK(file.read_values<std::int64_t>("ids") == ids);
  CHECK(file.read<float>("tensor").to_vector() == tensor.to_vector());
  CHECK(file.read<float>("tensor half").to_vector() == tensor.to_vector());
  CHECK(file.read<float>("empty").shape() == Shape{0, 4});
  CHECK(file.read<float>("scalar \"name\"\\").item() == 3);
  // Each tensor lies aligned in the file, as the header is padded and the widest come first.
  for (const auto& info : file.tensors())
    CHECK(reinterpret_cast<std::uintptr_t>(file.raw(info.name).data()) %
              static_cast<std::uintptr_t>(dtype_size(info.dtype)) ==
          0);
}

TEST_CASE("an empty writer writes a valid file, and a large tensor passes through the conversion buffer whole") {
  const test::TemporaryFolder folder;
  SafetensorsWriter().write(folder.path() / "empty.safetensors");
  CHECK(SafetensorsFile(folder.path() / "empty.safetensors").names().empty());
  for (const Index size : {16383, 16384, 16385, 50000}) {
    std::vector<double> values(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i % 2048);
    SafetensorsWriter writer;
    writer.add<double>("a", {size}, values, Dtype::f16);
    writer.write(folder.path() / "large.safetensors");
    CHECK(SafetensorsFile(folder.path() / "large.safetensors").read_values<double>("a") == values);
  }
}

TEST_CASE("names, shapes and dtypes that cannot be stored are refused") {
  SafetensorsWriter writer;
  const std::vector<float> values{1, 2};
  const std::vector<std::int64_t> ids{1};
  writer.add<float>("a", {2}, values);
  REQUIRE_ERROR(writer.add<float>("a", {2}, values), "cloze.safetensors_write.1");
  REQUIRE_ERROR(writer.add<float>("", {2}, values), "cloze.safetensors_write.1");
  REQUIRE_ERROR(writer.add<float>("__metadata__", {2}, values), "cloze.safetensors_write.1");
  REQUIRE_ERROR(writer.add<float>("b", {3}, values), "cloze.safetensors_write.1");
  REQUIRE_ERROR(writer.add<float>("b", {2}, values, Dtype::i64), "cloze.safetensors_write.1");
  REQUIRE_ERROR(writer.add<std::int64_t>("b", {1}, ids, Dtype::f32), "cloze.safetensors_write.1");
}

TEST_CASE("a value too large for its dtype and a name that is not UTF-8 are errors, and leave nothing behind") {
  const test::TemporaryFolder folder;
  const std::vector<double> large{1, 1e39}, infinite{HUGE_VAL, std::nan("")};
  for (const auto dtype : {Dtype::f32, Dtype::f16, Dtype::bf16}) {
    SafetensorsWriter writer;
    writer.add<double>("a", {2}, large, dtype);
    REQUIRE_ERROR(writer.write(folder.path() / "x"), "cloze.safetensors_write.2");
    SafetensorsWriter honest;  // what is infinite already may stay so
    honest.add<double>("a", {2}, infinite, dtype);
    honest.write(folder.path() / "y");
    const auto back = SafetensorsFile(folder.path() / "y").read_values<double>("a");
    CHECK((std::isinf(back[0]) && std::isnan(back[1])));
  }
  SafetensorsWriter writer;
  writer.add<double>("\xFF", {2}, infinite);
  REQUIRE_ERROR(writer.write(folder.path() / "x"), "cloze.safetensors_write.2");
  CHECK(entries(folder) == 1);
}

TEST_CASE("a full disk is an error that leaves the old file and nothing else") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "model.safetensors";
  SafetensorsWriter().write(path);
  const auto before = read_file(path);
  SafetensorsWriter writer;
  const auto tensor = Tensor<float>::zeros({100000});
  writer.add("a", tensor);
  writer.add("b", tensor, Dtype::bf16);
  for (const rlim_t room : {0, 5, 4096, 400100, 500000}) {
    {
      const SmallDisk small(room);
      REQUIRE_ERROR(writer.write(path), "cloze.file.3");
    }
    CHECK(read_file(path) == before);
    CHECK(entries(folder) == 1);
  }
  OutputFile full("/dev/full");
  REQUIRE_ERROR(writer.write(full), "cloze.file.3");
  REQUIRE_ERROR(writer.write("/nonexistent/x.safetensors"), "cloze.file.3");
  REQUIRE_ERROR(writer.write(folder.path()), "cloze.file.3");
  REQUIRE_ERROR(writer.write("/dev/null"), "cloze.file.3");
}
