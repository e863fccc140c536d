"""Negative log-likelihoods, element by element. gaussian_nll stands in regression.py.

Formulas: poisson from the documentation of keras.losses.Poisson, poisson_nll from that of torch.nn.PoissonNLLLoss, gamma
and Tweedie deviances from McCullagh and Nelder 1989, Generalized Linear Models, and Jorgensen 1987, the others minus the
logarithm of the density of the distribution; crps_normal from Gneiting et al. 2005, Mon. Weather Rev. 133, equation 5.
"""

from mpmath import mp

from harness import F64, case, loss
from inputs import bell, elementwise, log_uniform, symmetric
from numeric import OutOfDomain, log, times


def count(rng, mean):
    return float(int(rng.random() * 2 * mean))


# --- Counts -----------------------------------------------------------------------------------------------------------


@loss("poisson", params={"epsilon": 1e-7}, hessian=True)
def poisson(c):
    return [p - times(t, log(p + c.epsilon)) for p, t in zip(c.y_pred, c.y_true)]


def rate_cases(T, rng):
    r = T.round
    rates = [0.0, T.min_subnormal, 1e-30, 1e-8, 1e-7, 1e-3, 0.5, T.down(1.0), 1.0, T.up(1.0), 3.7, 100.0, 1e8, 1e30]
    yield "t = 0", [(r(p), 0.0) for p in rates + [T.max]]
    yield "every rate", [(r(p), t) for p in rates for t in (1.0, 5.0)]
    yield "p = t and beside it", [(p, t) for t in (1.0, 3.0, 1000.0) for p in (T.down(t), t, T.up(t))]
    yield "many", [(r(p), t) for t in (1e4, 1e6, 1e12) for p in (t / 3, t * 1.001, 2 * t)]
    yield "t no integer, or negative", [(0.7, 0.25), (2.0, 1.5), (2.0, -1.0), (0.3, r(1e-20))]
    yield "random", [(log_uniform(rng, 0.1, 20), count(rng, 5)) for _ in range(24)]


@poisson.cases
def _(T, rng):
    yield from elementwise(rate_cases(T, rng))
    yield from elementwise([("negative, above -epsilon", [(-5e-8, 1.0), (-9e-8, 0.0)])])
    for epsilon in (0.0, 1e-3, 0.25):
        pairs = [(0.5, 0.0), (0.5, 3.0), (1e-3, 1.0), (40.0, 38.0)]
        yield from elementwise([("another epsilon", pairs)], params={"epsilon": epsilon})
    yield from elementwise([("0 log 0", [(0.0, 0.0)])], params={"epsilon": 0.0})


poisson.published("by hand", "16.118096", y_pred=[0], y_true=[1])


@loss(
    "poisson_nll",
    params={"log_input": ("true", "false"), "full": ("false", "true"), "epsilon": 1e-8},
    hessian=True,
)
def poisson_nll(c):
    values = []
    for x, t in zip(c.y_pred, c.y_true):
        value = mp.exp(x) - t * x if c.log_input == "true" else x - times(t, log(x + c.epsilon))
        if c.full == "true" and t > 1:
            value += t * mp.log(t) - t + mp.log(2 * mp.pi * t) / 2
        values.append(value)
    return values


