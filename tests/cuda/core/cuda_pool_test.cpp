#include <cstdint>
#include <thread>
#include <vector>

#include <cloze/core/cuda_stream.cuh>
#include <cloze/tensor/tensor.hpp>

#include "support/catch.hpp"
#include "support/gpu.hpp"

using cloze::Cpu;
using cloze::Cuda;
using cloze::Index;
using cloze::Memory;
using cloze::Reference;
using cloze::Tensor;
using cloze::cuda::DevicePool;

namespace {

/// While it lives the pool keeps what is released; it begins empty.
struct EmptyPool {
  EmptyPool() {
    DevicePool::instance().keep(true);
    Memory<Cuda>::trim();
    Memory<Cuda>::reset_peak();
  }
  ~EmptyPool() { DevicePool::instance().keep(!cloze::test::direct_gpu_memory()); }
};

}  // namespace

TEST_CASE("GPU memory that was released is handed out again without asking the driver", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const EmptyPool empty;
  void* first = Memory<Cuda>::allocate(1000);
  const auto held = Memory<Cuda>::statistics().held;
  Memory<Cuda>::release(first, 1000);
  void* second = Memory<Cuda>::allocate(900);
  CHECK(second == first);
  CHECK(Memory<Cuda>::statistics().held == held);
  Memory<Cuda>::release(second, 900);
}

TEST_CASE("GPU memory is aligned to 256 bytes and blocks do not overlap, whatever the order of release", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const EmptyPool empty;
  const auto before = Memory<Cuda>::statistics().used;
  struct Piece {
    char* memory;
    std::size_t bytes;
  };
  std::vector<Piece> pieces;
  std::uint64_t state = 1;
  const auto random = [&](std::uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
  };
  for (int step = 0; step < 4000; ++step) {
    if (pieces.size() < 50 || random(2) == 0) {
      const std::size_t bytes = 1 + random(random(8) == 0 ? 3'000'000 : 5000);
      auto* memory = static_cast<char*>(Memory<Cuda>::allocate(bytes));
      REQUIRE(reinterpret_cast<std::uintptr_t>(memory) % 256 == 0);
      for (const Piece& other : pieces)
        REQUIRE((memory + bytes <= other.memory || other.memory + other.bytes <= memory));
      pieces.push_back({memory, bytes});
    } else {
      const std::size_t at = random(pieces.size());
      Memory<Cuda>::release(pieces[at].memory, pieces[at].bytes);
      pieces[at] = pieces.back();
      pieces.pop_back();
    }
  }
  for (const Piece& piece : pieces) Memory<Cuda>::release(piece.memory, piece.bytes);
  CHECK(Memory<Cuda>::statistics().used == before);
  Memory<Cuda>::trim();
  if (before == 0) CHECK(Memory<Cuda>::statistics().held == 0);
}

TEST_CASE("neighbours join again, so that a pool of small pieces serves a large one", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const EmptyPool empty;
  const std::size_t piece = std::size_t{1} << 20;
  std::vector<void*> pieces;
  for (int i = 0; i < 32; ++i) pieces.push_back(Memory<Cuda>::allocate(piece));
  const auto held = Memory<Cuda>::statistics().held;
  for (const int i : {1, 0, 2, 5, 3, 4}) Memory<Cuda>::release(pieces[static_cast<std::size_t>(i)], piece);
  void* large = Memory<Cuda>::allocate(6 * piece);
  CHECK(Memory<Cuda>::statistics().held == held);
  Memory<Cuda>::release(large, 6 * piece);
  for (std::size_t i = 6; i < pieces.size(); ++i) Memory<Cuda>::release(pieces[i], piece);
}

TEST_CASE("the peak is the most that was used at once", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const EmptyPool empty;
  const auto before = Memory<Cuda>::statistics().used;
  {
    const auto a = Tensor<float, Cuda>::zeros({512});
    { const auto b = Tensor<float, Cuda>::zeros({1024}); }
    const auto c = Tensor<float, Cuda>::zeros({128});
  }
  CHECK(Memory<Cuda>::statistics().used == before);
  CHECK(Memory<Cuda>::statistics().peak == before + 512 * 4 + 1024 * 4);
}

TEST_CASE("memory that is not kept goes back to the driver at once", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const EmptyPool empty;
  const auto before = Memory<Cuda>::statistics();
  DevicePool::instance().keep(false);
  {
    const auto x = Tensor<float, Cuda>::zeros({100});
    CHECK(Memory<Cuda>::statistics().used == before.used + 400);
  }
  CHECK(Memory<Cuda>::statistics().used == before.used);
}

TEST_CASE("tensors go to the GPU and back unchanged, small and large, from Cpu and Reference", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const Index size : {0, 1, 3, 1000, 16384, 16385, 100'000}) {
    std::vector<float> values(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) * 0.5f;
    const auto host = Tensor<float>::from(values, {size});
    const auto gpu = host.to<Cuda>();
    values.assign(values.size(), -1);  // what is on its way does not change any more
    CHECK(gpu.to<Cpu>().to_vector() == host.to_vector());
    CHECK(gpu.clone().to<Reference>().to_vector() == host.to_vector());
    CHECK(gpu.to<Cuda, double>().to_vector() == std::vector<double>(host.span().begin(), host.span().end()));
  }
  CHECK(Tensor<double, Cuda>::scalar(2.5).item() == 2.5);
  CHECK(Tensor<float, Cuda>::zeros({3, 5}).to_vector() == std::vector<float>(15));
}

