"""The side of PyTorch in the benchmarks: told what to do, one JSON object a line, answers with one (as benchmarks/steps/worker.cpp).

usage: torch_worker.py THREADS
  {"do": "load", "model": FOLDER, "dropout": P, "train": BOOL}  a masked LM (SDPA); with train AdamW on all its parameters, of the
                                                              faster kind (fused or foreach) unless "optimizer" names one
  {"do": "train", "inputs": FILE, "steps": N, "pad": "longest" | N}  -> ms, loss of each step
  {"do": "pretrain", "inputs": FILE, "steps": N, "head": "all" | "masks"}  -> ms, loss of each step; masked LM, the head on all
                                                              tokens, as transformers has it, or on the masked ones only
  {"do": "infer", "inputs": FILE, "batch": N}                        -> ms, scores; prompts sorted by length
  {"do": "export", "file": FILE}                                     writes the model for ONNX Runtime
  {"do": "gemm"}, {"do": "memory"}, {"do": "versions"}
The step is LM-BFF's: encoder, the head at the mask, the columns of the label words, cross entropy, backward, clipping to norm 1,
AdamW on every parameter. Only the masks go through the head, on both sides.
"""
import json
import sys
import time

import torch
import transformers

from padding import by_length, padded, peak_memory_mb

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(0)
transformers.logging.set_verbosity_error()


class MaskScores(torch.nn.Module):
    """Scores of the label words at the mask of each prompt: [batch, words]."""

    def __init__(self, model, words=(0,)):
        super().__init__()
        self.model, self.words = model, torch.tensor(words)
        self.encoder = getattr(model, model.base_model_prefix)
        self.head = model.lm_head if hasattr(model, "lm_head") else model.cls

    def forward(self, ids, mask, at):
        hidden = self.encoder(ids, attention_mask=mask).last_hidden_state
        return self.head(hidden[torch.arange(ids.shape[0]), at])[:, self.words]