@poisson_nll.cases
def _(T, rng):
    r = T.round
    sizes = [T.min_subnormal, 1e-30, 1e-8, 1e-3, 0.5, 1.0, 5.0, 17.0, 80.0, 88.0]
    logs = [(r(x), t) for x in [0.0] + symmetric(sizes) for t in (0.0, 1.0, 3.0)]
    extremes = [(r(x), t) for x in (-1e4, -1e30, -T.max, -745.2, -708.0, -103.0) for t in (0.0, 7.0)]
    if T is F64:
        extremes += [(x, 2.0) for x in (400.0, 700.0, 706.5, 709.5)]
    near = [(r(mp.log(t)), t) for t in (1.0, 2.0, 17.0, 1e4, 1e8)] if T is not F64 else []
    random = [(2 * bell(rng), count(rng, 4)) for _ in range(20)]
    yield from elementwise([("every logarithm", logs), ("extremes", extremes), ("exp(x) near t", near)])
    yield from elementwise([("random", random)])
    full = {"full": "true"}
    beside = [(0.3, 1.0), (0.3, T.up(1.0)), (0.3, 0.5), (0.3, 0.0), (-2.0, 2.0), (3.0, 2.5)]
    # exp(x) - t has a relative error of 1/e units.
    near = 0.1 if T is F64 else 1e-4
    large = [(r(mp.log(t) + e), t) for t in (30.0, 1e3, 1e6, 1e12) for e in (-0.6, -near, near, 0.3, 2.0)]
    apart = [(-700.0, 3.0), (-1e4, 3.0), (80.0, 2.0), (40.0, 1e8)]
    yield from elementwise([("full", beside + apart), ("full, large", large)], params=full)
    yield from elementwise([("full, random", [(2 * bell(rng), count(rng, 9)) for _ in range(16)])], params=full)
    plain = {"log_input": "false"}
    yield from elementwise(rate_cases(T, rng), params=plain)
    both = {"log_input": "false", "full": "true"}
    rates = [(0.0, 2.0), (3.0, 2.0), (2.0, 2.0), (1e-20, 5.0), (1e6, 1.01e6), (1e12, 1.0001e12), (0.5, 1.0), (1e20, 7.0)]
    rates += [(log_uniform(rng, 0.1, 20), count(rng, 9)) for _ in range(12)]
    yield from elementwise([("full, of the rate", rates)], params=both)
    yield from elementwise([("another epsilon", [(0.0, 1.0), (2.0, 4.0)])], params={**both, "epsilon": 0.125})


def torch(figure, y_pred, y_true, **params):
    poisson_nll.published("PyTorch's formula by hand", figure, params=params, y_pred=y_pred, y_true=y_true)


torch("1.7182818", [1], [1])
torch("1.684640002", [2], [3], log_input="false", full="true", epsilon=0)


@loss("negative_binomial_nll", differentiate=("y_pred", "alpha"), hessian=("y_pred",))
def negative_binomial_nll(c):
    return [negative_binomial(m, t, a) for m, t, a in zip(c.y_pred, c.y_true, c.alpha)]


def negative_binomial(m, t, a):
    """Minus the logarithm of the probability of t; at a = 0 that of the Poisson distribution."""
    if a < 0 or m < 0:
        raise OutOfDomain
    if a == 0:
        return m - times(t, log(m)) + mp.loggamma(t + 1)
    r = 1 / a
    binomial = mp.loggamma(t + r) - mp.loggamma(r) - mp.loggamma(t + 1) if t else 0
    return -(binomial + times(t, log(a * m)) - (r + t) * log(1 + a * m))


@negative_binomial_nll.cases
def _(T, rng):
    def one(note, m, t, a):
        return case(note, y_pred=[m], y_true=[t], alpha=[a])

    edge = T.round(0.1)
    alphas = [1e-12, 1e-6, 0.01, T.down(edge), edge, T.up(edge), 0.15, 0.5, 1.0, 3.0, 100.0, 1e6]
    for a in alphas:
        for m, t in ((1.0, 0.0), (3.0, 1.0), (0.25, 2.0), (12.0, 8.0), (500.0, 700.0)):
            yield one("every dispersion", m, t, a)
    for m in (T.min_subnormal, 1e-30, 1e-6, 0.1, 1e4, 1e12, 1e30):
        for t in (0.0, 1.0, 30.0):
            # For t = 1 the slope for alpha is m, the difference of two numbers near 1/2.
            if t != 1 or m > 1e-3:
                yield one("every mean", m, t, 0.4)
    for t in (1e3, 1e6, 1e10):
        for a in (1e-9, 1e-3, 2.0):
            yield one("many", 0.7 * t, t, a)
            yield one("many, beside the mean", t * 1.0001, t, a)
    yield one("no mean, no count", 0.0, 0.0, 0.5)
    for m, t in ((2.0, 0.0), (2.0, 3.0), (7.5, 6.0), (100.0, 130.0)):
        yield one("alpha = 0: Poisson", m, t, 0.0)
    for t in (0.01, 0.5, 0.99, 2.5, 9.99, 10.0, 10.01):
        yield one("t no integer", 1.5, t, 0.3)
        yield one("t no integer", 1.5, t, 0.03)
    for m in (1.0, 4.0, 300.0):
        for a in (0.05, 1.5):
            yield one("t = m", m, m, a)
            yield one("t beside m", T.up(m), m, a)
    for _ in range(40):
        yield one("random", log_uniform(rng, 0.1, 100), count(rng, 20), log_uniform(rng, 1e-3, 10))


