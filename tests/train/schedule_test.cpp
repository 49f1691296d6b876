#include <cloze/train/schedule.hpp>

#include <filesystem>

#include <cloze/core/json.hpp>

#include "support/catch.hpp"

using namespace cloze;

TEST_CASE("schedules give the factors of Hugging Face's, during and after warm-up and beyond the end") {
  const auto golden = read_json(std::filesystem::path(__FILE__).parent_path() / "data" / "schedules.json");
  int compared = 0;
  for (const auto& run : golden) {
    const auto total = run["total"].get<Index>(), warmup = run["warmup"].get<Index>();
    const auto check = [&](const char* name, const auto& schedule) {
      const auto wanted = run[name].template get<std::vector<double>>();
      for (std::size_t step = 0; step < wanted.size(); ++step, ++compared) {
        INFO(name << " total " << total << " warmup " << warmup << " step " << step);
        CHECK(schedule(static_cast<Index>(step)) == Approx(wanted[step]).margin(1e-15).epsilon(1e-14));
      }
    };
    check("constant", ConstantSchedule{.warmup = warmup});
    check("linear", LinearSchedule{.total = total, .warmup = warmup});
    check("cosine", CosineSchedule{.total = total, .warmup = warmup});
    check("cosine_two", CosineSchedule{.total = total, .warmup = warmup, .cycles = 2});
  }
  CHECK(compared > 300);
}

TEST_CASE("a negative number of steps is refused") {
  REQUIRE_ERROR(ConstantSchedule{}(-1), "cloze.schedule.1");
  REQUIRE_ERROR((LinearSchedule{.total = -1}(0)), "cloze.schedule.1");
  REQUIRE_ERROR((CosineSchedule{.total = 5, .warmup = -2}(0)), "cloze.schedule.1");
}
