"""Inputs of the training-step comparison: one randomly initialised model of RoBERTa-base's shape and real k-shot prompts.

usage: make_inputs.py SHARED_DATA_FOLDER OUT_FOLDER
Writes OUT/roberta-base-shape/ (a Hugging Face folder) and OUT/batches.json: 4 batches of 8 SST-2 prompts
(`text It was <mask> .`), each {"ids": [[…]], "masks": [position], "labels": [0|1]}; "words" are the ids of ' terrible', ' great'.
"""
import json, os, random, sys
import torch
import transformers
from tokenizers import Tokenizer

data, out = sys.argv[1:3]
os.makedirs(out, exist_ok=True)
tokenizer = Tokenizer.from_file(f"{data}/golden/tokens/roberta/tokenizer.json")
encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
words = [encode(" terrible")[0], encode(" great")[0]]
rows = [line.rstrip("\n").split("\t") for line in open(f"{data}/kshot/SST-2/16-13/train.tsv", encoding="utf-8")][1:]
random.Random(0).shuffle(rows)
batches = []
for first in range(0, 32, 8):
    batch = {"ids": [], "masks": [], "labels": []}
    for text, label in rows[first:first + 8]:
        head = [0] + encode(text) + encode(" It was")
        batch["ids"].append(head + [50264] + encode(".") + [2])
        batch["masks"].append(len(head))
        batch["labels"].append(int(label))
    batches.append(batch)
json.dump({"words": words, "batches": batches}, open(f"{out}/batches.json", "w"))
folder = f"{out}/roberta-base-shape"
if not os.path.exists(f"{folder}/model.safetensors"):
    torch.manual_seed(0)
    config = transformers.RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5,
                                        pad_token_id=1, bos_token_id=0, eos_token_id=2)
    transformers.RobertaForMaskedLM(config).save_pretrained(folder)
print("tokens per batch:", [sum(map(len, b["ids"])) for b in batches], "longest:", [max(map(len, b["ids"])) for b in batches])
