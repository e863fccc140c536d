"""Metric learning: losses that couple all embeddings of a batch, and the orthogonal regulariser."""

from mpmath import mp, mpf

from harness import KINK_POLICY, case, loss
from inputs import bells, under_each_kink_policy, unit_vector
from numeric import log, relu, sign, sqrt

BOTH = ("y_pred", "other")


def unit(x):
    length = sqrt(sum(a * a for a in x))
    return [a / length for a in x] if length else x


def dot(x, y):
    return sum(a * b for a, b in zip(x, y))


def cosines(xs, ys):
    us, vs = [unit(x) for x in xs], [unit(y) for y in ys]
    return [[dot(u, v) for v in vs] for u in us]


def softplus(x):
    return mp.log(1 + mp.exp(x))


def zero_rows(*names):
    """A zero vector has no direction: its slope is 0."""

    def slopes(c):
        return {n: [mpf(0) if not any(x) else None for x in getattr(c, n) for _ in x] for n in names}

    return slopes


def has_zero_row(*names):
    return lambda c: any(not any(x) for n in names for x in getattr(c, n))


def batches(T, rng, labels=((0, 0, 1, 1), (0, 0, 0, 1), (2, 1, 2), (0, 1, 0, 1, 0), (0, 0), (7, 7, 7, 7))):
    """(note, embeddings, labels)."""
    yield "axes", [[1.0, 0.5], [2.0, 0.25], [0.5, 1.0], [-1.0, 3.0]], [0, 0, 1, 1]
    yield "nobody's positive", [[1.0, 0.5], [2.0, 0.25], [0.5, 1.0]], [0, 0, 1]
    yield "opposite", [[1.0, 0.5], [-1.0, -0.75], [0.5, 1.0]], [0, 0, 1]
    yield "scaled", [[1e10, 2e10, 0.0], [1e-10, 0.0, 1e-10], [3.0, 1.0, 1.0], [0.0, -1.0, 2.0]], [0, 1, 0, 1]
    for each in labels:
        for dim in (2, 3, 4):
            yield "random", [bells(rng, dim) for _ in each], list(each)
    for spread in (0.3, 0.03):
        centre = [bells(rng, 3), bells(rng, 3)]
        each = [0, 1, 0, 1]
        yield "tight classes", [[a + spread * b for a, b in zip(centre[i], bells(rng, 3))] for i in each], each


def zero_batches(T, rng):
    yield "a zero vector", [[0.0, 0.0], [1.0, 2.0], [2.0, -1.5], [0.5, 1.0]], [0, 0, 1, 1]


def labelled(groups, **options):
    for note, x, labels in groups:
        yield case(note, y_pred=x, y_true=labels, **options)


@loss("ntxent", params={"temperature": 0.07}, integers=("y_true",))
def ntxent(c):
    values, n = [], len(c.y_pred)
    for i, row in enumerate(cosines(c.y_pred, c.y_pred)):
        e = [mp.exp(s / c.temperature) for s in row]
        negatives = sum(e[k] for k in range(n) if c.y_true[k] != c.y_true[i])
        positives = [e[j] for j in range(n) if j != i and c.y_true[j] == c.y_true[i]]
        values.append(-sum((log(a / (a + negatives)) for a in positives), mpf(0)))
    return values


@loss("supcon", params={"temperature": 0.1}, integers=("y_true",))
def supcon(c):
    values, n = [], len(c.y_pred)
    for i, row in enumerate(cosines(c.y_pred, c.y_pred)):
        e = [mp.exp(s / c.temperature) for s in row]
        others = sum(e[a] for a in range(n) if a != i)
        positives = [e[j] for j in range(n) if j != i and c.y_true[j] == c.y_true[i]]
        values.append(-sum(log(a / others) for a in positives) / len(positives) if positives else mpf(0))
    return values


for each_loss in (ntxent, supcon):
    each_loss.slope(zero_rows("y_pred"))
    each_loss.is_definition = has_zero_row("y_pred")


@ntxent.cases
@supcon.cases
def _(T, rng):
    groups = [row for row in batches(T, rng) if len(set(row[2])) > 1]
    yield from labelled(groups + list(zero_batches(T, rng)))
    for temperature in (1, 0.5):
        yield from labelled(groups[:: 2 if temperature < 1 else 1], params={"temperature": temperature})


