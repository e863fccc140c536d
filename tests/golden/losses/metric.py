"""Metric learning: losses of a pair or a triplet of embeddings."""

from mpmath import mp, mpf

from divergence_distances import floored_cosine
from harness import INF, KINK_POLICY, case, loss
from inputs import bells, under_each_kink_policy
from numeric import absolute, max_of, relu, sign, sqrt

TRIPLET = ("anchor", "positive", "negative")
PAIR = ("y_pred", "other")


def norm(x, x0, p):
    """The p-norm of differences; at 0 the slope is 0."""
    if all(a == 0 for a in x0):
        return mpf(0)
    if mp.isinf(p):
        return max_of([absolute(a, a0) for a, a0 in zip(x, x0)], [abs(a) for a in x0])
    if p == 2:
        return sqrt(sum(a * a for a in x))
    # What is 0 here adds nothing to the slope either.
    return sum((sign(a0) * a) ** p for a, a0 in zip(x, x0) if a0 != 0) ** (1 / p)


def distance(c, a, b, a0, b0):
    if c.distance == "squared":
        return sum((x - y) ** 2 for x, y in zip(a, b))
    if c.distance == "cosine":
        return 1 - floored_cosine(a, b, a0, b0, c.epsilon)
    return norm(*[[x - y + c.epsilon for x, y in zip(*pair)] for pair in ((a, b), (a0, b0))], c.p)


@loss(
    "triplet_margin",
    params={
        "margin": 1,
        "p": 2,
        "epsilon": 1e-6,
        "swap": ("false", "true"),
        "distance": ("lp", "squared", "cosine"),
        **KINK_POLICY,
    },
    differentiate=TRIPLET,
    hessian=("anchor",),
)
def triplet_margin(c, c0):
    values = []
    for a, p, n, a0, p0, n0 in zip(c.anchor, c.positive, c.negative, c0.anchor, c0.positive, c0.negative):

        def z(a, p, n, a0, p0, n0):
            others = [distance(c, a, n, a0, n0)] + ([distance(c, p, n, p0, n0)] if c.swap == "true" else [])
            frozen = [distance(c, a0, n0, a0, n0)] + ([distance(c, p0, n0, p0, n0)] if c.swap == "true" else [])
            return distance(c, a, p, a0, p0) + max_of([-x for x in others], [-x for x in frozen]) + c.margin

        values.append(relu(z(a, p, n, a0, p0, n0), z(a0, p0, n0, a0, p0, n0), c.kink))
    return values


@triplet_margin.cases
def _(T, rng):
    def triplet(a, b, n, note="by hand", **params):
        return case(note, params=params, anchor=[a], positive=[b], negative=[n])

    def some(k, spread=1.0):
        a = bells(rng, k)
        return a, [x + spread * y for x, y in zip(a, bells(rng, k))], [x + y for x, y in zip(a, bells(rng, k))]

    yield triplet([0.0, 0.0], [3.0, 4.0], [0.0, 1.0], epsilon=0)
    yield triplet([0.0, 0.0], [3.0, 4.0], [0.0, 4.0], epsilon=0, distance="squared")
    kinks = [triplet([0.0, 0.0], [3.0, 4.0], [0.0, 6.0], "at the kink", epsilon=0)]
    kinks += [triplet([0.0, 0.0], [2.0, 0.0], [1.0, 2.0], "at the kink", epsilon=0, distance="squared")]
    yield from [*kinks, *under_each_kink_policy(kinks)]
    yield triplet([0.0, 0.0], [0.0, 1.0], [5.0, 0.0], "far enough")
    same = [0.5, -1.0, 2.0]
    yield triplet(same, same, same, "identical")
    yield triplet(same, same, same, "identical", epsilon=0)
    yield triplet(same, same, [1.0, 1.0, 1.0], "identical", epsilon=0, margin=9)
    yield triplet([0.0, 0.0], [1.0, 0.0], [0.0, 1.0], "a tie of the two negatives", swap="true", epsilon=0, margin=3)
    yield triplet([0.0, 0.0], [2.0, 1.0], [1.0, 1.0], "the negative nearer to the positive", swap="true", epsilon=0)
    yield triplet([0.0, 0.0], [2.0, 1.0], [2.0, 0.0], "differences of 0", p=1, epsilon=0)
    yield triplet([0.0, 0.0], [2.0, 2.0], [2.0, 0.5], "tied largest differences", p=INF, epsilon=0)
    yield triplet([0.0, 0.0], [2.0, 1.0], [2.0, 0.0], "differences of 0", p=3, epsilon=0)
    yield triplet([1e30, 0.0], [-1e30, 2e30], [1e29, 0.0], "huge")
    yield triplet([1e-30, 0.0], [-1e-30, 2e-30], [1e-29, 0.0], "tiny", epsilon=0, margin=0)
    yield triplet([1.0, 2.0], [2.0, 4.0], [0.0, 1.0], "parallel", distance="cosine")
    yield triplet([0.0, 0.0], [2.0, 4.0], [1.0, 1.0], "a zero vector", distance="cosine")
    for k in (1, 2, 3, 5, 9, 12):
        yield triplet(*some(k), "random")
    for params in ({"p": 1}, {"p": 1.5}, {"p": 3}, {"p": INF}, {"swap": "true"}, {"swap": "true", "p": 1}):
        for k in (2, 5):
            yield triplet(*some(k, 2.0), "random", **params)
    for params in ({"distance": "squared"}, {"distance": "cosine"}, {"distance": "cosine", "swap": "true"}):
        for k in (2, 3, 4):
            yield triplet(*some(k), "random", **params)
    for margin in (0.2, 5.0):
        yield triplet(*some(4), "random", margin=margin)


