#!/usr/bin/env python3
"""Continues the masked-LM training of a BERT folder with PyTorch, for a machine with a GPU: minutes instead of hours.

usage: pretrain_with_torch.py tokenize VOCABULARY FOLDER CORPUS.txt.xz …       (each corpus to FOLDER/NAME.npz)
       pretrain_with_torch.py train MODEL TOKENS_FOLDER HELDOUT_FOLDER OUT --minutes M [--lr R] [--tokens-per-step N] [--seed S]

MODEL may be stored as int8 rows (docs/model_format.md). Training ends when the time is up, with the learning rate at 0;
every N seconds log.tsv in OUT gets a line: seconds, step, tokens, loss, held-out loss of each corpus. OUT is a Hugging
Face folder in float16. Needs torch, transformers, tokenizers, numpy, safetensors. examples/070_pretrain does the same
with cloze itself, and made what is shipped. Tried for a minute on a CPU only.

Sequences: single lines (long ones in pieces of 126 tokens), and runs of 126 and of 254 tokens of consecutive lines.
20 % of the tokens are masked (80/10/10), dropout is 0, bfloat16 products on float weights, AdamW, linear decay.
"""
import argparse, json, lzma, multiprocessing, os, pathlib, shutil, time

import numpy

# Share of the tokens by corpus: no other corpus may be used for a model that is shipped.
SHARES = {"wikipedia_en": .33, "imdb_reviews": .28, "books_gutenberg": .12, "yelp_sentences": .07,
          "product_reviews_blitzer": .08, "movie_reviews_polarity2": .07, "speech_masc_sotu_swbd_web": .05}
# Kind of sequence: share of the tokens, tokens of text in one.
KINDS = {"line": (.45, 126), "run": (.30, 126), "long run": (.25, 254)}
CLS, SEP, MASK, PAD = 2, 3, 4, 0  # of the vocabulary that is kept in models/minilm-mlm-en
RATE, ROUND = .2, 1 << 23         # masks; tokens that are drawn and sorted by length at a time


def encode(job):
    vocabulary, lines = job
    from tokenizers import BertWordPieceTokenizer
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    ids = [e.ids for e in BertWordPieceTokenizer(vocabulary, lowercase=True).encode_batch(lines, add_special_tokens=False)]
    return numpy.concatenate([numpy.array(x, numpy.uint16) for x in ids]), numpy.array([len(x) for x in ids], numpy.int32)


def tokenize(args):
    out = pathlib.Path(args.folder)
    out.mkdir(parents=True, exist_ok=True)
    with multiprocessing.Pool() as pool:
        for path in map(pathlib.Path, args.corpora):
            with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else open(path, encoding="utf-8") as file:
                lines = [line for line in file.read().split("\n") if line]
            parts = pool.map(encode, [(args.vocabulary, lines[i:i + 4000]) for i in range(0, len(lines), 4000)], 1)
            name = path.name.split(".")[0]
            numpy.savez(out / f"{name}.part.npz", ids=numpy.concatenate([p[0] for p in parts]), lengths=numpy.concatenate([p[1] for p in parts]))
            os.rename(out / f"{name}.part.npz", out / f"{name}.npz")
            print(f"{name}: {len(lines)} lines, {sum(len(p[0]) for p in parts)} tokens", flush=True)


