// A user's program: includes everything and uses a little of what must be linked (fmt, utf8proc, OpenMP, the GEMM's
// library).
#include <cstdio>
#include <string>
#include <vector>

#include <cloze/cloze.hpp>

int main() {
  const std::vector<float> a{1, 2}, b{3, 4};
  const auto product = cloze::matmul(cloze::Tensor<float>::from(a, {1, 2}), cloze::Tensor<float>::from(b, {2, 1}));
  if (product.item() != 11) return 1;
  std::puts(cloze::kernels::gemm_backend().c_str());
  try {
    cloze::require(false, "cloze.package.1", "wanted {}, found {}", "an error", cloze::num_threads());
  } catch (const cloze::Error& error) {
    if (error.id() != "cloze.package.1") return 1;
    std::puts(error.what());
    return 0;
  }
  return 1;
}
