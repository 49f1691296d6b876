#include <cloze/kernels/cpu/panels.hpp>

#include <cmath>
#include <vector>

#include <cloze/core/device.hpp>
#include <cloze/tensor/storage.hpp>

#include "support/catch.hpp"

using namespace cloze;
using namespace cloze::kernels;

namespace {

template <class T>
struct Held {
  Storage<T, Cpu> storage;
  Panels<T> panels;

  Held(Index rows, Index columns) : storage(Panels<T>::size(rows, columns)), panels{storage.data(), rows} {}
};

template <class T>
T at(const Panels<T>& p, Index r, Index c) {
  return p.at(c / Panels<T>::width, r)[c % Panels<T>::width];
}

template <class T>
std::vector<T> whole_numbers(Index size, int seed) {  // small enough for exact sums
  std::vector<T> values(static_cast<std::size_t>(size));
  for (Index i = 0; i < size; ++i) values[i] = static_cast<T>((i * i * 7 + seed * i) % 17 - 8);
  return values;
}

}  // namespace

TEMPLATE_TEST_CASE("packing keeps every element and pads with zeros", "", float, double) {
  using T = TestType;
  for (const Index rows : {1, 3, 16, 17, 33})
    for (const Index columns : {1, 3, 15, 16, 17, 64, 65}) {
      const Index stride = columns + 5;
      const auto values = whole_numbers<T>(rows * stride, 3);
      const Held<T> straight(rows, columns), turned(columns, rows);
      pack_panels(values.data(), stride, rows, columns, T(2), straight.panels);
      pack_transposed(values.data(), stride, rows, columns, turned.panels);
      bool same = true;
      for (Index r = 0; r < rows; ++r)
        for (Index c = 0; c < columns; ++c)
          same = same && at(straight.panels, r, c) == 2 * values[r * stride + c] &&
                 at(turned.panels, c, r) == values[r * stride + c];
      CHECK(same);
      constexpr Index lanes = Panels<T>::lanes;
      bool zeros = true;
      for (Index c = columns; c % lanes != 0; ++c) zeros = zeros && at(straight.panels, 0, c) == 0;
      for (Index r = rows; r % lanes != 0; ++r) zeros = zeros && at(turned.panels, 0, r) == 0;
      CHECK(zeros);
    }
}

TEMPLATE_TEST_CASE("panel products are matrix products, transposed or not, written or added", "", float, double) {
  using T = TestType;
  for (const Index m : {1, 2, 5, 12, 13, 31, 64})
    for (const Index n : {1, 16, 17, 32, 33, 50})
      for (const Index k : {0, 1, 3, 16, 33, 64}) {
        const auto a = whole_numbers<T>(m * k, 1), b = whole_numbers<T>(k * n, 2), c = whole_numbers<T>(m * n, 3);
        const Held<T> pa(m, k), pat(k, m), pb(k, n), written(m, n), added(m, n);
        pack_panels(a.data(), k, m, k, T(1), pa.panels);
        pack_transposed(a.data(), k, m, k, pat.panels);
        pack_panels(b.data(), n, k, n, T(1), pb.panels);
        pack_panels(c.data(), n, m, n, T(1), added.panels);
        panel_product<false>(m, n, k, pa.panels, pb.panels, written.panels, false);
        panel_product<true>(m, n, k, pat.panels, pb.panels, added.panels, true);
        std::vector<T> out(static_cast<std::size_t>(m * n), T(1));
        unpack_panels(
            written.panels, m, n, out.data(), n, true, [](Index) { return T(3); }, [](Index r) { return T(r); });
        bool same = true;
        for (Index i = 0; i < m; ++i)
          for (Index j = 0; j < n; ++j) {
            T sum{0};
            for (Index p = 0; p < k; ++p) sum += a[i * k + p] * b[p * n + j];
            same = same && at(written.panels, i, j) == sum && at(added.panels, i, j) == c[i * n + j] + sum &&
                   out[i * n + j] == 3 * sum + T(i);
          }
        INFO("m " << m << " n " << n << " k " << k);
        CHECK(same);
      }
}

TEMPLATE_TEST_CASE("a row of a product does not depend on the rows beside it", "", float, double) {
  using T = TestType;
  const Index m = 29, n = 40, k = 50;
  std::vector<T> a(m * k), b(k * n);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = std::sin(static_cast<T>(i));
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = std::cos(static_cast<T>(i));
  const Held<T> pa(m, k), pb(k, n), c(m, n);
  pack_panels(a.data(), k, m, k, T(1), pa.panels);
  pack_panels(b.data(), n, k, n, T(1), pb.panels);
  panel_product<false>(m, n, k, pa.panels, pb.panels, c.panels, false);
  for (Index row = 0; row < m; ++row) {
    const Held<T> one(1, k), result(1, n);
    pack_panels(a.data() + row * k, k, 1, k, T(1), one.panels);
    panel_product<false>(1, n, k, one.panels, pb.panels, result.panels, false);
    bool same = true;
    for (Index j = 0; j < n; ++j) same = same && at(result.panels, 0, j) == at(c.panels, row, j);
    CHECK(same);
  }
}
