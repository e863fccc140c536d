#!/usr/bin/env python3
"""The same tensors through PyTorch, JAX, Keras and lossd, in process and over the wire: times of value and gradient.

    peers.py --bin DIR --messages DIR --work DIR --json FILE [--quick] [--filter TEXT]

Each side is a process of its own that answers one question at a time (worker.py), so all libraries stay loaded and take
turns round by round: a machine whose speed drifts treats them alike. All sides must return the same value.
"""

import argparse
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
from dataclasses import dataclass, field

import cases
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DEBIAN = "/usr/bin/python3"
ALL = len(os.sched_getaffinity(0))
FIELDS = ("y_pred", "y_true")  # the others stand in `inputs`
DTYPES = {"float32": "F32", "int64": "I64", "uint16": "BF16"}
TOLERANCE, BFLOAT16_TOLERANCE = 1e-3, 2e-2
MEMCPY = "memcpy"  # of the bytes that must move


@dataclass
class Side:
    """One column: a mode of a worker."""

    name: str
    command: list
    mode: str
    compiled: bool = False
    remote: bool = False  # the server has all cores
    pinned: bool = False  # the worker has no number of threads of its own
    processes: dict = field(default_factory=dict)

    def ask(self, threads, seconds, folder):
        """(seconds a call, value, note), or the reason why there is none."""
        process = self.process(threads if self.pinned else ALL)
        process.stdin.write(f"{self.mode} {threads} {seconds} {folder}\n")
        process.stdin.flush()
        answer = process.stdout.readline().strip()
        if not answer:
            raise RuntimeError(f"{self.name} died")
        if answer.startswith("error: "):
            return answer
        time, value, *note = answer.split()
        return float(time), float(value), "".join(note)

    def process(self, cores):
        if cores not in self.processes:
            some = sorted(os.sched_getaffinity(0))[:cores]
            self.processes[cores] = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                preexec_fn=lambda: os.sched_setaffinity(0, some),
            )
        return self.processes[cores]


def version(python, module):
    """None where the interpreter or the module is missing, which standard error then tells."""
    program = f"import {module}; print({module}.__version__)"
    try:
        run = subprocess.run([python, "-c", program], capture_output=True, text=True)
        found = run.stdout.strip().split("\n")[-1].split("+")[0] if run.returncode == 0 else None
    except OSError:
        found = None
    if found is None:
        print(f"SKIPPED: {python} has no {module} (scripts/setup: groups peers, torch, tensorflow)", file=sys.stderr)
    return found


def find_sides(bin_folder):
    """lossd first, then what is installed."""
    lossd = [str(bin_folder / "peers_bench")]
    sides = [
        Side("lossd", lossd, "inprocess"),
        Side(MEMCPY, lossd, "memcpy"),
        Side("lossd over TCP", lossd, "tcp", remote=True),
        Side("lossd over a unix socket", lossd, "unix", remote=True),
        Side("lossd in shared memory", lossd, "shared", remote=True),
    ]
    for side in sides:
        side.processes = sides[0].processes
    today, jax, tensorflow = (str(ROOT / f"build/{name}/bin/python") for name in ("torch", "peers", "tensorflow"))
    for python in (DEBIAN, today):
        if found := version(python, "torch"):
            command = [python, str(HERE / "torch_worker.py")]
            sides.append(Side(f"PyTorch {found} eager", command, "eager"))
            if int(found.split(".")[0]) >= 2:
                sides.append(Side(f"PyTorch {found} compiled", command, "compile", compiled=True))
                sides[-1].processes = sides[-2].processes
    if found := version(jax, "jax"):
        sides.append(Side(f"JAX {found} jit", [jax, str(HERE / "jax_worker.py")], "jit", pinned=True))
    if found := version(tensorflow, "tensorflow"):
        command = [tensorflow, str(HERE / "tensorflow_worker.py")]
        sides.append(Side(f"Keras on TensorFlow {found}", command, "function", pinned=True))
    return sides


