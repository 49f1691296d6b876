"""Rows as they are measured: on the terminal, in a JSON file that is whole after every row, and at the end a table and a chart."""
import json
import os
import statistics
import sys

from chart import chart


class Report:
    def __init__(self, path):
        self.path, self.machine, self.command = path, {}, ""
        self.rows, self.tables, self.warnings, self.status = [], {}, [], 0

    def progress(self, text):
        print(f"  … {text}", file=sys.stderr, flush=True)

    def warn_if(self, text):
        if text and text not in self.warnings:
            self.warnings.append(text)
            print(f"  ! {text}", file=sys.stderr, flush=True)

    def failed(self, text, status=1):
        """Something asked for is missing from the result: the suite's exit status says so."""
        self.warn_if(text)
        self.status = status

    def row(self, name, value, unit="x", needed=None, aim=None, at_most=False, ours=None, peer=None, note="", **detail):
        """One measure. `value` with `unit` ("x", "%"), what is needed and aimed at (at least, or at most), and both sides' own figures."""
        met = None if needed is None else (value <= needed if at_most else value >= needed)
        row = {"name": name, "value": value, "unit": unit, "needed": needed, "aim": aim, "at_most": at_most, "met": met, "ours": ours,
               "peer": peer, "note": note, **detail}
        self.rows.append(row)
        print(self.line(row), flush=True)
        self.save()

    def table(self, name, columns, lines):
        """A table that is no comparison. Printed now."""
        self.tables[name] = {"columns": columns, "rows": lines}
        texts = [columns] + [[cell(x) for x in line] for line in lines]
        widths = [max(len(row[i]) for row in texts) for i in range(len(columns))]
        print(f"\n{name}")
        for row in texts:
            print("  " + "  ".join(x.ljust(w) if i == 0 else x.rjust(w) for i, (x, w) in enumerate(zip(row, widths))))
        sys.stdout.flush()
        self.save()

    @staticmethod
    def line(row):
        sign = "<=" if row["at_most"] else ">="
        number = lambda x: f"{x:.0f} %" if row["unit"] == "%" else f"{x:.2f} x"
        aim = "" if row["aim"] is None else f", aim {number(row['aim'])}"
        target = "" if row["needed"] is None else f"  needed {sign} {number(row['needed'])}{aim}: {'met' if row['met'] else 'NOT MET'}"
        sides = "" if row["ours"] is None else f"  ({row['ours']}" + (f" against {row['peer']})" if row["peer"] else ")")
        return f"{row['name']:58s} {number(row['value']):>9s}{target}{sides}" + (f"  {row['note']}" if row["note"] else "")

    def save(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"command": self.command, "machine": self.machine, "warnings": self.warnings, "rows": self.rows,
                           "tables": self.tables}, indent=1, ensure_ascii=False)
        beside = self.path.with_suffix(".tmp")
        beside.write_text(text + "\n", encoding="utf-8")
        os.replace(beside, self.path)

    def finish(self, seconds):
        if not self.rows and not self.tables:
            return
        self.machine["seconds"] = round(seconds)
        self.save()
        print()
        for row in self.rows:
            print(self.line(row))
        compared = [row for row in self.rows if row["unit"] == "x"]
        if compared:
            svg = self.path.with_suffix(".svg")
            svg.write_text(chart(compared, f"{self.machine.get('cpu', '')}, {self.machine.get('threads', '?')} threads"), encoding="utf-8")
            print(f"chart: {svg}")
        for text in self.warnings:
            print(f"! {text}")
        print(f"all of it: {self.path}  ({seconds:.0f} s)")


def cell(x):
    if isinstance(x, float):
        return f"{x:.0f}" if abs(x) >= 1000 else f"{x:.3g}" if abs(x) < 10 else f"{x:.1f}"
    return str(x)


def median(values):
    return statistics.median(values)
