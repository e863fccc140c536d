"""Focal losses of outcomes that are yes or no."""

from mpmath import mp, mpf

from harness import INF, loss
from inputs import bell, elementwise, log_uniform, symmetric
from numeric import absolute, clip, log, relu, times

KERAS = "Keras documentation"


def sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def softplus(x):
    return mp.log1p(mp.exp(x))


def power(m, exponent):
    return mpf(1) if exponent == 0 else mpf(0) if m == 0 else m**exponent


def logits_cross_entropy(x, t):
    return times(1 - t, softplus(x)) + times(t, softplus(-x))


def logit_cases(T, rng):
    sizes = [1e-6, 1.0, 17.0, 40.0, 100.0, 700.0, 1000.0]
    yield "hard targets", [(x, t) for x in [0.0] + symmetric(sizes) for t in (0.0, 1.0)]
    yield "extremes", [(x, t) for x in symmetric([1e-38, 1e-30, 1e4]) for t in (0.0, 1.0)]
    yield "soft targets", [(x, t) for x in (3.0, -3.0, 40.0, -40.0) for t in (0.25, 1e-7, 0.999)]
    yield "random, hard targets", [(4 * bell(rng), float(rng.random() < 0.5)) for _ in range(8)]
    yield "random, soft targets", [(4 * bell(rng), rng.random()) for _ in range(12)]


def few_logits(rng, soft=True):
    targets = [0.0, 1.0, 0.0, 1.0, 1.0, 0.0] + [rng.random() if soft else 1.0]
    return list(zip([2.5, -2.5, -30.0, 30.0, -100.0, 3 * bell(rng), 3 * bell(rng)], targets))


# --- Binary focal cross-entropy ---------------------------------------------------------------------------------------


@loss(
    "binary_focal_crossentropy",
    params={"alpha": 0.25, "gamma": 2, "apply_class_balancing": ("false", "true")},
    hessian=True,
)
def binary_focal(c, c0):
    lo, hi = mpf(c.T.clip_lo), mpf(c.T.clip_hi)
    values = []
    for x, t, x0 in zip(c.y_pred, c.y_true, c0.y_pred):
        if c.kind == "LOGITS":
            missed = t * sigmoid(-x) + (1 - t) * sigmoid(x)
            cross_entropy = logits_cross_entropy(x, t)
        else:
            inside = clip(x, lo, hi, x0) if c.clip == "KERAS_CLIP" else x
            missed = t * (1 - x) + (1 - t) * x  # not clipped
            cross_entropy = -(times(t, log(inside)) + times(1 - t, log(1 - inside)))
        balance = t * c.alpha + (1 - t) * (1 - c.alpha) if c.apply_class_balancing == "true" else 1
        values.append(balance * power(missed, c.gamma) * cross_entropy)
    return values


@binary_focal.slope
def _(c):
    def slope(p, t):
        if c.kind == "LOGITS" or c.clip == "KERAS_CLIP" or p not in (0, 1):
            return None
        if p == t:  # the limit
            return (2 * p - 1) * mpf(-1 if c.gamma == 0 else 0)
        return mpf(-INF if p == 0 else INF)

    return {"y_pred": [slope(p, t) for p, t in zip(c.y_pred, c.y_true)]}


def probability_cases(T, rng):
    probabilities = [0.0, 1e-30, 1e-12, T.clip_lo, 1e-3, 0.25, 0.5, 0.9, T.clip_hi, 1.0]
    yield "hard targets", [(p, t) for p in probabilities for t in (0.0, 1.0)]
    yield "soft targets", [(p, 0.3) for p in probabilities] + [(0.3, T.round(0.3)), (0.7, 0.999)]
    yield "random", [(rng.random(), float(rng.random() < 0.5)) for _ in range(6)]
    yield "random, soft", [(rng.random(), rng.random()) for _ in range(8)]


FORMS = (("LOGITS", "NO_CLIP"), ("PROBABILITIES", "NO_CLIP"), ("PROBABILITIES", "KERAS_CLIP"))


@binary_focal.cases
def _(T, rng):
    for kind, policy in FORMS:
        form = {"kind": kind, "clip": policy}
        yield from elementwise((logit_cases if kind == "LOGITS" else probability_cases)(T, rng), **form)
        for params in ({"gamma": 0}, {"gamma": 0.5}, {"gamma": 1}, {"gamma": 5}, {"apply_class_balancing": "true"},
                       {"apply_class_balancing": "true", "alpha": 0.9, "gamma": 3.5}):
            points = few_logits(rng)
            if kind != "LOGITS":
                points = [(0.25, 0.0), (0.9, 1.0), (0.999, 0.0), (1e-5, 0.0), (rng.random(), rng.random())]
                points += [(1.0, 1.0), (0.0, 0.0)] if policy == "NO_CLIP" else []
            yield from elementwise([(str(params), points)], params=params, **form)


