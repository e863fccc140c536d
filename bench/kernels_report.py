#!/usr/bin/env python3
"""Prints the JSON report of a Google Benchmark run as a Markdown table.

Usage: kernels_report.py FILE

Where a benchmark was repeated, the median stands for it. Time an item and GB/s are there for benchmarks that count their
items and bytes.
"""
import json
import sys

NANOSECONDS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}


def rows(report):
    runs = report["benchmarks"]
    repeated = {run["run_name"] for run in runs if run.get("aggregate_name") == "median"}
    for run in runs:
        if run["run_name"] in repeated and run.get("aggregate_name") != "median":
            continue
        if run.get("error_occurred"):
            yield run["run_name"], "failed: " + run.get("error_message", "?"), "-", "-"
            continue
        if run.get("run_type") == "aggregate" and run.get("aggregate_name") != "median":
            continue
        time_us = run["real_time"] * NANOSECONDS[run["time_unit"]] / 1e3
        items, data = run.get("items_per_second"), run.get("bytes_per_second")
        yield (
            run["run_name"],
            f"{time_us:,.2f}",
            f"{1e9 / items:.3f}" if items else "-",
            f"{data / 1e9:.2f}" if data else "-",
        )


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__.strip())
    with open(sys.argv[1], encoding="utf-8") as file:
        report = json.load(file)
    context = report["context"]
    print("# Kernel benchmarks of lossd\n")
    print(f"- date: {context['date']}")
    print(f"- processor: {context['num_cpus']} x {context['mhz_per_cpu']} MHz")
    print(f"- load average at the start: {', '.join(f'{load:.1f}' for load in context.get('load_avg', []))}\n")
    print("| benchmark | time us | ns/item | GB/s |\n|---|---:|---:|---:|")
    for row in rows(report):
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
