"""Margin, hinge and perceptron losses, element by element."""

from mpmath import mp, mpf

from harness import KINK_POLICY, case, loss
from inputs import bell, elementwise, log_uniform, symmetric, under_each_kink_policy
from numeric import relu

LABELS = {"label_encoding": ("signed", "binary", "auto")}
KINKED_LABELS = {**LABELS, **KINK_POLICY}


def signed(c):
    """The labels as -1 and 1. auto, after Keras: 0 is -1 if every label is 0 or 1."""
    binary = c.label_encoding == "binary" or (c.label_encoding == "auto" and all(t in (0, 1) for t in c.y_true))
    return [2 * t - 1 if binary else t for t in c.y_true]


def scores(T, edge=1.0):
    """Around 0 and the margin, and every size beyond."""
    sizes = [T.min_subnormal, T.min_normal, 1e-30, 1e-10, 1e-3, 0.1, edge / 2, T.down(edge), edge, T.up(edge), 1.5, 2.0]
    sizes += [17.0, 88.0, 104.0, 710.0, 1e4, 1e18, 1e30, T.max]
    if T.name == "F64":
        sizes += [1 - 1e-12, 1e-200, 1e100, 1e155]
    # Second differences at less than 1e-240 would ask for more digits than the harness has.
    return [0.0, -0.0] + symmetric([T.round(a) for a in sizes if a > 1e-240])


def kinks(pairs):
    return under_each_kink_policy(elementwise([("at the kink and beside it", pairs)]))


def signed_cases(T, rng):
    yield from elementwise([("scores of every size", [(x, t) for x in scores(T) for t in (1.0, -1.0)])])
    pairs = [(T.round(2 * bell(rng)), rng.choice((-1.0, 1.0))) for _ in range(16)]
    yield from elementwise([("random", pairs)])


def encoded_cases(T, rng):
    yield from signed_cases(T, rng)
    x, labels = [T.round(a) for a in (-0.3, 0.2, -0.1, 1.6, 1.0)], [0, 1, 0, 1, 1]
    yield case("labels 0 and 1", params={"label_encoding": "binary"}, y_pred=x, y_true=labels)
    yield case("all labels 0 or 1", params={"label_encoding": "auto"}, y_pred=x, y_true=labels)
    yield case("one label is -1", params={"label_encoding": "auto"}, y_pred=x, y_true=[-1, 1, 1, 1, -1])
    yield case("all labels are 1", params={"label_encoding": "auto"}, y_pred=x, y_true=[1] * 5)


@loss("hinge", params=KINKED_LABELS, hessian=True)
def hinge(c, c0):
    return [relu(1 - t * p, 1 - t * p0, c.kink) for p, t, p0 in zip(c.y_pred, signed(c), c0.y_pred)]


hinge.is_linear = lambda c: True


@hinge.cases
def _(T, rng):
    yield from encoded_cases(T, rng)
    yield from kinks([(1.0, 1.0), (-1.0, -1.0), (1.0, -1.0), (T.down(1.0), 1.0)])


KERAS = "Keras documentation"
hinge.published(KERAS, "1.3", params={"label_encoding": "binary"}, y_pred=[0.6, 0.4, 0.4, 0.6], y_true=[0, 1, 0, 0])


@loss("squared_hinge", params=LABELS, hessian=True)
def squared_hinge(c):
    return [max(1 - t * p, mpf(0)) ** 2 for p, t in zip(c.y_pred, signed(c))]


squared_hinge.cases(encoded_cases)
figure = [0.6, 0.4, 0.4, 0.6]
squared_hinge.published(KERAS, "1.86", params={"label_encoding": "binary"}, y_pred=figure, y_true=[0, 1, 0, 0])


@loss("perceptron", params=KINKED_LABELS, hessian=True)
def perceptron(c, c0):
    return [relu(-t * p, -t * p0, c.kink) for p, t, p0 in zip(c.y_pred, signed(c), c0.y_pred)]


perceptron.is_linear = lambda c: True


@perceptron.cases
def _(T, rng):
    yield from encoded_cases(T, rng)
    yield from kinks([(0.0, 1.0), (0.0, -1.0), (0.5, -1.0)])




