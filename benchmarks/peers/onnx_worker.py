"""The side of ONNX Runtime in the benchmarks: as torch_worker.py, for inference only.

usage: onnx_worker.py THREADS
  {"do": "load", "file": FILE, "pad_id": N}     what torch_worker.py's export wrote
  {"do": "infer", "inputs": FILE, "batch": N}   -> ms, scores; prompts sorted by length
  {"do": "versions"}
"""
import json
import sys
import time

import onnxruntime

from padding import by_length, padded


class Worker:
    def load(self, request):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(sys.argv[1])
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(request["file"], options, providers=["CPUExecutionProvider"])
        self.pad_id = request["pad_id"]
        return {}

    def infer(self, request):
        prompts = json.load(open(request["inputs"]))["batches"][0]
        start = time.perf_counter()
        scores = [None] * len(prompts["ids"])
        for chosen in by_length(prompts["ids"], request["batch"]):
            arrays = padded([prompts["ids"][i] for i in chosen], [prompts["masks"][i] for i in chosen], self.pad_id)
            found = self.session.run(None, dict(zip(("ids", "mask", "at"), arrays)))[0]
            for i, row in zip(chosen, found.tolist()):
                scores[i] = row
        return {"ms": 1e3 * (time.perf_counter() - start), "scores": [x for row in scores for x in row]}

    def versions(self, _):
        return {"onnxruntime": onnxruntime.__version__}


def main():
    worker = Worker()
    for line in sys.stdin:
        try:
            request = json.loads(line)
            reply = {"load": worker.load, "infer": worker.infer, "versions": worker.versions}[request["do"]](request)
        except Exception as error:  # noqa: BLE001: the reader of the answer decides
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


main()