OPTAX = [[-1.9540, 1.0780], [0.2380, -0.5703], [1.8745, -0.0195], [-0.6719, -1.9210]]


ntxent.published("optax, _self_supervised_test.py", "14.0103", y_pred=OPTAX, y_true=[0, 0, 1, 1])
ntxent.published("optax, the same: 8.968544, 6 pairs, 4 anchors", "13.4528", y_pred=OPTAX, y_true=[0, 0, 0, 1])


@loss("info_nce", params={"temperature": 0.07, "symmetric": ("true", "false")}, differentiate=BOTH)
def info_nce(c):
    z = [[mp.exp(s / c.temperature) for s in row] for row in cosines(c.y_pred, c.other)]
    n = len(z)
    rows = [-log(z[i][i] / sum(z[i])) for i in range(n)]
    columns = [-log(z[i][i] / sum(z[j][i] for j in range(n))) for i in range(n)]
    return [(a + b) / 2 for a, b in zip(rows, columns)] if c.symmetric == "true" else rows


@loss("siglip", params={"temperature": 10, "bias": -10}, differentiate=BOTH)
def siglip(c):
    s = cosines(c.y_pred, c.other)
    n = len(s)
    return [
        sum(softplus((c.temperature * s[i][j] + c.bias) * (-1 if i == j else 1)) for j in range(n)) for i in range(n)
    ]


for each_loss in (info_nce, siglip):
    each_loss.slope(zero_rows(*BOTH))
    each_loss.is_definition = has_zero_row(*BOTH)


def partners(T, rng):
    yield "by hand", [[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 3.0]]
    yield "exchanged", [[1.0, 0.0], [0.0, 1.0]], [[0.0, 3.0], [2.0, 0.5]]
    yield "a zero vector", [[0.0, 0.0], [1.0, 1.5]], [[1.0, 2.0], [0.0, 1.0]]
    yield "scaled", [[1e10, 2e10], [-3e-10, 1e-10]], [[2e-10, 1e-10], [1e10, 3e10]]
    for n in (2, 3, 4):
        for dim in (2, 3, 4):
            yield "random", [bells(rng, dim) for _ in range(n)], [bells(rng, dim) for _ in range(n)]
    for spread in (0.3, 0.03):
        x = [bells(rng, 3) for _ in range(3)]
        yield "near partners", x, [[a + spread * b for a, b in zip(row, bells(rng, 3))] for row in x]


def partnered(T, rng, variants):
    groups = list(partners(T, rng))
    for params in variants:
        for note, x, y in groups:
            yield case(note, params=params, y_pred=x, other=y)


@info_nce.cases
def _(T, rng):
    yield from partnered(T, rng, ({}, {"symmetric": "false", "temperature": 0.5}, {"temperature": 1}))


@siglip.cases
def _(T, rng):
    yield from partnered(T, rng, ({}, {"temperature": 1, "bias": 0}, {"temperature": 20, "bias": -5}))


# --- Circle -----------------------------------------------------------------------------------------------------------


@loss(
    "circle",
    params={"gamma": 80, "margin": 0.4, "detach": ("false", "true"), "remove_diagonal": ("true", "false"), **KINK_POLICY},
    integers=("y_true",),
)
def circle(c, c0):
    values, n = [], len(c.y_pred)
    for i in range(n):
        positive, negative = [], []
        for j in range(n):
            gap, gap0 = (1 - dot(a[i], a[j]) for a in (c.y_pred, c0.y_pred))
            d, d0 = relu(gap, gap0, c.kink), max(gap0, mpf(0))
            w = d0 if c.detach == "true" else d
            if c.y_true[i] != c.y_true[j]:
                weight = relu(1 + c.margin - w, 1 + c.margin - d0, c.kink)
                negative.append(c.gamma * weight * (1 - c.margin - d))
            elif i != j or c.remove_diagonal == "false":
                weight = relu(c.margin + w, c.margin + d0, c.kink)
                positive.append(c.gamma * weight * (d - c.margin))
        if positive and negative:
            values.append(softplus(log(sum(map(mp.exp, positive))) + log(sum(map(mp.exp, negative)))))
        else:
            values.append(mpf(0))
    return values


