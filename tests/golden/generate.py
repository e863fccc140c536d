#!/usr/bin/python3
"""Golden values and slopes of the losses, from the textbook formulas at 700 digits.

    generate.py            write <loss>.golden beside this file
    generate.py --check    regenerate in memory; exit 1 and show the first difference if a committed file is stale
    generate.py --verify   test this generator itself: slopes against numeric derivatives of the values, published
                           figures, twice the digits, and that no row sits where rounding decides what is clipped

Nothing here comes from the library under test. Inputs are taken as the exact numbers they are in binary, so p - t below
is the true difference, not the rounded one. See README.md for the format of the files.

Letters: p prediction, x logit, t target, e = p - t, S sum of a row's p, T the element type (F32 or F64).
"""

import argparse
import math
import pathlib
import random
import struct
import sys
from dataclasses import dataclass
from typing import Callable, NamedTuple, Optional

import mpmath
from mpmath import mp, mpf

# Doubles reach from 5e-324 to 1.8e308, 632 digits; the rest covers hi + lo. With all of them at hand every formula can
# be written as in the textbook: even ln(1 + exp(x)) - x, at x = 700, keeps more digits than are asked of it.
DIGITS = 700
mp.dps = DIGITS

HERE = pathlib.Path(__file__).resolve().parent
INF = math.inf


# --- The element types ------------------------------------------------------------------------------------------------


def round_to_f32(a: float) -> float:
    return struct.unpack("<f", struct.pack("<f", a))[0]


def next_f32(a: float, towards: float) -> float:
    """The neighbour of a in F32, in the direction of `towards`."""
    if a == towards:
        return a
    if a == 0:
        return math.copysign(2.0**-149, towards)
    bits = struct.unpack("<i", struct.pack("<f", a))[0]
    bits += 1 if (towards > a) == (a > 0) else -1
    return struct.unpack("<f", struct.pack("<i", bits))[0]


@dataclass(frozen=True)
class Type:
    name: str
    round: Callable[[float], float]
    next: Callable[[float, float], float]
    max: float
    min_normal: float
    min_subnormal: float

    def up(self, a):
        return self.next(a, INF)

    def down(self, a):
        return self.next(a, -INF)

    # The constants of the clip policies are decimal literals rounded to the element type.
    @property
    def clip_lo(self):
        return self.round(1e-7)

    @property
    def clip_hi(self):
        return self.round(1 - 1e-7)

    @property
    def slope_floor(self):
        return self.round(1e-12)


F32 = Type("F32", round_to_f32, next_f32, (2 - 2.0**-23) * 2.0**127, 2.0**-126, 2.0**-149)
F64 = Type("F64", float, math.nextafter, sys.float_info.max, 2.0**-1022, 5e-324)


def to_double(a: mpf) -> float:
    """The double nearest to a, ties to even; infinite beyond the largest. Python's int / int rounds exactly once."""
    if mp.isinf(a) or a == 0:
        return float(a) + 0.0
    sign, mantissa, exponent, bits = a._mpf_
    if exponent + bits > 1100:
        magnitude = INF
    elif exponent + bits < -1100:
        magnitude = 0.0
    else:
        try:
            magnitude = (mantissa << max(exponent, 0)) / (1 << max(-exponent, 0))
        except OverflowError:
            magnitude = INF
    return (-magnitude if sign else magnitude) + 0.0


def hi_lo(a: mpf) -> str:
    assert not mp.isnan(a)
    hi = to_double(a)
    lo = 0.0 if math.isinf(hi) else to_double(a - mpf(hi))
    return f"{hi.hex()} {lo.hex()}"


# --- Formulas ---------------------------------------------------------------------------------------------------------
# Element by element: value(p, t) and slope(p, t). By row: value(p, t) and slopes(p, t) with lists. All in mpf.


def sign(a):
    return mpf((a > 0) - (a < 0))


def clip(a, lo, hi):
    return min(max(a, lo), hi)


def times(t, a):
    """t a, with 0 times anything = 0."""
    return mpf(0) if t == 0 else t * a


def log(a):
    return -mp.inf if a == 0 else mp.log(a)


class Form(NamedTuple):
    """One reading of the prediction: its value, its slope, and where the slope is the derivative of the value."""

    value: Callable
    slope: Callable
    is_smooth: Callable = lambda p, t: True


