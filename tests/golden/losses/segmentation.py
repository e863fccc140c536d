"""Overlap and segmentation losses. An item is a region, here a row or, with classes, rows of pixels."""

from mpmath import mpf

from harness import KINK_POLICY, case, loss, seeded
from inputs import bells, one_hot, simplex, under_each_kink_policy
from numeric import absolute, relu


def regions(T, rng):
    """(note, predicted, true): masks and probabilities."""
    r = T.round
    yield "the same mask", [1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0]
    yield "opposite masks", [0.0, 1.0, 0.0], [1.0, 0.0, 1.0]
    yield "half of it", [0.5, 0.5], [1.0, 0.0]
    yield "a whole mask", [0.25, 0.5, 1.0], [1.0, 1.0, 1.0]
    yield "an empty mask", [0.25, 0.5, r(1e-6)], [0.0, 0.0, 0.0]
    yield "an empty mask", [r(1e-9), r(1e-8), 0.0], [0.0, 0.0, 0.0]
    yield "two empty masks", [0.0, 0.0], [0.0, 0.0]
    yield "one pixel", [0.75], [1.0]
    yield "one pixel", [0.75], [0.0]
    yield "one pixel", [1.0], [1.0]
    for rest in (1e-3, 1e-6, 2.0**-24):
        yield f"wrong by {rest:g}", [r(1 - rest), r(rest), r(1 - rest)], [1.0, 0.0, 1.0]
    yield "nothing found", [r(1e-6), r(1e-6), 1.0], [1.0, 1.0, 0.0]
    yield "tiny", [T.min_normal, r(1e-30)], [1.0, 0.0]
    yield "outside [0, 1]", [1.5, -0.25, 0.5], [1.0, 0.0, 0.0]
    yield "soft targets", [0.25, 0.5, 0.9375, 0.125], [0.5, 0.25, 0.875, 0.0]
    for k in (2, 3, 5, 8, 12):
        for share in (0.5, 0.2):
            yield "random", [r(rng.random()) for _ in range(k)], [float(rng.random() < share) for _ in range(k)]
        t = [float(rng.random() < 0.5) for _ in range(k)]
        yield "random, close", [abs(r(a - 0.05 * rng.random())) for a in t], t
        yield "random, soft targets", [r(rng.random()) for _ in range(k)], [r(rng.random()) for _ in range(k)]


def region_cases(T, name, settings, skip=lambda params, p, t: False):
    for params in settings:
        for note, p, t in regions(T, seeded(name, T.name, str(params) if params == settings[0] else "")):
            if not skip(params, p, t):
                yield case(note, params=params, y_pred=[p], y_true=[t])


def sums(p, t):
    return (sum(f(a, b) for a, b in zip(p, t)) for f in (lambda a, b: a * b, lambda a, b: a, lambda a, b: b))


def no_size(params, p, t):
    """0 / 0, a matter of definition."""
    return params.get("smooth_denominator") == 0 and (not any(p) and not any(t))


@loss("dice", params={"smooth_numerator": 0, "smooth_denominator": 1e-7, "square": ("false", "true")}, hessian=True)
def dice(c):
    def value(p, t):
        common, predicted, true = sums(p, t)
        if c.square == "true":
            predicted, true = sum(a * a for a in p), sum(b * b for b in t)
        return 1 - (2 * common + c.smooth_numerator) / (true + predicted + c.smooth_denominator)

    return [value(p, t) for p, t in zip(c.y_pred, c.y_true)]


SMOOTHED = {"smooth_numerator": 1, "smooth_denominator": 1}


@dice.cases
def _(T, rng):
    settings = [{}, SMOOTHED, {"square": "true"}, {"smooth_denominator": 0}]
    yield from region_cases(T, "dice", settings, no_size)
    for params in ({"smooth_denominator": 0}, {"smooth_denominator": 0, "square": "true"}):
        yield case("0 / 0", params=params, y_pred=[[0.0, 0.0]], y_true=[[0.0, 0.0]])


def defined_at_nothing(a_loss, value):
    """The value where the ratio is 0 / 0, with slope 0."""
    textbook = a_loss.value

    def nothing(c):
        return getattr(c, "smooth_denominator") == 0 and not any(c.y_pred[0]) and not any(c.y_true[0])

    a_loss.value = lambda c, c0: [mpf(value)] if nothing(c0) else textbook(c)
    a_loss.takes_frozen = True
    a_loss.slope(lambda c: {"y_pred": [mpf(0)] * len(c.y_pred[0])} if nothing(c) else None)


