"""Inputs for cases. Whatever is not yet exact in the element type is rounded to it when the case is made."""

import math
from dataclasses import replace

from harness import F64, INF, KINK_POLICY, case

# --- Numbers ----------------------------------------------------------------------------------------------------------


def unique(pairs):
    return list(dict.fromkeys(pairs))


def symmetric(values):
    return [s * a for a in values for s in (1, -1)]


def uniform(rng, lo, hi):
    return lo + (hi - lo) * rng.random()


def bell(rng):
    """About normal(0, 1), from sums alone: unlike gauss() the same on every C library."""
    return math.fsum(rng.random() for _ in range(12)) - 6


def normalised(T, weights, total=1.0):
    s = math.fsum(weights)
    return [T.round(total * w / s) for w in weights]


def one_hot(k, label):
    return [float(c == label) for c in range(k)]


def log_uniform(rng, lo, hi):
    """Between lo and hi, every scale alike."""
    return math.exp(uniform(rng, math.log(lo), math.log(hi)))


def bells(rng, k, scale=1.0, offset=0.0):
    return [offset + scale * bell(rng) for _ in range(k)]


def simplex(T, rng, k, total=1.0):
    """k probabilities, none near 0; the sum is `total` but for rounding."""
    return normalised(T, [0.01 + rng.random() ** 3 for _ in range(k)], total)


def unit_vector(rng, k):
    a = bells(rng, k)
    return [x / math.sqrt(math.fsum(y * y for y in a)) for x in a]


def box(rng, scale=1.0):
    """A box x1 y1 x2 y2 with sides of 0.1 to 1.1 times scale, near the origin."""
    x, y = (scale * uniform(rng, -0.5, 0.5) for _ in range(2))
    return [x, y, x + scale * uniform(rng, 0.1, 1.1), y + scale * uniform(rng, 0.1, 1.1)]


def box_pairs(T, rng):
    """For losses of two boxes x1 y1 x2 y2: (note, predicted, true)."""
    known = [1.0, 1.0, 3.0, 4.0]
    yield "overlap", [0.0, 0.0, 4.0, 2.0], known
    yield "disjoint", [0.0, 0.0, 1.0, 1.0], [2.0, 3.0, 4.0, 5.0]
    yield "contained", [1.0, 1.0, 3.0, 2.0], [0.0, 0.0, 4.0, 4.0]
    yield "containing", [0.0, 0.0, 4.0, 4.0], [1.0, 1.0, 3.0, 2.0]
    yield "the same box", known, known
    yield "the same box, far off", [1001.0, -2001.0, 1003.0, -2000.0], [1001.0, -2001.0, 1003.0, -2000.0]
    yield "the same centre", [0.0, 1.0, 4.0, 3.0], [1.0, 0.0, 3.0, 4.0]
    yield "the same shape", [0.0, 0.0, 2.0, 1.0], [1.0, 0.5, 3.0, 1.5]
    yield "the same shape, twice the size", [0.0, 0.0, 2.0, 1.0], [0.0, 0.0, 4.0, 2.0]
    yield "one edge shared", [1.0, 0.0, 4.0, 2.0], known
    yield "two edges shared", [1.0, 1.0, 5.0, 3.0], known
    yield "three edges shared", [1.0, 1.0, 3.0, 3.0], known
    yield "touching side by side", [3.0, 1.0, 5.0, 3.0], known
    yield "touching at a corner", [-1.0, -1.0, 1.0, 1.0], known
    yield "touching from inside disjoint bands", [3.0, 5.0, 4.0, 6.0], known
    yield "one step from touching", [T.down(3.0), 1.0, 5.0, 3.0], known
    yield "one step from the same", [T.up(1.0), 1.0, 3.0, T.down(4.0)], known
    yield "nearly the same", [1.0, 1.0 + 2.0**-20, 3.0, 4.0], known
    yield "flat and tall", [0.0, 0.0, 64.0, 0.25], [0.0, 0.0, 0.25, 64.0]
    yield "very flat", [0.0, 0.0, 1024.0, 2.0**-10], [0.0, 0.0, 1000.0, 2.0**-9]
    yield "far apart", [0.0, 0.0, 1.0, 1.0], [1e4, -1e4, 1e4 + 2, -1e4 + 3]
    yield "a tiny one in a huge one", [0.25, 0.25, 0.25 + 2.0**-12, 0.25 + 2.0**-13], [-1e3, -1e3, 1e3, 1e3]
    for scale in (1e-6, 1e-3, 1.0, 640.0, 1e6):
        for _ in range(4):
            yield f"random, scale {scale:g}", box(rng, scale), box(rng, scale)
    for _ in range(6):
        a = box(rng)
        yield "random, close", [x + 0.03 * bell(rng) for x in a], a


def under_each_kink_policy(cases):
    """The same under the policies that are not the default, for cases that lie at a kink."""
    for a in cases:
        for policy in KINK_POLICY["kink_policy"][1:]:
            yield replace(a, params={**a.params, "kink_policy": policy})


def elementwise(groups, **options):
    """Cases of shape 1 from (note, [(p, t), ...])."""
    for note, pairs in groups:
        for p, t in pairs:
            yield case(note, y_pred=[p], y_true=[t], **options)


def rowwise(rows, **options):
    """Cases of one row from (note, row, target): the target a row, or a label."""
    for note, row, target in rows:
        yield case(note, y_pred=[row], y_true=[target], **options)


# --- Elementwise: (note, [(p, t), ...]) -------------------------------------------------------------------------------


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


# --- Rows: (note, row, labels) --------------------------------------------------------------------------------------


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
