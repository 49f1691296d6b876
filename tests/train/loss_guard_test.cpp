#include <cloze/train/loss_guard.hpp>

#include <limits>

#include <cloze/core/rng.hpp>
#include <cloze/train/checkpoint.hpp>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

// A falling, noisy loss.
double noisy(int step, Rng& rng) { return 3 + 4 * std::exp(-step / 300.0) + 0.1 * rng.normal(); }

}  // namespace

TEST_CASE("a falling noisy loss passes; spikes and what is no number do not, and leave no trace") {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN(), infinite = std::numeric_limits<double>::infinity();
  LossGuard guard;
  Rng rng(1);
  for (int step = 0; step < 2000; ++step) {
    REQUIRE(guard(noisy(step, rng), 1 + 0.2 * rng.uniform(), step) == StepVerdict::good);
    if (step % 50 != 49) continue;
    const double mean = guard.mean();
    CHECK(guard(nan, 1, step) == StepVerdict::not_finite);
    CHECK(guard(4, infinite, step) == StepVerdict::not_finite);
    CHECK(guard.mean() == mean);
    if (step < 799) continue;  // while it falls fast, its spread is wide
    CHECK(guard(mean + 3, 1, step) == StepVerdict::spike);
    CHECK(guard(mean, 50, step) == StepVerdict::spike);
    CHECK(guard.mean() == mean);
  }
  CHECK(guard.refused() == 40 * 2 + 25 * 2);
  CHECK(guard.mean() == Approx(3).margin(0.1));
}

TEST_CASE("too many refused steps in a row end the run; one good step between them does not count") {
  LossGuard guard({.stop_after = 3});
  for (int step = 0; step < 20; ++step) {
    guard(std::nan(""), 1, step);
    guard(std::nan(""), 1, step);
    CHECK(guard(1, 1, step) == StepVerdict::good);
  }
  guard(std::nan(""), 1, 60);
  guard(std::nan(""), 1, 61);
  REQUIRE_ERROR(guard(std::nan(""), 1, 62), "cloze.loss_guard.2");
  REQUIRE_ERROR(LossGuard({.spike = 0}), "cloze.loss_guard.1");
  REQUIRE_ERROR(LossGuard({.norm_spike = 1}), "cloze.loss_guard.1");
  REQUIRE_ERROR(LossGuard({.memory = 1}), "cloze.loss_guard.1");
  REQUIRE_ERROR(LossGuard({.settle = 0}), "cloze.loss_guard.1");
  REQUIRE_ERROR(LossGuard({.stop_after = 0}), "cloze.loss_guard.1");
}

TEST_CASE("a guard goes on from a checkpoint with the same verdicts") {
  const test::TemporaryFolder folder;
  LossGuard first, second;
  Rng rng(2);
  for (int step = 0; step < 150; ++step) first(noisy(step, rng), rng.uniform(), step);
  first(std::nan(""), 1, 150);
  Checkpoint saved, loaded;
  saved.add("guard", first);
  loaded.add("guard", second);
  saved.save(folder.path() / "x");
  loaded.load(folder.path() / "x");
  CHECK(second.refused() == 1);
  for (int step = 150; step < 400; ++step) {
    const double loss = noisy(step, rng) + (step % 17 == 0 ? 1.0 : 0.0), norm = rng.uniform();
    CHECK(first(loss, norm, step) == second(loss, norm, step));
  }
  CHECK(first.mean() == second.mean());
  CHECK(first.refused() == second.refused());
}

TEST_CASE("a constant loss has no spikes by rounding") {
  LossGuard guard;
  for (int step = 0; step < 1000; ++step) CHECK(guard(2.5 + 1e-12 * (step % 3), 1, step) == StepVerdict::good);
}
