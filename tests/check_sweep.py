#!/usr/bin/env python3
"""Runs LM-BFF's experiment with a tiny model, kills it again and again, and compares what is left with an undisturbed run.

usage: check_sweep.py PROGRAM      (the example 080_lm_bff)

Also: results files that are cut or damaged, two sweeps on one file, Ctrl-C, wrong arguments, failed runs, and the tables.
"""
import json
import math
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import xml.dom.minidom
from pathlib import Path

WORDS = ("[PAD] [UNK] [CLS] [SEP] [MASK] it was this is . ? , great terrible yes no maybe sun rain warm cold the a sea hill "
         "in on very and but").split()
HIDDEN, INNER, POSITIONS, LAYERS = 12, 20, 64, 2
KILLS = 20


def write_model(folder):
    """A random BERT with a vocabulary of WORDS, as Hugging Face writes it."""
    folder.mkdir(parents=True)
    numbers = random.Random(5)
    tensors = {}

    def add(name, *shape, about=0.0):
        tensors[name] = (shape, [about + numbers.uniform(-0.3, 0.3) for _ in range(math.prod(shape))])

    def linear(name, inputs, outputs):
        add(name + ".weight", outputs, inputs)
        add(name + ".bias", outputs)

    def norm(name):
        add(name + ".weight", HIDDEN, about=1.0)
        add(name + ".bias", HIDDEN)

    add("bert.embeddings.word_embeddings.weight", len(WORDS), HIDDEN)
    add("bert.embeddings.position_embeddings.weight", POSITIONS, HIDDEN)
    add("bert.embeddings.token_type_embeddings.weight", 2, HIDDEN)
    norm("bert.embeddings.LayerNorm")
    for layer in range(LAYERS):
        prefix = f"bert.encoder.layer.{layer}."
        for part in ("query", "key", "value"):
            linear(prefix + "attention.self." + part, HIDDEN, HIDDEN)
        linear(prefix + "attention.output.dense", HIDDEN, HIDDEN)
        norm(prefix + "attention.output.LayerNorm")
        linear(prefix + "intermediate.dense", HIDDEN, INNER)
        linear(prefix + "output.dense", INNER, HIDDEN)
        norm(prefix + "output.LayerNorm")
    linear("cls.predictions.transform.dense", HIDDEN, HIDDEN)
    norm("cls.predictions.transform.LayerNorm")
    add("cls.predictions.bias", len(WORDS))

    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, (shape, values) in tensors.items():
        raw = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (folder / "config.json").write_text(json.dumps({
        "model_type": "bert", "vocab_size": len(WORDS), "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
        "num_attention_heads": 3, "intermediate_size": INNER, "hidden_act": "gelu", "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
        "pad_token_id": 0}))
    (folder / "vocab.txt").write_text("".join(word + "\n" for word in WORDS))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "do_lower_case": true}')


def write_data(folder):
    """Two of LM-BFF's tasks, one of single texts and one of pairs with two test sets, for the seeds 13 and 21."""
    numbers = random.Random(7)

    def text():
        return " ".join(numbers.choice(WORDS[17:]) for _ in range(numbers.randint(2, 6)))

    def sst2(count):
        return "sentence\tlabel\n" + "".join(f"{text()}\t{i % 2}\n" for i in range(count))

    def mnli(count):
        labels = ("contradiction", "entailment", "neutral")
        head = "\t".join(f"column{i}" for i in range(12)) + "\n"
        return head + "".join("\t".join(["x"] * 8 + [text(), text(), "x", labels[i % 3]]) + "\n" for i in range(count))

    for seed in (13, 21):
        for name, split in ((f"SST-2/16-{seed}/train.tsv", sst2(8)), (f"SST-2/16-{seed}/dev.tsv", sst2(8)),
                            (f"MNLI/16-{seed}/train.tsv", mnli(9)), (f"MNLI/16-{seed}/dev_matched.tsv", mnli(9))):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(split)
    (folder / "SST-2/test.tsv").write_text(sst2(40))
    (folder / "MNLI/test_matched.tsv").write_text(mnli(30))
    (folder / "MNLI/test_mismatched.tsv").write_text(mnli(20))


