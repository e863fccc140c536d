"""Cross-entropies, on logits and on probabilities."""

from mpmath import mp, mpf

from harness import case, loss, seeded
from inputs import (
    bell,
    binary_logit_cases,
    binary_probability_cases,
    categorical_cases,
    elementwise,
    logit_rows,
    probability_rows,
    rowwise,
    sparse_cases,
)
from numeric import clip, log, times

KERAS = "Keras documentation"


def binary_value(p, t):
    return -(times(t, log(p)) + times(1 - t, log(1 - p)))


@loss("binary_crossentropy", hessian=True)
def binary_crossentropy(c, c0):
    lo, hi = mpf(c.T.clip_lo), mpf(c.T.clip_hi)
    values = []
    weights = getattr(c, "pos_weight", [mpf(1)])
    for i, (p, t, p0) in enumerate(zip(c.y_pred, c.y_true, c0.y_pred)):
        if c.kind == "LOGITS":
            w = weights[i % len(weights)]
            values.append((1 - t) * mp.log1p(mp.exp(p)) + w * t * mp.log1p(mp.exp(-p)))
        elif c.clip == "KERAS_CLIP":
            values.append(binary_value(clip(p, lo, hi, p0), t))
        elif c.clip == "TORCH_LOG_CLAMP":
            values.append(-(t * max(log(p), mpf(-100)) + (1 - t) * max(log(1 - p), mpf(-100))))
        else:
            values.append(binary_value(p, t))
    return values


@binary_crossentropy.slope
def _(c):
    def slope(p, t):
        if c.clip == "TORCH_LOG_CLAMP":  # a definition, not the derivative of the value
            return (p - t) / max(p * (1 - p), mpf(c.T.slope_floor))
        if c.kind == "PROBABILITIES" and c.clip == "NO_CLIP" and p in (0, 1):  # the limit
            return (mpf(1) if t == 0 else -mp.inf) if p == 0 else (mpf(-1) if t == 1 else mp.inf)
        return None

    return {"y_pred": [slope(p, t) for p, t in zip(c.y_pred, c.y_true)]}


binary_crossentropy.is_definition = lambda c: c.clip == "TORCH_LOG_CLAMP"


@binary_crossentropy.cases
def _(T, rng):
    name = "binary_crossentropy"
    yield from elementwise(binary_logit_cases(T, seeded(name, "LOGITS", T.name)), kind="LOGITS")
    points = [(x, t) for x in (-40.0, -1.0, 0.0, 0.3, 17.0, 100.0) for t in (0.0, 1.0, 0.7)]
    for i, w in enumerate((0.0, 1e-3, 0.4, 3.0, 250.0)):
        some = points[i::5]
        yield case("pos_weight, one for all", kind="LOGITS", y_pred=[x for x, _ in some], y_true=[t for _, t in some],
                   pos_weight=[w])
    for _ in range(12):
        three = [4 * bell(rng) for _ in range(3)], [float(rng.random() < 0.5), 1.0, rng.random()]
        yield case("pos_weight, random", kind="LOGITS", y_pred=three[0], y_true=three[1],
                   pos_weight=[4 * rng.random() for _ in range(3)])
    for policy in ("NO_CLIP", "KERAS_CLIP", "TORCH_LOG_CLAMP"):
        groups = binary_probability_cases(T, seeded(name, "PROBABILITIES", T.name))
        yield from elementwise(groups, kind="PROBABILITIES", clip=policy)


binary_crossentropy.published(KERAS, "0.8654", kind="LOGITS", y_pred=[-18.6, 0.51, 2.94, -12.8], y_true=[0, 1, 0, 0])
binary_crossentropy.published(KERAS, "0.916", kind="PROBABILITIES", y_pred=[0.6, 0.4], y_true=[0, 1])
binary_crossentropy.published(KERAS, "0.714", kind="PROBABILITIES", y_pred=[0.4, 0.6], y_true=[0, 0])