defined_at_nothing(dice, 1)
KERAS = "Keras documentation"
PREDICTED, TRUE = [[0, 1, 0, 1], [0.4, 0, 0, 0.9]], [[1, 1, 0, 0], [1, 1, 0, 0]]
dice.published(KERAS, ["0.5", "0.7575757"], y_pred=PREDICTED, y_true=TRUE)
dice.published(KERAS, "0.6164384", y_pred=[sum(PREDICTED, [])], y_true=[sum(TRUE, [])])


def tversky_index(c, p, t):
    common, predicted, true = sums(p, t)
    over, missing = predicted - common, true - common
    whole = common + c.alpha * over + c.beta * missing + c.smooth_denominator
    return (common + c.smooth_numerator) / whole


TVERSKY = {"alpha": 0.5, "beta": 0.5, "smooth_numerator": 0, "smooth_denominator": 1e-7}


@loss("tversky", params=TVERSKY, hessian=True)
def tversky(c):
    return [1 - tversky_index(c, p, t) for p, t in zip(c.y_pred, c.y_true)]


WEIGHTED = [{"alpha": 0.3, "beta": 0.7}, {"alpha": 1, "beta": 0.25, **SMOOTHED}]
tversky.cases(lambda T, rng: region_cases(T, "tversky", [{}, *WEIGHTED]))


@loss("focal_tversky", params={"gamma": 0.75, **TVERSKY}, hessian=True)
def focal_tversky(c):
    def power(v):
        return v**c.gamma if v > 0 else mpf(0)

    return [power(1 - tversky_index(c, p, t)) for p, t in zip(c.y_pred, c.y_true)]


@focal_tversky.slope
def _(c):
    """0 where the masks agree exactly, the slope beside it is infinite."""
    agree = 1 - tversky_index(c, c.y_pred[0], c.y_true[0]) <= 0
    return {"y_pred": [mpf(0)] * len(c.y_pred[0])} if agree else None


@focal_tversky.cases
def _(T, rng):
    settings = [{}, {"gamma": 2, "alpha": 0.3, "beta": 0.7}, {"gamma": 1, **SMOOTHED}, {"gamma": 1.5, **SMOOTHED}]
    yield from region_cases(T, "focal_tversky", settings)


focal_tversky.is_definition = lambda c: tversky_index(c, c.y_pred[0], c.y_true[0]) >= 1


@loss("jaccard", params={"smooth_numerator": 0, "smooth_denominator": 1e-7}, hessian=True)
def jaccard(c):
    def value(p, t):
        common, predicted, true = sums(p, t)
        return 1 - (common + c.smooth_numerator) / (true + predicted - common + c.smooth_denominator)

    return [value(p, t) for p, t in zip(c.y_pred, c.y_true)]


jaccard.cases(lambda T, rng: region_cases(T, "jaccard", [{}, SMOOTHED, {"smooth_denominator": 0}], no_size))


@loss("generalized_dice", params={"epsilon": 1e-7, "smooth": 1, "pooled": ("false", "true")}, hessian=True)
def generalized_dice(c):
    def value(p, t):
        classes = range(len(p[0]))
        columns = [[[row[k] for row in a] for a in (p, t)] for k in classes]
        common, predicted, true = zip(*[sums(*column) for column in columns])
        omega = [1 / (a**2 + c.epsilon) for a in true]
        if c.pooled == "true":
            inside = sum(w * a for w, a in zip(omega, common)) + c.smooth
            return 1 - inside / (sum(w * (a + b) / 2 for w, a, b in zip(omega, predicted, true)) + c.smooth)
        losses = [1 - (common[k] + c.smooth) / ((predicted[k] + true[k]) / 2 + c.smooth) for k in classes]
        return sum(w * v for w, v in zip(omega, losses)) / sum(omega)

    return [value(p, t) for p, t in zip(c.y_pred, c.y_true)]


def class_regions(T, rng):
    """(note, [pixels][classes], labels)."""
    r = T.round
    yield "right", [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [0, 1, 0]
    yield "wrong", [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]], [0, 1, 0]
    yield "even", [[0.5, 0.5], [0.5, 0.5]], [0, 1]
    yield "one class alone", [[0.75, 0.25], [0.25, 0.75]], [0, 0]
    yield "one pixel", [[0.25, 0.25, 0.5]], [2]
    yield "one class", [[0.75], [1.0]], [0, 0]
    yield "wrong by little", [[r(1 - 1e-6), r(1e-6)], [r(1e-6), r(1 - 1e-6)]], [0, 1]
    yield "a class that does not occur", [[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]], [0, 1]
    for pixels, classes in ((2, 2), (3, 2), (4, 3), (6, 2), (5, 4), (12, 2), (8, 3)):
        for _ in range(4):
            labels = [int(rng.random() * classes) for _ in range(pixels)]
            yield "random", [simplex(T, rng, classes) for _ in labels], labels


