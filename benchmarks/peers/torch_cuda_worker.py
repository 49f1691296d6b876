"""The side of PyTorch in scripts/bench cuda: told what to do, one JSON object a line, answers with one (as benchmarks/cuda/worker.cpp).

  {"do": "load", "model": FOLDER, "dropout": P, "precision": "float32" | "tf32" | "autocast" | "bfloat16", "compile": BOOL, "train": BOOL}
      a masked LM with SDPA and fused AdamW on all its parameters; autocast: float weights, bfloat16 products; bfloat16: weights too
  {"do": "train", "inputs": FILE, "steps": N, "pad": "longest" | N}  -> ms of a step (mean), loss of each
  {"do": "infer", "inputs": FILE, "batch": N}                        -> ms, scores; prompts sorted by length
  {"do": "memory"}                                                   -> peak_mb of tensors since "load"
  {"do": "versions"}
"""
import contextlib
import json
import sys
import time

import torch
import transformers

from padding import by_length, padded

torch.manual_seed(0)
transformers.logging.set_verbosity_error()


class MaskScores(torch.nn.Module):
    """Scores of the label words at the mask of each prompt: [batch, words]."""

    def __init__(self, model):
        super().__init__()
        self.encoder = getattr(model, model.base_model_prefix)
        self.head = model.lm_head if hasattr(model, "lm_head") else model.cls

    def forward(self, ids, mask, rows, at, words):
        hidden = self.encoder(ids, attention_mask=mask).last_hidden_state
        return self.head(hidden[rows, at])[:, words]


class Worker:
    def __init__(self):
        self.path, self.next, self.scores, self.optimizer = None, 0, None, None

    def load(self, request):
        p, precision = request["dropout"], request["precision"]
        self.scores = self.optimizer = None
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        torch.backends.cuda.matmul.allow_tf32 = precision != "float32"
        model = transformers.AutoModelForMaskedLM.from_pretrained(
            request["model"], attn_implementation="sdpa", hidden_dropout_prob=p, attention_probs_dropout_prob=p)
        model = model.to("cuda", torch.bfloat16 if precision == "bfloat16" else torch.float32)
        self.autocast = precision == "autocast"
        self.pad_id, self.path = model.config.pad_token_id, None
        self.model, self.scores = model, MaskScores(model)
        self.scores.train(request["train"])
        if request["compile"]:
            self.scores = torch.compile(self.scores, dynamic=True)
        if request["train"]:
            self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.0, fused=True)
        return {}

    def read(self, path):
        if path != self.path:
            self.path, self.inputs, self.next = path, json.load(open(path, encoding="utf-8")), 0
            self.words = torch.tensor(self.inputs["words"], device="cuda")
        return self.inputs["batches"]

    def precision(self):
        return torch.autocast("cuda", torch.bfloat16) if self.autocast else contextlib.nullcontext()

    def run(self, ids, masks, pad):
        arrays = (torch.from_numpy(x).to("cuda", non_blocking=True) for x in padded(ids, masks, self.pad_id, pad))
        ids, mask, at = arrays
        with self.precision():
            return self.scores(ids, mask, torch.arange(ids.shape[0], device="cuda"), at, self.words).float()

    def train(self, request):
        batches, losses = self.read(request["inputs"]), []
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(request["steps"]):
            batch = batches[self.next % len(batches)]
            self.next += 1
            scores = self.run(batch["ids"], batch["masks"], request["pad"])
            loss = torch.nn.functional.cross_entropy(scores, torch.tensor(batch["labels"], device="cuda"))
            loss.backward()
            losses.append(loss.item())
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
        torch.cuda.synchronize()
        return {"ms": 1e3 * (time.perf_counter() - start) / request["steps"], "loss": losses}

    @torch.inference_mode()
    def infer(self, request):
        prompts = self.read(request["inputs"])[0]
        torch.cuda.synchronize()
        start = time.perf_counter()
        scores = [None] * len(prompts["ids"])
        for chosen in by_length(prompts["ids"], request["batch"]):
            found = self.run([prompts["ids"][i] for i in chosen], [prompts["masks"][i] for i in chosen], "longest").tolist()
            for i, row in zip(chosen, found):
                scores[i] = row
        return {"ms": 1e3 * (time.perf_counter() - start), "scores": [x for row in scores for x in row]}

    def memory(self, _):
        return {"peak_mb": torch.cuda.max_memory_allocated() / 2**20}

    def versions(self, _):
        return {"torch": torch.__version__, "transformers": transformers.__version__, "cudnn": torch.backends.cudnn.version()}


def main():
    worker = Worker()
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print must not look like an answer
    for line in sys.stdin:
        try:
            request = json.loads(line)
            if request["do"] not in ("load", "train", "infer", "memory", "versions"):
                raise ValueError(f"\"do\": {request['do']!r} is not known")
            reply = getattr(worker, request["do"])(request)
        except Exception as error:  # noqa: BLE001: the reader of the answer decides
            reply = {"error": f"{type(error).__name__}: {str(error)[:500]}"}
        print(json.dumps(reply), file=answers, flush=True)


main()
