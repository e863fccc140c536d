"""Distances between distributions, and between directions."""

from mpmath import mp, mpf

from divergence import BOTH, cases, everything, log_ratio, rows, with_zeros
from harness import case, loss
from inputs import bells
from numeric import OutOfDomain, absolute, log, sign, sqrt, times


@loss("total_variation", hessian=True)
def total_variation(c):
    return [sum(abs(p - t) for p, t in zip(*row)) / 2 for row in rows(c)]


total_variation.is_linear = lambda c: True


@total_variation.cases
def _(T, rng):
    yield from cases(everything(T, rng))
    yield case("any numbers", y_pred=[[-3.0, 1e30, 0.0]], y_true=[[2.0, -1e30, 0.0]])


@loss("hellinger", hessian=True)
def hellinger(c):
    return [sqrt(sum((sqrt(p) - sqrt(t)) ** 2 for p, t in zip(*row)) / 2) for row in rows(c)]


@hellinger.slope
def _(c):
    slopes = []
    for (ps, ts), value in zip(rows(c), hellinger.value(c)):
        for p, t in zip(ps, ts):
            if value == 0:
                slopes.append(mpf(0))
            elif p == 0:
                slopes.append(1 / (4 * value) if t == 0 else -mp.inf)
            else:
                slopes.append((sqrt(p) - sqrt(t)) / (4 * value * sqrt(p)))
    return {"y_pred": slopes}


@hellinger.cases
def _(T, rng):
    yield from cases(everything(T, rng), kind="PROBABILITIES")


# Where two rows agree, one that moves away from 0 does so as the root of the distance: an infinite slope, taken as 0.
hellinger.is_definition = lambda c: any(value == 0 for value in hellinger.value(c))


@loss("renyi", params={"alpha": 0.5}, hessian=True)
def renyi(c):
    if c.alpha == 1:
        return [sum(times(t, log_ratio(t, p)) for p, t in zip(*row)) for row in rows(c)]
    return [log(overlap(c, *row)) / (c.alpha - 1) for row in rows(c)]


def overlap(c, ps, ts):
    def term(p, t):
        if t == 0:
            return mpf(0)
        if p < 0:
            raise OutOfDomain
        if p == 0:
            return mpf(0) if c.alpha < 1 else mp.inf
        return t**c.alpha * p ** (1 - c.alpha)

    return sum(term(p, t) for p, t in zip(ps, ts)) if c.alpha != 1 else mpf(1)


@renyi.slope
def _(c):
    slopes = []
    for ps, ts in rows(c):
        s = overlap(c, ps, ts)
        for p, t in zip(ps, ts):
            slopes.append(mpf(0) if t == 0 else -mp.inf if p == 0 else -((t / p) ** c.alpha) / s)
    return {"y_pred": slopes}


@renyi.cases
def _(T, rng):
    groups = list(everything(T, rng))
    fair = [row for row in groups if not row[0].startswith(("the least", "huge", "tiny", "equal", "moved by one"))]
    yield from cases(fair, kind="PROBABILITIES")
    normal = [row for row in fair if row[0] == "random" or row[0].startswith(("ratios", "moved", "uniform"))]
    for alpha in (0.1, 2, 5, 1, 0.999999, 1.000001, 1 + 2.0**-40):
        yield from cases(normal[:: 2 if alpha in (0.1, 2, 5) else 5], kind="PROBABILITIES", params={"alpha": alpha})
    for alpha in (0.25, 3, 1):
        yield from cases(with_zeros(T, rng), kind="PROBABILITIES", params={"alpha": alpha})


def carried(ps, ts):
    total, out = mpf(0), []
    for p, t in zip(ps, ts):
        total += p - t
        out.append(total)
    return out


@loss("wasserstein_1", hessian=True)
def wasserstein_1(c, c0):
    pairs = zip(rows(c), rows(c0))
    return [sum(map(absolute, carried(*row), carried(*row0))) for row, row0 in pairs]


@wasserstein_1.slope
def _(c):
    slopes = []
    for row in rows(c):
        signs = [sign(a) for a in carried(*row)]
        slopes += [sum(signs[i:]) for i in range(len(signs))]
    return {"y_pred": slopes}


wasserstein_1.is_linear = lambda c: True


@wasserstein_1.cases
def _(T, rng):
    yield from cases(everything(T, rng))
    for _ in range(6):
        yield case("any numbers", y_pred=[bells(rng, 7, 10)], y_true=[bells(rng, 7, 10)])


# --- Directions -------------------------------------------------------------------------------------------------------


def norm(a):
    return sqrt(sum(x * x for x in a))


