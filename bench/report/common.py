"""What the reports of scripts/bench share: medians, tables, targets. Figures come as lists with one number a round."""

import json
import statistics
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    name: str
    measured: float
    limit: float
    at_most: bool = True  # else at least
    unit: str = "x"

    @property
    def met(self):
        return self.measured <= self.limit if self.at_most else self.measured >= self.limit

    def line(self):
        return ", ".join([self.name, *self.cells()])

    def cells(self):
        relation = "at most" if self.at_most else "at least"
        return [
            f"{figure(self.measured)}{self.unit}",
            f"{relation} {self.limit:g}{self.unit}",
            "met" if self.met else "not met",
        ]


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def run_of(document):
    """How much the numbers are worth."""
    return "quick run" if document["machine"]["quick"] else "full run"


def median(rounds):
    return statistics.median(rounds)


def ratio(over, under):
    """Median of the ratios of each round: what drifts from round to round cancels."""
    return median([a / b for a, b in zip(over, under, strict=True)])


def figure(x):
    """Three digits, without an exponent."""
    if x == 0:
        return "0"
    if abs(x) >= 100:
        return f"{x:,.0f}"
    return f"{x:.3g}"


def table(head, rows):
    """The first column is text, the others are numbers where they look like it."""

    def is_number(text):
        return not text or text[0].isdigit() or text[0] in "-–"

    columns = list(zip(*rows)) if rows else [[]] * len(head)
    lines = ["| " + " | ".join(head) + " |"]
    lines.append("|" + "|".join("--:" if all(map(is_number, c)) else "---" for c in columns) + "|")
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def target_table(targets):
    return table(["target", "measured", "wanted", ""], [[t.name, *t.cells()] for t in targets])


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def report(usage, machine_line, sections, targets):
    """What the command line asks for: JSON in, Markdown out, a line for each target."""
    if len(sys.argv) != 3 or sys.argv[1] in ("-h", "--help"):
        print(usage, file=sys.stderr)
        return 2
    document = load(sys.argv[1])
    parts = [machine_line(document) + "\n"]
    parts += [f"## {title}\n\n{text}" for title, text in sections(document)]
    write(sys.argv[2], "\n".join(parts))
    for target in targets(document):
        print(target.line())
    return 0
