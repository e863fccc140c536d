"""Cross-entropies that bring the last linear layer with them."""

from mpmath import mp

from harness import case, loss
from inputs import bells


def apply(weight, x, bias=None):
    return [mp.fsum(w * a for w, a in zip(row, x)) + (bias[i] if bias else 0) for i, row in enumerate(weight)]


def neg_log_softmax(x, label):
    return mp.log(mp.fsum(mp.exp(a) for a in x)) - x[label]


def matrix(rng, rows, width, scale=1.0):
    return [bells(rng, width, scale) for _ in range(rows)]


def labels(rng, n, classes):
    return [int(classes * rng.random()) for _ in range(n)]


@loss("linear_cross_entropy", differentiate=("y_pred", "weight", "bias"), hessian=("y_pred",), integers=("y_true",))
def linear_cross_entropy(c):
    bias = getattr(c, "bias", None)
    return [neg_log_softmax(apply(c.weight, x, bias), y) for x, y in zip(c.y_pred, c.y_true)]


@linear_cross_entropy.cases
def _(T, rng):
    sizes = [(1, 1, 1), (1, 2, 2), (2, 1, 3), (3, 2, 2), (2, 3, 4), (5, 2, 3), (4, 3, 3), (6, 1, 2)]
    for scale in (0.1, 0.5, 1.0, 1.0, 3.0):
        for n, h, k in sizes:
            inputs = {"y_pred": matrix(rng, n, h), "y_true": labels(rng, n, k), "weight": matrix(rng, k, h, scale)}
            if rng.random() < 0.5:
                inputs["bias"] = bells(rng, k)
            yield case(f"scale {scale:g}", **inputs)
    yield case("by hand", y_pred=[[1, 2]], y_true=[0], weight=[[1, 0], [0, 0.5]])
    yield case("confident", y_pred=[[1, 2]], y_true=[0], weight=[[40, 0], [0, 0.5]])
    yield case("all but certain", y_pred=[[1, 2]], y_true=[1], weight=[[400, 3], [0, 0.5]])


TAILS = ("tail1", "tail2", "tail3")


LAYERS = ("head_weight", "head_bias") + tuple(f"{tail}_{part}" for tail in TAILS for part in ("projection", "output"))


@loss("adaptive_log_softmax", differentiate=("y_pred",) + LAYERS, hessian=("y_pred",), integers=("y_true",))
def adaptive_log_softmax(c):
    tails = [tail for tail in TAILS if hasattr(c, tail + "_output")]
    shortlist = len(c.head_weight) - len(tails)
    values = []
    for x, y in zip(c.y_pred, c.y_true):
        head = apply(c.head_weight, x, getattr(c, "head_bias", None))
        if y < shortlist:
            values.append(neg_log_softmax(head, y))
            continue
        y -= shortlist
        for i, tail in enumerate(tails):
            output = getattr(c, tail + "_output")
            if y < len(output):
                scores = apply(output, apply(getattr(c, tail + "_projection"), x))
                values.append(neg_log_softmax(head, shortlist + i) + neg_log_softmax(scores, y))
                break
            y -= len(output)
    return values


@adaptive_log_softmax.cases
def _(T, rng):
    shapes = [(1, 2, 2, ()), (2, 1, 2, ((1, 2),)), (2, 2, 1, ((1, 1), (1, 2))), (3, 1, 2, ((2, 2), (1, 1), (1, 2)))]
    for scale in (0.1, 0.5, 1.0, 1.0, 2.0):
        for with_bias in (False, True):
            for n, h, shortlist, tails in shapes:
                inputs = {"y_pred": matrix(rng, n, h)}
                classes = shortlist + sum(size for _, size in tails)
                inputs["y_true"] = labels(rng, n, classes)
                inputs["head_weight"] = matrix(rng, shortlist + len(tails), h, scale)
                if with_bias:
                    inputs["head_bias"] = bells(rng, shortlist + len(tails))
                for tail, (narrow, size) in zip(TAILS, tails):
                    inputs[tail + "_projection"] = matrix(rng, narrow, h, scale)
                    inputs[tail + "_output"] = matrix(rng, size, narrow, scale)
                yield case(f"scale {scale:g}", **inputs)
