"""Margin losses of a row of scores, and sparsemax."""

from mpmath import mp, mpf

from harness import KINK_POLICY, case, loss, seeded
from inputs import (
    bell,
    bells,
    logit_rows,
    normalised,
    one_hot,
    rowwise,
    soft_targets,
    sparse_cases,
    under_each_kink_policy,
)
from numeric import max_of, relu, times


def finite(rows):
    """Rows whose sums a double holds."""
    for note, row, target in rows:
        if all(abs(a) < 1e100 for a in row) and len(row) <= 20:
            yield note, row, target


def label_cases(T, rng):
    """Rows of scores with a label: ties, the label within, at and beyond a margin of 1."""
    r = T.round
    yield from finite(sparse_cases(T, seeded("margin rows", T.name), logit_rows))
    up, down = T.up(1.0), T.down(1.0)
    for note, row in (
        ("the margin exactly", [1.0, 0.0, 0.0]),
        ("just beyond the margin", [up, 0.0, -1.0]),
        ("just short of the margin", [down, 0.0, -1.0]),
        ("the margin missed by what is left of a tiny score", [1.0, r(1e-20), -3.0]),
        ("the margin met by what is left of a tiny score", [1.0, r(-1e-20), -3.0]),
        ("the margin, of large scores", [r(2.0**20) + 1, r(2.0**20), 0.0]),
        ("all tie", [0.5, 0.5, 0.5]),
        ("two of three tie", [0.5, 0.25, 0.25]),
    ):
        for label in range(len(row)):
            yield note, row, label
    for scale in (0.1, 1, 10):
        for k in (2, 3, 5, 8, 12):
            yield f"random, scale {scale:g}", [r(scale * a) for a in bells(rng, k)], int(rng.random() * k)


def rows_of(c, c0):
    return zip(c.y_pred, c.y_true, c0.y_pred)


def best(s, y, s0, margin):
    return max_of([a + margin * (j != y) for j, a in enumerate(s)], [a + margin * (j != y) for j, a in enumerate(s0)])


@loss("multiclass_hinge", integers=("y_true",), hessian=True)
def multiclass_hinge(c, c0):
    return [best(s, y, s0, 1) - s[y] for s, y, s0 in rows_of(c, c0)]


@loss("multiclass_perceptron", integers=("y_true",), hessian=True)
def multiclass_perceptron(c, c0):
    return [best(s, y, s0, 0) - s[y] for s, y, s0 in rows_of(c, c0)]


for each in (multiclass_hinge, multiclass_perceptron):
    each.cases(lambda T, rng: rowwise(label_cases(T, rng)))
    each.is_linear = lambda c: True


@loss("multi_margin", params={"p": 1, "margin": 1, **KINK_POLICY}, integers=("y_true",), hessian=True)
def multi_margin(c, c0):
    kink = c.kink if c.p == 1 else 0  # a higher power has none

    def value(s, y, s0):
        others = [j for j in range(len(s)) if j != y]
        return sum(relu(c.margin - s[y] + s[j], c.margin - s0[y] + s0[j], kink) ** c.p for j in others) / len(s)

    return [value(*row) for row in rows_of(c, c0)]


multi_margin.is_linear = lambda c: c.p == 1


