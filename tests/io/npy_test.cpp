#include <cloze/io/npy.hpp>

#include <sstream>

#include <xtensor/xadapt.hpp>
#include <xtensor/xnpy.hpp>

#include "support/catch.hpp"

using namespace cloze;

namespace {

/// A folder for one test, removed at its end.
struct Folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / fmt::format("cloze_npy_{}", ::getpid());
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path file(const char* name) const { return path / name; }
  std::filesystem::path with(const std::string& bytes) const {
    detail::write_bytes(file("x.npy"), bytes);
    return file("x.npy");
  }
};

/// A version 1 file with this dictionary and these elements.
std::string npy(const std::string& dictionary, const std::string& elements) {
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(dictionary.size() & 0xff);
  bytes += static_cast<char>(dictionary.size() >> 8);
  return bytes + dictionary + elements;
}

const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
const std::string eight(8, '\0');

}  // namespace

TEMPLATE_TEST_CASE("a tensor survives the round trip through an NPY file", "", float, double) {
  const Folder folder;
  for (const Shape shape : {Shape{}, Shape{1}, Shape{3}, Shape{0}, Shape{2, 3}, Shape{0, 5}, Shape{2, 1, 3, 1, 2, 2}}) {
    std::vector<TestType> values(static_cast<std::size_t>(shape.size()));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<TestType>(1.0 / static_cast<double>(i + 3));
    const auto x = Tensor<TestType>::from(values, shape);
    save_npy(folder.file("x.npy"), x);
    const auto y = load_npy<TestType>(folder.file("x.npy"));
    CHECK(y.shape() == shape);
    CHECK(y.to_vector() == values);
    CHECK(std::filesystem::file_size(folder.file("x.npy")) % 64 == (values.size() * sizeof(TestType)) % 64);
    const auto r = load_npy<TestType, Reference>(folder.file("x.npy"));
    CHECK(r.to_vector() == values);
    save_npy(folder.file("x.npy"), r);  // over the old file
    CHECK(load_npy<TestType>(folder.file("x.npy")).to_vector() == values);
  }
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);  // nothing half-written is left
}

TEST_CASE("xtensor reads the NPY files that we write, and we read those that it writes") {
  const Folder folder;
  const auto x = Tensor<double>::from({1, 2, 3, 4, 5, 6}, {2, 3});
  save_npy(folder.file("x.npy"), x);
  const auto loaded = xt::load_npy<double>(folder.file("x.npy").string());
  REQUIRE(loaded.dimension() == 2);
  CHECK((loaded.shape()[0] == 2 && loaded.shape()[1] == 3));
  CHECK((loaded(0, 2) == 3 && loaded(1, 0) == 4));
  const xt::xtensor<float, 3> theirs{{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}};
  xt::dump_npy(folder.file("theirs.npy").string(), theirs);
  const auto ours = load_npy<float>(folder.file("theirs.npy"));
  CHECK(ours.shape() == Shape{2, 2, 2});
  CHECK(ours.to_vector() == std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8});
}

TEST_CASE("an NPY file is byte for byte what NumPy writes") {
  const Folder folder;
  save_npy(folder.file("x.npy"), Tensor<float>::from({1, -2}, {2}));  // numpy.save(…, numpy.array([1, -2], "f4"))
  std::string wanted("\x93NUMPY\x01\x00\x76\x00", 10);
  wanted += "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  wanted += std::string(128 - 1 - wanted.size(), ' ') + '\n';
  wanted += std::string("\x00\x00\x80\x3f\x00\x00\x00\xc0", 8);
  CHECK(read_file(folder.file("x.npy")) == wanted);
}

TEST_CASE("any spelling of the header that Python accepts is read") {
  const Folder folder;
  for (const std::string& dictionary :
       {std::string("{\"shape\":(2,),\"fortran_order\":False,\"descr\":\"<f4\"}"),
        std::string("{'descr': '<f4', 'fortran_order': True, 'shape': ( 2 , ) , }   \n"),
        std::string("{ 'fortran_order' : False , 'shape' : (1, 2), 'descr' : '<f4' }\n")})
    CHECK(load_npy<float>(folder.with(npy(dictionary, eight))).size() == 2);
  std::string second = npy(good, eight);  // version 2: four bytes of length
  second[6] = 2;
  second.insert(10, 2, '\0');
  CHECK(load_npy<float>(folder.with(second)).size() == 2);
}

TEST_CASE("an NPY file that is cut anywhere is an error") {
  const Folder folder;
  const std::string whole = npy(good, eight);
  CHECK(load_npy<float>(folder.with(whole)).size() == 2);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::string id;
    try {
      load_npy<float>(folder.with(whole.substr(0, size)));
    } catch (const Error& error) {
      id = error.id();
    }
    CHECK(id == (size < 10 + good.size() ? "cloze.npy.1" : "cloze.npy.4"));
  }
  REQUIRE_ERROR(load_npy<float>(folder.with(whole + "x")), "cloze.npy.4");
  REQUIRE_ERROR(load_npy<float>(folder.with(whole + eight)), "cloze.npy.4");
}

TEST_CASE("a broken or lying NPY header is an error that names it") {
  const Folder folder;
  const auto load = [&](const std::string& dictionary) { return load_npy<float>(folder.with(npy(dictionary, eight))); };
  for (const char* bad : {
           "",
           "{",
           "{}",
           "}",
           "{'descr'}",
           "{'descr': }",
           "{'descr': '<f4}",
           "{'descr': '<f4', 'shape': (2,)}",
           "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': 2}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (2}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (2 2)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x",
           "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 'x'}",
           "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}",
       })
    REQUIRE_ERROR(load(bad), "cloze.npy.1");
  REQUIRE_ERROR(load("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }"), "cloze.npy.2");
  REQUIRE_ERROR(load("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }"), "cloze.npy.2");
  REQUIRE_ERROR(load("{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }"), "cloze.npy.2");
  REQUIRE_ERROR(load("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }"), "cloze.npy.2");
  REQUIRE_ERROR(load("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }"), "cloze.npy.3");
  REQUIRE_ERROR(load("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"), "cloze.npy.4");
  REQUIRE_ERROR(load("{'descr': '<f4', 'fortran_order': False, 'shape': (), }"), "cloze.npy.4");
  REQUIRE_ERROR(load("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }"), "cloze.npy.4");
  REQUIRE_ERROR(load("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }"),
                "cloze.tensor.1");
  REQUIRE_ERROR(load("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,2), }"), "cloze.tensor.1");
  std::string other = npy(good, eight);
  other[6] = 4;
  REQUIRE_ERROR(load_npy<float>(folder.with(other)), "cloze.npy.1");
  REQUIRE_ERROR(load_npy<float>(folder.with("PK\3\4 not an array at all")), "cloze.npy.1");
}

TEST_CASE("NPY files that cannot be opened or written are errors") {
  const Folder folder;
  const auto x = Tensor<float>::scalar(1);
  REQUIRE_ERROR(load_npy<float>(folder.file("absent.npy")), "cloze.file.1");
  REQUIRE_ERROR(load_npy<float>(folder.path), "cloze.file.1");
  REQUIRE_ERROR((save_npy(folder.file("no/such/folder.npy"), x), 0), "cloze.file.3");
  REQUIRE_ERROR((save_npy(folder.path, x), 0), "cloze.file.3");
  REQUIRE_ERROR((save_npy(folder.file("x.npy"), Tensor<float>()), 0), "cloze.tensor.7");
  CHECK(std::filesystem::is_empty(folder.path));
}
