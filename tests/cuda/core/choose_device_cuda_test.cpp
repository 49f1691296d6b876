#include <cloze/core/choose_device.hpp>

#include <string>

#include "support/gpu.hpp"

TEST_CASE("a GPU is chosen by its number, and one that is not there is an error", "[cuda]") {
  const auto chosen = [](const std::string& name) {
    return cloze::with_device(name, [](auto device) { return std::string(decltype(device)::name); });
  };
  CHECK(chosen("cpu") == "cpu");
  if (cloze::cuda::device_count() == 0) {
    REQUIRE_ERROR(chosen("cuda"), "cloze.cuda.1");
    return;
  }
  CHECK(chosen("cuda") == "cuda");
  CHECK(chosen("cuda:0") == "cuda");
  REQUIRE_ERROR(chosen("cuda:" + std::to_string(cloze::cuda::device_count())), "cloze.cuda.2");
  REQUIRE_ERROR(chosen("cuda:-1"), "cloze.cuda.2");
  REQUIRE_ERROR(chosen("cuda:x"), "cloze.device.1");
}
