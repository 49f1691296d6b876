// Learning-rate schedules with warm-up: factors as in Hugging Face's get_*_schedule_with_warmup.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <numbers>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>

namespace cloze {

/// A factor for the learning rate at each step, from 0: `optimizer.set_lr(1e-5 * schedule(step))` before step().
template <class S>
concept Schedule = requires(const S& schedule, Index step) {
  { schedule(step) } -> std::convertible_to<double>;
};

namespace detail {

/// step / warmup below the warm-up's end.
inline double warmup_factor(Index step, Index warmup) {
  return static_cast<double>(step) / static_cast<double>(std::max<Index>(1, warmup));
}

inline void check_schedule(Index step, Index warmup, Index total) {
  require(step >= 0 && warmup >= 0 && total >= 0, "cloze.schedule.1",
          "step {} of {} with {} steps of warm-up: none may be negative", step, total, warmup);
}

}  // namespace detail

/// Up to 1 over `warmup` steps, then 1. Errors, here and below: [cloze.schedule.1] a negative number of steps.
struct ConstantSchedule {
  Index warmup = 0;

  double operator()(Index step) const {
    detail::check_schedule(step, warmup, 0);
    return step < warmup ? detail::warmup_factor(step, warmup) : 1.0;
  }
};

/// Up to 1 over `warmup` steps, then straight down to 0 at step `total`.
struct LinearSchedule {
  Index total;
  Index warmup = 0;

  double operator()(Index step) const {
    detail::check_schedule(step, warmup, total);
    if (step < warmup) return detail::warmup_factor(step, warmup);
    return std::max(0.0, static_cast<double>(total - step) / static_cast<double>(std::max<Index>(1, total - warmup)));
  }
};

/// Up to 1 over `warmup` steps, then along a cosine: half a wave goes down to 0 at step `total`.
struct CosineSchedule {
  Index total;
  Index warmup = 0;
  double cycles = 0.5;

  double operator()(Index step) const {
    detail::check_schedule(step, warmup, total);
    if (step < warmup) return detail::warmup_factor(step, warmup);
    const double progress =
        static_cast<double>(step - warmup) / static_cast<double>(std::max<Index>(1, total - warmup));
    return std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * cycles * 2.0 * progress)));
  }
};

static_assert(Schedule<ConstantSchedule> && Schedule<LinearSchedule> && Schedule<CosineSchedule>);

}  // namespace cloze