class Worker:
    def __init__(self):
        self.path, self.next = None, 0

    def load(self, request):
        p = request["dropout"]
        model = transformers.AutoModelForMaskedLM.from_pretrained(
            request["model"], attn_implementation="sdpa", hidden_dropout_prob=p, attention_probs_dropout_prob=p).float()
        self.scores = MaskScores(model)
        self.pad_id, self.path = model.config.pad_token_id, None  # read again: the words go to the new model
        self.scores.train(request["train"])
        if not request["train"]:
            return {}
        kind = request.get("optimizer") or self.faster_optimizer()
        self.optimizer = self.adamw(kind)
        return {"optimizer": kind}

    def adamw(self, kind):
        return torch.optim.AdamW(self.scores.model.parameters(), lr=1e-5, weight_decay=0.0, **{kind: True})

    def faster_optimizer(self):
        times = {}
        before = [p.detach().clone() for p in self.scores.model.parameters()]
        for p in self.scores.model.parameters():
            p.grad = torch.zeros_like(p)
        for kind in ("fused", "foreach"):
            optimizer = self.adamw(kind)
            optimizer.step()
            start = time.perf_counter()
            optimizer.step()
            times[kind] = time.perf_counter() - start
        with torch.no_grad():
            for p, value in zip(self.scores.model.parameters(), before):
                p.copy_(value)
                p.grad = None
        return min(times, key=times.get)

    def read(self, path):
        if path != self.path:
            self.path, self.inputs, self.next = path, json.load(open(path)), 0
            self.scores.words = torch.tensor(self.inputs["words"])
        return self.inputs["batches"]

    def train(self, request):
        batches, result = self.read(request["inputs"]), {"ms": [], "loss": []}
        for _ in range(request["steps"]):
            batch = batches[self.next % len(batches)]
            self.next += 1
            ids, mask, at = (torch.from_numpy(x) for x in padded(batch["ids"], batch["masks"], self.pad_id, request["pad"]))
            labels = torch.tensor(batch["labels"])
            start = time.perf_counter()
            loss = torch.nn.functional.cross_entropy(self.scores(ids, mask, at), labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.scores.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            result["ms"].append(1e3 * (time.perf_counter() - start))
            result["loss"].append(loss.item())
        return result

    def pretrain(self, request):
        if request["inputs"] != self.path:
            self.path, self.inputs, self.next = request["inputs"], json.load(open(request["inputs"])), 0
        result, model = {"ms": [], "loss": []}, self.scores.model
        for _ in range(request["steps"]):
            batch = self.inputs["batches"][self.next % len(self.inputs["batches"])]
            self.next += 1
            ids, mask, _ = (torch.from_numpy(x) for x in padded(batch["ids"], [0] * len(batch["ids"]), self.pad_id, "longest"))
            rows = torch.tensor([row * ids.shape[1] + at for row, masks in enumerate(batch["masks"]) for at in masks])
            targets = torch.tensor(batch["targets"])
            labels = torch.full((ids.numel(),), -100)
            labels[rows] = targets
            start = time.perf_counter()
            if request["head"] == "all":
                loss = model(input_ids=ids, attention_mask=mask, labels=labels.reshape(ids.shape)).loss
            else:
                hidden = self.scores.encoder(ids, attention_mask=mask).last_hidden_state
                loss = torch.nn.functional.cross_entropy(self.scores.head(hidden.flatten(0, 1)[rows]), targets)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            result["ms"].append(1e3 * (time.perf_counter() - start))
            result["loss"].append(loss.item())
        return result

    @torch.inference_mode()
    def infer(self, request):
        all_prompts = self.read(request["inputs"])[0]
        start = time.perf_counter()
        scores = [None] * len(all_prompts["ids"])
        for chosen in by_length(all_prompts["ids"], request["batch"]):
            arrays = padded([all_prompts["ids"][i] for i in chosen], [all_prompts["masks"][i] for i in chosen], self.pad_id)
            found = self.scores(*(torch.from_numpy(x) for x in arrays)).tolist()
            for i, row in zip(chosen, found):
                scores[i] = row
        return {"ms": 1e3 * (time.perf_counter() - start), "scores": [x for row in scores for x in row]}

    def export(self, request):
        self.read(request["inputs"])
        batch = self.inputs["batches"][0]
        arrays = padded(batch["ids"][:3], batch["masks"][:3], self.pad_id)
        names = ["ids", "mask", "at"]
        any_batch, any_length = torch.export.Dim("batch", min=1, max=4096), torch.export.Dim("length", min=2, max=512)
        torch.onnx.export(self.scores.eval(), tuple(torch.from_numpy(x) for x in arrays), request["file"], input_names=names,
                          output_names=["scores"], dynamo=True, verbose=False,
                          dynamic_shapes={"ids": {0: any_batch, 1: any_length}, "mask": {0: any_batch, 1: any_length},
                                          "at": {0: any_batch}})
        return {}

    def gemm(self, _):
        best = 0
        for m, n, k in ((1024, 1024, 1024), (2048, 768, 3072), (2048, 3072, 768)):
            a, b = torch.rand(m, k), torch.rand(n, k)
            begun = time.perf_counter()
            while time.perf_counter() - begun < 0.4:
                start = time.perf_counter()
                a @ b.T
                best = max(best, 2e-9 * m * n * k / (time.perf_counter() - start))
        return {"gflops": best}

    def memory(self, _):
        return {"peak_mb": peak_memory_mb()}

    def versions(self, _):
        return {"torch": torch.__version__, "transformers": transformers.__version__, "threads": torch.get_num_threads()}


def main():
    worker = Worker()
    commands = {"load", "train", "pretrain", "infer", "export", "gemm", "memory", "versions"}
    answers = sys.stdout
    sys.stdout = sys.stderr  # what libraries print must not look like an answer
    for line in sys.stdin:
        try:
            request = json.loads(line)
            if request["do"] not in commands:
                raise ValueError(f"\"do\": {request['do']!r} is not known")
            reply = getattr(worker, request["do"])(request)
        except Exception as error:  # noqa: BLE001: the reader of the answer decides
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=answers, flush=True)


main()
