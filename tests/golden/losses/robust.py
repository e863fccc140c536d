"""Robust losses, element by element: those whose tails weigh less."""

from mpmath import mp

from harness import F64, INF, case, loss, seeded
from inputs import bell, elementwise, residual_cases, symmetric, uniform


def residuals(c):
    return [p - t for p, t in zip(c.y_pred, c.y_true)]


def scale_cases(T, rng, scale):
    """Around a scale, and far on either side of it."""
    r = T.round
    sizes = [1e-30, scale / 1024, scale / 8, scale / 2, T.down(r(scale)), scale, T.up(r(scale)), scale * 1.5]
    sizes += [scale * 2, scale * 4, scale * 7, scale * 30, scale * 1e4, 1e15, 1e30]
    yield "t = 0", [(0.0, 0.0)] + [(r(e), 0.0) for e in symmetric(sizes)]
    yield "random", [(r(2 * scale * bell(rng)), r(scale * bell(rng))) for _ in range(12)]
    yield "random, large", [(r(20 * scale * bell(rng)), r(scale * bell(rng))) for _ in range(8)]


def scaled(name, parameter, scales):
    """Cases for a loss with one parameter; the first of the scales is the default."""

    def cases(T, rng):
        for note, pairs in residual_cases(T, rng):
            # (p - t) / scale is taken in double: beyond the largest it counts as infinite.
            yield from elementwise([(note, [(p, t) for p, t in pairs if abs(p / 2 - t / 2) <= F64.max / 2])])
        for scale in scales:
            params = {} if scale == scales[0] else {parameter: scale}
            yield from elementwise(scale_cases(T, seeded(name, T.name, str(scale)), scale), params=params)
        yield case("several items", y_pred=[bell(rng) for _ in range(3)], y_true=[bell(rng) for _ in range(3)])

    return cases


@loss("pseudo_huber", params={"delta": 1}, hessian=True)
def pseudo_huber(c):
    return [c.delta**2 * (mp.sqrt(1 + (e / c.delta) ** 2) - 1) for e in residuals(c)]


pseudo_huber.cases(scaled("pseudo_huber", "delta", (1.0, 0.1, 40.0)))


@loss("charbonnier", params={"epsilon": 1e-3}, hessian=True)
def charbonnier(c):
    return [mp.sqrt(e**2 + c.epsilon**2) for e in residuals(c)]


charbonnier.cases(scaled("charbonnier", "epsilon", (1e-3, 1e-9, 4.0)))


@loss("cauchy", params={"scale": 1}, hessian=True)
def cauchy(c):
    return [mp.log(1 + (e / c.scale) ** 2 / 2) for e in residuals(c)]


cauchy.cases(scaled("cauchy", "scale", (1.0, 0.3, 40.0)))


@loss("geman_mcclure", params={"scale": 1}, hessian=True)
def geman_mcclure(c):
    return [2 * (e / c.scale) ** 2 / ((e / c.scale) ** 2 + 4) for e in residuals(c)]


geman_mcclure.cases(scaled("geman_mcclure", "scale", (1.0, 0.3, 40.0)))


@loss("welsch", params={"scale": 1}, hessian=True)
def welsch(c):
    return [1 - mp.exp(-((e / c.scale) ** 2) / 2) for e in residuals(c)]


welsch.cases(scaled("welsch", "scale", (1.0, 0.3, 40.0)))


@loss("tukey", params={"scale": 4.685}, hessian=True)
def tukey(c):
    return [
        c.scale**2 / 6 * (1 - (1 - (e / c.scale) ** 2) ** 3 if abs(e) <= c.scale else 1) for e in residuals(c)
    ]


tukey.cases(scaled("tukey", "scale", (4.685, 0.3, 40.0)))


@loss("fair", params={"scale": 1}, hessian=True)
def fair(c):
    return [c.scale**2 * (abs(e) / c.scale - mp.log(1 + abs(e) / c.scale)) for e in residuals(c)]


fair.cases(scaled("fair", "scale", (1.0, 0.3, 40.0)))


@loss("general_robust", params={"alpha": 1, "scale": 1}, hessian=True)
def general_robust(c):
    alpha, values = c.alpha, []
    for e in residuals(c):
        z = (e / c.scale) ** 2
        if alpha == 2:
            values.append(z / 2)
        elif alpha == 0:
            values.append(mp.log(1 + z / 2))
        elif alpha == -mp.inf:
            values.append(1 - mp.exp(-z / 2))
        elif alpha == mp.inf:
            values.append(mp.exp(z / 2) - 1)
        else:
            b = abs(alpha - 2)
            values.append(b / alpha * ((z / b + 1) ** (alpha / 2) - 1))
    return values


@general_robust.cases
def _(T, rng):
    sizes = [1e-30, 1e-8, 0.01, 0.5, 1.0, T.up(1.0), 2.0, 9.0, 1e3, 1e15, 1e30]
    alphas = [2, 1, 0, -2, -INF, INF, 0.5, 1.5, -1, -10, 4, 1e-3, -1e-30, 2 + 2.0**-20, 1e9, -1e30]
    for alpha in alphas:
        # Near infinity there is no telling from the limit but where the second derivative is 0.
        some = [e for e in sizes if e != 1 or abs(alpha) < 1e20 or abs(alpha) == INF]
        pairs = [(0.0, 0.0)] + [(T.round(s * e), 0.0) for s, e in zip([1, -1] * len(some), some)]
        pairs += [(3 * bell(rng), bell(rng)) for _ in range(5)]
        yield from elementwise([("every alpha", pairs)], params={"alpha": alpha})
    for alpha in (2, 1, 0, -2, -INF, INF, 0.7, -3.5):
        pairs = [(uniform(rng, -4, 4), 0.5) for _ in range(4)]
        yield from elementwise([("another scale", pairs)], params={"alpha": alpha, "scale": 1.75})
    yield from elementwise([("the default", [(0.75, 0.0), (-3.0, 0.5)])])