@multi_margin.cases
def _(T, rng):
    yield from rowwise(label_cases(T, rng))
    at_margin = [case("at the margin", y_pred=[[1.0, 0.0, 0.0, 0.5]], y_true=[0])]
    at_margin += [case("at the margin", params={"p": 2}, y_pred=[[1.0, 0.0, 0.5]], y_true=[0])]
    yield from under_each_kink_policy(at_margin)
    for params in ({"p": 2}, {"p": 1.5}, {"margin": 0}, {"margin": 0.25}, {"p": 2, "margin": 3}, {"p": 1, "margin": 1}):
        for k in (1, 2, 4, 9):
            row = [T.round(a) for a in bells(rng, k)]
            yield case(f"{params}", params=params, y_pred=[row], y_true=[k // 2])
        yield case(f"{params}, ties", params=params, y_pred=[[1.0, 1.0, 0.75, 0.0]], y_true=[0])


PYTORCH = "PyTorch documentation"
multi_margin.published(PYTORCH, "0.325", y_pred=[[0.1, 0.2, 0.4, 0.8]], y_true=[3])


@loss("multilabel_margin", params=KINK_POLICY, integers=("y_true",), hessian=True)
def multilabel_margin(c, c0):
    def value(s, labels, s0):
        labels = labels[: labels.index(-1)] if -1 in labels else labels
        others = [i for i in range(len(s)) if i not in labels]
        return sum((relu(1 - s[j] + s[i], 1 - s0[j] + s0[i], c.kink) for j in labels for i in others), mpf(0)) / len(s)

    return [value(*row) for row in rows_of(c, c0)]


multilabel_margin.is_linear = lambda c: True


@multilabel_margin.cases
def _(T, rng):
    def padded(labels, k, rest=-1):
        return (labels + [-1] + [rest] * k)[:k]

    for note, row, label in label_cases(T, rng):
        if not note.startswith("random"):
            yield case(note, y_pred=[row], y_true=[padded([label], len(row))])
    for k in (2, 3, 5, 8, 12):
        row = [T.round(a) for a in bells(rng, k)]
        yield case("two labels, and what stands behind them", y_pred=[row], y_true=[padded([k - 1, 0], k, rest=1)])
        yield case("all are labels", y_pred=[row], y_true=[list(range(k))])
        yield case("no labels", y_pred=[row], y_true=[padded([], k, rest=0)])
        yield case("a label twice", y_pred=[row], y_true=[padded([1, 1], k)])
    at_margin = case("at the margin", y_pred=[[2.0, 1.0, 1.0, 2.0, 0.0]], y_true=[[0, 3, -1, -1, -1]])
    yield from [at_margin, *under_each_kink_policy([at_margin])]


multilabel_margin.published(PYTORCH, "0.85", y_pred=[[0.1, 0.2, 0.4, 0.8]], y_true=[[3, 0, -1, 1]])


@loss("categorical_hinge", params=KINK_POLICY, hessian=True)
def categorical_hinge(c, c0):
    def value(p, t, p0):
        rival, rival0 = ([(1 - tc) * pc for pc, tc in zip(row, t)] for row in (p, p0))
        own, own0 = (sum(tc * pc for pc, tc in zip(row, t)) for row in (p, p0))
        return relu(max_of(rival, rival0) - own + 1, max(rival0) - own0 + 1, c.kink)

    return [value(*row) for row in rows_of(c, c0)]


categorical_hinge.is_linear = lambda c: True


@categorical_hinge.cases
def _(T, rng):
    for note, row, label in label_cases(T, rng):
        yield case(note, y_pred=[row], y_true=[one_hot(len(row), label)])
    rows = list(finite(logit_rows(T, seeded("soft margin rows", T.name))))
    yield from rowwise((note, row, t) for note, row, t in soft_targets(T, rng, rows) if "1e-06" not in note)
    rows = ([1.0, 0.0, 0.0], [2.0, 1.0, -1.0])
    kinks = [case("where the value turns 0", y_pred=[row], y_true=[[1.0, 0.0, 0.0]]) for row in rows]
    yield from under_each_kink_policy(kinks)
    yield case("labels -1 and 1", y_pred=[[T.round(a) for a in bells(rng, 4)]], y_true=[[-1, 1, -1, -1]])


KERAS = "Keras documentation"
categorical_hinge.published(KERAS, ["1.2", "1.6"], y_pred=[[0.6, 0.4], [0.4, 0.6]], y_true=[[0, 1], [0, 0]])


@loss("multilabel_soft_margin", hessian=True)
def multilabel_soft_margin(c):
    weight = getattr(c, "class_weight", None)

    def value(x, t):
        terms = [mp.log(1 + mp.exp(a)) - b * a for a, b in zip(x, t)]
        return sum(w * a for w, a in zip(weight or [1] * len(x), terms)) / len(x)

    return [value(x, t) for x, t in zip(c.y_pred, c.y_true)]


@multilabel_soft_margin.cases
def _(T, rng):
    for k in (1, 2, 3, 5, 8, 12):
        for scale in (1e-6, 1, 10, 100):
            row = [T.round(scale * a) for a in bells(rng, k)]
            labels = [float(rng.random() < 0.5) for _ in row]
            yield case(f"random, scale {scale:g}", kind="LOGITS", y_pred=[row], y_true=[labels])
        soft = [T.round(rng.random()) for _ in range(k)]
        row = [T.round(3 * a) for a in bells(rng, k)]
        yield case("soft targets", kind="LOGITS", y_pred=[row], y_true=[soft])
        weight = [T.round(3 * rng.random()) for _ in range(k - 1)] + [0.5]
        yield case("weights", kind="LOGITS", y_pred=[row], y_true=[labels], class_weight=weight)
    for row in ([0.0, 0.0], [88.0, -104.0], [710.0, -745.0], [1000.0, 1000.0], [1e30, 1.0], [T.min_subnormal, 0.0]):
        yield case("extremes", kind="LOGITS", y_pred=[row], y_true=[[1.0, 0.0]])
        yield case("extremes", kind="LOGITS", y_pred=[row], y_true=[[0.0, 1.0]])
    x, t = [[1.0, 2.0], [-0.5, 3.0]], [[1, 0], [1, 1]]
    yield case("two items", kind="LOGITS", y_pred=x, y_true=t, class_weight=[2, 0.5])


def projection(s):
    """Sparsemax: the point of the simplex that is nearest to s."""
    descending, support = sorted(s, reverse=True), 0
    while support < len(s) and 1 + sum(descending[support] - a for a in descending[:support]) > 0:
        support += 1
    tau = (sum(descending[:support]) - 1) / support
    return [max(a - tau, mpf(0)) for a in s]


def gini_conjugate(s):
    p = projection(s)
    return sum(times(a, b) for a, b in zip(p, s)) + (1 - sum(a * a for a in p)) / 2


@loss("multiclass_sparsemax", integers=("y_true",), hessian=True)
def multiclass_sparsemax(c):
    return [gini_conjugate(s) - s[y] for s, y in zip(c.y_pred, c.y_true)]


def simplex_rows(T, rng):
    """Scores on both sides of the support."""
    r = T.round
    yield "one outside", [1.0, 0.5, -0.75, 0.875], 0
    yield "the edge of the support", [1.0, 0.0, 0.0], 1
    yield "the edge of the support", [0.5, 0.5, 0.0], 2
    yield "a tiny probability", [1.0, r(1e-10), -0.5], 0
    yield "a tiny probability", [1.0, T.up(0.0), -0.5], 1
    yield "a tiny probability that is lost", [1.0, -T.up(0.0), -0.5], 1
    yield "just outside", [1.0, r(-1e-10), -0.5], 0
    yield "three at the edge", [r(2 / 3), r(2 / 3), r(1 / 6), r(1 / 6)], 3
    for k in (2, 3, 5, 8, 12, 20):
        for scale in (0.05, 0.5, 2):
            yield f"random, scale {scale:g}", [r(scale * a) for a in bells(rng, k)], int(rng.random() * k)


multiclass_sparsemax.cases(
    lambda T, rng: rowwise([*label_cases(T, rng), *simplex_rows(T, rng)], kind="LOGITS")
)


@loss("fenchel_young", params={"regularizer": ("entropy", "gini")}, hessian=True)
def fenchel_young(c):
    def conjugate(s):
        return mp.log(sum(map(mp.exp, s))) if c.regularizer == "entropy" else gini_conjugate(s)

    return [conjugate(s) - sum(times(a, b) for a, b in zip(t, s)) for s, t in zip(c.y_pred, c.y_true)]


@fenchel_young.cases
def _(T, rng):
    rows = list(finite(logit_rows(T, seeded("fenchel_young", T.name))))
    for name in ("entropy", "gini"):
        params = {} if name == "entropy" else {"regularizer": name}
        for note, row, labels in rows:
            if max(abs(a) for a in row) < 1e6:
                target = one_hot(len(row), labels[0])
                yield case(note, params=params, kind="LOGITS", y_pred=[row], y_true=[target])
        for k in (2, 3, 5, 8, 12):
            row = [T.round(2 * bell(rng)) for _ in range(k)]
            target = normalised(T, [rng.random() for _ in row])
            yield case("soft targets", params=params, kind="LOGITS", y_pred=[row], y_true=[target])
        row = [T.round(a) for a in (0.5, -0.25, 1.5)]
        yield case("targets of sum 2", params=params, kind="LOGITS", y_pred=[row], y_true=[[1, 0, 1]])
        yield case("targets of sum 0", params=params, kind="LOGITS", y_pred=[row], y_true=[[0, 0, 0]])
