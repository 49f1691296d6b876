// Memory of a device and copies between devices, as raw bytes: what a new device specialises.
#pragma once

#include <cstdlib>
#include <cstring>
#include <new>

#include <cloze/core/device.hpp>
#include <cloze/core/pool.hpp>

namespace cloze {

/// A device's memory: raw bytes in, raw bytes out. Specialise for a new device.
template <Device D>
struct Memory;

/// The host's pool: cache-line aligned, so that vector loads never straddle a line at the start of a tensor, and kept
/// for the next step.
template <>
struct Memory<Cpu> {
  static constexpr bool host = true;
  static void* allocate(std::size_t bytes) { return Pool::host().allocate(bytes); }
  static void release(void* memory, std::size_t bytes) noexcept { Pool::host().release(memory, bytes); }
  static void zero(void* memory, std::size_t bytes) { std::memset(memory, 0, bytes); }

  /// Bytes of all tensors and tapes on the host.
  static MemoryStatistics statistics() noexcept { return Pool::host().statistics(); }
  static void reset_peak() noexcept { Pool::host().reset_peak(); }
  /// Gives what is not used back to the system: after training, say.
  static void trim() noexcept { Pool::host().trim(); }
};

/// Its own blocks from malloc, of exactly the size asked for: an overrun is visible to the sanitizers.
template <>
struct Memory<Reference> {
  static constexpr bool host = true;
  static void* allocate(std::size_t bytes) {
    void* memory = std::malloc(bytes);
    if (memory == nullptr && bytes != 0) throw std::bad_alloc();
    return memory;
  }
  static void release(void* memory, std::size_t) noexcept { std::free(memory); }
  static void zero(void* memory, std::size_t bytes) { std::memset(memory, 0, bytes); }
};

/// Devices whose memory the host reads and writes directly.
template <class D>
concept HostDevice = Device<D> && Memory<D>::host;

/// Copies bytes from device `From` to device `To`. Specialise for devices whose memory the host cannot reach.
template <Device From, Device To>
struct Transfer {
  static_assert(HostDevice<From> && HostDevice<To>, "no Transfer between these devices");
  static void copy(const void* from, void* to, std::size_t bytes) { std::memcpy(to, from, bytes); }
};

}  // namespace cloze
