"""Losses of a row of class scores beside the cross-entropies themselves."""

from mpmath import mp, mpf

from harness import INF, case, loss
from inputs import bell, bells, log_uniform, normalised, one_hot, rowwise, simplex, uniform
from numeric import clip, log, times

KERAS = "Keras documentation"


def power(m, exponent):
    return mpf(1) if exponent == 0 else mpf(0) if m == 0 else m**exponent


def softmax(x):
    """Shares, what is left to each, and logarithms of the shares."""
    exps = [mp.exp(a) for a in x]
    s = mp.fsum(exps)
    rest = [mp.fsum(exps[:i] + exps[i + 1 :]) / s for i in range(len(x))]
    # log(1 + tiny), also where 1 + tiny is 1 to the digits at hand
    logs = [-mp.log1p(mp.fsum(mp.exp(b - a) for b in x[:i] + x[i + 1 :])) if a != -INF else a for i, a in enumerate(x)]
    return [a / s for a in exps], rest, logs


def shares(p):
    s = mp.fsum(p)
    rest = [mp.fsum(p[:i] + p[i + 1 :]) / s for i in range(len(p))]
    return [a / s for a in p], rest, [log(a / s) for a in p]


def logit_rows(T, rng):
    """(note, row, target), short ones."""
    yield "one class", [2.5], [1.0]
    for k in (2, 3, 4, 5, 9):
        yield "uniform", [0.5] * k, one_hot(k, k - 1)
    for margin in (5.0, 17.0, 30.0, 100.0, 500.0):
        for label in (0, 1):
            yield f"margin {margin:g}", [margin, 0.0, -0.5], one_hot(3, label)
    yield "ties of the largest", [2.0, 2.0, -1.0], one_hot(3, 1)
    yield "ties of the largest", [1.0, 40.0, 40.0, -3.0], one_hot(4, 3)
    yield "offset", [1e4 + a for a in (0.5, -1.25, 2.0)], one_hot(3, 0)
    yield "tiny", [-1e-30, 1e-30, 0.0], one_hot(3, 0)
    yield "far apart", [1e4, 0.0, -1e4], one_hot(3, 0)
    for k in (2, 2, 3, 3, 4, 5, 8, 12):
        yield "random", bells(rng, k, 3.0), one_hot(k, int(rng.random() * k))
    for k in (2, 2, 3, 3, 4, 4, 6, 7):
        yield "random, soft", bells(rng, k, 3.0), simplex(T, rng, k)
    yield "random, smoothed", bells(rng, 4, 3.0), normalised(T, [0.925, 0.025, 0.025, 0.025])
    yield "two labels", bells(rng, 3), [1.0, 0.0, 1.0]
    yield "weighted", bells(rng, 3), [0.0, 2.75, 0.0]
    yield "no target", bells(rng, 3), [0.0, 0.0, 0.0]


def probability_rows(T, rng):
    yield "one class", [0.25], [1.0]
    for k in (2, 3, 4, 5, 8):
        yield "uniform", [1 / k] * k, one_hot(k, k - 1)
    yield "nearly one hot", [2.0**-20, 1 - 2.0**-18, 2.0**-20, 2.0**-19], one_hot(4, 1)
    yield "nearly one hot", [2.0**-20, 1 - 2.0**-18, 2.0**-20, 2.0**-19], one_hot(4, 0)
    yield "one hot", [0.0, 0.5, 0.0], one_hot(3, 1)
    yield "one tiny", [1e-9, 0.4, 0.6], one_hot(3, 0)
    yield "one tiny", [1e-9, 0.4, 0.6], one_hot(3, 2)
    yield "a tiny sum", [1e-20, 2e-20, 5e-20], one_hot(3, 2)
    yield "zero without target", [0.25, 0.0, 0.5, 0.25], [0.5, 0.0, 0.25, 0.25]
    for total in (0.3, 7.0):
        yield f"S = {total}", simplex(T, rng, 3, total), one_hot(3, 0)
        yield f"S = {total}", simplex(T, rng, 4, total), simplex(T, rng, 4)
    for k in (2, 2, 2, 3, 3, 3, 4, 5, 8, 12):
        yield "random", simplex(T, rng, k), one_hot(k, int(rng.random() * k))
    for k in (2, 2, 3, 3, 4, 4, 6, 7):
        yield "random, soft", simplex(T, rng, k), simplex(T, rng, k)
    yield "two labels", simplex(T, rng, 3), [1.0, 0.0, 1.0]
    yield "weighted", simplex(T, rng, 3), [0.0, 2.75, 0.0]


