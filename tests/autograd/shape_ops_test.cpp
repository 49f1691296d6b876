#include <cloze/autograd/shape_ops.hpp>

#include <limits>

#include <cloze/core/parallel.hpp>

#include "support/gradcheck.hpp"

using namespace cloze;
using cloze::test::tensor;

TEMPLATE_TEST_CASE("reshape and slice_rows share memory and pass gradients through", "", Cpu, Reference) {
  using D = TestType;
  auto x = Tensor<double, D>::from({1, 2, 3, 4, 5, 6}, {2, 3});
  const auto y = reshape(x, {3, 2}), row = slice_rows(x, 1, 1);
  CHECK(y.data() == x.data());
  CHECK(row.data() == x.data() + 3);
  CHECK(row.shape() == Shape{1, 3});
  const double nine = 9;
  copy_elements<Cpu, D>(&nine, x.data() + 5, 1);
  CHECK(y.to_vector()[5] == 9);
  CHECK(row.to_vector()[2] == 9);
  for (const Shape shape : {Shape{1, 1}, Shape{3, 16}, Shape{5, 13}, Shape{4, 3, 2}, Shape{0, 3}, Shape{3, 0}}) {
    const auto flat = [&](const auto& in) { return reshape(in[0], {in[0].size()}); };
    const auto all = [&](const auto& in) { return slice_rows(in[0], 0, in[0].dim(0)); };
    const auto last = [&](const auto& in) {
      return slice_rows(in[0], in[0].dim(0) > 0 ? in[0].dim(0) - 1 : 0, in[0].dim(0) > 0);
    };
    const auto none = [&](const auto& in) { return slice_rows(in[0], in[0].dim(0), 0); };
    CLOZE_GRADCHECK(D, flat, shape);
    CLOZE_GRADCHECK(D, all, shape);
    CLOZE_GRADCHECK(D, last, shape);
    CLOZE_GRADCHECK(D, none, shape);
  }
  const auto scalar = [](const auto& in) { return reshape(in[0], {}); };
  CLOZE_GRADCHECK(D, scalar, Shape{1, 1});
}

TEMPLATE_TEST_CASE("slice_columns and split_columns copy columns, with gradients", "", Cpu, Reference) {
  using D = TestType;
  for (const Index n : {1, 3, 16, 17, 65}) {
    const auto middle = [&](const auto& in) { return slice_columns(in[0], n / 3, n - n / 3); };
    CLOZE_GRADCHECK(D, middle, Shape{3, n});
    CLOZE_GRADCHECK(D, middle, Shape{2, 2, n});
    const auto swapped = [&](const auto& in) {
      const auto parts = split_columns(in[0], std::vector<Index>{n / 2, 0, n - n / 2});
      return concat_columns(std::vector{parts[2], parts[1], parts[0]});
    };
    CLOZE_GRADCHECK(D, swapped, Shape{3, n});
  }
  const auto none = [](const auto& in) { return slice_columns(in[0], 1, 0); };
  CLOZE_GRADCHECK(D, none, Shape{3, 2});
  const auto empty = [](const auto& in) { return slice_columns(in[0], 1, 1); };
  CLOZE_GRADCHECK(D, empty, Shape{0, 2});
  const auto x = Tensor<float, D>::from({1, 2, 3, 4, 5, 6}, {2, 3});
  CHECK(slice_columns(x, 1, 2).to_vector() == std::vector<float>{2, 3, 5, 6});
  const auto parts = split_columns(x, std::vector<Index>{1, 2});
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].to_vector() == std::vector<float>{1, 4});
  CHECK(parts[1].to_vector() == std::vector<float>{2, 3, 5, 6});
}

TEMPLATE_TEST_CASE("concat_rows and concat_columns join tensors, with gradients", "", Cpu, Reference) {
  using D = TestType;
  const auto rows = [](const auto& in) { return concat_rows(std::vector{in[0], in[1], in[0]}); };
  const auto columns = [](const auto& in) { return concat_columns(std::vector{in[0], in[1], in[0]}); };
  for (const Index n : {1, 3, 16, 17}) {
    CLOZE_GRADCHECK(D, rows, Shape{2, n}, Shape{3, n});
    CLOZE_GRADCHECK(D, rows, Shape{0, n}, Shape{3, n});
    CLOZE_GRADCHECK(D, rows, Shape{n}, Shape{2});
    CLOZE_GRADCHECK(D, rows, Shape{1, n, 2}, Shape{2, n, 2});
    CLOZE_GRADCHECK(D, columns, Shape{3, n}, Shape{3, 2});
    CLOZE_GRADCHECK(D, columns, Shape{3, 0}, Shape{3, n});
    CLOZE_GRADCHECK(D, columns, Shape{2, 2, n}, Shape{2, 2, 1});
  }
  const auto a = Tensor<float, D>::from({1, 2, 3, 4}, {2, 2}), b = Tensor<float, D>::from({5, 6}, {2, 1});
  CHECK(concat_columns(std::vector{a, b}).to_vector() == std::vector<float>{1, 2, 5, 3, 4, 6});
  CHECK(concat_rows(std::vector{a, a}).shape() == Shape{4, 2});
  CHECK(concat_rows(std::vector{a, a}).to_vector() == std::vector<float>{1, 2, 3, 4, 1, 2, 3, 4});
}

