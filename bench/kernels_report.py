#!/usr/bin/env python3
"""Google Benchmark's JSON of kernels_bench as a Markdown table, each row beside memcpy of the same size."""
import json
import sys


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print("usage: kernels_report.py KERNELS.json", file=sys.stderr)
        return 2
    with open(sys.argv[1], encoding="utf-8") as file:
        report = json.load(file)
    context = report["context"]
    rows = [row for row in report["benchmarks"] if row.get("run_type", "iteration") == "iteration"]
    copies = {row["name"].split("/")[2]: row["bytes_per_second"] for row in rows if row["name"].startswith("memcpy/")}
    print(f"{context['num_cpus']} cores at {context['mhz_per_cpu']} MHz, {context.get('instruction_set', '?')}, "
          f"one thread, value and gradient, {context['date'][:10]}. Elements are those of the prediction; bytes are "
          "those of every input and of the gradient.\n")
    print("| loss | dtype | elements | ns an element | GB/s | ratio to memcpy |")
    print("|---|---|--:|--:|--:|--:|")
    for row in rows:
        name, dtype, size = row["name"].split("/")
        if row.get("error_occurred"):
            continue
        rate = row["bytes_per_second"]
        ratio = f"{rate / copies[size]:.2f}" if size in copies else ""
        ns = f"{row['ns_per_element']:.2f}" if "ns_per_element" in row else ""
        print(f"| {name} | {dtype} | {size} | {ns} | {rate * 1e-9:.1f} | {ratio} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
