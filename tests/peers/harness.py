"""Compares lossd with a peer, value and gradient, row by row of a table.

A row is right where every number of the server lies within the row's tolerance of the peer's. The distance of a and b
is |a - b| / max(|a|, |b|, floor): relative for large numbers, absolute (in units of `floor`) for small ones, since a
peer's small numbers are often differences of numbers near 1. Infinities and NaNs have to be the same.
"""

import sys
import time
import traceback
from dataclasses import dataclass, field
from typing import Callable, Mapping, Sequence

import grpc
import numpy as np
from client import NotInContract


@dataclass(frozen=True)
class Tolerance:
    f32: float
    f64: float
    floor: float = 1.0
    reason: str = ""


# A peer rounds some ten times on the way to a value and back through its derivative; half a unit is 6e-8 and 1.1e-16.
TEN_ROUNDINGS = Tolerance(f32=1.5e-6, f64=4e-15, reason="some ten roundings of the peer")


def wider(times, reason, floor=1.0):
    return Tolerance(TEN_ROUNDINGS.f32 * times, TEN_ROUNDINGS.f64 * times, floor, reason)


@dataclass(frozen=True)
class Row:
    name: str  # a sentence
    loss: str  # as lossd calls it
    peer: Callable  # tensors by name in, items out (one number where `options` reduce)
    inputs: Callable[[], Sequence[Mapping[str, np.ndarray]]]
    convention: str = "LOSSD"
    options: Mapping = field(default_factory=dict)
    params: Mapping = field(default_factory=dict)
    with_respect_to: Sequence[str] = ("y_pred",)
    tolerance: Tolerance = TEN_ROUNDINGS
    dtypes: Sequence[str] = ("F32", "F64")
    compiled: bool = True  # JAX: False where the peer's function looks at values

    def all_options(self):
        return {"reduction": "NONE", "convention": self.convention, **self.options}


@dataclass(frozen=True)
class Differs:
    """A place where lossd is right and the peer is known not to be: both answers, so that a repaired peer is noticed."""

    name: str
    loss: str
    peer: Callable
    inputs: Mapping[str, np.ndarray]
    lossd: Mapping[str, Sequence[float]]  # "value" and gradients by input name
    peer_says: Mapping[str, Sequence[float]]
    convention: str = "LOSSD"
    options: Mapping = field(default_factory=dict)
    params: Mapping = field(default_factory=dict)
    dtype: str = "F32"
    tolerance: float = 1e-5  # relative
    compiled: bool = True

    def all_options(self):
        return {"reduction": "NONE", "convention": self.convention, **self.options}


@dataclass
class Line:
    """The report's line of one loss and peer."""

    rows: int = 0
    cases: int = 0
    failed: int = 0
    worst: dict = field(default_factory=lambda: {"F32": 0.0, "F64": 0.0})
    note: str = ""


FLOATS = {"F16": np.float16, "F32": np.float32, "F64": np.float64}


def cast(case, dtype):
    return {name: a.astype(FLOATS[dtype]) if a.dtype.kind == "f" else a for name, a in case.items()}