TEMPLATE_TEST_CASE("transpose swaps rows and columns, with gradients", "", Cpu, Reference) {
  using D = TestType;
  const auto f = [](const auto& in) { return transpose(in[0]); };
  for (const Shape shape :
       {Shape{1, 1}, Shape{1, 3}, Shape{3, 1}, Shape{16, 17}, Shape{33, 5}, Shape{0, 3}, Shape{3, 0}})
    CLOZE_GRADCHECK(D, f, shape);
  const auto x = tensor<float, D>({65, 70});
  const auto values = x.to_vector(), turned = transpose(x).to_vector();
  bool same = true;
  for (std::size_t r = 0; r < 65; ++r)
    for (std::size_t c = 0; c < 70; ++c) same = same && turned[c * 65 + r] == values[r * 70 + c];
  CHECK(same);
  CHECK(transpose(transpose(x)).to_vector() == values);
}

TEST_CASE("shape operations give the same bits for any number of threads") {
  const auto run = [](int threads) {
    const int before = num_threads();
    set_num_threads(threads);
    const auto x = tensor<float, Cpu>({701, 303});
    auto all = transpose(x).to_vector();
    const auto more = concat_columns(split_columns(x, std::vector<Index>{100, 200, 3})).to_vector();
    CHECK(more == x.to_vector());
    all.insert(all.end(), more.begin(), more.end());
    set_num_threads(before);
    return all;
  };
  CHECK(run(1) == run(2));
}

TEST_CASE("shape operations name themselves where shapes do not fit") {
  constexpr Index huge = std::numeric_limits<Index>::max();
  const auto x = tensor<float, Cpu>({2, 3}), scalar = Tensor<float>::scalar(1);
  REQUIRE_ERROR(reshape(x, {4}), "cloze.shape_ops.1");
  REQUIRE_ERROR(slice_rows(x, 1, 2), "cloze.shape_ops.2");
  REQUIRE_ERROR(slice_rows(x, -1, 1), "cloze.shape_ops.2");
  REQUIRE_ERROR(slice_rows(x, 1, huge), "cloze.shape_ops.2");
  REQUIRE_ERROR(slice_rows(x, huge, huge), "cloze.shape_ops.2");
  REQUIRE_ERROR(slice_rows(scalar, 0, 1), "cloze.shape_ops.2");
  REQUIRE_ERROR(slice_columns(x, 2, 2), "cloze.shape_ops.2");
  REQUIRE_ERROR(slice_columns(x, 1, -1), "cloze.shape_ops.2");
  REQUIRE_ERROR(slice_columns(x, huge, huge), "cloze.shape_ops.2");
  const auto split = [&](std::vector<Index> sizes) { return split_columns(x, sizes); };
  REQUIRE_ERROR(split({1, 1}), "cloze.shape_ops.3");
  REQUIRE_ERROR(split({2, 2}), "cloze.shape_ops.3");
  REQUIRE_ERROR(split({4, -1}), "cloze.shape_ops.3");
  REQUIRE_ERROR(split({huge, huge}), "cloze.shape_ops.3");
  REQUIRE_ERROR(split({}), "cloze.shape_ops.3");
  REQUIRE_ERROR(concat_rows(std::vector<Tensor<float>>{}), "cloze.shape_ops.4");
  REQUIRE_ERROR(concat_rows(std::vector{x, tensor<float, Cpu>({2, 2})}), "cloze.shape_ops.4");
  REQUIRE_ERROR(concat_rows(std::vector{x, scalar}), "cloze.shape_ops.4");
  REQUIRE_ERROR(concat_columns(std::vector<Tensor<float>>{}), "cloze.shape_ops.4");
  REQUIRE_ERROR(concat_columns(std::vector{x, tensor<float, Cpu>({3, 3})}), "cloze.shape_ops.4");
  REQUIRE_ERROR(concat_columns(std::vector{x, scalar}), "cloze.shape_ops.4");
  REQUIRE_ERROR(transpose(tensor<float, Cpu>({3})), "cloze.shape_ops.5");
  REQUIRE_ERROR(transpose(tensor<float, Cpu>({3, 2, 1})), "cloze.shape_ops.5");
}
