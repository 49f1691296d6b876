// PTX of Hopper: barriers in shared memory that count arrivals and bytes (mbarrier), the tensor memory accelerator's
// copies that arrive at them, and registers that move between warpgroups. After the PTX manual, "Parallel
// synchronization and communication instructions" and "Data movement and conversion instructions". The tests' emulator
// has a twin of this file.
#pragma once

#include <cloze/kernels/cuda/ptx.cuh>
#include <cloze/kernels/cuda/tensor_map.cuh>

/// Whether this pass of the compiler makes code for sm_90a. Kernels of Hopper's own have a body only there.
#if defined(CLOZE_CUDA_EMULATOR) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define CLOZE_CUDA_SM90A 1
#else
#define CLOZE_CUDA_SM90A 0
#endif

namespace cloze::kernels::cuda {

/// A barrier whose phases end when so many threads have arrived and all expected bytes are there. Phases have parity 0,
/// 1, 0, …; the one before the first counts as ended, with parity 1.
using SharedBarrier = std::uint64_t;

/// By one thread; others may use the barrier after show_barriers() of that thread and a __syncthreads().
__device__ __forceinline__ void begin_barrier(SharedBarrier* barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
}
/// What this thread wrote to shared memory becomes visible to products and copies that are started after a barrier.
__device__ __forceinline__ void show_to_products() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
__device__ __forceinline__ void show_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  show_to_products();
}

__device__ __forceinline__ void arrive(SharedBarrier* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}
/// Arrives, and makes the phase wait for so many bytes more.
__device__ __forceinline__ void arrive_expecting(SharedBarrier* barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
               : "memory");
}
/// Waits until the phase of this parity has ended; what arrived there, and what threads wrote before they arrived, is
/// seen then.
__device__ __forceinline__ void await_phase(SharedBarrier* barrier, unsigned parity) {
  const std::uint32_t address = shared_address(barrier);
  std::uint32_t ended = 0;
  while (!ended)
    asm volatile(
        "{\n.reg .pred p;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
        "selp.u32 %0, 1, 0, p;\n}\n"
        : "=r"(ended)
        : "r"(address), "r"(parity)
        : "memory");
}

/// Starts the copy of a box of tensor_map_rows rows and 64 columns from (column, head, row) to `to`, a multiple of
/// 1024, in the places of HalfTile<64>; what lies beyond the tensor becomes zero. `barrier` gets tensor_box_bytes. One
/// thread calls it.
__device__ __forceinline__ void copy_box(const TensorMap& map, void* to, SharedBarrier* barrier, int column, int head,
                                         int row) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], "
      "[%2];" ::"r"(shared_address(to)),
      "l"(reinterpret_cast<std::uint64_t>(&map)), "r"(shared_address(barrier)), "r"(column), "r"(head), "r"(row)
      : "memory");
}

/// All threads of the warpgroup give up registers, or take what others gave up, and have so many from here on.
template <int Count>
__device__ __forceinline__ void give_registers() {
  static_assert(Count % 8 == 0 && Count >= 24);
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Count));
}
template <int Count>
__device__ __forceinline__ void take_registers() {
  static_assert(Count % 8 == 0 && Count <= 256);
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Count));
}

/// A barrier of whole warps, `threads` in all, by number: 1 to 15 (0 is that of __syncthreads).
__device__ __forceinline__ void meet(int number, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(number), "r"(threads) : "memory");
}

}  // namespace cloze::kernels::cuda
