// Stacks and the switch between them: each thread of an emulated block runs on a stack of its own.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace cloze::emulator {

#if defined(__x86_64__)
extern "C" void cloze_emulator_switch(void** save, void* load);
// Saves what a call must keep (System V ABI) on the old stack, takes it from the new one.
asm(R"(
.text
.weak cloze_emulator_switch
.type cloze_emulator_switch, @function
cloze_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cloze_emulator_switch, .-cloze_emulator_switch
)");
#endif

/// One stack with the place where its run stopped. enter() comes back when the function calls leave() or ends; the
/// function must end by a last leave().
class Fiber {
 public:
  static constexpr std::size_t bytes = std::size_t{256} << 10;

  Fiber() {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    stack_ = static_cast<std::byte*>(memory);
  }
  ~Fiber() { munmap(stack_, bytes); }
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// The next enter() calls `entry` on an empty stack.
  void reset(void (*entry)()) {
#if defined(__x86_64__)
    auto* top = reinterpret_cast<void**>(stack_ + bytes) - 2;
    *--top = nullptr;  // where `entry` would return to
    *--top = reinterpret_cast<void*>(entry);
    for (int i = 0; i < 6; ++i) *--top = nullptr;
    here_ = top;
#else
    getcontext(&here_);
    here_.uc_stack.ss_sp = stack_;
    here_.uc_stack.ss_size = bytes;
    here_.uc_link = nullptr;
    makecontext(&here_, entry, 0);
#endif
#if defined(__SANITIZE_ADDRESS__)
    fake_ = nullptr;
#endif
  }

  void enter() {
#if defined(__SANITIZE_ADDRESS__)
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, stack_, bytes);
#endif
#if defined(__x86_64__)
    cloze_emulator_switch(&back_, here_);
#else
    swapcontext(&back_, &here_);
#endif
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
  }

  void leave() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&fake_, outer_, outer_bytes_);
#endif
#if defined(__x86_64__)
    cloze_emulator_switch(&here_, back_);
#else
    swapcontext(&here_, &back_);
#endif
    arrived();
  }

  /// To be called first on the new stack.
  void arrived() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_, &outer_, &outer_bytes_);
#endif
  }

 private:
  std::byte* stack_;
#if defined(__x86_64__)
  void *here_ = nullptr, *back_ = nullptr;
#else
  ucontext_t here_, back_;
#endif
#if defined(__SANITIZE_ADDRESS__)
  void* fake_ = nullptr;
  const void* outer_ = nullptr;
  std::size_t outer_bytes_ = 0;
#endif
};

}  // namespace cloze::emulator