def impossible(rng):
    """(row, target, which element is -inf), its target 0."""
    yield [1.0, -INF, 2.0], one_hot(3, 0), 1
    yield [-INF, bell(rng), bell(rng)], [0.0, 0.25, 0.75], 0


def impossible_cases(rng, **options):
    for row, target, at in impossible(rng):
        slopes = [0 if c == at else None for c in range(len(row))]
        yield case("an impossible class", y_pred=[row], y_true=[target], gradient={"y_pred": slopes}, **options)


# --- Categorical focal and poly-1 -------------------------------------------------------------------------------------


@loss("categorical_focal_crossentropy", params={"alpha": 0.25, "gamma": 2}, hessian=True)
def categorical_focal(c, c0):
    lo, hi = mpf(c.T.clip_lo), mpf(c.T.clip_hi)
    values = []
    for row, target, row0 in zip(c.y_pred, c.y_true, c0.y_pred):
        value = mpf(0)
        s, rest, logs = softmax(row) if c.kind == "LOGITS" else shares(row)
        for a, r, log_a, a0, t in zip(s, rest, logs, row0, target):
            if c.clip == "KERAS_CLIP" and not lo <= a0 / sum(row0) <= hi:
                a = lo if a0 / sum(row0) < lo else hi
                r, log_a = 1 - a, mp.log(a)
            value += times(t, -c.alpha * power(r, c.gamma) * log_a)
        values.append(value)
    return values


@categorical_focal.cases
def _(T, rng):
    for kind, policy in (("LOGITS", "NO_CLIP"), ("PROBABILITIES", "NO_CLIP"), ("PROBABILITIES", "KERAS_CLIP")):
        form = {"kind": kind, "clip": policy}
        yield from rowwise((logit_rows if kind == "LOGITS" else probability_rows)(T, rng), **form)
        for params in ({"gamma": 0}, {"gamma": 0.5}, {"gamma": 1}, {"gamma": 3.5, "alpha": 1}):
            for soft in (False, True):
                row = bells(rng, 3, 2.0) if kind == "LOGITS" else simplex(T, rng, 3)
                target = simplex(T, rng, 3) if soft else one_hot(3, int(3 * rng.random()))
                yield case(str(params), params=params, y_pred=[row], y_true=[target], **form)
        if kind == "LOGITS":
            yield from impossible_cases(rng, **form)


categorical_focal.published(
    KERAS,
    ["3.20583e-05", "0.46627"],
    kind="PROBABILITIES",
    clip="KERAS_CLIP",
    y_pred=[[0.05, 0.95, 0], [0.1, 0.8, 0.1]],
    y_true=[[0, 1, 0], [0, 0, 1]],
)


@loss("poly1_cross_entropy", params={"epsilon": 2}, hessian=True)
def poly1(c):
    values = []
    for row, target in zip(c.y_pred, c.y_true):
        _, rest, logs = softmax(row)
        values.append(mp.fsum(times(t, c.epsilon * r - log_a) for r, log_a, t in zip(rest, logs, target)))
    return values


@poly1.cases
def _(T, rng):
    yield from rowwise(logit_rows(T, rng), kind="LOGITS")
    for epsilon in (0, -1, 0.5, 10):
        for soft in (False, True):
            target = simplex(T, rng, 4) if soft else one_hot(4, int(4 * rng.random()))
            yield case(f"epsilon = {epsilon}", params={"epsilon": epsilon}, kind="LOGITS",
                       y_pred=[bells(rng, 4, 2.0)], y_true=[target])
    yield from impossible_cases(rng, kind="LOGITS")


# --- Distribution focal -----------------------------------------------------------------------------------------------


@loss("distribution_focal", hessian=True)
def distribution_focal(c):
    values = []
    for row, y in zip(c.y_pred, c.y_true):
        _, _, logs = softmax(row)
        lower = int(mp.floor(y))
        value = -(lower + 1 - y) * logs[lower]
        values.append(value if y == lower else value - (y - lower) * logs[lower + 1])
    return values