@loss("soft_margin", params=LABELS, hessian=True)
def soft_margin(c):
    return [mp.log(1 + mp.exp(-t * p)) for p, t in zip(c.y_pred, signed(c))]


@soft_margin.slope
def _(c):
    return {"y_pred": [-t / (1 + mp.exp(t * p)) for p, t in zip(c.y_pred, signed(c))]}


soft_margin.cases(encoded_cases)


@loss("hinge_embedding", params={"margin": 1, **KINK_POLICY}, hessian=True)
def hinge_embedding(c, c0):
    rows = zip(c.y_pred, c.y_true, c0.y_pred)
    return [p if t == 1 else relu(c.margin - p, c.margin - p0, c.kink) for p, t, p0 in rows]


hinge_embedding.is_linear = lambda c: True


@hinge_embedding.cases
def _(T, rng):
    yield from signed_cases(T, rng)
    yield from kinks([(1.0, -1.0), (1.0, 1.0), (T.up(1.0), -1.0)])
    for margin in (0, 0.25, 10):
        pairs = [(x, t) for x in (0.0, 0.25, T.down(0.25), T.up(10.0), 10.0, -3.0) for t in (1.0, -1.0)]
        yield from elementwise([(f"margin {margin}", pairs)], params={"margin": margin})


@loss(
    "margin_ranking",
    params={"margin": 0, **KINK_POLICY},
    differentiate=("y_pred", "other"),
    hessian=("y_pred",),
)
def margin_ranking(c, c0):
    rows = zip(c.y_pred, c.other, c.y_true, c0.y_pred, c0.other)
    return [relu(c.margin - t * (p - o), c.margin - t * (p0 - o0), c.kink) for p, o, t, p0, o0 in rows]


margin_ranking.is_linear = lambda c: True


@margin_ranking.cases
def _(T, rng):
    r = T.round

    def one(note, p, o, t, margin=0):
        params = {"margin": margin} if margin else {}
        return case(note, params=params, y_pred=[r(p)], other=[r(o)], y_true=[t])

    for t in (1, -1):
        for o in (0.0, 0.1, -3.0, 1e30):
            yield one("a tie", o, o, t)
            yield from under_each_kink_policy([one("a tie", o, o, t)])
            yield one("beside a tie", T.up(r(o)), o, t)
            yield one("beside a tie", T.down(r(o)), o, t)
        for margin in (0.5, 1, -0.25):
            for p, o in ((margin, 0), (0, margin), (1 + margin, 1), (T.up(margin), 0), (1, 1), (-2, 3), (7, 1e-20)):
                yield one(f"margin {margin}", p, o, t, margin)
        yield one("what is left when the margin cancels", 1e-20, 1.0, t, 1)
        yield one("what is left when the margin cancels", 1.0, -1e-20, t, 1)
        yield one("what is left when the margin cancels", 2.0**60, 1e-9, t, 2.0**60)
        yield one("beyond the largest number", T.max, -T.max, t)
        yield one("tiny", T.min_subnormal, -T.min_subnormal, t)
        for scale in (1e-6, 1, 1e6):
            for _ in range(4):
                yield one(f"random, scale {scale:g}", scale * bell(rng), scale * bell(rng), t, abs(bell(rng)))


@loss("sparsemax", hessian=True)
def sparsemax(c):
    def sparse_plus(z):
        return mpf(0) if z <= -1 else z if z >= 1 else (z + 1) ** 2 / 4

    return [sparse_plus((1 - 2 * t) * x) for x, t in zip(c.y_pred, c.y_true)]


@sparsemax.cases
def _(T, rng):
    groups = [("scores of every size", [(x, t) for x in scores(T) for t in (0.0, 1.0)])]
    groups += [("random", [(T.round(bell(rng)), rng.choice((0.0, 1.0))) for _ in range(24)])]
    groups += [("soft labels", [(T.round(2 * bell(rng)), t) for t in (0.25, 0.5, 0.75, 0.875)])]
    groups += [("near 1", [(s * T.round(1 - log_uniform(rng, 1e-6, 0.1)), t) for s in (1, -1) for t in (0.0, 1.0)])]
    yield from elementwise(groups, kind="LOGITS")
