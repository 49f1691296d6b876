#include <cloze/autograd/gather.hpp>
#include <cloze/autograd/linear.hpp>

#include <limits>

#include "support/gradcheck.hpp"

using namespace cloze;
using cloze::test::tensor;
using cloze::test::weighted;

namespace {

/// One number whose gradient with respect to y is 1, 2, 3, …
template <Device D>
Tensor<float, D> counted(const Tensor<float, D>& y) {
  return weighted(y, [](Index i) { return i + 1; });
}

}  // namespace

TEMPLATE_TEST_CASE("gather_rows takes rows in any order, again and again, with gradients", "", Cpu, Reference) {
  using D = TestType;
  const std::vector<Index> ids{4, 0, 4, 2, 4};
  const auto f = [&](const auto& in) { return gather_rows(in[0], ids); };
  CLOZE_GRADCHECK(D, f, Shape{5, 3});
  CLOZE_GRADCHECK(D, f, Shape{6, 17});
  CLOZE_GRADCHECK(D, f, Shape{5, 130});
  const auto of_product = [&](const auto& in) { return gather_rows(matmul(in[0], in[1]), ids); };
  CLOZE_GRADCHECK(D, of_product, Shape{5, 2}, Shape{2, 3});
  const auto table = tensor<double, D>({5, 3});
  const auto y = gather_rows(table, ids).to_vector(), t = table.to_vector();
  for (std::size_t i = 0; i < ids.size(); ++i)
    for (Index c = 0; c < 3; ++c) CHECK(y[i * 3 + c] == t[ids[i] * 3 + c]);
}

TEMPLATE_TEST_CASE("the gradient of a looked-up leaf holds the touched rows only", "", Cpu, Reference) {
  using D = TestType;
  auto table = tensor<float, D>({1000, 2});
  table.requires_grad(true);
  const std::vector<Index> ids{7, 900, 7};
  counted<D>(gather_rows(table, ids)).backward();
  REQUIRE(table.has_row_sparse_grad());
  const auto touched = table.touched_rows();
  CHECK(std::vector<Index>(touched.rows.begin(), touched.rows.end()) == std::vector<Index>{7, 900});
  CHECK(std::vector<float>(touched.values, touched.values + 4) == std::vector<float>{1 + 5, 2 + 6, 3, 4});
  const std::vector<Index> more{900, 3};
  counted<D>(gather_rows(table, more)).backward();
  CHECK(table.touched_rows().rows.size() == 3);
  const auto all = table.grad().to_vector();
  CHECK(all[900 * 2] == 3 + 1);
  CHECK(all[3 * 2 + 1] == 4);
  CHECK(all[0] == 0);
}

TEMPLATE_TEST_CASE("a dense gradient and looked-up rows add up in either order", "", Cpu, Reference) {
  using D = TestType;
  const std::vector<Index> ids{1, 1, 3};
  std::vector<float> results[2];
  for (const bool dense_first : {false, true}) {
    auto table = tensor<float, D>({4, 3});
    const auto x = tensor<float, D>({2, 3}, 5);
    table.requires_grad(true);
    const auto dense = [&] { counted<D>(linear(x, table, Tensor<float, D>())).backward(); };
    if (dense_first) dense();
    counted<D>(gather_rows(table, ids)).backward();
    if (!dense_first) dense();
    CHECK_FALSE(table.has_row_sparse_grad());
    results[dense_first] = table.grad().to_vector();
  }
  for (std::size_t i = 0; i < results[0].size(); ++i) CHECK(results[0][i] == Approx(results[1][i]));
}

TEST_CASE("equal ids add up in row order for any number of threads") {
  std::vector<float> results[2];
  const int before = num_threads();
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    auto table = tensor<float, Cpu>({10, 200});
    table.requires_grad(true);
    std::vector<Index> ids(500);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<Index>(i * i % 10);
    counted<Cpu>(gather_rows(table, ids)).backward();
    results[threads - 1] = table.grad().to_vector();
  }
  set_num_threads(before);
  CHECK(results[0] == results[1]);
}

TEST_CASE("token ids look up embeddings") {
  const auto table = tensor<float, Cpu>({5, 3});
  const std::vector<TokenId> tokens{TokenId{2}, TokenId{0}};
  const std::vector<Index> rows{2, 0};
  CHECK(gather_rows(table, std::span<const TokenId>(tokens)).to_vector() == gather_rows(table, rows).to_vector());
}

TEMPLATE_TEST_CASE("no ids, no rows and no columns are lookups too", "", Cpu, Reference) {
  using D = TestType;
  auto table = tensor<float, D>({5, 3});
  table.requires_grad(true);
  const auto nothing = gather_rows(table, Ids{});
  CHECK(nothing.shape() == Shape{0, 3});
  counted<D>(nothing).backward();
  CHECK_FALSE(table.has_grad());
  const std::vector<Index> ids{0};
  CHECK(gather_rows(Tensor<float, D>::empty({5, 0}), ids).shape() == Shape{1, 0});
}

TEST_CASE("an id outside the table is an error that names row and id") {
  const auto table = tensor<float, Cpu>({5, 3});
  const std::vector<Index> high{1, 2, 5}, negative{-1};
  REQUIRE_ERROR(gather_rows(table, high), "cloze.gather.2");
  REQUIRE_ERROR(gather_rows(table, negative), "cloze.gather.2");
  REQUIRE_ERROR(gather_rows(Tensor<float>::empty({0, 3}), std::vector<Index>{0}), "cloze.gather.2");
  REQUIRE_ERROR(gather_rows(tensor<float, Cpu>({5, 1, 1}), high), "cloze.gather.1");
  const std::vector<TokenId> bad{TokenId{std::numeric_limits<std::int32_t>::max()}};
  REQUIRE_ERROR(gather_rows(table, std::span<const TokenId>(bad)), "cloze.gather.2");
  try {
    gather_rows(table, high);
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("row 2 asks for id 5") != std::string::npos);
  }
}