def floored_cosine(a, b, a0, b0, epsilon):
    """Each norm is at least epsilon; 0 where it is 0."""
    norms = [epsilon if norm(x0) < epsilon else norm(x) for x, x0 in ((a, a0), (b, b0))]
    return mpf(0) if 0 in norms else sum(x * y for x, y in zip(a, b)) / (norms[0] * norms[1])


def cosines(c, c0):
    return [floored_cosine(p, t, p0, t0, c.epsilon) for p, t, p0, t0 in zip(c.y_pred, c.y_true, c0.y_pred, c0.y_true)]


@loss(
    "cosine_similarity",
    params={"sign": ("negative", "one_minus", "positive"), "epsilon": 1e-7},
    differentiate=BOTH,
    hessian=("y_pred",),
)
def cosine_similarity(c, c0):
    return [1 - a if c.sign == "one_minus" else a if c.sign == "positive" else -a for a in cosines(c, c0)]


@loss("cosine_distance", params={"epsilon": 1e-7}, differentiate=BOTH, hessian=("y_pred",))
def cosine_distance(c, c0):
    return [1 - a for a in cosines(c, c0)]


@loss("cosine_proximity", params={"epsilon": 1e-7}, differentiate=BOTH, hessian=("y_pred",))
def cosine_proximity(c, c0):
    return [-a / len(p) for a, p in zip(cosines(c, c0), c.y_pred)]


def directions(T, rng):
    yield "at right angles", [1.0, 0.0], [0.0, 1.0]
    yield "at right angles", [1.0, 2.0, 2.0], [2.0, 1.0, -2.0]
    yield "the same", [1.0, 1.0], [1.0, 1.0]
    yield "opposite", [-1.0, -1.0], [1.0, 1.0]
    yield "the same, of other length", [0.3, -0.7, 2.0], [1.2, -2.8, 8.0]
    yield "one element", [3.0], [-2.0]
    yield "by hand", [3.0, 4.0], [1.0, 0.0]
    yield "a zero vector", [0.0, 0.0], [1.0, 2.0]
    yield "a zero vector", [3.0, -4.0], [0.0, 0.0]
    yield "two zero vectors", [0.0, 0.0], [0.0, 0.0]
    yield "below the floor", [1e-8, 2e-8], [1.0, 2.0]
    yield "below the floor", [1e-9, -2e-9], [3e-10, 1e-10]
    yield "above the floor", [1e-6, 2e-6], [1.0, -2.0]
    yield "huge", [1e30, 2e30], [3e30, -1e30]
    yield "huge and tiny", [1e30, 2e-5], [3e-5, 1e20]
    if T.name == "F64":
        yield "the square leaves the range", [1e200, 2e200], [3e250, 1e249]
    for gap in (2.0**-20, 2.0**-12, 2.0**-6):
        yield f"{gap:g} from the same", [1.0, 1.0 + gap], [1.0, 1.0]
        yield f"{gap:g} from opposite", [1.0, 1.0 + gap], [-1.0, -1.0]
        yield f"{gap:g} from a right angle", [1.0, gap], [0.0, 1.0]
    for k in (2, 3, 4, 5, 7, 8, 9, 12):
        for scale in (1.0, 1e-3, 100.0):
            yield "random", bells(rng, k, scale), bells(rng, k)


def direction_slopes(c):
    """Without a floor a zero vector has no direction, and no slope."""
    if c.epsilon > 0 or all(any(row) for row in c.y_pred + c.y_true):
        return None
    return {name: [mpf(0)] * len(c.y_pred[0]) for name in BOTH}


for each_loss in (cosine_similarity, cosine_distance, cosine_proximity):
    each_loss.slope(direction_slopes)
    each_loss.is_definition = lambda c: direction_slopes(c) is not None


@cosine_distance.cases
@cosine_proximity.cases
def _(T, rng):
    groups = list(directions(T, rng))
    yield from cases(groups)
    yield from cases(groups[::5], params={"epsilon": 0.5})
    yield from cases(groups[3:30:4], params={"epsilon": 0})


@cosine_similarity.cases
def _(T, rng):
    groups = list(directions(T, rng))
    yield from cases(groups)
    for params in ({"sign": "one_minus"}, {"sign": "positive"}, {"epsilon": 0.5}, {"epsilon": 0}):
        yield from cases(groups[:: 3 if "sign" in params else 5], params=params)


cosine_similarity.published(
    "Keras documentation",
    ["0", "-1.0", "1.0"],
    y_pred=[[1, 0], [1, 1], [-1, -1]],
    y_true=[[0, 1], [1, 1], [1, 1]],
)
