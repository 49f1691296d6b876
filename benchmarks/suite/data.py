"""The texts that are measured: SST-2 from a data folder, or the project's own example sentences; and text for tokenizers."""
import lzma
import os
from pathlib import Path


class Data:
    def __init__(self, given, root, work, report):
        shared = os.environ.get("CLOZE_SHARED")
        self.folder = given or (Path(shared) / "data" if shared else None)
        self.root, self.work, self.report = root, work, report
        bundled = root / "models/minilm-mlm-en"
        self.kshot = root / "examples/data/sentiment"
        if self.folder and (self.folder / "kshot/SST-2/16-13/train.tsv").exists():
            self.kshot = self.folder / "kshot/SST-2/16-13"
        elif self.folder and (self.folder / "train.tsv").exists():
            self.kshot = self.folder
        else:
            report.warn_if("no SST-2 (--data, CLOZE_SHARED): the prompts are the project's own example sentences")
        self.tokenizers = {"roberta-base": bundled, "minilm-l6": bundled}
        for shape, name in (("roberta-base", "roberta-base"), ("minilm-l6", "bert-base-uncased")):
            if self.folder and (self.folder / "tokenizers" / name).is_dir():
                self.tokenizers[shape] = self.folder / "tokenizers" / name

    def text(self, megabytes):
        """A file of English lines, and what it is."""
        size, path = int(megabytes * 1e6), self.work / f"text_{megabytes}.txt"
        corpus = self.folder / "corpus/wikipedia_en.txt.xz" if self.folder else None
        if corpus and corpus.exists():
            with lzma.open(corpus, "rb") as file:
                content, name = file.read(size), f"{megabytes} MB of English Wikipedia, by line"
        else:
            pages = b"\n".join(p.read_bytes() for p in sorted([*self.root.glob("*.md"), *self.root.glob("docs/*.md")]))
            content, name = (pages * (size // len(pages) + 1))[:size], f"{megabytes} MB of the project's own pages, repeated, by line"
        path.write_bytes(content[:content.rfind(b"\n")])
        return path, name