class Sweep:
    """The program with the arguments of one small experiment."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        write_model(folder / "model")
        write_data(folder / "data")
        (folder / "words.json").write_text(json.dumps({"tasks": [
            {"name": "small", "like": "SST-2", "words": ["cold", "warm"]}]}))

    def command(self, results, *more, tasks=("SST-2", "MNLI"), data="data", steps=6):
        return [self.program, "run", "--data", self.folder / data, "--model", self.folder / "model", "--results",
                self.folder / results, "--task", *tasks, "--seeds", "13", "21", "--steps", steps, "--evaluate-every", "3",
                "--draws", "2", "--demonstrations", "3", "--batch", "2", "4", "--lr", "1e-3", "--no-times", *more]

    def start(self, *arguments, **keywords):
        return subprocess.Popen(list(map(str, self.command(*arguments, **keywords))), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def run(self, *arguments, status=0, says="", **keywords):
        process = self.start(*arguments, **keywords)
        output = "".join(process.communicate(timeout=300))
        assert process.returncode == status, f"status {process.returncode}, wanted {status}:\n{output}"
        assert says in output, f"wanted {says!r} in\n{output}"
        return output

    def gather(self, *results, status=0, says="", out=None):
        command = [self.program, "gather", *[self.folder / name for name in results]] + (["--out", out] if out else [])
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == status and says in done.stdout + done.stderr, done.stdout + done.stderr
        return done.stdout

    def bytes(self, name):
        return (self.folder / name).read_bytes()


def killed_sweep(sweep, name, seconds, numbers, *more):
    """Kills a sweep KILLS times, and lets it end. Returns how often it had not ended before."""
    alive = 0
    for _ in range(KILLS):
        process = sweep.start(name, *more)
        time.sleep(numbers.uniform(0, seconds))
        alive += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
    sweep.run(name, *more)
    return alive


def check_kills(sweep):
    begun = time.monotonic()
    sweep.run("whole.jsonl", says="finished now, 0 before, 0 failed")
    seconds = time.monotonic() - begun
    whole = sweep.bytes("whole.jsonl")
    lines = whole.splitlines()
    identities = {json.dumps(json.loads(line)["run"]) for line in lines}
    assert len(identities) == len(lines) == 2 * (2 + 2 * 3 * 2), f"{len(lines)} lines"
    sweep.run("whole.jsonl", says=f"0 finished now, {len(lines)} before")
    assert sweep.bytes("whole.jsonl") == whole, "a finished sweep changed its file"

    numbers = random.Random()
    alive = killed_sweep(sweep, "killed.jsonl", seconds / 8, numbers)
    assert sweep.bytes("killed.jsonl") == whole, "a killed sweep ended with another file"
    alive_two = killed_sweep(sweep, "two.jsonl", seconds / 8, numbers, "--jobs", "2")
    assert sorted(sweep.bytes("two.jsonl").splitlines()) == sorted(lines), "a killed sweep of two jobs: another file"
    print(f"{len(lines)} runs, {seconds:.1f} s; killed while running: {alive} and {alive_two} times of {KILLS}")


def check_cut(sweep):
    whole = sweep.bytes("whole.jsonl")
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    numbers = random.Random(3)
    for cut in [ends[4] - 1, ends[4], ends[4] + 1, *numbers.sample(range(ends[-4], len(whole)), 2)]:
        (sweep.folder / "cut.jsonl").write_bytes(whole[:cut])
        output = sweep.run("cut.jsonl")
        # A line that lacks only its line break is whole.
        assert ("cut in the middle" in output) == (cut not in ends and cut + 1 not in ends), output
        assert sweep.bytes("cut.jsonl") == whole, f"cut after {cut} bytes: another file"
    for damage, says in ((b'{"run": {}}garbage\n', ":5: broken JSON"), (b"\n", ":5: "), (b"[1]\n", "cloze.json_log.2"),
                         (b'{"results": 3}\n', "cloze.sweep.2")):
        broken = whole[:ends[3]] + damage + whole[ends[3]:]
        (sweep.folder / "broken.jsonl").write_bytes(broken)
        sweep.run("broken.jsonl", status=1, says=says)
        assert sweep.bytes("broken.jsonl") == broken, "a damaged file was changed"


def check_two_sweeps(sweep):
    first = sweep.start("shared.jsonl", steps=3000)
    while not (sweep.folder / "shared.jsonl").is_file() or b"zero-shot" not in sweep.bytes("shared.jsonl"):
        assert first.poll() is None, first.communicate()
        time.sleep(0.01)
    sweep.run("shared.jsonl", status=1, says="[cloze.json_log.1]")
    first.send_signal(signal.SIGINT)
    output = first.communicate(timeout=60)[1]
    assert first.returncode == 130 and "interrupted" in output and "FAILED" not in output, output
    assert b"error" not in sweep.bytes("shared.jsonl")


def check_bad_input(sweep):
    sweep.run("bad.jsonl", status=1, tasks=["SST-3"], says="[cloze.data.7]")
    sweep.run("bad.jsonl", "--method", "magic", status=1, says="[cloze.lm_bff.1]")
    sweep.run("bad.jsonl", "--seeds", "99", status=1, says="16-99: no such k-shot folder")
    sweep.run("bad.jsonl", "--task", "SST-2", status=1, says="[cloze.lm_bff.3]")
    sweep.run("bad.jsonl", steps=0, status=1, says="[cloze.lm_bff.2]")
    sweep.run("bad.jsonl", "--demo-filter", "similar", status=1, says="[cloze.lm_bff.2]")
    (sweep.folder / "unknown.json").write_text('{"tasks": [{"name": "small", "like": "SST-2", "wrods": ["a", "b"]}]}')
    sweep.run("bad.jsonl", "--task-file", str(sweep.folder / "unknown.json"), status=1, says='unknown key "wrods"')
    sweep.run("none/bad.jsonl", status=1, says="[cloze.file.3]")
    assert not (sweep.folder / "bad.jsonl").exists(), "wrong arguments left a results file"
    sweep.gather("none.jsonl", status=1, says="[cloze.file.1]")
    (sweep.folder / "empty.jsonl").write_text("")
    sweep.gather("empty.jsonl", status=1, says="[cloze.results.1]")


def check_failures(sweep):
    """A run that fails is reported, does not stop the others, and is tried again."""
    data = sweep.folder / "data2"
    shutil.copytree(sweep.folder / "data", data)
    (data / "SST-2").rename(data / "small")
    method = ["--task-file", str(sweep.folder / "words.json"), "--method", "majority", "zero-shot", "prompt"]
    broken = json.loads((sweep.folder / "words.json").read_text())
    broken["tasks"][0]["words"] = ["cold", "nowhere"]  # no word of the vocabulary
    (sweep.folder / "words.json").write_text(json.dumps(broken))
    output = sweep.run("failed.jsonl", *method, tasks=["small"], data="data2", status=1, says="5 failed")
    assert "FAILED: [cloze.verbalizer.1]" in output, output
    sweep.gather("failed.jsonl", says="failed: ")
    again = sweep.run("failed.jsonl", *method, tasks=["small"], data="data2", status=1, says="0 finished now, 1 before")
    assert "nowhere" in again, again


def check_tables(sweep):
    out = sweep.folder / "tables"
    text = sweep.gather("whole.jsonl", out=out)
    for part in ("SST-2 (acc)", "MNLI (acc)", "MNLI-mm (acc)", "average", "majority", "zero-shot", "prompt-demo"):
        assert part in text, text
    assert text.index("SST-2") < text.index("MNLI"), text
    xml.dom.minidom.parse(str(out / "chart.svg"))
    records = [json.loads(line) for line in sweep.bytes("whole.jsonl").splitlines()]
    # The best grid point of each seed by dev, the first of equals; then the mean and the population's deviation.
    best = {}
    for record in records:
        run = record["run"]
        if (run["task"], run["method"]) == ("SST-2", "prompt") and (
                run["seed"] not in best or record["dev"] > best[run["seed"]]["dev"]):
            best[run["seed"]] = record
    scores = [100 * record["tests"][0]["scores"]["accuracy"] for record in best.values()]
    mean = sum(scores) / len(scores)
    deviation = math.sqrt(sum((score - mean) ** 2 for score in scores) / len(scores))
    wanted = f"SST-2,SST-2,accuracy,prompt,,2,{mean:.3f},{deviation:.3f}"
    assert wanted in (out / "table.csv").read_text(), f"wanted {wanted} in\n{(out / 'table.csv').read_text()}"
    assert f"{mean:.1f} ({deviation:.1f})" in (out / "table.md").read_text()


def main():
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        sweep = Sweep(sys.argv[1], Path(folder))
        for check in (check_kills, check_cut, check_two_sweeps, check_bad_input, check_failures, check_tables):
            begun = time.monotonic()
            check(sweep)
            print(f"{check.__name__}: {time.monotonic() - begun:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