TEST_CASE("an uploaded list is copied once, and again when its content changes", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  std::vector<Index> list{0, 3, 9, 11};
  const auto read = [](const cloze::cuda::Uploaded<Index>& there, std::size_t count) {
    std::vector<Index> values(count);
    cloze::copy_elements<Cuda, Cpu>(there.data(), values.data(), static_cast<Index>(count));
    return values;
  };
  const cloze::cuda::Uploaded<Index> first(list.data(), 4), again(list.data(), 4);
  CHECK(first.data() == again.data());
  const auto before = list;
  list[2] = 10;
  const cloze::cuda::Uploaded<Index> other(list.data(), 4);
  CHECK(other.data() != first.data());
  CHECK(read(first, 4) == before);
  CHECK(read(other, 4) == list);
  CHECK(cloze::cuda::Uploaded<Index>(list.data(), 0).data() == nullptr);
  CHECK(cloze::cuda::Uploaded<Index>(nullptr, 4).data() == nullptr);
}

TEST_CASE("an uploaded list that is held stays while hundreds of others come and go", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const std::vector<Index> held{7, 8, 9};
  const cloze::cuda::Uploaded<Index> kept(held.data(), 3);
  for (Index i = 0; i < 1000; ++i) {
    const std::vector<Index> list(static_cast<std::size_t>(1 + i % 300), i);
    const cloze::cuda::Uploaded<Index> there(list.data(), static_cast<Index>(list.size()));
    Index last = -1;
    cloze::copy_elements<Cuda, Cpu>(there.data() + list.size() - 1, &last, 1);
    REQUIRE(last == i);
  }
  std::vector<Index> values(3);
  cloze::copy_elements<Cuda, Cpu>(kept.data(), values.data(), 3);
  CHECK(values == held);
}

TEST_CASE("tensors of another stream have memory of their own", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const cloze::cuda::Stream stream;
  std::vector<float> found;
  {
    const cloze::cuda::StreamScope scope(stream);
    CHECK(cloze::cuda::stream() == stream.get());
    const auto x = Tensor<float, Cuda>::full({100}, 3.0f);
    found = x.to_vector();
    cloze::cuda::synchronize();
  }
  CHECK(found == std::vector<float>(100, 3.0f));
  CHECK(cloze::cuda::stream() == nullptr);
}

TEST_CASE("threads share the pool", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  std::vector<std::thread> threads;
  std::vector<int> good(4);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t, &good] {
      for (int i = 0; i < 100; ++i) {
        const auto x = Tensor<float, Cuda>::full({1 + 37 * i % 500}, static_cast<float>(t));
        good[static_cast<std::size_t>(t)] +=
            x.to_vector() == std::vector<float>(static_cast<std::size_t>(x.size()), static_cast<float>(t));
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(good == std::vector<int>(4, 100));
}

TEST_CASE("a GPU that is not there is an error", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  REQUIRE_ERROR(cloze::cuda::use_device(-1), "cloze.cuda.2");
  REQUIRE_ERROR(cloze::cuda::use_device(cloze::cuda::device_count()), "cloze.cuda.2");
  CHECK(cloze::cuda::device() == 0);
}

TEST_CASE("more memory than the GPU has is an error that says how much there is", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const Index huge = Index{1} << 45;
#ifdef CLOZE_CUDA_EMULATOR
  cloze::emulator::faults().largest = std::size_t{1} << 40;
#endif
  REQUIRE_ERROR((Tensor<float, Cuda>::empty({huge})), "cloze.cuda.3");
#ifdef CLOZE_CUDA_EMULATOR
  cloze::emulator::faults() = {};
#endif
  CHECK(Tensor<float, Cuda>::full({2}, 1.0f).to_vector() == std::vector<float>{1, 1});  // the error leaves no trace
}

#ifdef CLOZE_CUDA_EMULATOR
TEST_CASE("memory kept for other streams is given back before memory is said to be out", "[cuda]") {
  const EmptyPool empty;
  {
    const cloze::cuda::Stream stream;
    const cloze::cuda::StreamScope scope(stream);
    const auto x = Tensor<float, Cuda>::zeros({Index{20} << 20});
  }
  const auto held = Memory<Cuda>::statistics().held;
  cloze::emulator::faults().largest = 1000;
  REQUIRE_ERROR((Tensor<float, Cuda>::empty({Index{100} << 20})), "cloze.cuda.3");
  CHECK(Memory<Cuda>::statistics().held < held + 1);
  cloze::emulator::faults() = {};
}

TEST_CASE("without a GPU or a driver every use of Cuda is an error", "[cuda]") {
  cloze::emulator::faults().no_gpu = cudaErrorNoDevice;
  REQUIRE_ERROR((Tensor<float, Cuda>::zeros({3})), "cloze.cuda.1");
  REQUIRE_ERROR(cloze::cuda::use_device(0), "cloze.cuda.1");
  cloze::emulator::faults().no_gpu = cudaErrorInsufficientDriver;
  REQUIRE_ERROR((Tensor<float, Cuda>::zeros({3})), "cloze.cuda.1");
  CHECK(cloze::cuda::device_count() == 0);
  cloze::emulator::faults() = {};
  CHECK(cloze::cuda::device_count() == 1);
}
#else
TEST_CASE("without a GPU or a driver every use of Cuda is an error", "[cuda]") {
  if (cloze::cuda::device_count() != 0) return;
  REQUIRE_ERROR((Tensor<float, Cuda>::zeros({3})), "cloze.cuda.1");
  REQUIRE_ERROR(cloze::cuda::use_device(0), "cloze.cuda.1");
}
#endif
