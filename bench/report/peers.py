#!/usr/bin/env python3
"""Tables and targets of bench/peers/peers.py.

    peers.py PEERS.json PEERS.md      writes the tables, prints a line for each target
"""

import math
import sys

from common import Target, figure, median, ratio, report, run_of, table, target_table

GROUPS = {"cross_entropy": ("cross-entropy", 4), "ctc": ("CTC", 3), "boxes": ("CIoU", 10)}
MEMCPY = "memcpy"
ARITHMETIC = {"F32": "arithmetic in float", "F64": "arithmetic in double"}
REMOTE = ("lossd over TCP", "lossd over a unix socket", "lossd in shared memory")


class Runs:
    """Rows by case, size, threads and side."""

    def __init__(self, rows):
        self.rows = rows
        self.by_key = {(r["case"], r["size"], r["threads"], r["side"]): r for r in rows}
        self.sides = list(dict.fromkeys(r["side"] for r in rows if r["side"] != MEMCPY))
        self.measured = list(dict.fromkeys((r["case"], r["size"], r["threads"]) for r in rows))

    def get(self, measured, side):
        return self.by_key.get((*measured, side))

    def speedup(self, measured, side, mine="lossd"):
        """How many times as long `side` takes; None where one of them was not measured."""
        peer, lossd = self.get(measured, side), self.get(measured, mine)
        return ratio(peer["seconds"], lossd["seconds"]) if peer and lossd else None

    def speedups(self, side, wanted, mine="lossd"):
        """(speedup, case) of the measurements whose row is wanted, the least first."""
        found = []
        for measured in self.measured:
            row = self.get(measured, mine)
            if row and wanted(row) and (times := self.speedup(measured, side, mine)) is not None:
                found.append((times, describe(measured)))
        return sorted(found)


def describe(measured):
    case, _, threads = measured
    return f"{case}, {threads} thread{'s' if threads > 1 else ''}"


def geometric_mean(numbers):
    return math.exp(sum(map(math.log, numbers)) / len(numbers))


def is_elementwise_in_cache(row):
    return row["group"] == "elementwise" and row["size"] == "L2" and row["threads"] == 1


def targets(document):
    runs = Runs(document["calls"])
    found = []
    for side in (s for s in runs.sides if s.endswith("eager")):
        if times := runs.speedups(side, is_elementwise_in_cache):
            name = f"over {side}, elementwise losses in L2"
            found.append(Target(f"{name} (least: {times[0][1]})", times[0][0], 4, False))
            found.append(Target(f"{name}, geometric mean", geometric_mean([t for t, _ in times]), 8, False))
        for group, (name, limit) in GROUPS.items():
            if times := runs.speedups(side, lambda r: r["group"] == group):
                found.append(Target(f"over {side}, {name} (least: {times[0][1]})", times[0][0], limit, False))
        for remote in REMOTE:
            for size in ("L2", "memory"):
                if times := runs.speedups(side, lambda r: r["size"] == size, remote):
                    faster = sum(t > 1 for t, _ in times)
                    name = f"{remote} over {side}, {size} sizes, share of {len(times)} cases that are faster"
                    found.append(Target(name, 100 * faster / len(times), 100, False, " %"))
    return found


def bound(runs, measured):
    """What lossd is limited by: memory where it takes less than twice as long as memcpy of the bytes that must move."""
    times = runs.speedup(measured, MEMCPY)
    arithmetic = ARITHMETIC.get(runs.get(measured, "lossd")["note"], "–")
    if times is None:
        return arithmetic
    share = f"{times:.0%} of memcpy's rate" if times >= 0.005 else "far from memcpy's rate"
    return f"{'memory' if times > 0.5 else arithmetic}, {share}"


def time(seconds):
    return f"{seconds * 1e6:,.0f} us" if seconds < 1e-3 else f"{figure(seconds * 1e3)} ms"


def times_table(runs, size):
    rows = []
    for measured in runs.measured:
        row = runs.get(measured, "lossd")
        if measured[1] != size or not row:
            continue
        cells = []
        for side in runs.sides:
            other = runs.get(measured, side)
            taken = time(median(other["seconds"])) if other else "–"
            cells.append(taken if not other or side == "lossd" else f"{taken} ({figure(runs.speedup(measured, side))})")
        rows.append([measured[0], str(measured[2]), *cells, bound(runs, measured)])
    return table(["loss", "threads", *runs.sides, "lossd is bound by"], rows)


def faster_list(runs):
    """Where a remote call beats PyTorch in the caller's own process."""
    lines = []
    for side in (s for s in runs.sides if s.endswith("eager")):
        for remote in REMOTE:
            for size in ("L2", "memory"):
                times = runs.speedups(side, lambda r: r["size"] == size, remote)
                if times:
                    faster = ", ".join(f"{name} ({figure(t)})" for t, name in reversed(times) if t > 1)
                    lines.append(f"- {remote}, {size}, faster than {side}: {faster or 'nothing'}.")
    return "\n".join(lines) + "\n"


def machine_line(document):
    machine = document["machine"]
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['date']}, {run_of(document)}. Value and gradient "
        "of the mean, float32 unless the case says otherwise; medians of rounds in turn; in brackets: times lossd in "
        "process."
    )


def sections(document):
    """(title, Markdown) of everything that was measured."""
    runs = Runs(document["calls"])
    yield "Targets", target_table(targets(document))
    if set(REMOTE) & set(runs.sides):
        yield "Remote calls beside PyTorch in the caller's process", faster_list(runs)
    for size, title in [("L2", "64 Ki elements (L2)"), ("memory", "16 Mi elements, and cases of their own size")]:
        if any(measured[1] == size for measured in runs.measured):
            yield title, times_table(runs, size)


if __name__ == "__main__":
    sys.exit(report(__doc__, machine_line, sections, targets))
