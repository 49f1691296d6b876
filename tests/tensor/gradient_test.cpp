#include <cloze/tensor/gradient.hpp>

#include <vector>

#include "support/catch.hpp"

using namespace cloze;
using Values = std::vector<float>;

namespace {

/// Puts `value` into rows `ids` of a gradient of [any, columns].
void touch(Gradient<float, Cpu>& gradient, std::vector<Index> ids, Index columns, float value) {
  std::vector<Index> slots;
  const auto target = gradient.rows(ids, columns, slots);
  REQUIRE(target.add);
  for (const Index slot : slots)
    for (Index c = 0; c < columns; ++c) target.data[slot * columns + c] += value;
}

}  // namespace

TEST_CASE("the first dense contribution writes and the next ones add") {
  Gradient<float, Cpu> gradient;
  CHECK_FALSE(gradient.defined());
  const auto first = gradient.dense(2, 3), second = gradient.dense(2, 3);
  CHECK_FALSE(first.add);
  CHECK(second.add);
  CHECK(first.data == second.data);
  CHECK((gradient.defined() && !gradient.row_sparse()));
}

TEST_CASE("release() forgets the gradient and frees its memory") {
  Gradient<float, Cpu> gradient;
  gradient.dense(2, 3);
  gradient.release();
  CHECK_FALSE(gradient.defined());
  CHECK(gradient.dense_data() == nullptr);
  CHECK_FALSE(gradient.dense(2, 3).add);
  gradient.release();
  CHECK(gradient.dense_storage().size() == 0);
}

TEST_CASE("touched rows start at zero, gather in the order of their first touch, and count repeats") {
  Gradient<float, Cpu> gradient;
  touch(gradient, {7, 2, 7}, 2, 1);
  CHECK(gradient.row_sparse());
  touch(gradient, {5, 2}, 2, 10);
  CHECK(std::vector<Index>(gradient.touched().begin(), gradient.touched().end()) == std::vector<Index>{7, 2, 5});
  CHECK(Values(gradient.touched_data(), gradient.touched_data() + 6) == Values{2, 2, 11, 11, 10, 10});
}

TEST_CASE("touched rows survive growth, and are zero again after release()") {
  Gradient<float, Cpu> gradient;
  for (Index i = 0; i < 100; ++i) touch(gradient, {i}, 3, static_cast<float>(i));
  REQUIRE(gradient.touched().size() == 100);
  for (Index i = 0; i < 100; ++i) CHECK(gradient.touched_data()[3 * i + 2] == static_cast<float>(i));
  gradient.release();
  CHECK_FALSE(gradient.defined());
  touch(gradient, {40, 3}, 3, 1);
  CHECK(Values(gradient.touched_data(), gradient.touched_data() + 6) == Values(6, 1));
}

TEST_CASE("a dense contribution spreads the touched rows, however it sees the shape") {
  for (const bool flat : {false, true}) {
    Gradient<float, Cpu> gradient;
    touch(gradient, {3, 0}, 2, 5);
    const auto target = flat ? gradient.dense(8, 1) : gradient.dense(4, 2);
    CHECK(target.add);
    CHECK(Values(target.data, target.data + 8) == Values{5, 5, 0, 0, 0, 0, 5, 5});
    CHECK_FALSE(gradient.row_sparse());
    CHECK(gradient.touched().empty());
    touch(gradient, {1}, 2, 7);  // rows of a dense gradient go to their own place
    CHECK(Values(target.data, target.data + 8) == Values{5, 5, 7, 7, 0, 0, 5, 5});
  }
}

TEST_CASE("a slice is added to, the rest is zero where it was unset") {
  Gradient<float, Cpu> gradient;
  const auto slice = gradient.slice(1, 3, 2);
  CHECK(slice.add);
  slice.data[0] += 4;
  const auto whole = gradient.dense(3, 2);
  CHECK(Values(whole.data, whole.data + 6) == Values{0, 0, 4, 0, 0, 0});
  gradient.slice(0, 3, 2).data[1] += 3;
  CHECK(Values(whole.data, whole.data + 6) == Values{0, 3, 4, 0, 0, 0});

  Gradient<float, Cpu> sparse;
  touch(sparse, {2}, 2, 9);
  sparse.slice(0, 3, 2).data[0] += 1;
  CHECK(Values(sparse.dense_data(), sparse.dense_data() + 6) == Values{1, 0, 0, 0, 9, 9});
}

TEST_CASE("a gradient of nothing is defined once it was asked for") {
  Gradient<float, Cpu> gradient;
  gradient.dense(0, 3);
  CHECK(gradient.defined());
  Gradient<float, Cpu> rows;
  std::vector<Index> slots;
  rows.rows({}, 3, slots);
  CHECK(slots.empty());
  CHECK_FALSE(rows.defined());
}
