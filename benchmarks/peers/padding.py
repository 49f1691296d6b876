"""What the peers need that packs nothing: padded arrays, batches sorted by length; and a process's peak memory."""
import numpy


def padded(ids, masks, pad_id, pad="longest"):
    """ids, attention mask and mask positions as int64 arrays; `pad`: to the longest prompt, or to so many tokens."""
    length = max(map(len, ids)) if pad == "longest" else int(pad)
    rows = numpy.full((len(ids), length), pad_id, dtype=numpy.int64)
    valid = numpy.zeros_like(rows)
    for i, row in enumerate(ids):
        rows[i, :len(row)] = row[:length]
        valid[i, :len(row)] = 1
    return rows, valid, numpy.array(masks, dtype=numpy.int64)


def by_length(ids, batch):
    """Indices in batches of `batch`, longest prompts first."""
    order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
    return [order[i:i + batch] for i in range(0, len(order), batch)]


def peak_memory_mb():
    """VmHWM of this process."""
    for line in open("/proc/self/status", encoding="utf-8"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return -1
