#include <cloze/tensor/shape.hpp>

#include <limits>

#include "support/catch.hpp"

using namespace cloze;

TEST_CASE("a shape knows its extents, size, rows and columns") {
  const Shape scalar, vector{5}, matrix{2, 3}, cube{2, 3, 4}, empty{0, 3}, narrow{3, 0};
  CHECK((scalar.rank() == 0 && scalar.size() == 1 && scalar.rows() == 1 && scalar.columns() == 1));
  CHECK((vector.rank() == 1 && vector.size() == 5 && vector.rows() == 1 && vector.columns() == 5));
  CHECK((matrix.size() == 6 && matrix.rows() == 2 && matrix.columns() == 3));
  CHECK((cube.size() == 24 && cube.rows() == 6 && cube.columns() == 4));
  CHECK((empty.size() == 0 && empty.rows() == 0 && empty.columns() == 3));
  CHECK((narrow.size() == 0 && narrow.rows() == 3 && narrow.columns() == 0));
  CHECK(cube.leading(0) == 1);
  CHECK(cube.leading(2) == 6);
  CHECK((cube.dim(0) == 2 && cube.dim(2) == 4 && cube.dim(-1) == 4 && cube.dim(-3) == 2));
  CHECK(cube.with_columns(9) == Shape{2, 3, 9});
  CHECK(cube.text() == "[2, 3, 4]");
  CHECK(scalar.text() == "[]");
}

TEST_CASE("shapes are equal where their extents are") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK(Shape{2, 3} != Shape{3, 2});
  CHECK(Shape{2} != Shape{2, 1});
  CHECK(Shape{} != Shape{1});
  CHECK(Shape{2, 3}.with_columns(4) == Shape{2, 4});
}

TEST_CASE("a shape with too many, negative or overflowing extents is refused") {
  constexpr Index huge = std::numeric_limits<Index>::max();
  REQUIRE_ERROR((Shape{1, 1, 1, 1, 1, 1, 1}), "cloze.tensor.1");
  CHECK(Shape{1, 1, 1, 1, 1, 1}.rank() == 6);
  REQUIRE_ERROR((Shape{2, -1}), "cloze.tensor.1");
  REQUIRE_ERROR((Shape{huge, 2}), "cloze.tensor.1");
  REQUIRE_ERROR((Shape{Index{1} << 31, Index{1} << 31}), "cloze.tensor.1");
  REQUIRE_ERROR((Shape{0, huge, huge}), "cloze.tensor.1");  // empty, but rows() and leading() would still overflow
  CHECK(Shape{Index{1} << 30, Index{1} << 30}.size() == Index{1} << 60);
}

TEST_CASE("a dimension outside the rank is refused") {
  const Shape matrix{2, 3};
  REQUIRE_ERROR(matrix.dim(2), "cloze.tensor.2");
  REQUIRE_ERROR(matrix.dim(-3), "cloze.tensor.2");
  REQUIRE_ERROR(Shape{}.dim(0), "cloze.tensor.2");
}