# The probability of 2 for mean 2, alpha 1 (geometric, p = 1/3) is 4/27.
negative_binomial_nll.published("by hand: ln(27/4)", "1.9095425", y_pred=[2], y_true=[2], alpha=[1])


# --- Positive amounts, with the logarithm as link -----------------------------------------------------------------------


def log_link_cases(T, rng):
    r = T.round
    sizes = [T.min_subnormal, 1e-30, 1e-8, 1e-3, 0.5, 1.0, 3.3, 17.0, 40.0]
    yield "every logarithm", [(r(x), t) for x in [0.0] + symmetric(sizes) for t in (1.0, r(0.1), 50.0)]
    yield "large amounts and small", [(r(x), r(t)) for x in (-2.0, 5.0, 30.0) for t in (T.min_subnormal, 1e-20, 1e9, 1e30)]
    yield "exp(x) = t", [(0.0, T.down(1.0)), (0.0, T.up(1.0))]
    yield "random", [(bell(rng), log_uniform(rng, 0.05, 20)) for _ in range(24)]


@loss("gamma_deviance", hessian=True)
def gamma_deviance(c):
    return [x + t * mp.exp(-x) for x, t in zip(c.y_pred, c.y_true)]


@gamma_deviance.cases
def _(T, rng):
    yield from elementwise(log_link_cases(T, rng))
    yield from elementwise([("t = 0", [(-3.0, 0.0), (1e4, 0.0), (-1e4, 0.0)])])
    yield from elementwise([("exp underflows", [(1e4, 2.0), (1e30, 2.0), (T.max, 2.0), (744.0, 1.0), (110.0, 1.0)])])


gamma_deviance.published("by hand", "2", y_pred=[0], y_true=[2])


@loss("tweedie", params={"power": 1.5}, hessian=True)
def tweedie(c):
    a, b = 1 - c.power, 2 - c.power
    return [-t * mp.exp(a * x) / a + mp.exp(b * x) / b for x, t in zip(c.y_pred, c.y_true)]


@tweedie.cases
def _(T, rng):
    r = T.round
    yield from elementwise(log_link_cases(T, rng))
    zeros = [(r(x), 0.0) for x in (0.0, -3.0, 1e-20, 60.0, -200.0, -1e4)]
    yield from elementwise([("t = 0", zeros), ("far", [(170.0, 1.0), (-170.0, 1.0), (2e3, 1.0), (-2e3, 1.0)])])
    for power in (1.0 + 2.0**-20, 1.1, 1.25, 1.75, 1.9, 2 - 2.0**-20):
        pairs = [(bell(rng), t) for t in (0.0, 0.3, 8.0)] + [(20.0, 2.0), (-20.0, 2.0), (55.5, 1e20)]
        yield from elementwise([("another power", pairs)], params={"power": power})


tweedie.published("by hand", "4", y_pred=[0], y_true=[1])


# --- A centre and its scale ---------------------------------------------------------------------------------------------