class Requests:
    """Writes what the workers read."""

    def __init__(self, messages, work):
        sys.path.insert(0, str(messages))
        from lossd.v1 import loss_service_pb2, options_pb2, tensor_pb2

        self.service, self.options, self.tensor, self.work = loss_service_pb2, options_pb2, tensor_pb2, work

    def write(self, case, shape):
        """The folder of one case."""
        arrays = case.draw(shape)
        folder = self.work / "case"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)
        bfloat16 = [name for name, array in arrays.items() if array.dtype == np.uint16]
        about = {"name": case.name, "inputs": list(arrays), "bfloat16": bfloat16}
        (folder / "case.json").write_text(json.dumps(about))
        (folder / "request.bin").write_bytes(self.message(case, arrays).SerializeToString())
        # A name of its own: workers know by it that the case is another.
        return folder.rename(self.work / f"{case.name} {'x'.join(map(str, shape))}".replace(" ", "_"))

    def message(self, case, arrays):
        request = self.service.GradientRequest(loss=case.loss, with_respect_to=[next(iter(arrays))])
        request.params.update(case.params)
        for name, value in case.options.items():
            kind = request.options.DESCRIPTOR.fields_by_name[name].enum_type
            setattr(request.options, name, kind.values_by_name[value].number)
        for name, array in arrays.items():
            tensor = getattr(request, name) if name in FIELDS else request.inputs[name]
            tensor.dtype = self.tensor.DType.Value(DTYPES[array.dtype.name])
            tensor.shape.extend(array.shape)
            tensor.raw = np.ascontiguousarray(array).tobytes()
        return request


def measure(case, size, shape, folder, sides, threads, rounds, seconds):
    """Rows of one case; sides that do not have it are left out, with the reason on standard error."""
    rows = {
        side.name: {
            "case": case.name,
            "group": case.group,
            "size": size,
            "elements": int(np.prod(shape)),
            "request_bytes": (folder / "request.bin").stat().st_size,
            "threads": threads,
            "side": side.name,
            "seconds": [],
        }
        for side in sides
    }
    for _ in range(rounds):
        for side in sides:
            if side.name not in rows:
                continue
            answer = side.ask(threads, seconds, folder)
            if isinstance(answer, str):
                print(f"  {side.name}: {answer}", file=sys.stderr)
                del rows[side.name]
                continue
            rows[side.name]["seconds"].append(answer[0])
            rows[side.name]["value"], rows[side.name]["note"] = answer[1:]
    expected = rows["lossd"]["value"]
    tolerance = BFLOAT16_TOLERANCE if case.bfloat16 else TOLERANCE
    for row in rows.values():
        if row["side"] != MEMCPY and not abs(row["value"] - expected) <= tolerance * abs(expected):
            raise RuntimeError(f"{case.name}: {row['side']} says {row['value']}, lossd {expected}")
    return list(rows.values())


def machine(sides, quick):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    date = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    return {"processor": models[0], "cores": ALL, "date": date, "quick": quick, "sides": [side.name for side in sides]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name in ("bin", "messages", "work", "json"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--filter", default="", help="cases whose name contains this")
    parser.add_argument("--sides", default="", help="lossd, and sides whose name contains this")
    arguments = parser.parse_args()
    rounds, seconds = (3, 0.03) if arguments.quick else (5, 0.2)

    sides = [s for s in find_sides(arguments.bin) if s.name in ("lossd", MEMCPY) or arguments.sides in s.name]
    requests = Requests(arguments.messages, arguments.work)
    rows = []
    for case in cases.CASES:
        if arguments.filter not in case.name:
            continue
        for size, shape in case.shapes:
            if arguments.quick and not case.quick and size == "memory" and len(case.shapes) > 1:
                continue
            print(f"measuring {case.name}, {size}", file=sys.stderr)
            folder = requests.write(case, shape)
            mine = [s for s in sides if not s.compiled or case.quick or not arguments.quick]
            several = {1} if size == "L2" else {ALL}
            for threads in sorted(several if arguments.quick else {1, ALL}):
                some = [s for s in mine if not s.remote or threads == max(several)]
                rows += measure(case, size, shape, folder, some, threads, rounds, seconds)
            shutil.rmtree(folder)
    with open(arguments.json, "w", encoding="utf-8") as file:
        json.dump({"machine": machine(sides, arguments.quick), "calls": rows}, file, indent=1)
    for side in sides:
        for process in side.processes.values():
            process.stdin.close()
            process.wait()


if __name__ == "__main__":
    main()