X1 = {"y_pred": [-18.6, 0.51, 2.94, -12.8], "y_true": [0, 1, 0, 0]}
binary_focal.published(KERAS, "0.691", kind="LOGITS", **X1)
binary_focal.published(KERAS, "0.51", kind="LOGITS", params={"apply_class_balancing": "true"}, **X1)
binary_focal.published(KERAS, "0.330", kind="PROBABILITIES", y_pred=[0.6, 0.4], y_true=[0, 1])
binary_focal.published(KERAS, "0.206", kind="PROBABILITIES", y_pred=[0.4, 0.6], y_true=[0, 0])


# --- Asymmetric -------------------------------------------------------------------------------------------------------


@loss(
    "asymmetric",
    params={"gamma_negative": 4, "gamma_positive": 1, "clip": 0.05, "epsilon": 1e-8, "detach_focal": ("false", "true")},
    hessian=True,
)
def asymmetric(c, c0):
    values = []
    for x, t, x0 in zip(c.y_pred, c.y_true, c0.y_pred):
        w = x0 if c.detach_focal == "true" else x  # where the factors are taken
        yes = power(sigmoid(-w), c.gamma_positive) * log_floored(c, softplus(-x), softplus(-x0))
        shifted = relu(sigmoid(w) - c.clip, sigmoid(x0) - c.clip)
        if sigmoid(x0) <= c.clip:
            no = mpf(0)
        else:
            left, left0 = 1 - (sigmoid(x) - c.clip), 1 - (sigmoid(x0) - c.clip)
            cost, cost0 = (softplus(x), softplus(x0)) if c.clip == 0 else (-log(left), -log(left0))
            no = power(shifted, c.gamma_negative) * log_floored(c, cost, cost0)
        values.append(times(t, yes) + times(1 - t, no))
    return values


def log_floored(c, cost, cost0):
    """-log max(a, epsilon) from -log a."""
    most = mp.inf if c.epsilon == 0 else -mp.log(c.epsilon)
    return most if cost0 > most else cost


@asymmetric.cases
def _(T, rng):
    form = {"kind": "LOGITS"}
    yield from elementwise(logit_cases(T, rng), **form)
    yield from elementwise([("around the clip", [(x, 0.0) for x in (-3.5, -2.95, -2.9, -2.5, -2.0, 0.5)])], **form)
    yield from elementwise([("around the floor", [(x, 1.0) for x in (-18.4, -18.42, -18.43, -19.0)])], **form)
    for params in ({"gamma_negative": 2, "gamma_positive": 0}, {"clip": 0}, {"clip": 0, "gamma_negative": 0.5},
                   {"clip": 0.25, "gamma_negative": 1.5, "gamma_positive": 3}, {"epsilon": 0}, {"epsilon": 0.2},
                   {"detach_focal": "true"}, {"detach_focal": "true", "clip": 0}):
        yield from elementwise([(str(params), few_logits(rng))], params=params, **form)


# --- Varifocal and quality focal --------------------------------------------------------------------------------------


@loss("varifocal", params={"alpha": 0.75, "gamma": 2, "detach_weight": ("false", "true")}, hessian=True)
def varifocal(c, c0):
    values = []
    for x, t, x0 in zip(c.y_pred, c.y_true, c0.y_pred):
        w = x0 if c.detach_weight == "true" else x
        weight = t if t > 0 else c.alpha * power(sigmoid(w), c.gamma)
        values.append(weight * logits_cross_entropy(x, t))
    return values


@varifocal.cases
def _(T, rng):
    yield from elementwise(logit_cases(T, rng), kind="LOGITS")
    for params in ({"gamma": 0}, {"gamma": 0.5}, {"gamma": 4, "alpha": 0.25}, {"alpha": 0}, {"detach_weight": "true"}):
        yield from elementwise([(str(params), few_logits(rng))], params=params, kind="LOGITS")


@loss("quality_focal", params={"beta": 2}, hessian=True)
def quality_focal(c, c0):
    values = []
    for x, t, x0 in zip(c.y_pred, c.y_true, c0.y_pred):
        # p - t without taking 1 from 1
        def distance(z):
            return (1 - t) * sigmoid(z) - t * sigmoid(-z)

        even = c.beta in (0, 2)
        miss = distance(x) if even else absolute(distance(x), distance(x0))
        values.append(power(miss, c.beta) * logits_cross_entropy(x, t))
    return values


@quality_focal.cases
def _(T, rng):
    yield from elementwise(logit_cases(T, rng), kind="LOGITS")
    yield from elementwise([("on target", [(0.0, 0.5)])], kind="LOGITS")
    near = [(2.0, 0.875), (-2.0, 0.125), (0.0, 0.49), (log_uniform(rng, 0.5, 2), 0.7)]
    yield from elementwise([("near the target", near)], kind="LOGITS")
    for params in ({"beta": 0}, {"beta": 0.5}, {"beta": 1}, {"beta": 3}):
        yield from elementwise([(str(params), few_logits(rng))], params=params, kind="LOGITS")