def scale_cases(T, rng, least):
    def one(note, p, t, s, **params):
        return case(note, params=params, y_pred=[p], y_true=[t], scale=[s])

    for s in [least, 1e-30, 1e-3, 0.4, 0.5, T.down(1.0), 1.0, T.up(1.0), 1e8, 1e30]:
        for e in (0.0, 1e-3, -1.0, 1e4):
            yield one("every scale", e, 0.0, s)
    for e in symmetric([T.min_subnormal, 1e-30, 1e-10, 0.9, 1.0, 2.5, 17.0, 70.0, 1e15, 1e30]):
        yield one("every residual", e, 0.0, 2.0)
    yield one("p beside t", T.up(1.25), 1.25, 0.1)
    yield one("|e| beside the scale", 2.0, 0.0, T.up(2.0))
    yield one("|e| beside the scale", T.up(3.0), 0.0, 3.0)
    for k in range(-9, 10, 3):
        yield one("random, every scale", bell(rng) * 10.0**k, bell(rng) * 10.0**k, log_uniform(rng, 1e-8, 1e8))
    for _ in range(24):
        yield one("random", bell(rng), bell(rng), log_uniform(rng, 0.1, 10))
    yield case("two items", y_pred=[bell(rng), 1.0], y_true=[0.5, 2.0], scale=[1.5, 0.25])


SCALED = {"differentiate": ("y_pred", "scale"), "hessian": ("y_pred",)}


def scaled(c):
    return zip(c.y_pred, c.y_true, c.scale)


@loss("laplace_nll", **SCALED)
def laplace_nll(c):
    return [mp.log(2 * b) + abs(p - t) / b for p, t, b in scaled(c)]


@laplace_nll.cases
def _(T, rng):
    yield from scale_cases(T, rng, 1e-30)


laplace_nll.published("by hand: ln 4 + 3/2", "2.8862944", y_pred=[3], y_true=[0], scale=[2])


@loss("student_t_nll", params={"df": 4}, **SCALED)
def student_t_nll(c):
    n = c.df
    constant = mp.log(n * mp.pi) / 2 + mp.loggamma(n / 2) - mp.loggamma((n + 1) / 2)
    return [mp.log(s) + constant + (n + 1) / 2 * mp.log(1 + ((p - t) / s) ** 2 / n) for p, t, s in scaled(c)]


@student_t_nll.cases
def _(T, rng):
    yield from scale_cases(T, rng, 1e-30)
    for n in (1e-3, 0.3, 1.0, 2.5, 19.9, 20.0, 21.0, 100.0, 1e6, 1e15):
        for e, s in ((0.0, 1.0), (0.7, 1.0), (-3.0, 0.5), (40.0, 3.0), (1e10, 2.0)):
            yield case("other degrees", params={"df": n}, y_pred=[e + 0.5], y_true=[0.5], scale=[s])
    if T is F64:
        for e in (1e100, -1e200, 1e300):
            yield case("z^2 overflows", y_pred=[e], y_true=[0.0], scale=[2.0])


student_t_nll.published("by hand: ln(8/3)", "0.98082925", y_pred=[1], y_true=[1], scale=[1])


@loss("crps_normal", **SCALED)
def crps_normal(c):
    values = []
    for p, t, s in scaled(c):
        if s <= 0:
            raise OutOfDomain
        z = (p - t) / s
        cdf = (1 + mp.erf(z / mp.sqrt(2))) / 2
        values.append(s * (z * (2 * cdf - 1) + 2 * mp.npdf(z) - 1 / mp.sqrt(mp.pi)))
    return values


@crps_normal.cases
def _(T, rng):
    for each in scale_cases(T, rng, 1e-3):
        # Beyond some z the derivatives below are exp(-z^2/2) of nothing.
        z = max(abs((p - t) / s) for p, t, s in zip(*(each.inputs[a] for a in ("y_pred", "y_true", "scale"))))
        if z <= 30:
            yield each
    for z in symmetric([0.4, 0.66, 0.67, 0.83, 1.0, 2.0, 3.0, 5.0, 5.7, 6.0, 8.4, 8.5, 9.0, 20.0, 37.0]):
        yield case("every z", y_pred=[z], y_true=[0.0], scale=[1.0])
        yield case("every z", y_pred=[1.0], y_true=[z], scale=[0.75])


crps_normal.published("by hand: 2 phi(0) - 1/sqrt(pi)", "0.23369498", y_pred=[1], y_true=[1], scale=[1])
