#!/usr/bin/env python3
"""Tables and targets of rpc_bench.

    rpc.py RPC.json RPC.md      writes the tables, prints a line for each target
"""

import sys

from common import Target, figure, median, ratio, report, run_of, table, target_table

KIB, MIB = 1 << 10, 1 << 20
SMALL, SMALL_IN_FLIGHT = 256, 32  # bytes of 2 x 32 float32
LARGE_IN_FLIGHT = {2: 8, 16: 8, 64: 4}  # by MiB; those that rpc_bench has in its quick run
SHARED_MEMORY_MS = 0.2  # what a call may take beside the evaluation
SERVERS = ["no-op", "lossd", "plain", "python"]


class Runs:
    """Rows of one kind by scenario and server, in the order measured."""

    def __init__(self, rows):
        self.by_key = {(row["scenario"], row["server"]): row for row in rows}
        self.scenarios = list(dict.fromkeys(row["scenario"] for row in rows))

    def get(self, scenario, server):
        return self.by_key.get((scenario, server))

    def rows(self, scenario):
        found = [self.get(scenario, server) for server in SERVERS]
        return [row for row in found if row]


def cpu_ratio(over, under):
    return ratio(over["cpu_us_per_call"], under["cpu_us_per_call"])


def limit_ratio(runs, kernels, scenario):
    """lossd's CPU over what the transport and the kernel take alone; None where one was not measured."""
    lossd, noop, kernel = runs.get(scenario, "lossd"), runs.get(scenario, "no-op"), kernels.get(scenario, "in process")
    if not (lossd and noop and kernel):
        return None
    limit = [a + b for a, b in zip(noop["cpu_us_per_call"], kernel["cpu_us_per_call"], strict=True)]
    return ratio(lossd["cpu_us_per_call"], limit)


def is_small(row):
    return int(row["payload_bytes"]) == SMALL and int(row["in_flight"]) == SMALL_IN_FLIGHT and row["wire"] == "tcp"


def is_large(row):
    mib = round(int(row["payload_bytes"]) / MIB)
    return LARGE_IN_FLIGHT.get(mib) == int(row["in_flight"]) and row["wire"] == "tcp"


def call_targets(runs, kernels):
    lossd = [row for s in runs.scenarios if (row := runs.get(s, "lossd")) and row["mode"] == "unary"]
    small = [row["scenario"] for row in lossd if is_small(row)]
    large = [row["scenario"] for row in lossd if is_large(row)]
    for scenario in small:
        if noop := runs.get(scenario, "no-op"):
            yield Target(f"{scenario}: CPU over no-op", cpu_ratio(runs.get(scenario, "lossd"), noop), 1.15)
    for scenario in large:
        if (measured := limit_ratio(runs, kernels, scenario)) is not None:
            yield Target(f"{scenario}: CPU over no-op + kernel", measured, 1.10)
    for server, scenarios, wanted in [("plain", small, 3), ("plain", large, 3), ("python", small, 20)]:
        rows = [(other, runs.get(s, "lossd")) for s in scenarios if (other := runs.get(s, server))]
        if rows:
            least, name = min((cpu_ratio(other, mine), mine["scenario"]) for other, mine in rows)
            size = "small" if scenarios is small else "large"
            yield Target(f"{size} calls, CPU of the {server} server over lossd's (least: {name})", least, wanted, False)


def stream_targets(runs):
    for scenario in runs.scenarios:
        row = runs.get(scenario, "lossd")
        if not row or row["mode"] != "stream" or not is_small(row):
            continue
        same = ("method", "loss", "payload_bytes", "in_flight", "wire")
        for other in map(lambda s: runs.get(s, "lossd"), runs.scenarios):
            if other and other["mode"] == "unary" and all(other[k] == row[k] for k in same):
                measured = ratio(row["calls_per_second"], other["calls_per_second"])
                yield Target(f"{scenario}: calls/s over unary", measured, 1.5, False)


def memory_ratio(row):
    return median(row["peak_bytes_per_call"]) / median(row["call_bytes"])


def targets(document):
    runs, kernels = Runs(document.get("calls", [])), Runs(document.get("kernels", []))
    found = [*call_targets(runs, kernels), *stream_targets(runs)]
    for row in document.get("memory", []):
        if row["server"] == "lossd":
            found.append(Target(f"{row['scenario']}: peak memory a call over its bytes", memory_ratio(row), 1.1))
    for row in document.get("shared", []):
        limit = [1.1 * alone + SHARED_MEMORY_MS for alone in row["in_process_ms"]]
        measured = ratio(row["call_ms"], limit)
        found.append(Target(f"{row['scenario']} in shared memory: time over 1.1 in process + 200 us", measured, 1))
    for row in document.get("start", []):
        found.append(Target("start to SERVING", median(row["milliseconds"]), 100, unit=" ms"))
        found.append(Target("idle memory", median(row["idle_bytes"]) / 1e6, 40, unit=" MB"))
    return found