@circle.cases
def _(T, rng):
    variants = (
        {},
        {"gamma": 1},
        {"gamma": 8, "margin": 0.25, "detach": "true"},
        {"gamma": 4, "remove_diagonal": "false"},
        {"gamma": 2, "margin": -0.3},
    )
    groups = [row for row in batches(T, rng) if row[0] != "scaled" and len(set(row[2])) > 1]
    groups = [(note, [unit_vector(rng, len(x)) for x in xs], y) for note, xs, y in groups]
    for k, params in enumerate(variants):
        yield from labelled(groups[k % 2 :: 2], params=params)
    kinks = [("at the kinks", [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.25, 0.5]], [1, 1, 2, 1])]
    for params in ({"gamma": 2}, {"gamma": 2, "margin": -1}, {"gamma": 2, "remove_diagonal": "false"}):
        yield from under_each_kink_policy(labelled(kinks, params=params))


KERAS = "Keras, losses_test.py"
KERAS_X = [
    [0.70014004, -0.42008403, 0.14002801, 0.56011203],
    [0.17609018, 0.70436073, -0.52827054, 0.44022545],
    [-0.34050261, 0.25537696, -0.68100522, 0.59587957],
    [0.32163376, -0.75047877, 0.53605627, -0.21442251],
    [0.51261459, -0.34174306, 0.17087153, 0.76892189],
]
KERAS_REF = [
    [0.40824829, -0.54433105, 0.27216553, 0.68041382],
    [0.76376261, 0.10910895, -0.54554473, 0.32732684],
    [-0.74420841, 0.24806947, 0.49613894, -0.3721042],
    [0.52981294, -0.13245324, 0.79471941, -0.26490647],
    [0.54554473, -0.32732684, 0.10910895, 0.76376261],
    [-0.27216553, 0.68041382, 0.40824829, -0.54433105],
]


circle.published(f"{KERAS}: 188.3883, 4 of 5 above 0", "150.711", y_pred=KERAS_X, y_true=[1, 1, 2, 2, 3])
circle.published(
    f"{KERAS}: 652.7617, 4 of 5 above 0",
    "522.209",
    params={"gamma": 256, "margin": 0.25},
    y_pred=KERAS_X,
    y_true=[1, 1, 2, 2, 3],
)
circle.published(
    KERAS,
    ["82.9116", "36.7942", "92.4590", "52.6798", "0.0", "0.0"],
    y_pred=KERAS_REF,
    y_true=[1, 1, 2, 2, 3, 4],
)


# --- Orthogonal regulariser -------------------------------------------------------------------------------------------


@loss("orthogonal_regularizer", params={"factor": 0.01, "mode": ("rows", "columns")})
def orthogonal_regularizer(c, c0):
    w, w0 = ([list(x) for x in (zip(*a) if c.mode == "columns" else a)] for a in (c.y_pred, c0.y_pred))
    s, s0, n = cosines(w, w), cosines(w0, w0), len(w)
    if n < 2:
        return [mpf(0)]
    return [c.factor * sum(sign(s0[i][j]) * s[i][j] for i in range(n) for j in range(i)) / (mpf(n) * (n - 1) / 2)]


@orthogonal_regularizer.slope
def _(c):
    if c.mode == "rows":
        return zero_rows("y_pred")(c)
    empty = [not any(x) for x in zip(*c.y_pred)]
    return {"y_pred": [mpf(0) if e else None for _ in c.y_pred for e in empty]}


@orthogonal_regularizer.cases
def _(T, rng):
    yield case("by hand", y_pred=[[1.0, 0.0], [3.0, 4.0]])
    yield case("at right angles", y_pred=[[1.0, 0.0], [0.0, 4.0]])
    yield case("one row", y_pred=[[3.0, 4.0]])
    yield case("a zero row", y_pred=[[3.0, 4.0], [0.0, 0.0], [1.0, 0.0]])
    yield case("scaled", y_pred=[[3e20, 4e20, 1e20], [-2e-20, 1e-20, 0.0]])
    for rows, columns in ((2, 2), (2, 3), (3, 2), (3, 3), (4, 3), (2, 7), (5, 2), (4, 4), (2, 9), (6, 3)):
        for params in ({}, {"mode": "columns"}):
            for scale in (1.0, 100.0):
                yield case("random", params=params, y_pred=[bells(rng, columns, scale) for _ in range(rows)])
