// Streams: queues of a GPU's work beside its default one.
#pragma once

#include <utility>

#include <cloze/core/cuda_upload.cuh>

namespace cloze::cuda {

/// A queue of work of its own on the GPU that is the calling thread's when it is made. Tensors belong to the stream
/// they were made on: synchronize() before another stream uses them.
class Stream {
 public:
  Stream() : device_(cuda::device()) {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  /// Waits for what is queued.
  ~Stream() {
    static_cast<void>(cudaStreamSynchronize(stream_));
    DevicePool::instance().trim(device_);
    static_cast<void>(cudaStreamDestroy(stream_));
  }

  int device() const { return device_; }
  cudaStream_t get() const { return stream_; }

 private:
  int device_;
  cudaStream_t stream_ = nullptr;
};

/// While it lives, the calling thread makes tensors and runs kernels on `stream` and its GPU. Throws [cloze.cuda.9]
/// inside the step of a StepGraph.
class StreamScope {
 public:
  explicit StreamScope(const Stream& stream) : device_(stream.device()), device_before_(cuda::device()) {
    detail::not_in_step("choosing a stream");
    use_device(device_);
    before_ = std::exchange(detail::chosen_stream(device_), stream.get());
  }
  StreamScope(const StreamScope&) = delete;
  StreamScope& operator=(const StreamScope&) = delete;
  ~StreamScope() {
    detail::chosen_stream(device_) = before_;
    static_cast<void>(cudaSetDevice(device_before_));
  }

 private:
  int device_, device_before_;
  cudaStream_t before_ = nullptr;
};

}  // namespace cloze::cuda