def machine_line(document):
    machine = document["machine"]
    return (
        f"{machine['processor']}, {machine['cores']:g} cores, {machine['instruction_set']}, gRPC {machine['grpc']}, "
        f"{machine['date']}, {run_of(document)}. Client and servers share the cores; servers take turns in "
        "rounds; medians of rounds."
    )


def calls_table(runs, kernels):
    head = ["scenario", "server", "calls/s", "GB/s", "p50 us", "p99 us", "p99.9 us", "CPU us a call", "CPU s a GB"]
    rows = []
    for scenario in runs.scenarios:
        for row in runs.rows(scenario):
            keys = ["calls_per_second", "gigabytes_per_second", "p50_us", "p99_us", "p999_us", "cpu_us_per_call"]
            cells = [figure(median(row[key])) for key in [*keys, "cpu_seconds_per_gigabyte"]]
            rows.append([scenario, row["server"], *cells, bound(row, runs, kernels)])
    return table([*head, "bound by"], rows)


def bound(row, runs, kernels):
    """What the server's CPU goes to, as far as the figures say."""
    if row["server"] == "no-op":
        return "gRPC and sockets: the limit"
    if row["server"] == "python":
        return "interpreter, copies, autograd"
    if row["server"] == "plain":
        return "copies, page faults, scalar loops" if int(row["payload_bytes"]) > 64 * KIB else "threads, protobuf"
    noop, kernel = runs.get(row["scenario"], "no-op"), kernels.get(row["scenario"], "in process")
    if not (noop and kernel):
        return "–"
    mine = median(row["cpu_us_per_call"])
    # Shares of a whole, so that a disturbed round does not make more than all of it.
    kernel = min(1, median(kernel["cpu_us_per_call"]) / mine)
    transport = min(1 - kernel, median(noop["cpu_us_per_call"]) / mine)
    return f"transport {transport:.0%}, kernel {kernel:.0%}, the rest {1 - transport - kernel:.0%}"


def ratio_table(runs, kernels):
    head = ["scenario", "lossd / no-op", "lossd / (no-op + kernel)", "plain / lossd", "python / lossd"]
    rows = []
    for scenario in runs.scenarios:
        mine = runs.get(scenario, "lossd")
        if not mine:
            continue
        noop, plain, python = (runs.get(scenario, server) for server in ("no-op", "plain", "python"))
        limit = limit_ratio(runs, kernels, scenario)
        rows.append(
            [
                scenario,
                figure(cpu_ratio(mine, noop)) if noop else "–",
                figure(limit) if limit is not None else "–",
                figure(cpu_ratio(plain, mine)) if plain else "–",
                figure(cpu_ratio(python, mine)) if python else "–",
            ]
        )
    return table(head, rows)


def beside_table(rows):
    """What small calls wait for while others compute, and what both take of the server."""
    head = ["scenario", "server", "small calls/s", "p50 us", "p99 us", "p99.9 us", "large calls/s", "large p50 us"]
    keys = ["calls_per_second", "p50_us", "p99_us", "p999_us", "large_calls_per_second", "large_p50_us", "cpu_share"]
    cells = [[r["scenario"], r["server"], *(figure(median(r[key])) for key in keys)] for r in rows]
    return table([*head, "server's CPU, cores"], cells)


def sections(document):
    """(title, Markdown) of everything that was measured."""
    runs, kernels = Runs(document.get("calls", [])), Runs(document.get("kernels", []))
    yield "Targets", target_table(targets(document))
    if runs.scenarios:
        yield "Server CPU a call, as ratios", ratio_table(runs, kernels)
        yield "Calls", calls_table(runs, kernels)
    if rows := document.get("beside"):
        yield "Small calls beside large ones", beside_table(rows)
    if rows := document.get("shared"):
        cells = [[r["scenario"], *(figure(median(r[key])) for key in ("in_process_ms", "call_ms"))] for r in rows]
        yield "Shared memory", table(["scenario", "in process, ms", "a call, ms"], cells)
    if rows := document.get("memory"):
        head = ["scenario", "server", "idle MB", "peak MB a call in flight", "over its request and response"]
        cells = [
            [r["scenario"], r["server"], figure(median(r["idle_bytes"]) / 1e6)]
            + [figure(median(r["peak_bytes_per_call"]) / 1e6), figure(memory_ratio(r))]
            for r in rows
        ]
        yield "Memory", table(head, cells)
    if rows := document.get("counts"):
        head = ["scenario", "server", "allocations a call", "allocated KiB a call", "copied KiB a call"]
        keys = ["allocated_bytes_per_call", "copied_bytes_per_call"]
        cells = [
            [r["scenario"], r["server"], figure(median(r["allocations_per_call"]))]
            + [figure(median(r[key]) / KIB) for key in keys]
            for r in rows
        ]
        yield "Allocations and copies", table(head, cells)


if __name__ == "__main__":
    sys.exit(report(__doc__, machine_line, sections, targets))
