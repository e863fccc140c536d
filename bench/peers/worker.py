"""What the workers have in common. A worker is a process with one library in it; it reads lines and answers each:

    MODE THREADS SECONDS FOLDER      ->  "SECONDS VALUE": the median time of a call, and the loss
                                     or  "error: ..." where the library does not have the case

FOLDER holds case.json (its name, and which arrays are bfloat16) and an .npy file for each input, the first input first
in case.json. The first call of a case in a mode compiles and warms up; it is not timed.
"""

import json
import pathlib
import statistics
import sys
import time

import numpy as np


class Worker:
    def load(self, name, arrays, bfloat16):
        """Makes the library's tensors of the arrays."""
        raise NotImplementedError

    def call(self, mode, threads):
        """A function that computes value and gradient and returns the value; LookupError where there is none.

        Asked for once for a case, a mode and a number of threads."""
        raise NotImplementedError


def measure(call, seconds):
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def run(worker):
    loaded, calls = None, {}
    for line in sys.stdin:
        mode, threads, seconds, folder = line.rstrip("\n").split(" ", 3)
        try:
            if folder != loaded:
                loaded, calls = folder, {}
                about = json.loads((pathlib.Path(folder) / "case.json").read_text())
                arrays = {name: np.load(pathlib.Path(folder) / f"{name}.npy") for name in about["inputs"]}
                worker.load(about["name"], arrays, about["bfloat16"])
            if (mode, threads) not in calls:
                call = worker.call(mode, int(threads))
                calls[mode, threads] = call, float(call())
            call, value = calls[mode, threads]
            answer = f"{measure(call, float(seconds))!r} {value!r}"
        except Exception as error:  # whatever a library throws is an answer
            loaded = None
            answer = "error: " + f"{type(error).__name__}: {error}".split("\n", 1)[0]
        print(answer, flush=True)