class Pool:
    """The sequences of one kind in one corpus, in a new order each time round: begin and length in the flat ids."""

    def __init__(self, begin, lengths, kind, rng):
        most, self.rng, self.next = KINDS[kind][1], rng, 0
        ends = begin + numpy.cumsum(lengths)
        if kind == "line":
            pieces = -(-lengths // most)
            first = numpy.repeat(ends - lengths, pieces)
            number = numpy.arange(pieces.sum()) - numpy.repeat(numpy.cumsum(pieces) - pieces, pieces)
            self.begin = first + number * most
            self.length = numpy.minimum(most, numpy.repeat(ends, pieces) - self.begin)
        else:
            self.begin = numpy.arange(begin, ends[-1] - most, most)
            self.length = numpy.full(len(self.begin), most)
        kept = self.length >= 4
        self.begin, self.length = self.begin[kept], self.length[kept]
        self.order = rng.permutation(len(self.begin))

    def draw(self, tokens):
        chosen, left = [], tokens
        while left > 0:
            if self.next == len(self.order):
                self.order, self.next = self.rng.permutation(len(self.begin)), 0
            part = self.order[self.next:]
            sums = numpy.cumsum(self.length[part])
            part = part[:numpy.searchsorted(sums, left) + 1]
            self.next += len(part)
            left -= self.length[part].sum()
            chosen.append(part)
        chosen = numpy.concatenate(chosen)
        return self.begin[chosen], self.length[chosen]


def batches(pools, budget, rng):
    """Endless (begins, lengths, columns): sequences of about one length, as many as fill the budget."""
    while True:
        drawn = [pool.draw(share * ROUND) for share, pool in pools]
        begin, length = (numpy.concatenate([d[i] for d in drawn]) for i in range(2))
        mixed = rng.permutation(len(begin))
        order = mixed[numpy.argsort(-(-(length[mixed] + 2) // 16), kind="stable")]
        begin, length = begin[order], length[order]
        columns = -(-(length + 2) // 16) * 16
        cuts, at = [], 0
        while at < len(begin):
            end = min(len(begin), at + budget // columns[at])
            end = min(end, numpy.searchsorted(columns, columns[at], side="right"))
            cuts.append((at, end))
            at = end
        for k in rng.permutation(len(cuts)):
            at, end = cuts[k]
            yield begin[at:end], length[at:end], int(columns[at])


def train(args):
    import torch, transformers
    from safetensors import safe_open
    from safetensors.torch import save_file
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(args.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    rng = numpy.random.default_rng(args.seed)
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)

    source = pathlib.Path(args.model)
    config = transformers.AutoConfig.from_pretrained(source)
    config._attn_implementation = "sdpa"
    model = transformers.BertForMaskedLM(config)
    weights = {}
    with safe_open(source / "model.safetensors", "pt") as file:
        names = set(file.keys())
        for name in names:
            if not name.endswith(".scale"):
                values = file.get_tensor(name).float()
                weights[name] = values * file.get_tensor(name + ".scale")[:, None] if name + ".scale" in names else values
    missing, unexpected = model.load_state_dict(weights, strict=False)
    model.tie_weights()
    missing = [name for name in missing if not name.startswith("cls.predictions.decoder") and "position_ids" not in name]
    if missing or unexpected:
        raise SystemExit(f"{source}: missing {missing}, unexpected {unexpected}")
    model.to(device).train()
    vocabulary = config.vocab_size

    flat, pools, held, begin = [], [], {}, 0
    held_lines = {path.stem: path.read_text(encoding="utf-8").split("\n") for path in sorted(pathlib.Path(args.heldout).glob("*.txt"))}
    found = {name: numpy.load(pathlib.Path(args.tokens) / f"{name}.npz") for name in SHARES if (pathlib.Path(args.tokens) / f"{name}.npz").exists()}
    whole = sum(SHARES[name] for name in found)
    for name, arrays in found.items():
        ids, lengths = arrays["ids"], arrays["lengths"].astype(numpy.int64)
        print(f"{name}: {len(ids)} tokens, share {SHARES[name] / whole:.3f}", flush=True)
        for kind, (share, _) in KINDS.items():
            pools.append((share * SHARES[name] / whole, Pool(begin, lengths, kind, rng)))
        flat.append(ids)
        begin += len(ids)
        lines = [line for line in held_lines[name] if len(line) > 20][:150]
        held_ids, held_lengths = encode((str(source / "vocab.txt"), lines))
        held[name] = (held_ids.astype(numpy.int64), held_lengths)
    flat = torch.from_numpy(numpy.concatenate(flat).astype(numpy.int32)).to(device)

    def masked(ids, lengths, generator):
        """ids [n, columns] with special tokens set -> input, and which places are asked for."""
        column = torch.arange(ids.shape[1], device=ids.device)
        text = (column > 0) & (column <= lengths[:, None])
        draw = torch.rand(ids.shape, device=ids.device, generator=generator)
        pick = (draw < RATE) & text
        kept, random = draw < .1 * RATE, (draw >= .1 * RATE) & (draw < .2 * RATE)
        words = torch.randint(5, vocabulary, ids.shape, device=ids.device, dtype=ids.dtype, generator=generator)
        asked = torch.where(pick & ~kept, torch.where(random, words, MASK), ids)
        return asked, pick

    def with_special(gathered, lengths):
        """[n, columns] of text from column 1 on -> [CLS] text [SEP] [PAD] …, and which are no padding."""
        column = torch.arange(gathered.shape[1], device=gathered.device)
        ids = torch.where(column <= lengths[:, None], gathered, torch.where(column == lengths[:, None] + 1, SEP, PAD))
        ids[:, 0] = CLS
        return ids, column <= lengths[:, None] + 1

    def loss_of(asked, valid, pick, ids):
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            mask = None if bool(valid.all()) else valid[:, None, None, :].expand(-1, 1, valid.shape[1], -1)
            x = model.bert.embeddings(asked)
            for layer in model.bert.encoder.layer:
                x = layer(x, mask)
                x = x[0] if isinstance(x, tuple) else x
            return torch.nn.functional.cross_entropy(model.cls(x[pick]).float(), ids[pick])

    @torch.no_grad()
    def held_out_loss():
        """Of each corpus, with masks that do not change; float32."""
        losses = {}
        for name, (ids, lengths) in held.items():
            generator, total, count = torch.Generator("cpu").manual_seed(7), 0.0, 0
            ends = numpy.cumsum(lengths)
            for at in range(0, len(lengths), 32):
                n = numpy.minimum(lengths[at:at + 32], 126)
                grid = numpy.zeros((len(n), 128), numpy.int64)
                for i, k in enumerate(n):
                    grid[i, 1:k + 1] = ids[ends[at + i] - lengths[at + i]:][:k]
                tensor, valid = with_special(torch.from_numpy(grid), torch.from_numpy(n))
                asked, pick = masked(tensor, torch.from_numpy(n), generator)
                k = int(pick.sum())
                total += loss_of(*(t.to(device) for t in (asked, valid, pick, tensor))).item() * k
                count += k
            losses[name] = total / count
        return losses

    def save(folder):
        folder.mkdir(exist_ok=True)
        state = {name: value.to(torch.float16).cpu().contiguous() for name, value in model.state_dict().items()
                 if name in weights}
        save_file(state, folder / "model.part", {"format": "pt"})
        os.rename(folder / "model.part", folder / "model.safetensors")
        for name in ("config.json", "vocab.txt", "tokenizer_config.json"):
            shutil.copyfile(source / name, folder / name)

    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": .01}, {"params": others, "weight_decay": 0}],
                                  lr=args.lr, betas=(.9, .98), fused=device == "cuda")
    log = open(out / "log.tsv", "w", encoding="utf-8")
    log.write("seconds\tstep\ttokens\ttraining loss\theld-out loss\t" + "\t".join(held) + "\n")
    limit, step, tokens, shown, running = args.minutes * 60, 0, 0, 0.0, []
    evaluating = 0.0  # not counted as time of training

    def line(seconds):
        losses = held_out_loss()
        mean = sum(losses.values()) / len(losses)
        loss = torch.stack(running).mean().item() if running else float("nan")
        running.clear()
        log.write(f"{seconds:.0f}\t{step}\t{tokens}\t{loss:.4f}\t{mean:.4f}\t" + "\t".join(f"{x:.4f}" for x in losses.values()) + "\n")
        log.flush()
        print(f"{seconds:.0f} s, step {step}, {tokens / 1e6:.1f} M tokens, loss {loss:.3f}, held-out {mean:.4f}", flush=True)

    line(0)
    start = time.time()
    for begins, lengths, columns in batches(pools, args.tokens_per_step, rng):
        seconds = time.time() - start - evaluating
        if seconds >= limit:
            break
        rate = args.lr * min(1, (step + 1) / 300) * (1 - seconds / limit)
        for group in optimizer.param_groups:
            group["lr"] = rate
        n = torch.from_numpy(lengths).to(device)
        at = torch.from_numpy(begins - 1).to(device)[:, None] + torch.arange(columns, device=device)
        ids, valid = with_special(flat[at.clamp_(0, len(flat) - 1)].long(), n)
        asked, pick = masked(ids, n, None)
        loss = loss_of(asked, valid, pick, ids)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        running.append(loss.detach())
        step, tokens = step + 1, tokens + int(lengths.sum()) + 2 * len(lengths)
        if seconds - shown >= args.seconds_per_line:
            shown, before = seconds, time.time()
            line(seconds)
            evaluating += time.time() - before
    line(time.time() - start - evaluating)
    save(out)
    facts = dict(minutes=args.minutes, lr=args.lr, tokens_per_step=args.tokens_per_step, seed=args.seed, steps=step, tokens=tokens,
                 device=torch.cuda.get_device_name() if device == "cuda" else "cpu", torch=torch.__version__)
    (out / "training.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(facts))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(required=True)
    part = parts.add_parser("tokenize")
    part.add_argument("vocabulary"); part.add_argument("folder"); part.add_argument("corpora", nargs="+")
    part.set_defaults(run=tokenize)
    part = parts.add_parser("train")
    for name in ("model", "tokens", "heldout", "out"):
        part.add_argument(name)
    part.add_argument("--minutes", type=float, required=True)
    part.add_argument("--lr", type=float, default=1e-3)
    part.add_argument("--tokens-per-step", type=int, default=1 << 16)
    part.add_argument("--seconds-per-line", type=float, default=30)
    part.add_argument("--seed", type=int, default=1)
    part.set_defaults(run=train)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
