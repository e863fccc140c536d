"""Regression losses, element by element."""

from mpmath import mp

from harness import case, loss, seeded
from inputs import bell, bend_cases, elementwise, log_uniform, residual_cases, symmetric, uniform
from numeric import at_least


def residuals(c):
    return [p - t for p, t in zip(c.y_pred, c.y_true)]


def plain(T, rng):
    yield from elementwise(residual_cases(T, rng))


def bent(name, parameter, bends):
    """Cases for a formula that changes at a parameter, whose default is 1."""

    def cases(T, rng):
        for bend in map(T.round, bends):
            params = {} if bend == 1 else {parameter: bend}
            spelled = "-" if bend == 1 else f"{parameter}={bend.hex()}"
            yield from elementwise(bend_cases(T, seeded(name, T.name, spelled), bend), params=params)
        yield from elementwise([("the default, spelled out", [(0.5, 0.0), (-3.0, 0.0)])], params={parameter: 1})

    return cases


@loss("mean_squared_error", hessian=True)
def mean_squared_error(c):
    return [e**2 for e in residuals(c)]


mean_squared_error.cases(plain)
KERAS = "Keras documentation"
mean_squared_error.published(KERAS, "0.02", y_pred=[0.9, 0.1, 0.8], y_true=[1, 0, 1])


@loss("mean_absolute_error", hessian=True)
def mean_absolute_error(c):
    return [abs(e) for e in residuals(c)]


mean_absolute_error.cases(plain)
mean_absolute_error.published(KERAS, "0.5666667", y_pred=[1.9, 0.3, 1.8], y_true=[1, 0.3, 1])


@loss("huber", params={"delta": 1}, hessian=True)
def huber(c):
    return [e**2 / 2 if abs(e) <= c.delta else c.delta * abs(e) - c.delta**2 / 2 for e in residuals(c)]


huber.cases(bent("huber", "delta", (1.0, 0.1, 1.5, 1e-3, 1e3)))
huber.published(KERAS, "0.155", y_pred=[0.6, 0.4, 0.4, 0.6], y_true=[0, 1, 0, 0])


@loss("smooth_l1", params={"beta": 1}, hessian=True)
def smooth_l1(c):
    return [e**2 / (2 * c.beta) if abs(e) < c.beta else abs(e) - c.beta / 2 for e in residuals(c)]


smooth_l1.cases(bent("smooth_l1", "beta", (1.0, 0.1, 0.0, 2.5)))


@loss("log_cosh", hessian=True)
def log_cosh(c):
    return [mp.log(mp.cosh(e)) for e in residuals(c)]


log_cosh.cases(plain)
log_cosh.published(KERAS, "0.108", y_pred=[1, 1, 0, 0], y_true=[0, 1, 0, 0])


@loss("pinball", params={"tau": 0.5}, hessian=True)
def pinball(c):
    return [max(c.tau * (t - p), (c.tau - 1) * (t - p)) for p, t in zip(c.y_pred, c.y_true)]


@pinball.cases
def _(T, rng):
    yield from elementwise(residual_cases(T, rng))
    for tau in (0.1, 0.9, 0.999, 2.0**-20):
        yield from elementwise(bend_cases(T, rng, 1.0), params={"tau": tau})
    yield from elementwise([("the default, spelled out", [(0.5, 0.0), (-3.0, 0.0)])], params={"tau": 0.5})
    # The value is flat on one side: 0 lies between the slopes.
    for tau in (0.0, 1.0):
        pairs = [(a, b) for a in (-2.5, 0.0, 0.3) for b in (-2.5, 0.0, 1e-3)]
        yield from elementwise([("tau at the end of its range", pairs)], params={"tau": tau})


TFA = "TensorFlow Addons documentation"
pinball.published(TFA, "0.475", params={"tau": 0.1}, y_pred=[1, 1, 1, 0], y_true=[0, 0, 1, 1])


@loss(
    "gaussian_nll",
    params={"full": ("false", "true"), "epsilon": 1e-6, "clamp_gradient": ("true", "passes")},
    differentiate=("y_pred", "variance"),
    hessian=("y_pred",),
)
def gaussian_nll(c, c0):
    values = []
    for p, t, variance, variance0 in zip(c.y_pred, c.y_true, c.variance, c0.variance):
        v = at_least(variance, c.epsilon, variance0)  # below it the slope for the variance is 0
        if c.clamp_gradient == "passes" and variance0 < c.epsilon:
            v = c.epsilon + (variance - variance0)  # the slope at the floor
        values.append((mp.log(v) + (p - t) ** 2 / v) / 2 + (mp.log(2 * mp.pi) / 2 if c.full == "true" else 0))
    return values


@gaussian_nll.cases
def _(T, rng):
    def one(note, p, t, v, **params):
        return case(note, params=params, y_pred=[p], y_true=[t], variance=[v])

    floor = T.round(1e-6)
    variances = [0.0, T.min_subnormal, 1e-30, T.down(floor), floor, T.up(floor), 1e-3]
    for v in variances + [T.down(1.0), 1.0, T.up(1.0), 1e8, 1e30, T.max]:
        for e in (0.0, 1e-3, -1.0, 1e4):
            yield one("every variance", e, 0.0, v)
    for e in symmetric([T.min_subnormal, 1e-30, 1e-10, 17.0, 1e15, 1e30, T.max]):
        yield one("every residual", e, 0.0, 2.0)
    for e in (0.5, -3.0):
        yield one("(p - t)^2 = v", e, 0.0, e * e)
        yield one("(p - t)^2 beside v", e, 0.0, T.up(e * e))
    yield one("p beside t", T.up(1.25), 1.25, 0.1)
    for k in range(-9, 10, 3):
        yield one("random, every scale", bell(rng) * 10.0**k, bell(rng) * 10.0**k, log_uniform(rng, 1e-8, 1e8))
    for _ in range(24):
        yield one("random", bell(rng), bell(rng), log_uniform(rng, 0.1, 10))
    for _ in range(10):
        yield one("full", bell(rng), bell(rng), log_uniform(rng, 1e-7, 1e3), full="true")
    yield one("the default, spelled out", 1.0, 0.5, 0.75, full="false")
    for epsilon in (0.0, 1e-3, 2.0):
        for v in (1e-4, T.round(1e-3), 0.1, 2.0, 3.0):
            yield one("another floor", uniform(rng, -1, 1), 0.25, v, epsilon=epsilon)
    for v in (0.0, 1e-9, 1e-6, 0.1):
        yield one("the slope of a variance below the floor passes", 0.5, 0.25, v, clamp_gradient="passes")
    for k in (3, 8):
        yield case(
            "several items",
            y_pred=[bell(rng) for _ in range(k)],
            y_true=[bell(rng) for _ in range(k)],
            variance=[log_uniform(rng, 0.1, 10) for _ in range(k)],
        )