def mean_squared_error():
    return Form(lambda p, t: (p - t) ** 2, lambda p, t: 2 * (p - t))


def mean_absolute_error():
    return Form(lambda p, t: abs(p - t), lambda p, t: sign(p - t), lambda p, t: p != t)


def huber(delta):
    def value(p, t):
        e = p - t
        return e**2 / 2 if abs(e) <= delta else delta * abs(e) - delta**2 / 2

    return Form(value, lambda p, t: clip(p - t, -delta, delta))


def smooth_l1(beta):
    if beta == 0:
        return mean_absolute_error()

    def value(p, t):
        e = p - t
        return e**2 / (2 * beta) if abs(e) < beta else abs(e) - beta / 2

    return Form(value, lambda p, t: clip((p - t) / beta, mpf(-1), mpf(1)))


def log_cosh():
    return Form(lambda p, t: mp.log(mp.cosh(p - t)), lambda p, t: mp.tanh(p - t))


def binary_logits():
    return Form(
        lambda x, t: mp.log(1 + mp.exp(x)) - x * t,
        lambda x, t: 1 / (1 + mp.exp(-x)) - t,
    )


def binary_value(p, t):
    return -(times(t, log(p)) + times(1 - t, log(1 - p)))


def binary_slope(p, t):
    """(p - t) / (p (1 - p)), by its limit at 0 and 1."""
    if p == 0:
        return mpf(1) if t == 0 else -mp.inf
    if p == 1:
        return mpf(-1) if t == 1 else mp.inf
    return (p - t) / (p * (1 - p))


def binary_probabilities():
    return Form(binary_value, binary_slope)


def binary_keras_clip(lo, hi):
    return Form(
        lambda p, t: binary_value(clip(p, lo, hi), t),
        lambda p, t: binary_slope(p, t) if lo <= p <= hi else mpf(0),
        lambda p, t: p not in (lo, hi),
    )


def binary_torch_log_clamp(floor):
    def value(p, t):
        return -(t * max(log(p), mpf(-100)) + (1 - t) * max(log(1 - p), mpf(-100)))

    # A definition, not the derivative of the value.
    return Form(value, lambda p, t: (p - t) / max(p * (1 - p), floor), lambda p, t: False)


def categorical_logits():
    def value(x, t):
        lse = mp.log(sum(map(mp.exp, x)))
        return sum(times(tc, lse - xc) for xc, tc in zip(x, t))

    def slopes(x, t):
        exps = list(map(mp.exp, x))
        ratio = sum(t) / sum(exps)
        return [ratio * a - tc for a, tc in zip(exps, t)]

    return Form(value, slopes)


def categorical_probabilities():
    def value(p, t):
        s = sum(p)
        return -sum(times(tc, log(pc / s)) for pc, tc in zip(p, t))

    def slopes(p, t):
        through_s = sum(t) / sum(p)
        return [through_s if tc == 0 else through_s - (tc / pc if pc else mp.inf) for pc, tc in zip(p, t)]

    return Form(value, slopes)


def categorical_keras_clip(lo, hi):
    def value(p, t):
        s = sum(p)
        return -sum(times(tc, log(clip(pc / s, lo, hi))) for pc, tc in zip(p, t))

    def slopes(p, t):
        s = sum(p)
        inside = [lo <= pc / s <= hi for pc in p]
        through_s = sum(tc for tc, is_inside in zip(t, inside) if is_inside) / s
        return [through_s - (tc / pc if is_inside else 0) for pc, tc, is_inside in zip(p, t, inside)]

    return Form(value, slopes, lambda p, t: all(pc / sum(p) not in (lo, hi) for pc in p))


# --- Inputs of the elementwise losses: (note, [(p, t), ...]) ----------------------------------------------------------


def unique(pairs):
    return list(dict.fromkeys(pairs))


def symmetric(values):
    return [s * a for a in values for s in (1, -1)]


def uniform(rng, lo, hi):
    return lo + (hi - lo) * rng.random()


def bell(rng):
    """About normal(0, 1), from sums alone: unlike gauss() the same on every C library."""
    return math.fsum(rng.random() for _ in range(12)) - 6


