#include <cloze/tensor/eigen.hpp>

#include "support/catch.hpp"

using namespace cloze;

TEMPLATE_TEST_CASE("eigen() is the tensor's own memory, seen as rows and columns", "", Cpu, Reference) {
  auto x = Tensor<float, TestType>::from({1, 2, 3, 4, 5, 6}, {2, 3});
  auto m = x.eigen();
  CHECK(m.data() == x.data());
  CHECK((m.rows() == 2 && m.cols() == 3));
  CHECK(m(1, 0) == 4);
  m(1, 0) = 40;
  CHECK(x.to_vector()[3] == 40);
  const auto& constant = x;
  auto c = constant.eigen();
  static_assert(std::is_same_v<decltype(c), ConstEigenView<float>>);
  CHECK(c.row(1).sum() == 51);
}

TEST_CASE("eigen() folds all leading extents into rows") {
  auto x = Tensor<double>::from({1, 2, 3, 4, 5, 6, 7, 8}, {2, 2, 2});
  CHECK((x.eigen().rows() == 4 && x.eigen().cols() == 2));
  CHECK(x.eigen()(3, 1) == 8);
  auto scalar = Tensor<double>::scalar(7);
  CHECK((scalar.eigen().rows() == 1 && scalar.eigen()(0, 0) == 7));
  auto vector = Tensor<double>::from({1, 2, 3}, {3});
  CHECK((vector.eigen().rows() == 1 && vector.eigen().cols() == 3));
  auto empty = Tensor<double>::empty({0, 3});
  CHECK((empty.eigen().rows() == 0 && empty.eigen().cols() == 3));
  auto part = x.alias({2}, 3);
  CHECK(part.eigen()(0, 0) == 4);
  Tensor<double> undefined;
  REQUIRE_ERROR(undefined.eigen(), "cloze.tensor.7");
}

TEST_CASE("from_eigen copies a matrix or an expression in row-major order") {
  Eigen::MatrixXd m(2, 3);  // column-major
  m << 1, 2, 3, 4, 5, 6;
  const auto x = from_eigen(m);
  CHECK(x.shape() == Shape{2, 3});
  CHECK(x.to_vector() == std::vector<double>{1, 2, 3, 4, 5, 6});
  CHECK(from_eigen(2.0 * m.transpose()).to_vector() == std::vector<double>{2, 8, 4, 10, 6, 12});
  CHECK(from_eigen<Reference>(m).to_vector() == x.to_vector());
}
