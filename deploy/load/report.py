#!/usr/bin/env python3
"""Reads what ghz measured, and judges it: ghz itself exits 0 even where every call failed.

Usage: report.py one FOLDER NAME       prints the line of one scenario; exits 1 where a call failed or none was made
       report.py all FOLDER NAME...    writes FOLDER/report.md; exits 1 likewise

Of FOLDER it reads NAME.json (ghz's JSON report; `one` takes the list of single calls out of it, which is as long as the
run) and, where they are, NAME.server_cpu (CPU seconds of the server during the run) and about.txt (lines of
`key: value` for the head of the report).
"""
import json
import pathlib
import sys

COLUMNS = ("scenario", "calls", "calls/s", "p50 ms", "p95 ms", "p99 ms", "server CPU us/call", "failed")


class Run:
    def __init__(self, folder, name):
        self.path = folder / f"{name}.json"
        self.report = json.loads(self.path.read_text())
        self.name = name
        self.title = self.report.get("name") or name
        self.calls = self.report["count"]
        self.failed = self.calls - self.report.get("statusCodeDistribution", {}).get("OK", 0)
        cpu = folder / f"{name}.server_cpu"
        self.server_cpu = float(cpu.read_text()) if cpu.exists() else None

    def passed(self):
        return self.calls > 0 and self.failed == 0

    def percentile_ms(self, percentage):
        for point in self.report.get("latencyDistribution") or []:
            if point["percentage"] == percentage:
                return f"{point['latency'] / 1e6:.2f}"
        return "-"

    def cells(self):
        cpu = f"{self.server_cpu / self.calls * 1e6:.0f}" if self.server_cpu is not None and self.calls else "-"
        return (
            self.name,
            f"{self.calls:,}",
            f"{self.report['rps']:,.0f}",
            self.percentile_ms(50),
            self.percentile_ms(95),
            self.percentile_ms(99),
            cpu,
            f"{self.failed:,}",
        )

    def line(self):
        cells = dict(zip(COLUMNS, self.cells()))
        return (
            f"{cells['calls/s']} calls/s, p50 {cells['p50 ms']} ms, p95 {cells['p95 ms']} ms, p99 {cells['p99 ms']} ms, "
            f"{self.calls:,} calls, {self.failed:,} failed"
        )

    def reasons(self):
        for message, count in sorted(self.report.get("errorDistribution", {}).items(), key=lambda item: -item[1]):
            yield f"{count:,} x {message}"
        if self.calls == 0:
            yield "no call was made"

    def drop_details(self):
        if self.report.pop("details", None) is not None:
            self.path.write_text(json.dumps(self.report, indent=1) + "\n")


def markdown(folder, runs):
    lines = ["# Load test of lossd", ""]
    about = folder / "about.txt"
    if about.exists():
        lines += [f"- {line}" for line in about.read_text().splitlines()] + [""]
    lines += ["| " + " | ".join(COLUMNS) + " |", "|---|" + "---:|" * (len(COLUMNS) - 1)]
    lines += ["| " + " | ".join(run.cells()) + " |" for run in runs]
    lines += ["", "Scenarios (`deploy/load/NAME.json`):", ""]
    lines += [f"- `{run.name}`: {run.title}" for run in runs]
    lines += [
        "",
        "Latencies are ghz's, from the moment a call is sent. ghz and the server share this machine's processors where the",
        "server was started by `scripts/load`; ghz writes each request anew for every call, so that with large requests it",
        "is ghz that sets the pace. `scripts/bench rpc` measures what the server itself can do.",
    ]
    for run in runs:
        if not run.passed():
            lines += ["", f"## {run.name} failed", ""] + [f"- {reason}" for reason in run.reasons()]
    return "\n".join(lines) + "\n"


def main():
    if len(sys.argv) < 4 or sys.argv[1] not in ("one", "all"):
        sys.exit(__doc__.strip())
    folder = pathlib.Path(sys.argv[2])
    runs = [Run(folder, name) for name in sys.argv[3:]]
    if sys.argv[1] == "one":
        for run in runs:
            run.drop_details()
            print(run.line())
            for reason in run.reasons():
                print(f"  {reason}")
    else:
        (folder / "report.md").write_text(markdown(folder, runs))
    sys.exit(0 if all(run.passed() for run in runs) else 1)


if __name__ == "__main__":
    main()