def residual_cases(T, rng):
    """For the losses of e = p - t that have no parameter."""
    r = T.round
    sizes = [T.min_subnormal, T.min_normal, 1e-30, 1e-20, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3]
    sizes += [0.01, 0.03, 0.1, 0.3, 0.5, math.log(2), T.down(1.0), 1.0, T.up(1.0), 2.0, 3.7, 5.0, 9.0, 17.0]
    sizes += [20.0, 45.0, 88.0, 89.0, 100.0, 709.0, 711.0, 1e4, 1e8, 1e15, 1e19, 1e30, T.max]
    if T is F64:
        sizes += [1e-162, 1e-154, 1e-100, 1e100, 1e154, 1e155]
    yield "t = 0", [(0.0, 0.0), (-0.0, 0.0)] + [(r(e), 0.0) for e in symmetric(sizes)]
    same = [T.min_subnormal, 1e-30, 0.1, -1.0, 3.3, 1e30, -T.max]
    yield "p = t", [(r(a), r(a)) for a in same]
    yield "p beside t", [(T.up(r(a)), r(a)) for a in same[:-1]] + [(T.down(r(a)), r(a)) for a in same[:-1]]
    yield "p - t beyond the largest number", [(T.max, -T.max), (-T.max, T.max)]
    yield "p = 0", [(0.0, r(a)) for a in (1e-30, -0.1, 7.0, -1e19)]
    yield "random", [(r(bell(rng)), r(bell(rng))) for _ in range(24)]
    yield "random, every scale", [
        (r(uniform(rng, -1, 1) * float(f"1e{k}")), r(uniform(rng, -1, 1) * float(f"1e{k}"))) for k in range(-12, 13, 2)
    ]


def bend_cases(T, rng, bend):
    """For huber and smooth_l1, whose formula changes at |e| = bend; bend = 0 is the absolute error."""
    r = T.round
    scale = bend or 1.0
    sizes = [T.min_subnormal, 1e-30, scale / 1024, scale / 2, T.down(scale), scale, T.up(scale), 2 * scale]
    sizes += [1e4, 1e30, T.max]
    yield "t = 0", [(0.0, 0.0)] + [(r(e), 0.0) for e in symmetric(sizes)]
    yield "|e| = bend, away from 0", [(2 * scale, scale), (scale, 2 * scale), (0.0, scale), (-2 * scale, -scale)]
    yield "p = t", [(r(a), r(a)) for a in (0.1, -3.3, T.max)]
    yield "p beside t", [(T.up(r(0.1)), r(0.1)), (T.down(r(-3.3)), r(-3.3))]
    yield "random", [(r(2 * scale * bell(rng)), r(scale * bell(rng))) for _ in range(14)]


def binary_logit_cases(T, rng):
    r = T.round
    sizes = [1e-6, 1.0, 17.0, 40.0, 88.0, 104.0, 700.0, 1000.0]
    yield "hard and even targets", [(r(x), t) for x in [0.0, -0.0] + symmetric(sizes) for t in (0.0, 1.0, 0.5)]
    yield "where exp over- and underflows", [
        (r(x), t) for x in symmetric([87.3, 88.8, 103.9, 709.7, 709.8, 744.4, 745.2]) for t in (0.0, 1.0)
    ]
    yield "extremes", [
        (r(x), t) for x in symmetric([T.min_subnormal, 1e-30, 1e4, 1e30, T.max]) for t in (0.0, 1.0, 0.25)
    ]
    yield "targets beside 0 and 1", [
        (r(x), t) for x in (3.0, -3.0, 40.0, -40.0) for t in (T.min_subnormal, r(1e-30), r(1e-7), T.down(1.0))
    ]
    yield "random, hard targets", [(r(4 * bell(rng)), float(rng.random() < 0.5)) for _ in range(16)]
    yield "random, soft targets", [(r(4 * bell(rng)), r(rng.random())) for _ in range(24)]