@loss("cosine_embedding", params={"margin": 0, "epsilon": 1e-12, **KINK_POLICY}, differentiate=PAIR, hessian=("y_pred",))
def cosine_embedding(c, c0):
    def cosine(a, b):
        product = (sum(x * x for x in a) + c.epsilon) * (sum(x * x for x in b) + c.epsilon)
        return sum(x * y for x, y in zip(a, b)) / sqrt(product) if product else mpf(0)

    rows = zip(c.y_pred, c.other, c.y_true, c0.y_pred, c0.other)
    return [
        1 - cosine(a, b) if t == 1 else relu(cosine(a, b) - c.margin, cosine(a0, b0) - c.margin, c.kink)
        for a, b, t, a0, b0 in rows
    ]


@cosine_embedding.cases
def _(T, rng):
    def pair(a, b, note="by hand", **params):
        for t in (1.0, -1.0):
            yield case(note, params=params, y_pred=[a], other=[b], y_true=[t])

    yield from pair([3.0, 4.0], [1.0, 0.0])
    yield from pair([3.0, 4.0], [1.0, 0.0], margin=0.1)
    yield from pair([1.0, 0.0], [0.0, 2.0], "at right angles")
    yield from under_each_kink_policy(pair([1.0, 0.0], [0.0, 2.0], "at right angles"))
    yield from pair([1.0, 1.0], [1.0, 1.0], "the same")
    yield from pair([1.0, 2.0], [-1.0, -2.0], "opposite")
    yield from pair([1.0, 1.0 + 2.0**-12], [1.0, 1.0], "nearly the same")
    yield from pair([0.0, 0.0], [1.0, 2.0], "a zero vector")
    yield from pair([0.0, 0.0], [0.0, 0.0], "two zero vectors")
    yield from pair([1e-6, 2e-6], [1e-7, -1e-6], "about the root of epsilon")
    yield from pair([1e15, 2e15], [3e15, -1e15], "huge")
    yield from pair([2e-5, 1e-5], [3e10, 1e10], "huge and tiny")
    for k in (2, 3, 4, 5, 7, 9, 12):
        yield from pair(bells(rng, k), bells(rng, k), "random")
        yield from pair(bells(rng, k, 0.01), bells(rng, k), "random", margin=-0.5)
    yield from pair(bells(rng, 3), bells(rng, 3), "random", epsilon=0.5)


@loss("contrastive", params={"margin": 1, "squared": ("true", "false"), **KINK_POLICY}, differentiate=PAIR, hessian=("y_pred",))
def contrastive(c, c0):
    values = []
    for a, b, t, a0, b0 in zip(c.y_pred, c.other, c.y_true, c0.y_pred, c0.other):
        x, x0 = [p - q for p, q in zip(a, b)], [p - q for p, q in zip(a0, b0)]
        d, d0 = norm(x, x0, 2), norm(x0, x0, 2)
        gap = relu(c.margin - d, c.margin - d0, 0 if c.squared == "true" else c.kink)
        values.append(t * sum(a * a for a in x) + (1 - t) * gap**2 if c.squared == "true" else t * d + (1 - t) * gap)
    return values


@contrastive.cases
def _(T, rng):
    def pair(a, b, note="by hand", ts=(1.0, 0.0), **params):
        for t in ts:
            for squared in ("true", "false"):
                yield case(note, params={"squared": squared, **params}, y_pred=[a], other=[b], y_true=[t])

    yield from pair([3.0, 4.0], [0.0, 0.0], margin=10)
    at_margin = list(pair([3.0, 4.0], [0.0, 0.0], "at the margin", ts=(1.0, 0.0, 0.25), margin=5))
    yield from [*at_margin, *under_each_kink_policy(at_margin)]
    yield from pair([0.3, 0.4], [0.0, 0.0])
    yield from pair([0.3, 0.4], [0.0, 0.0], "in between", ts=(0.25, 0.75))
    yield from pair([1.0, 2.0], [1.0, 2.0], "identical")
    yield from pair([1e-20, 2e-20], [0.0, 1e-20], "tiny")
    yield from pair([1e15, 2e15], [0.0, 1e15], "huge")
    for k in (1, 2, 3, 5, 8, 12):
        yield from pair(bells(rng, k), bells(rng, k), "random", margin=4)
    yield from pair(bells(rng, 4), bells(rng, 4), "random", ts=(0.0, 0.5))