def distance(a, b, floor):
    """Element by element; infinite where one is NaN or infinite and the other is not that."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    with np.errstate(all="ignore"):
        d = np.abs(a - b) / np.maximum(np.maximum(np.abs(a), np.abs(b)), floor)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    return np.where(same, 0.0, np.where(np.isfinite(a) & np.isfinite(b), d, np.inf))


def show(array, around=None):
    array = np.asarray(array)
    if array.size <= 48 or around is None:
        with np.printoptions(threshold=48, precision=9, linewidth=110):
            return f"{array.shape} {array}".replace("\n", " ")
    # Broadcast the place in the answer to the place in this input: leading axes agree.
    index = tuple(i for i, size in zip(around, array.shape) if i < size)
    with np.printoptions(threshold=48, precision=9, linewidth=110):
        return f"{array.shape}, at {list(map(int, index))}: {array[index]}".replace("\n", " ")


def show_all(numbers):
    return ", ".join(f"{'' if name == 'value' else 'gradient of '}{name} {list(n)}" for name, n in numbers.items())


class Report:
    def __init__(self, peer_of_row, out=sys.stdout):
        self._peer_of_row = peer_of_row
        self._lines = {}
        self._out = out

    def line(self, row):
        return self._lines.setdefault((row.loss, self._peer_of_row(row)), Line())

    def fail(self, row, what):
        line = self.line(row)
        line.failed += 1
        print(f"FAILED: {row.loss} beside {self._peer_of_row(row)}: {row.name}\n  {what}", file=self._out)

    def known(self, row):
        says = "; ".join(f"{who} {show_all(numbers)}" for who, numbers in [("lossd", row.lossd), ("it", row.peer_says)])
        print(f"KNOWN FAILURE of {self._peer_of_row(row)}: {row.loss}: {row.name}: {says}", file=self._out)

    def summary(self):
        print(f"\n{'loss':30} {'peer':8} {'rows':>4} {'cases':>5}   worst difference F32, F64", file=self._out)
        for (loss, peer), line in sorted(self._lines.items()):
            state = line.note or f"{line.worst['F32']:.1e}  {line.worst['F64']:.1e}"
            if line.failed:
                state += f"   {line.failed} FAILED"
            print(f"{loss:30} {peer:8} {line.rows:4} {line.cases:5}   {state}", file=self._out)
        failed = sum(line.failed for line in self._lines.values())
        passed = sum(line.rows for line in self._lines.values()) - failed
        print(f"{passed} passed, {failed} failed", file=self._out, flush=True)
        return failed


def check_row(row, client, backend, report):
    """Every case in every dtype; the first difference is reported, with the inputs."""
    line = report.line(row)
    for number, case in enumerate(row.inputs()):
        for dtype in row.dtypes:
            line.cases += 1
            inputs = cast(case, dtype)
            expected = backend.evaluate(row, inputs)
            answer = client.gradient(
                row.loss, inputs, dict(row.params), row.all_options(), with_respect_to=row.with_respect_to
            )
            given = {"value": answer.value if answer.per_item is None else answer.per_item, **answer.gradients}
            allowed = row.tolerance.f32 if dtype == "F32" else row.tolerance.f64
            for name, b in expected.items():
                a = given.get(name)
                where = f"case {number}, {dtype}, {'gradient of ' if name != 'value' else ''}{name}"
                if a is None:
                    return report.fail(row, f"{where}: the server sent none")
                if np.shape(a) != np.shape(b):
                    return report.fail(row, f"{where}: shape {np.shape(a)}, the peer has {np.shape(b)}")
                d = distance(a, b, row.tolerance.floor)
                worst = float(d.max(initial=0.0))
                if not worst > allowed:
                    line.worst[dtype] = max(line.worst[dtype], worst)
                    continue
                at = np.unravel_index(int(np.argmax(d)), d.shape)
                lines = [
                    f"{where}{list(map(int, at))}: lossd {np.asarray(a)[at]!r}, the peer {np.asarray(b)[at]!r}; "
                    f"{worst:.2e} apart, allowed {allowed:.1e} ({row.tolerance.reason}); "
                    f"{int((d > allowed).sum())} of {d.size} such"
                ]
                lines += [f"  {n}: {show(x, at)}" for n, x in inputs.items()]
                lines.append(f"  params {dict(row.params)} options {dict(row.all_options())}")
                return report.fail(row, "\n  ".join(lines))
    return None


def check_difference(row, client, backend, report):
    line = report.line(row)
    line.cases += 1
    inputs = cast({name: np.asarray(a) for name, a in row.inputs.items()}, row.dtype)
    names = [name for name in row.lossd if name != "value"]
    expected = backend.evaluate(row, inputs, with_respect_to=names)
    answer = client.gradient(row.loss, inputs, dict(row.params), row.all_options(), with_respect_to=names)
    given = {"value": answer.value if answer.per_item is None else answer.per_item, **answer.gradients}
    for who, has, says in [("lossd", given, row.lossd), ("the peer", expected, row.peer_says)]:
        for name, numbers in says.items():
            got = np.ravel(has.get(name, []))
            if len(got) != len(np.ravel(numbers)) or distance(got, np.ravel(numbers), 1e-30).max() > row.tolerance:
                return report.fail(row, f"{name} of {who} is {got}, the table says {list(np.ravel(numbers))}")
    report.known(row)
    return None


def run(rows, client, backend, peer_of_row, only=(), out=sys.stdout):
    """Returns the number of failed rows. client None: the peers alone, to see that the tables themselves run."""
    report = Report(peer_of_row, out)
    served = client.names() if client else None
    not_served = set()
    start = time.monotonic()
    for row in rows:
        if only and row.loss not in only:
            continue
        line = report.line(row)
        line.rows += 1
        if served is not None and row.loss not in served:
            line.note = "not served"
            if row.loss in not_served:
                line.failed += 1
            else:
                not_served.add(row.loss)
                report.fail(row, "not served (this and every other row of the loss)")
            continue
        try:
            if client is None:
                for case in row.inputs() if isinstance(row, Row) else []:
                    line.cases += 1
                    for dtype in row.dtypes:
                        backend.evaluate(row, cast(case, dtype))
                if isinstance(row, Differs):
                    inputs = cast({name: np.asarray(a) for name, a in row.inputs.items()}, row.dtype)
                    got = backend.evaluate(row, inputs, [n for n in row.lossd if n != "value"])
                    for name, numbers in row.peer_says.items():
                        if distance(np.ravel(got[name]), np.ravel(numbers), 1e-30).max() > row.tolerance:
                            report.fail(row, f"{name} of the peer is {got[name]}, the table says {numbers}")
            elif isinstance(row, Differs):
                check_difference(row, client, backend, report)
            else:
                check_row(row, client, backend, report)
        except grpc.RpcError as error:
            report.fail(row, f"{error.code().name}: {error.details()}")
        except NotInContract as error:
            report.fail(row, f"not in the contract: {error}")
        except Exception:  # a fault of the table or of the peer fails its row, not those behind it
            report.fail(row, traceback.format_exc(limit=-4).strip().replace("\n", "\n  "))
    failed = report.summary()
    print(f"{time.monotonic() - start:.0f} s", file=out)
    return failed