def binary_probability_cases(T, rng):
    r, lo, hi = T.round, T.clip_lo, T.clip_hi
    probabilities = [0.0, T.min_subnormal, r(1e-30), r(1e-12), r(1e-8)]
    probabilities += [T.down(lo), lo, T.up(lo), r(1.1e-7), r(1e-3), 0.25, 0.5, r(0.9), r(0.999)]
    probabilities += [T.down(hi), hi, T.up(hi), T.down(1.0), 1.0]
    if T is F64:
        probabilities += [1e-300, 1 - 1e-12]
    yield "hard and soft targets", [(p, r(t)) for p in unique(probabilities) for t in (0.0, 1.0, 0.5, 0.3)]
    yield "p = t", [(r(a), r(a)) for a in (1e-30, 1e-6, 0.1, 0.3, 0.5, 0.7, 0.999)]
    yield "targets beside 0 and 1", [(r(p), t) for p in (0.2, 0.8) for t in (T.min_subnormal, r(1e-7), T.down(1.0))]
    # exp(-100) = 3.7e-44, subnormal in F32.
    yield "around exp(-100) and the floor of p (1 - p)", [
        (p, t)
        for p in (r(1e-43), r(3.8e-44), r(3.7e-44), r(1e-44), T.down(T.slope_floor), T.up(T.slope_floor), r(2e-12))
        for t in (0.0, 1.0)
    ]
    yield "random", [(r(rng.random()), r(t)) for t in (0, 1, 0, 1) + tuple(rng.random() for _ in range(16))]


# --- Inputs of the row losses: (note, row, labels). categorical_* adds soft targets -----------------------------------


def logit_rows(T, rng):
    r = T.round

    def row(k, spread=3.0, offset=0.0):
        return [r(offset + spread * bell(rng)) for _ in range(k)]

    yield "one class", [2.5], [0]
    yield "uniform", [0.0, 0.0], [1]
    yield "uniform", [3.5] * 4, [0]
    yield "uniform", [r(-0.1)] * 10, [9]
    for margin in (5.0, 17.0, 30.0, 80.0, 500.0):
        yield f"margin {margin:g}, label is and is not the argmax", [margin, 0.0], [0, 1]
        others = [r(uniform(rng, -1, 0)) for _ in range(6)]
        yield f"margin {margin:g}, label is and is not the argmax", others[:2] + [margin] + others[2:], [2, 5]
    yield "exp underflows below the largest", [0.0, -87.5, -103.5, -700.0, -745.5, -2000.0], [0, 3]
    yield "ties of the largest", [2.0, 2.0, -1.0], [1, 2]
    yield "ties of the largest", [1.0, 40.0, 40.0, 40.0, -3.0], [3, 0]
    yield "impossible classes, label possible", [1.0, -INF, 2.0], [0]
    yield "impossible classes, label possible", [-INF, -INF, r(0.7), -INF], [2]
    yield "impossible label", [1.0, -INF, 2.0], [1]
    yield "impossible label", [-INF, 4.0, 4.0, 0.0, -INF], [0]
    for offset in (1e4, -1e4):
        yield f"offset {offset:g}", row(5, offset=offset), [1, 4]
    yield "offset 1e30", [r(1e30)] * 3, [1]
    yield "nearly equal", [T.up(1.0), 1.0, T.down(1.0)], [0, 2]
    yield "tiny", [T.min_subnormal, r(-1e-30), r(1e-30), 0.0], [0]
    yield "differences of 1e30 and beyond the largest number", [r(1e30), 0.0, r(-1e30)], [0, 2]
    yield "differences of 1e30 and beyond the largest number", [T.max, -T.max], [0, 1]
    for k in (2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 20):
        yield "random", row(k), [int(rng.random() * k)]
    yield "a thousand classes", row(1000, 2.0), [617]


def normalised(T, weights, total=1.0):
    s = math.fsum(weights)
    return [T.round(total * w / s) for w in weights]


