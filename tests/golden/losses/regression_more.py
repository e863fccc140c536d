"""More losses of a residual: relative, logarithmic, balanced, and with a weight of their own on either side."""

from mpmath import mp, mpf

from harness import case, loss, seeded
from inputs import bell, bend_cases, elementwise, log_uniform, residual_cases, uniform
from numeric import at_least


def residuals(c):
    return [p - t for p, t in zip(c.y_pred, c.y_true)]


def several(rng, k, **params):
    return case("several items", params=params, y_pred=[bell(rng) for _ in range(k)], y_true=[bell(rng) for _ in range(k)])


@loss("half_squared_error", hessian=True)
def half_squared_error(c):
    return [e**2 / 2 for e in residuals(c)]


@half_squared_error.cases
def _(T, rng):
    yield from elementwise(residual_cases(T, rng))
    yield several(rng, 3)


@loss(
    "mean_absolute_percentage_error",
    params={"denominator_floor": 1e-7, "scale": 100, "zero_target": ("floor", "skip")},
    hessian=True,
)
def mean_absolute_percentage_error(c):
    return [
        mpf(0) if t == 0 and c.zero_target == "skip" else c.scale * abs(p - t) / max(abs(t), c.denominator_floor)
        for p, t in zip(c.y_pred, c.y_true)
    ]


@mean_absolute_percentage_error.cases
def _(T, rng):
    yield from elementwise(residual_cases(T, rng))
    floor = T.round(1e-7)
    targets = [T.min_subnormal, 1e-8, T.down(floor), floor, T.up(floor), 1e-3, 1.0, -2.5, -1e-9, 1e15, -T.max]
    yield from elementwise([("every target", [(p, t) for t in targets for p in (0.0, 0.5, -3.0)])])
    for params in ({"zero_target": "skip"}, {"scale": 1, "denominator_floor": 1}, {"scale": 0.1, "zero_target": "floor"}):
        pairs = [(p, t) for p in (0.0, 0.3, -1.7) for t in (0.0, -0.0, 1e-9, -0.4, 3.0)]
        yield from elementwise([("every parameter", pairs)], params=params)
    yield several(rng, 4)


mean_absolute_percentage_error.published(
    "Keras documentation", "6.111111", y_pred=[90, 210, 310], y_true=[100, 200, 300]
)


@loss("mean_squared_logarithmic_error", params={"floor": 1e-7}, hessian=True)
def mean_squared_logarithmic_error(c, c0):
    return [
        (mp.log(1 + at_least(p, c.floor, p0)) - mp.log(1 + max(t, c.floor))) ** 2
        for p, t, p0 in zip(c.y_pred, c.y_true, c0.y_pred)
    ]


@mean_squared_logarithmic_error.cases
def _(T, rng):
    floor = T.round(2.0**-20)
    p = [0.0, 1e-9, T.down(floor), floor, T.up(floor), 1e-3, 0.5, T.down(1.0), 1.0, 3.0, 1e4, 1e15, 1e30, T.max, -0.3]
    t = [0.0, floor, 1e-5, 0.25, 1.0, 7.0, 1e8, T.max, -2.0]
    yield from elementwise([("every scale", [(a, b) for a in p for b in t])], params={"floor": floor})
    near = [1e-3, 0.1, 1.0, 3.0, 1e4, 1e20]
    yield from elementwise([("p beside t", [(f(T.round(a)), a) for a in near for f in (T.up, T.down, T.round)])])
    pairs = [(log_uniform(rng, 1e-3, 1e3), log_uniform(rng, 1e-3, 1e3)) for _ in range(30)]
    yield from elementwise([("random", pairs)])
    pairs = [(log_uniform(rng, 1e-30, 1e30), log_uniform(rng, 1e-30, 1e30)) for _ in range(16)]
    yield from elementwise([("random, every scale", pairs)])
    for floor in (0.0, 0.5):
        pairs = [(a, b) for a in (0.0, 0.25, 0.5, 2.0, -1.0) for b in (0.0, 0.5, 0.75, 3.0)]
        yield from elementwise([("another floor", pairs)], params={"floor": floor})


mean_squared_logarithmic_error.published(
    "XGBoost's labels and predictions", "0.16510", params={"floor": 0}, y_pred=[0.1, 0.2, 0.4, 0.8, 1.6], y_true=[1] * 5
)


@loss("balanced_l1", params={"alpha": 0.5, "gamma": 1.5, "beta": 1}, hessian=True)
def balanced_l1(c):
    alpha, gamma, beta = c.alpha, c.gamma, c.beta
    b = mp.exp(gamma / alpha) - 1
    return [
        alpha / b * (b * d + 1) * mp.log(b * d / beta + 1) - alpha * d
        if d < beta
        else gamma * d + gamma / b - alpha * beta
        for d in map(abs, residuals(c))
    ]


@balanced_l1.cases
def _(T, rng):
    yield from elementwise(residual_cases(T, rng))
    for alpha, gamma, beta in ((0.5, 1.5, 0.5), (1, 0.5, 2), (2, 2, 0.125)):
        params = {"alpha": alpha, "gamma": gamma, "beta": beta}
        yield from elementwise(bend_cases(T, seeded("balanced_l1", T.name, str(params)), beta), params=params)
    yield several(rng, 3)


@loss("expectile", params={"tau": 0.5}, hessian=True)
def expectile(c):
    return [(c.tau if e < 0 else 1 - c.tau) * e**2 for e in residuals(c)]


@expectile.cases
def _(T, rng):
    yield from elementwise(residual_cases(T, rng))
    for tau in (0.1, 0.9, 2.0**-20):
        yield from elementwise(bend_cases(T, rng, 1.0), params={"tau": tau})
    yield several(rng, 3, tau=0.7)


@loss("quantile_huber", params={"tau": 0.5, "kappa": 1}, hessian=True)
def quantile_huber(c):
    kappa = c.kappa
    return [
        (c.tau if e < 0 else 1 - c.tau) * (e**2 / 2 if abs(e) <= kappa else kappa * (abs(e) - kappa / 2)) / kappa
        for e in residuals(c)
    ]


@quantile_huber.cases
def _(T, rng):
    yield from elementwise(residual_cases(T, rng))
    for tau, kappa in ((0.1, 0.25), (0.9, 3.0), (0, 1)):
        params = {"tau": tau, "kappa": kappa}
        yield from elementwise(bend_cases(T, rng, float(kappa)), params=params)
    yield several(rng, 3, tau=0.25)
    yield from elementwise([("random", [(uniform(rng, -3, 3), 0.5) for _ in range(8)])], params={"tau": 0.3})