@generalized_dice.cases
def _(T, rng):
    for params in ({}, {"epsilon": 1, "smooth": 0.5}, {"pooled": "true"}):
        for note, p, labels in class_regions(T, seeded("generalized_dice", T.name, str(params))):
            if params and len(labels) > 4:
                continue
            yield case(note, params=params, y_pred=[p], y_true=[[one_hot(len(p[0]), y) for y in labels]])
    soft = [simplex(T, rng, 3) for _ in range(4)]
    yield case("soft targets", y_pred=[[simplex(T, rng, 3) for _ in soft]], y_true=[soft])


def lovasz(errors, errors0, target):
    """The Lovasz extension of the Jaccard loss: Berman et al. 2018, algorithm 1. Ties by index."""
    order = sorted(range(len(errors)), key=lambda i: (-errors0[i], i))
    total, value, before = sum(target), mpf(0), mpf(0)
    inside, outside = mpf(0), mpf(0)
    for i in order:
        inside, outside = inside + target[i], outside + 1 - target[i]
        after = 1 - (total - inside) / (total + outside)
        value += errors[i] * (after - before)
        before = after
    return value


@loss("lovasz_hinge", params=KINK_POLICY, hessian=True)
def lovasz_hinge(c, c0):
    def value(x, t, x0):
        errors, errors0 = ([1 - (2 * b - 1) * a for a, b in zip(row, t)] for row in (x, x0))
        return lovasz([relu(e, e0, c.kink) for e, e0 in zip(errors, errors0)], errors0, t)

    return [value(*row) for row in zip(c.y_pred, c.y_true, c0.y_pred)]


lovasz_hinge.is_linear = lambda c: True


@lovasz_hinge.cases
def _(T, rng):
    def one(note, x, t):
        return case(note, kind="LOGITS", y_pred=[[T.round(a) for a in x]], y_true=[t])

    yield one("by hand", [-1, 0.5, 0.5], [1, 0, 1])
    yield one("all right", [3, -2, 4], [1, 0, 1])
    yield one("all wrong", [-3, 2, -4], [1, 0, 1])
    at_hinge = one("at the hinge", [1, -1, 0.5, T.up(1.0)], [1, 0, 1, 1])
    yield from [at_hinge, *under_each_kink_policy([at_hinge])]
    yield one("errors that tie", [0.5, -0.5, 0.5, 0, 0], [1, 0, 1, 0, 1])
    yield one("all scores 0", [0, 0, 0, 0], [1, 0, 0, 1])
    yield one("an empty mask", [0.5, -2, 1.5], [0, 0, 0])
    yield one("an empty mask, all right", [-1.5, -2], [0, 0])
    yield one("a whole mask", [0.5, -2, 1.5], [1, 1, 1])
    yield one("one pixel", [0.25], [1])
    yield one("one pixel", [0.25], [0])
    yield one("large and tiny scores", [1e30, -1e18, 1e-30, T.min_subnormal], [0, 1, 1, 0])
    yield one("soft targets", [0.5, -1.25, 2, 0.75], [0.25, 0.5, 0.875, 0])
    for k in (2, 3, 5, 8, 12):
        for scale in (0.1, 1, 10):
            for share in (0.5, 0.2):
                x, t = [scale * a for a in bells(rng, k)], [float(rng.random() < share) for _ in range(k)]
                yield one(f"random, scale {scale:g}", x, t)


@loss("lovasz_softmax", integers=("y_true",), hessian=True)
def lovasz_softmax(c, c0):
    def value(p, labels, p0):
        total, present = mpf(0), sorted(set(labels))
        for k in present:
            own = [mpf(y == k) for y in labels]
            errors, errors0 = ([a - row[k] for a, row in zip(own, rows)] for rows in (p, p0))
            sizes = [absolute(e, e0) for e, e0 in zip(errors, errors0)]
            total += lovasz(sizes, [abs(e) for e in errors0], own)
        return total / len(present)

    return [value(*item) for item in zip(c.y_pred, c.y_true, c0.y_pred)]


lovasz_softmax.is_linear = lambda c: True


@lovasz_softmax.cases
def _(T, rng):
    for note, p, labels in class_regions(T, rng):
        yield case(note, kind="PROBABILITIES", y_pred=[p], y_true=[labels])
    ties = [([[0.5, 0.5]] * 4, [0, 1, 1, 0]), ([[0.25, 0.75], [0.75, 0.25], [0.75, 0.25]], [0, 1, 0])]
    ties += [([[0.25, 0.5, 0.25]] * k, [i % 3 for i in range(k)]) for k in (1, 2, 3, 5)]
    ties += [([[0.0, 1.0]] * k, [i % 2 for i in range(k)]) for k in (1, 2, 4)]
    for p, labels in ties:
        yield case("errors that tie", kind="PROBABILITIES", y_pred=[p], y_true=[labels])