def probability_rows(T, rng):
    r = T.round

    def row(k, total=1.0):
        return normalised(T, [0.01 + rng.random() ** 3 for _ in range(k)], total)

    yield "one class", [1.0], [0]
    yield "one class", [0.25], [0]
    for k in (2, 3, 4, 8, 10, 20):
        yield "uniform", [r(1 / k)] * k, [k // 2]
    yield "one hot, label is and is not the one", [0.0, 1.0, 0.0], [1, 0]
    yield "one hot, unnormalised", [0.25, 0.0], [0, 1]
    # The rest makes S exactly 1, however the sum is ordered.
    nearly = 1 - 2.0**-24
    yield "nearly one hot", [2.0**-26, nearly, 2.0**-26, 2.0**-25], [1, 0]
    yield "nearly one hot", [nearly, 2.0**-24], [0, 1]
    yield "nearly one hot", [2.0**-27] * 5 + [nearly] + [2.0**-27] * 3, [5, 8]
    yield "nearly one hot, rest of 1e-12", [r(1e-12)] * 3 + [1.0], [3, 1]
    if T is F64:
        yield "nearly one hot, as near as F64 allows", [1 - 2.0**-52, 2.0**-53, 2.0**-53], [0, 2]
    yield "tiny entries", [r(1e-30), 0.5, 0.5, T.min_normal], [0, 3]
    yield "tiny entries", [r(1e-4), r(1e-6), r(0.9), r(1e-5)], [1, 2]
    yield "tiny sum", [r(1e-20), r(2e-20), r(5e-20)], [2]
    yield "zero entries, label positive", [0.0, r(0.3), r(0.7), 0.0], [1, 2]
    yield "zero entries, label among them", [0.0, r(0.3), r(0.7), 0.0], [0]
    yield "zero entries, label among them", [0.5, 0.0, 0.5, 0.0, 0.0], [4]
    for k in (3, 8):
        yield "S = 0.3", row(k, 0.3), [0, k - 1]
    yield "S = 7", row(20, 7.0), [7]
    yield "S = 7", [1.0] * 6 + [0.25, 0.75], [6]
    # At the edges of KERAS_CLIP and beside them, S = 1 exactly (and 1/4): there the quotient p / S is exact in T.
    lo, hi = T.clip_lo, T.clip_hi
    for note, edge in (("below", T.down(lo)), ("at", lo), ("above", T.up(lo))):
        yield f"{note} the lower clip edge", [1 - 2.0**-22, edge, 2.0**-23 - edge, 2.0**-23], [1, 0]
    yield "at the lower clip edge, S = 1/4", [a / 4 for a in (1 - 2.0**-22, lo, 2.0**-23 - lo, 2.0**-23)], [1]
    for note, edge in (("below", T.down(hi)), ("at", hi), ("above", T.up(hi))):
        yield f"{note} the upper clip edge", [edge, 1 - edge], [0, 1]
    yield "at the upper clip edge, S = 1/4", [(1 - hi) / 4, hi / 4], [1]
    yield "far below the lower clip edge", [r(1e-9), r(0.4), r(0.6)], [0, 2]
    for k in (2, 3, 5, 7, 8, 9, 16, 17):
        yield "random", row(k), [int(rng.random() * k)]
    yield "a thousand classes", row(1000), [382]


def one_hot(k, label):
    return [float(c == label) for c in range(k)]


def soft_targets(T, rng, rows):
    """Targets that are not one hot, on ordinary rows drawn from `rows`."""
    ordinary = ("random", "margin", "offset", "S = ")
    rows = [row for note, row, _ in rows if note.startswith(ordinary)]

    def pick(at_least):
        fitting = [row for row in rows if len(row) >= at_least]
        return fitting[int(rng.random() * len(fitting))]

    def target(k, total):
        return normalised(T, [rng.random() for _ in range(k)], total)

    for total in (1.0, 1.0, 1.0, 1.0, 0.3, 0.3, 7.0, 7.0, 1e-6):
        row = pick(at_least=2)
        yield f"soft target of sum {total:g}", row, target(len(row), total)
    row = pick(at_least=3)
    yield "two labels", row, [1.0, 0.0, 1.0] + [0.0] * (len(row) - 3)
    yield "one hot, weighted", row, [0.0, T.round(2.7)] + [0.0] * (len(row) - 2)
    yield "smoothed label", row, normalised(T, [0.9 + 0.1 / len(row)] + [0.1 / len(row)] * (len(row) - 1))
    yield "target of sum 0", row, [0.0] * len(row)


# What soft targets add at the edges of the domain.
SOFT_EDGES = {
    logit_rows: (
        ("one class, soft target", [1.5], [0.5]),
        ("impossible class without target", [0.5, -INF, -0.5, 1.0], [0.25, 0.0, 0.25, 0.5]),
        ("impossible class with some target", [0.5, -INF, -0.5, 1.0], [0.25, 0.25, 0.0, 0.5]),
        ("uniform on uniform", [1.0] * 4, [0.25] * 4),
    ),
    probability_rows: (
        ("one class, soft target", [0.5], [0.25]),
        ("zero entry without target", [0.25, 0.0, 0.5, 0.25], [0.5, 0.0, 0.25, 0.25]),
        ("zero entry with some target", [0.25, 0.0, 0.5, 0.25], [0.5, 0.25, 0.0, 0.25]),
        ("uniform on uniform", [0.25] * 4, [0.25] * 4),
    ),
}


def categorical_cases(T, rng, make_rows):
    rows = list(make_rows(T, rng))
    for note, row, labels in rows:
        for label in labels:
            yield note, row, one_hot(len(row), label)
    yield from soft_targets(T, rng, rows)
    yield from SOFT_EDGES[make_rows]


def sparse_cases(T, rng, make_rows):
    for note, row, labels in make_rows(T, rng):
        for label in labels:
            yield note, row, label


# --- The golden files -------------------------------------------------------------------------------------------------


class Case(NamedTuple):
    group: str
    type: Type
    kind: str
    policy: str
    params: str
    note: str
    prediction: list
    target: list
    label: Optional[int]
    form: Form
    is_row: bool


def elementwise(T, kind, policy, params, form, inputs):
    group = f"{T.name} {kind} {policy} {params}"
    seen = set()
    for note, pairs in inputs:
        for p, t in pairs:
            if (p.hex(), t.hex()) not in seen:
                seen.add((p.hex(), t.hex()))
                yield Case(group, T, kind, policy, params, note, [p], [t], None, form, False)


def rowwise(T, kind, policy, form, inputs):
    group = f"{T.name} {kind} {policy} -"
    for note, row, target in inputs:
        label = target if isinstance(target, int) else None
        t = target if label is None else one_hot(len(row), label)
        yield Case(group, T, kind, policy, "-", note, row, t, label, form, True)


def seeded(*parts):
    """Every set of inputs has its own seed, so that adding to one leaves the others alone."""
    return random.Random(" ".join(parts))


def plain_residual(loss, form):
    for T in (F32, F64):
        yield from elementwise(T, "UNSPECIFIED", "NO_CLIP", "-", form(), residual_cases(T, seeded(loss, T.name)))


def bent_residual(loss, form, parameter, bends):
    for T in (F32, F64):
        for bend in map(T.round, bends):
            params = "-" if bend == 1 else f"{parameter}={bend.hex()}"  # 1 is the default
            rng = seeded(loss, T.name, params)
            yield from elementwise(T, "UNSPECIFIED", "NO_CLIP", params, form(mpf(bend)), bend_cases(T, rng, bend))
        one = [("the default, spelled out", [(0.5, 0.0), (-3.0, 0.0)])]
        yield from elementwise(T, "UNSPECIFIED", "NO_CLIP", f"{parameter}={1.0.hex()}", form(mpf(1)), one)


def binary(loss):
    for T in (F32, F64):
        lo, hi, floor = mpf(T.clip_lo), mpf(T.clip_hi), mpf(T.slope_floor)
        inputs = binary_logit_cases(T, seeded(loss, "LOGITS", T.name))
        yield from elementwise(T, "LOGITS", "NO_CLIP", "-", binary_logits(), inputs)
        for policy, form in (
            ("NO_CLIP", binary_probabilities()),
            ("KERAS_CLIP", binary_keras_clip(lo, hi)),
            ("TORCH_LOG_CLAMP", binary_torch_log_clamp(floor)),
        ):
            inputs = binary_probability_cases(T, seeded(loss, "PROBABILITIES", T.name))
            yield from elementwise(T, "PROBABILITIES", policy, "-", form, inputs)


def categorical(loss, cases):
    for T in (F32, F64):
        lo, hi = mpf(T.clip_lo), mpf(T.clip_hi)
        for kind, policy, form, rows in (
            ("LOGITS", "NO_CLIP", categorical_logits(), logit_rows),
            ("PROBABILITIES", "NO_CLIP", categorical_probabilities(), probability_rows),
            ("PROBABILITIES", "KERAS_CLIP", categorical_keras_clip(lo, hi), probability_rows),
        ):
            rng = seeded(loss, kind, T.name)
            yield from rowwise(T, kind, policy, form, cases(T, rng, rows))


LOSSES = {
    "mean_squared_error": lambda loss: plain_residual(loss, mean_squared_error),
    "mean_absolute_error": lambda loss: plain_residual(loss, mean_absolute_error),
    "huber": lambda loss: bent_residual(loss, huber, "delta", (1.0, 0.1, 1.5, 1e-3, 1e3)),
    "smooth_l1": lambda loss: bent_residual(loss, smooth_l1, "beta", (1.0, 0.1, 0.0, 2.5)),
    "log_cosh": lambda loss: plain_residual(loss, log_cosh),
    "binary_crossentropy": binary,
    "categorical_crossentropy": lambda loss: categorical(loss, categorical_cases),
    "sparse_categorical_crossentropy": lambda loss: categorical(loss, sparse_cases),
}


def exact(case):
    """Value and slopes of one case."""
    p, t = list(map(mpf, case.prediction)), list(map(mpf, case.target))
    if case.is_row:
        return case.form.value(p, t), case.form.slope(p, t)
    return case.form.value(p[0], t[0]), [case.form.slope(p[0], t[0])]


def line(case):
    value, slopes = exact(case)
    in_type = case.prediction + case.target
    assert all(math.isinf(a) or case.type.round(a) == a for a in in_type), case
    return " | ".join(
        (
            case.group,
            " ".join(a.hex() for a in case.prediction),
            str(case.label) if case.label is not None else " ".join(a.hex() for a in case.target),
            hi_lo(value),
            " ".join(map(hi_lo, slopes)),
        )
    )


VERSION_LINE = "# mpmath "


def golden_file(loss):
    lines = [
        f"# {loss}: exact values and slopes. Generated by tests/golden/generate.py; do not edit.",
        f"{VERSION_LINE}{mpmath.__version__}, {DIGITS} digits",
        "# dtype input_kind clip_policy params | prediction | target | value hi lo | slope hi lo ...",
    ]
    heading = None
    for case in LOSSES[loss](loss):
        if heading != (case.group, case.note):
            heading = (case.group, case.note)
            lines.append(f"# {case.note}")
        lines.append(line(case))
    return lines


def write():
    for loss in LOSSES:
        lines = golden_file(loss)
        (HERE / f"{loss}.golden").write_text("\n".join(lines) + "\n", encoding="ascii")
        print(f"{loss}: {sum(not a.startswith('#') for a in lines)} cases")


# --- Checks -----------------------------------------------------------------------------------------------------------


def check():
    """Compares the committed files with fresh ones; another version of mpmath alone is no difference."""
    stale = 0
    for loss in LOSSES:
        path = HERE / f"{loss}.golden"
        committed = path.read_text(encoding="ascii").splitlines() if path.exists() else []
        fresh = golden_file(loss)
        for number in range(max(len(committed), len(fresh))):
            old = committed[number] if number < len(committed) else "(nothing)"
            new = fresh[number] if number < len(fresh) else "(nothing)"
            if old != new and not (old.startswith(VERSION_LINE) and new.startswith(VERSION_LINE)):
                print(f"{path.name}:{number + 1}: stale\n- {old}\n+ {new}")
                stale += 1
                break
    for path in sorted(HERE.glob("*.golden")):
        if path.stem not in LOSSES:
            print(f"{path.name}: no such loss in generate.py")
            stale += 1
    return stale


def derivative(value, p):
    # A step of 10^-700 against a tolerance of 10^-350: only a wrong formula can miss.
    return mp.diff(value, p)


def disagrees(a, b):
    return abs(a - b) > mpf(10) ** -350 * max(1, abs(b))


def verify_slopes(loss, cases, rng):
    """Slopes against the numeric derivative of the value: every element, some entries of some rows."""
    compared = failures = 0
    for case in cases:
        p, t = list(map(mpf, case.prediction)), list(map(mpf, case.target))
        if case.is_row and (len(p) > 20 or rng.random() > 0.35):
            continue
        if not case.form.is_smooth(*((p, t) if case.is_row else (p[0], t[0]))):
            continue
        value, slopes = exact(case)
        if mp.isinf(value):
            continue
        for j in {int(rng.random() * len(p)) for _ in range(3)}:
            if mp.isinf(p[j]) or mp.isinf(slopes[j]):
                continue
            if case.is_row:
                numeric = derivative(lambda a: case.form.value(p[:j] + [a] + p[j + 1 :], t), p[j])
            else:
                numeric = derivative(lambda a: case.form.value(a, t[0]), p[j])
            compared += 1
            if disagrees(numeric, slopes[j]):
                failures += 1
                print(f"{loss}: slope {j} is not the derivative, {mp.nstr(numeric, 20)}: {line(case)[:300]}")
    return compared, failures


def verify_digits(loss, cases, rng):
    """The printed line must not change with twice the digits."""
    compared = failures = 0
    for case in cases:
        if len(case.prediction) > 20 or rng.random() > 0.25:
            continue
        with mp.workdps(2 * DIGITS):
            more = line(case)
        compared += 1
        if more != line(case):
            failures += 1
            print(f"{loss}: {DIGITS} digits are too few: {more[:300]}")
    return compared, failures


def verify_clipped_classes(loss, cases):
    """Which classes KERAS_CLIP clips must not hang on rounding: sums in T or F64, in either order, must agree."""
    compared = failures = 0
    for case in cases:
        if not (case.is_row and case.policy == "KERAS_CLIP"):
            continue
        T, p = case.type, case.prediction
        s = sum(map(mpf, p))
        expected = [mpf(T.clip_lo) <= mpf(a) / s <= mpf(T.clip_hi) for a in p]
        for rounding in (T.round, float):
            for order in (p, p[::-1], sorted(p), sorted(p, reverse=True)):
                total = 0.0
                for a in order:
                    total = rounding(total + a)
                for quotients in ([T.round(a / total) for a in p], [T.round(a * rounding(1 / total)) for a in p]):
                    compared += 1
                    if [T.clip_lo <= q <= T.clip_hi for q in quotients] != expected:
                        failures += 1
                        print(f"{loss}: rounding decides what is clipped: {line(case)[:300]}")
    return compared, failures


# Printed in the Keras API documentation of each loss class, there as a mean over all items, to the digits shown.
PUBLISHED = (
    ("MeanSquaredError", mean_squared_error(), [0.9, 0.1, 0.8], [1, 0, 1], "0.02"),
    ("MeanAbsoluteError", mean_absolute_error(), [1.9, 0.3, 1.8], [1, 0.3, 1], "0.5666667"),
    ("Huber", huber(mpf(1)), [0.6, 0.4, 0.4, 0.6], [0, 1, 0, 0], "0.155"),
    ("LogCosh", log_cosh(), [1, 1, 0, 0], [0, 1, 0, 0], "0.108"),
    ("BinaryCrossentropy", binary_logits(), [-18.6, 0.51, 2.94, -12.8], [0, 1, 0, 0], "0.8654"),
    ("BinaryCrossentropy", binary_probabilities(), [0.6, 0.4], [0, 1], "0.916"),
    ("BinaryCrossentropy", binary_probabilities(), [0.4, 0.6], [0, 0], "0.714"),
    (
        "CategoricalCrossentropy",
        categorical_keras_clip(mpf(F32.clip_lo), mpf(F32.clip_hi)),
        [[0.05, 0.95, 0], [0.1, 0.8, 0.1]],
        [[0, 1, 0], [0, 0, 1]],
        "1.177",
    ),
)


def to_mpf(a):
    return list(map(mpf, a)) if isinstance(a, list) else mpf(a)


def verify_published():
    compared = failures = 0
    for name, form, predictions, targets, printed in PUBLISHED:
        values = [form.value(to_mpf(p), to_mpf(t)) for p, t in zip(predictions, targets)]
        mean = sum(values) / len(values)
        unit = mpf(10) ** -len(printed.split(".")[1])
        compared += 1
        if abs(mean - mpf(printed)) > unit:  # some are cut off rather than rounded
            failures += 1
            print(f"{name}: published {printed}, here {mp.nstr(mean, 12)}")
    return compared, failures


def verify():
    compared, failed = verify_published()
    print(f"published figures: {compared} compared, {failed} differ")
    for loss in LOSSES:
        cases = list(LOSSES[loss](loss))
        for what, (compared, failures) in (
            ("slopes against derivatives", verify_slopes(loss, cases, seeded("verify slopes", loss))),
            ("lines against twice the digits", verify_digits(loss, cases, seeded("verify digits", loss))),
            ("clipped classes against rounding", verify_clipped_classes(loss, cases)),
        ):
            if compared:
                print(f"{loss}: {what}: {compared} compared, {failures} differ")
            failed += failures
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="fail if a committed file is stale")
    mode.add_argument("--verify", action="store_true", help="test the generator itself")
    arguments = parser.parse_args()
    if arguments.check:
        return 1 if check() else 0
    if arguments.verify:
        return 1 if verify() else 0
    write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