@distribution_focal.cases
def _(T, rng):
    form = {"kind": "LOGITS"}
    for y in (0.0, T.min_subnormal, 1e-7, 0.25, T.down(1.0), 1.0, T.up(1.0), 1.5, 2.75, T.down(3.0), 3.0):
        yield case("positions", y_pred=[[0.5, -1.0, 2.0, 0.25]], y_true=[y], **form)
    for margin in (17.0, 40.0, 100.0, 700.0):
        yield case(f"margin {margin:g}", y_pred=[[0.0, margin, -1.0]], y_true=[1.0], **form)
        yield case(f"margin {margin:g}", y_pred=[[0.0, margin, -1.0]], y_true=[1.25], **form)
    yield case("one bin", y_pred=[[3.0]], y_true=[0.0], **form)
    yield case("ties", y_pred=[[1.0] * 5], y_true=[2.5], **form)
    yield case("two rows", y_pred=[[1.0, 2.0, 0.0], [0.0, 0.5, 1.0]], y_true=[0.5, 1.75], **form)
    for k in (2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 12, 3, 4, 5, 4, 4, 3, 3, 2, 2):
        yield case("random", y_pred=[bells(rng, k, 2.0)], y_true=[uniform(rng, 0, k - 1)], **form)


# --- Labels -----------------------------------------------------------------------------------------------------------


@loss("nll", integers=("y_true",), hessian=True)
def nll(c):
    return [-row[y] for row, y in zip(c.y_pred, c.y_true)]


@nll.cases
def _(T, rng):
    form = {"kind": "LOG_PROBABILITIES"}
    for size in (0.0, T.min_subnormal, 1e-30, 1e-7, 0.5, 1.0, 17.0, 100.0, 1e4, 1e30, T.max, -1.0):
        yield case("sizes", y_pred=[[-1.0, -size]], y_true=[1], **form)
        yield case("sizes, of another class", y_pred=[[-1.0, -size]], y_true=[0], **form)
    yield case("one class", y_pred=[[0.0]], y_true=[0], **form)
    yield case("two rows", y_pred=[[-0.25, -1.5, -2.0], [-3.0, -0.5, -1.0]], y_true=[0, 2], **form)
    yield case("an impossible class", y_pred=[[-INF, -0.5]], y_true=[1], gradient={"y_pred": [0, None]}, **form)
    for k in (2, 3, 4, 5, 6, 7, 8, 9, 12, 2, 3, 4, 5, 6, 7, 8, 9, 12):
        yield case("random", y_pred=[[-3 * rng.random() for _ in range(k)]], y_true=[int(k * rng.random())], **form)


@loss("generalized_cross_entropy", params={"q": 0.5}, integers=("y_true",), hessian=True)
def generalized_cross_entropy(c):
    values = []
    for row, y in zip(c.y_pred, c.y_true):
        values.append((1 - power(row[y], c.q)) / c.q)
    return values


@generalized_cross_entropy.cases
def _(T, rng):
    form = {"kind": "PROBABILITIES"}
    sizes = [T.min_normal, 1e-30, 1e-12, 1e-7, 1e-3, 0.25, 0.5, 0.9, 1 - 2.0**-20, T.down(1.0), 1.0, T.up(1.0), 1.5]
    for p in sizes:
        yield case("sizes", y_pred=[[0.25, p]], y_true=[1], **form)
    yield case("no mass", y_pred=[[1.0, 0.0]], y_true=[1], gradient={"y_pred": [0, -INF]}, **form)
    yield case("one class", y_pred=[[1.0]], y_true=[0], **form)
    yield case("two rows", y_pred=[[0.25, 0.5, 0.25], [0.125, 0.0625, 0.75]], y_true=[0, 2], **form)
    for q in (1e-3, 0.1, 0.7, 0.999):
        for p in (1e-7, 0.3, 0.999, log_uniform(rng, 1e-3, 1)):
            yield case(f"q = {q}", params={"q": q}, y_pred=[[p, 0.5]], y_true=[0], **form)
    for k in (2, 2, 3, 3, 4, 4, 5, 6, 8, 12, 3, 4):
        yield case("random", y_pred=[simplex(T, rng, k)], y_true=[int(k * rng.random())], **form)
