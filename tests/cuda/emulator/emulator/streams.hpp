// Streams, events and captured graphs of the runtime API. A stream's work runs at once or, where behaviour().late asks
// for it, when something waits for it; a captured stream's work becomes a graph. What a driver refuses while it
// captures is refused. Written from the CUDA programming guide, "CUDA graphs".
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "emulator/grid.hpp"

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInitializationError = 3,
  cudaErrorStubLibrary = 34,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorUnsupportedPtxVersion = 222,
  cudaErrorNotReady = 600,
  cudaErrorLaunchOutOfResources = 701,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
  cudaErrorStreamCaptureUnmatched = 903,
  cudaErrorStreamCaptureImplicit = 906,
  cudaErrorCapturedEvent = 907,
  cudaErrorGraphExecUpdateFailure = 910
};
enum cudaStreamCaptureStatus { cudaStreamCaptureStatusNone, cudaStreamCaptureStatusActive };
enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal,
  cudaStreamCaptureModeThreadLocal,
  cudaStreamCaptureModeRelaxed
};
enum cudaGraphExecUpdateResult { cudaGraphExecUpdateSuccess, cudaGraphExecUpdateError };
struct cudaGraphExecUpdateResultInfo {
  cudaGraphExecUpdateResult result;
};

namespace cloze::emulator {
enum class Kind { kernel, copy, memset, memset_rows, event, wait, graph };

/// One thing that a stream does. An executable graph takes other things of the same kinds.
struct Work {
  Kind kind;
  std::function<void()> run;
};
}  // namespace cloze::emulator

struct CUgraph_st {
  std::vector<cloze::emulator::Work> nodes;
};
struct CUstream_st {
  bool blocking = true;            // waits for the default stream, and the other way round
  CUgraph_st* captured = nullptr;  // what is captured now
  bool broken = false;             // the capture did what it must not
  std::deque<std::function<void()>> queue{};
};
struct CUevent_st {
  CUstream_st* stream = nullptr;  // where it was recorded last
  bool captured = false, passed = true;
};
using cudaStream_t = CUstream_st*;
using cudaEvent_t = CUevent_st*;
using cudaGraph_t = CUgraph_st*;
using cudaGraphExec_t = CUgraph_st*;
using cudaGraphNode_t = struct CUgraphNode_st*;
inline constexpr unsigned cudaStreamNonBlocking = 1, cudaStreamDefault = 0, cudaEventDisableTiming = 2,
                          cudaEventDefault = 0;

namespace cloze::emulator {

/// All streams, the default one first.
struct Streams {
  std::recursive_mutex mutex;
  CUstream_st standard;
  std::vector<CUstream_st*> all{&standard};
  int refused_updates = 0;  // the next so many updates of graphs are refused

  static Streams& instance() {
    static Streams streams;
    return streams;
  }
  CUstream_st& of(cudaStream_t handle) { return handle ? *handle : standard; }

  /// For what is not safe while any stream is captured: whether none is. A capture that sees it is lost.
  bool none_captured() {
    bool none = true;
    for (CUstream_st* stream : all)
      if (stream->captured) none = !(stream->broken = true);
    return none;
  }
  /// The same for use of the default stream, which streams that wait for it must not see while they are captured.
  cudaError_t use(const CUstream_st& stream) {
    if (&stream != &standard) return cudaSuccess;
    for (CUstream_st* other : all)
      if (other->captured && other->blocking) {
        other->broken = true;
        return cudaErrorStreamCaptureImplicit;
      }
    return cudaSuccess;
  }

  void run_one(CUstream_st& stream) {
    const auto work = std::move(stream.queue.front());
    stream.queue.pop_front();
    work();
  }
  void drain(CUstream_st& stream) {
    while (!stream.queue.empty()) run_one(stream);
  }
  void drain_all() {
    for (CUstream_st* stream : all) drain(*stream);
  }
};

/// Does something on a stream, in its order.
inline cudaError_t issue(cudaStream_t handle, Kind kind, std::function<void()> run) {
  auto& streams = Streams::instance();
  {
    const std::lock_guard lock(streams.mutex);
    CUstream_st& stream = streams.of(handle);
    if (stream.captured) {
      if (stream.broken) return cudaErrorStreamCaptureInvalidated;
      stream.captured->nodes.push_back({kind, std::move(run)});
      return cudaSuccess;
    }
    if (const cudaError_t refused = streams.use(stream); refused != cudaSuccess) return refused;
    if (behaviour().late) {
      stream.queue.push_back(std::move(run));
      return cudaSuccess;
    }
  }
  run();
  return cudaSuccess;
}

inline bool captures(cudaStream_t handle) { return Streams::instance().of(handle).captured != nullptr; }

}  // namespace cloze::emulator

inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  auto& streams = cloze::emulator::Streams::instance();
  const std::lock_guard lock(streams.mutex);
  *stream = new CUstream_st{.blocking = flags != cudaStreamNonBlocking};
  streams.all.push_back(*stream);
  return cudaSuccess;
}
inline cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, 0); }
inline cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  auto& streams = cloze::emulator::Streams::instance();
  const std::lock_guard lock(streams.mutex);
  CUstream_st& stream = streams.of(handle);
  if (stream.captured) {
    stream.broken = true;
    return cudaErrorStreamCaptureUnsupported;
  }
  const cudaError_t refused = streams.use(stream);
  if (refused == cudaSuccess) streams.drain(stream);
  return refused;
}
inline cudaError_t cudaDeviceSynchronize() {
  auto& streams = cloze::emulator::Streams::instance();
  const std::lock_guard lock(streams.mutex);
  if (!streams.none_captured()) return cudaErrorStreamCaptureUnsupported;
  streams.drain_all();
  return cudaSuccess;
}
inline cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  auto& streams = cloze::emulator::Streams::instance();
  const std::lock_guard lock(streams.mutex);
  streams.drain(*stream);
  std::erase(streams.all, stream);
  delete stream;
  return cudaSuccess;
}

inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}
inline cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }
inline cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
inline cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle = nullptr) {
  auto& streams = cloze::emulator::Streams::instance();
  const std::lock_guard lock(streams.mutex);
  event->stream = &streams.of(handle);
  event->captured = event->stream->captured != nullptr;
  event->passed = false;
  return cloze::emulator::issue(handle, cloze::emulator::Kind::event, [event] { event->passed = true; });
}
inline cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  auto& streams = cloze::emulator::Streams::instance();
  const std::lock_guard lock(streams.mutex);
  if (event->captured) return cudaErrorCapturedEvent;
  while (!event->passed && !event->stream->queue.empty()) streams.run_one(*event->stream);
  return cudaSuccess;
}
inline cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (event->captured) return cudaErrorCapturedEvent;
  return event->passed ? cudaSuccess : cudaErrorNotReady;
}
inline cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  *milliseconds = 0;
  return cudaSuccess;
}
inline cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned = 0) {
  return cloze::emulator::issue(stream, cloze::emulator::Kind::wait,
                                [event] { static_cast<void>(cudaEventSynchronize(event)); });
}

inline cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = cloze::emulator::captures(stream) ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
/// The other modes forbid other threads and calls that the library makes: only the relaxed one is known here.
inline cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  auto& streams = cloze::emulator::Streams::instance();
  const std::lock_guard lock(streams.mutex);
  if (stream == nullptr || stream->captured || mode != cudaStreamCaptureModeRelaxed)
    return cudaErrorStreamCaptureUnsupported;
  stream->captured = new CUgraph_st;
  stream->broken = false;
  return cudaSuccess;
}
inline cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  auto& streams = cloze::emulator::Streams::instance();
  const std::lock_guard lock(streams.mutex);
  *graph = nullptr;
  if (stream == nullptr || !stream->captured) return cudaErrorStreamCaptureUnmatched;
  *graph = std::exchange(stream->captured, nullptr);
  if (!stream->broken) return cudaSuccess;
  delete std::exchange(*graph, nullptr);
  return cudaErrorStreamCaptureInvalidated;
}
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
inline cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, std::size_t* count) {
  if (nodes != nullptr) return cudaErrorInvalidValue;  // only asked how many there are
  *count = graph->nodes.size();
  return cudaSuccess;
}
inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long = 0) {
  *made = new CUgraph_st(*graph);
  return cudaSuccess;
}
inline cudaError_t cudaGraphExecUpdate(cudaGraphExec_t old, cudaGraph_t graph, cudaGraphExecUpdateResultInfo* info) {
  auto& streams = cloze::emulator::Streams::instance();
  const auto alike = [](const auto& a, const auto& b) { return a.kind == b.kind; };
  const bool fits = std::equal(old->nodes.begin(), old->nodes.end(), graph->nodes.begin(), graph->nodes.end(), alike);
  info->result = fits && streams.refused_updates == 0 ? cudaGraphExecUpdateSuccess : cudaGraphExecUpdateError;
  if (info->result != cudaGraphExecUpdateSuccess) {
    streams.refused_updates = std::max(0, streams.refused_updates - 1);
    return cudaErrorGraphExecUpdateFailure;
  }
  old->nodes = graph->nodes;
  return cudaSuccess;
}
/// What is launched is what the graph is now: later updates do not reach it.
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  return cloze::emulator::issue(stream, cloze::emulator::Kind::graph, [nodes = graph->nodes] {
    for (const auto& node : nodes) node.run();
  });
}
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete graph;
  return cudaSuccess;
}