def cross_entropy(c, c0, p, t, p0):
    """Of one row of predictions and one of targets."""
    if c.kind == "LOGITS":
        lse = mp.log(sum(map(mp.exp, p)))
        return sum(times(tc, lse - xc) for xc, tc in zip(p, t))
    s, s0 = sum(p), sum(p0)
    if c.clip == "KERAS_CLIP":
        lo, hi = mpf(c.T.clip_lo), mpf(c.T.clip_hi)
        return -sum(times(tc, log(clip(pc / s, lo, hi, pc0 / s0))) for pc, tc, pc0 in zip(p, t, p0))
    return -sum(times(tc, log(pc / s)) for pc, tc in zip(p, t))


def cross_entropy_slopes(c, p, t):
    """Closed forms, for rows of a thousand classes."""
    if c.kind == "LOGITS":
        exps = list(map(mp.exp, p))
        ratio = sum(t) / sum(exps)
        return [ratio * a - tc for a, tc in zip(exps, t)]
    s = sum(p)
    if c.clip == "KERAS_CLIP":
        inside = [mpf(c.T.clip_lo) <= pc / s <= mpf(c.T.clip_hi) for pc in p]
        through_s = sum(tc for tc, is_inside in zip(t, inside) if is_inside) / s
        return [through_s - (tc / pc if is_inside else 0) for pc, tc, is_inside in zip(p, t, inside)]
    through_s = sum(t) / s
    return [through_s if tc == 0 else through_s - (tc / pc if pc else mp.inf) for pc, tc in zip(p, t)]


def cross_entropy_cases(name, cases):
    def make(T, rng):
        for kind, policy, rows in (
            ("LOGITS", "NO_CLIP", logit_rows),
            ("PROBABILITIES", "NO_CLIP", probability_rows),
            ("PROBABILITIES", "KERAS_CLIP", probability_rows),
        ):
            yield from rowwise(cases(T, seeded(name, kind, T.name), rows), kind=kind, clip=policy)

    return make


@loss("categorical_crossentropy", hessian=True)
def categorical_crossentropy(c, c0):
    return [cross_entropy(c, c0, p, t, p0) for p, t, p0 in zip(c.y_pred, c.y_true, c0.y_pred)]


@categorical_crossentropy.slope
def _(c):
    return {"y_pred": sum((cross_entropy_slopes(c, p, t) for p, t in zip(c.y_pred, c.y_true)), [])}


def ordinary(c):
    """Short rows without a share so small that its curvature takes thousands of digits."""
    low, high = (-16, 16) if c.kind == "LOGITS" else (1e-4, 1e4)
    return all(low <= x <= high for row in c.y_pred for x in row) and all(len(row) <= 5 for row in c.y_pred)


categorical_crossentropy.curves = ordinary
categorical_crossentropy.cases(cross_entropy_cases("categorical_crossentropy", categorical_cases))
categorical_crossentropy.published(
    KERAS,
    ["0.0513", "2.303"],
    kind="PROBABILITIES",
    clip="KERAS_CLIP",
    y_pred=[[0.05, 0.95, 0], [0.1, 0.8, 0.1]],
    y_true=[[0, 1, 0], [0, 0, 1]],
)


def indicator(label, row):
    return [mpf(j == label) for j in range(len(row))]


@loss("sparse_categorical_crossentropy", hessian=True, integers=("y_true",))
def sparse_categorical_crossentropy(c, c0):
    rows = zip(c.y_pred, c.y_true, c0.y_pred)
    return [cross_entropy(c, c0, p, indicator(label, p), p0) for p, label, p0 in rows]


@sparse_categorical_crossentropy.slope
def _(c):
    rows = zip(c.y_pred, c.y_true)
    return {"y_pred": sum((cross_entropy_slopes(c, p, indicator(label, p)) for p, label in rows), [])}


sparse_categorical_crossentropy.curves = ordinary
sparse_categorical_crossentropy.cases(cross_entropy_cases("sparse_categorical_crossentropy", sparse_cases))
sparse_categorical_crossentropy.published(
    KERAS,
    ["0.0513", "2.303"],
    kind="PROBABILITIES",
    clip="KERAS_CLIP",
    y_pred=[[0.05, 0.95, 0], [0.1, 0.8, 0.1]],
    y_true=[1, 2],
)
