#!/usr/bin/env python3
"""Google Benchmark's JSON of kernels_bench as Markdown, and a line for each target: name, measured, target, met or not.

usage: kernels_report.py KERNELS.json            the Markdown
       kernels_report.py --targets KERNELS.json  the lines alone
"""
import json
import pathlib
import platform
import sys

ELEMENTWISE_TARGET = 0.85  # of memcpy, one thread, 16 Mi float32, value and gradient
SOFTMAX_TARGET = 0.7
SPEEDUP_TARGET = 1.85  # of two threads; on more cores in proportion
WIDE_ROW_TARGET = 1.5  # the same, of one row of logits, which waits for memory

ELEMENTWISE = ("mean_squared_error", "mean_absolute_error", "huber", "smooth_l1", "log_cosh",
               "binary_crossentropy-LOGITS", "binary_crossentropy-PROBABILITIES")


def rows_of(report: dict) -> list[dict]:
    """The measured benchmarks, their names taken apart."""
    rows = []
    for row in report["benchmarks"]:
        if row.get("run_type", "iteration") != "iteration" or row.get("error_occurred"):
            continue
        parts = [part for part in row["name"].split("/") if part not in ("manual_time",) and
                 not part.startswith("iterations:")]
        if parts[0] == "scaling":
            rows.append({**row, "scaling": True, "loss": parts[1], "dtype": parts[2], "size": parts[3]})
        else:
            loss, what, dtype, size, threads, instructions = parts
            rows.append({**row, "scaling": False, "loss": loss, "what": what, "dtype": dtype, "size": size,
                         "threads": int(threads.split(":")[1]), "instructions": instructions})
    return rows


def targets_of(rows: list[dict], best: str) -> list[tuple[str, float, float]]:
    """(name, measured, target) in order."""

    def ratios(dtype: str, size: str, family: str = "", what: str = "gradient") -> dict[str, float]:
        return {row["loss"]: row["of_memcpy"] for row in rows
                if not row["scaling"] and (row["dtype"], row["size"]) == (dtype, size) and row["threads"] == 1 and
                row["what"] == what and row["instructions"] == best and family in row["label"]}

    lines = []
    for what, where in (("gradient", ""), ("gradient_over", ", gradient over the prediction")):
        elementwise = ratios("F32", "16Mi", "elementwise", what)
        for loss in ELEMENTWISE:
            if loss in elementwise:
                lines.append((f"{loss}, 16 Mi float32{where}, of memcpy", elementwise[loss], ELEMENTWISE_TARGET))
        if elementwise:
            worst = min(elementwise, key=elementwise.get)
            lines.append((f"worst of {len(elementwise)} elementwise ({worst}), 16 Mi float32{where}, of memcpy",
                          elementwise[worst], ELEMENTWISE_TARGET))
    for size in ("512x128256", "4096x1000"):
        for dtype in ("F32", "BF16"):
            for what, where in (("gradient", ""), ("gradient_over", ", gradient over the prediction")):
                for loss, ratio in ratios(dtype, size, what=what).items():
                    lines.append((f"{loss}, {size} {dtype}{where}, of memcpy", ratio, SOFTMAX_TARGET))
    for row in rows:
        if row["scaling"]:
            threads = int(row["threads"])
            one_row = row["size"].startswith("1x")
            name = (f"one wide row, {threads} threads over 1" if one_row else
                    f"{row['loss']}, {row['size']} float32, {threads} threads over one")
            lines.append((name, row["speedup"], (WIDE_ROW_TARGET if one_row else SPEEDUP_TARGET) * threads / 2))
    return lines


def processor() -> str:
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown processor"


def main() -> int:
    arguments = sys.argv[1:]
    only_targets = "--targets" in arguments
    files = [argument for argument in arguments if not argument.startswith("-")]
    if len(files) != 1 or "-h" in arguments or "--help" in arguments:
        print(__doc__, file=sys.stderr)
        return 2
    report = json.loads(pathlib.Path(files[0]).read_text(encoding="utf-8"))
    context = report["context"]
    rows = rows_of(report)
    lines = [f"{name}, {measured:.2f}, {target:.2f}, {'met' if measured >= target else 'not met'}"
             for name, measured, target in targets_of(rows, context.get("instruction_set", ""))]
    if only_targets:
        print("\n".join(lines))
        return 0

    load = ", ".join(f"{x:.1f}" for x in context.get("load_avg", []))
    print(f"{processor()}, {context['num_cpus']} cores, best instruction set {context.get('instruction_set', '?')}; "
          f"Highway {context.get('highway', '?')}, compiler {context.get('compiler', '?')}; {context['date'][:10]}; "
          f"load average at the start {load}.\n")
    print("Elements are those of the first input. Bytes are those of every input and of the gradient. of memcpy, of read: "
          "the rate over that of a memcpy that moves, or a sum that reads, as many bytes, measured in turn with the loss. "
          "One thread by its CPU time, more by wall time.\n")
    print("| loss | | dtype | elements | threads | instructions | ns an element | GB/s | of memcpy | of read |")
    print("|---|---|---|--:|--:|---|--:|--:|--:|--:|")
    for row in rows:
        if row["scaling"]:
            continue
        print(f"| {row['loss']} | {row['what']} | {row['dtype']} | {row['size']} | {row['threads']} | "
              f"{row['instructions']} | {row['ns_per_element']:.3f} | {row['gb_per_second']:.1f} | "
              f"{row['of_memcpy']:.2f} | {row['of_read']:.2f} |")
    print("\nTargets: name, measured, target.\n")
    print("\n".join(f"- {line}" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
