"""PyTorch's side of the training-step comparison. Prints one JSON line per step: {"ms": …, "loss": …}, then the peak memory.

usage: torch_train_step.py MODEL_FOLDER BATCHES.json --pad longest|128 --steps N --dropout P --threads N
The step is LM-BFF's: encoder, the head at the mask position, the columns of the label words, cross entropy, backward, clipping
to norm 1, AdamW (fused) on every parameter. Padding: to the longest of the batch, or to 128 as LM-BFF does.
"""
import argparse, json, resource, time
import torch
import transformers

parser = argparse.ArgumentParser()
parser.add_argument("model"); parser.add_argument("batches")
parser.add_argument("--pad", default="longest"); parser.add_argument("--steps", type=int, default=5)
parser.add_argument("--dropout", type=float, default=0.1); parser.add_argument("--threads", type=int, default=2)
args = parser.parse_args()
torch.set_num_threads(args.threads)
inputs = json.load(open(args.batches))
words = torch.tensor(inputs["words"])
model = transformers.RobertaForMaskedLM.from_pretrained(args.model, attn_implementation="sdpa", hidden_dropout_prob=args.dropout,
                                                        attention_probs_dropout_prob=args.dropout).float().train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.0, fused=True)
torch.manual_seed(0)

def padded(batch):
    length = 128 if args.pad == "128" else max(map(len, batch["ids"]))
    ids = torch.full((len(batch["ids"]), length), 1)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(batch["ids"]):
        ids[i, :len(row)] = torch.tensor(row)
        mask[i, :len(row)] = 1
    return ids, mask, torch.tensor(batch["masks"]), torch.tensor(batch["labels"])

batches = [padded(b) for b in inputs["batches"]]
for step in range(args.steps + 1):  # the first warms up
    ids, mask, at, labels = batches[step % len(batches)]
    start = time.perf_counter()
    hidden = model.roberta(ids, attention_mask=mask).last_hidden_state
    scores = model.lm_head(hidden[torch.arange(len(at)), at])[:, words]
    loss = torch.nn.functional.cross_entropy(scores, labels)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    if step:
        print(json.dumps({"ms": 1000 * (time.perf_counter() - start), "loss": loss.item()}), flush=True)
    else:
        print(json.dumps({"warmup_loss": loss.item()}), flush=True)
print(json.dumps({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
