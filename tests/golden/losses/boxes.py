"""Losses of two boxes x1 y1 x2 y2."""

from mpmath import mp, mpf

from harness import case, loss
from inputs import box_pairs
from numeric import absolute, log, max_of, min_of, relu

# --- Geometry: p and t are the boxes, p0 and t0 the frozen ones ---------------------------------------------------------


def side(a, a0, i):
    return relu(a[i + 2] - a[i], a0[i + 2] - a0[i])


def overlap(p, t, p0, t0, i):
    """Length of the intersection along axis i."""
    hi, hi0 = min_of([p[i + 2], t[i + 2]], [p0[i + 2], t0[i + 2]]), min(p0[i + 2], t0[i + 2])
    lo, lo0 = max_of([p[i], t[i]], [p0[i], t0[i]]), max(p0[i], t0[i])
    return relu(hi - lo, hi0 - lo0)


def enclosing(p, t, p0, t0, i):
    """Length of the smallest box around both along axis i."""
    return max_of([p[i + 2], t[i + 2]], [p0[i + 2], t0[i + 2]]) - min_of([p[i], t[i]], [p0[i], t0[i]])


def ratio(a, b, b0):
    return a / b if b0 != 0 else mpf(0)


def union_of(p, t, p0, t0):
    areas = [side(a, a0, 0) * side(a, a0, 1) for a, a0 in ((p, p0), (t, t0))]
    return sum(areas) - overlap(p, t, p0, t0, 0) * overlap(p, t, p0, t0, 1)


def iou_of(p, t, p0, t0):
    intersection = overlap(p, t, p0, t0, 0) * overlap(p, t, p0, t0, 1)
    return ratio(intersection, union_of(p, t, p0, t0), union_of(p0, t0, p0, t0))


def uncovered(p, t, p0, t0):
    """(A_c - U) / A_c: the empty share of the box around both."""
    area, area0 = (enclosing(*b, 0) * enclosing(*b, 1) for b in ((p, t, p0, t0), (p0, t0, p0, t0)))
    return ratio(area - union_of(p, t, p0, t0), area, area0)


def shift(p, t, i):
    return (p[i] + p[i + 2] - t[i] - t[i + 2]) / 2


def diagonal2(p, t, p0, t0):
    return sum(enclosing(p, t, p0, t0, i) ** 2 for i in (0, 1))


def centre_term(p, t, p0, t0):
    """rho^2 / c^2: the distance of the centres by the diagonal of the box around both."""
    return sum(shift(p, t, i) ** 2 for i in (0, 1)) / diagonal2(p, t, p0, t0)


def aspect_term(p, t):
    angles = [mp.atan((a[2] - a[0]) / (a[3] - a[1])) for a in (p, t)]
    return 4 / mp.pi**2 * (angles[1] - angles[0]) ** 2


def aspect_weight(p, t, u):
    """alpha = v / (1 - IoU + v); 0 for the same shape, also where IoU = 1 makes it 0 / 0."""
    v = aspect_term(p, t)
    return v / (1 - u + v) if v else mpf(0)


def sides_term(p, t, p0, t0):
    differences = [side(p, p0, i) - side(t, t0, i) for i in (0, 1)]
    return sum((d / enclosing(p, t, p0, t0, i)) ** 2 for i, d in enumerate(differences))


def corners(box, box_format):
    a, b, c, d = box
    if box_format == "xywh":
        return [a, b, a + c, b + d]
    if box_format == "cxcywh":
        return [a - c / 2, b - d / 2, a + c / 2, b + d / 2]
    return [b, a, d, c] if box_format == "yxyx" else [a, b, c, d]


def box_loss(name, params=None):
    """Decorates f(c, p, t, p0, t0), the value of one pair; adds the parameters that all have."""
    params = dict(params or {}, box_format=("xyxy", "xywh", "cxcywh", "yxyx"), invalid_box=("clamp", "zero"))

    def register(f):
        def value(c, c0):
            values = []
            for boxes in zip(c.y_pred, c.y_true, c0.y_pred, c0.y_true):
                p, t, p0, t0 = (corners(box, c.box_format) for box in boxes)
                invalid = any(a[0] >= a[2] or a[1] >= a[3] for a in (p0, t0))
                nothing = p0 == t0 and invalid or (invalid and c.invalid_box == "zero")
                values.append(mpf(0) if nothing else f(c, p, t, p0, t0))
            return values

        return loss(name, params=params, hessian=True)(value)

    return register


# --- Cases --------------------------------------------------------------------------------------------------------------

FORMATS = {  # of the boxes 0 0 4 2 and 1 1 3 4
    "xyxy": ([0, 0, 4, 2], [1, 1, 3, 4]),
    "xywh": ([0, 0, 4, 2], [1, 1, 2, 3]),
    "cxcywh": ([2, 1, 4, 2], [2, 2.5, 2, 3]),
    "yxyx": ([0, 0, 2, 4], [1, 1, 4, 3]),
}
DEGENERATE = (  # without, at least one of the two, an area
    ("a point outside", [5, 5, 5, 5], [1, 1, 3, 4]),
    ("a point inside", [2, 2, 2, 2], [1, 1, 3, 4]),
    ("a line inside", [1.5, 2, 2.5, 2], [1, 1, 3, 4]),
    ("inverted", [3, 4, 1, 1.5], [1, 1, 3, 4]),
    ("the true box is a line", [1, 1, 3, 4], [0, 2, 2, 2]),
    ("the same point", [1, 2, 1, 2], [1, 2, 1, 2]),
    ("the same line", [1, 2, 5, 2], [1, 2, 5, 2]),
)


def cases_of(a_loss, *variants, degenerate=True):
    """All pairs with the first set of parameters, some with the others."""

    @a_loss.cases
    def _(T, rng):
        pairs = list(box_pairs(T, rng))
        for k, params in enumerate(variants or ({},)):
            for i, (note, p, t) in enumerate(pairs):
                if k == 0 or i < 2 or i % 4 == k % 4:
                    yield case(note, params=params, y_pred=[p], y_true=[t])
        first = (variants or ({},))[0]
        for box_format, (p, t) in FORMATS.items():
            yield case("formats", params={**first, "box_format": box_format}, y_pred=[p], y_true=[t])
        if degenerate:
            for note, p, t in DEGENERATE:
                yield case(note, params=first, y_pred=[p], y_true=[t])
        yield case("invalid, left out", params={**first, "invalid_box": "zero"}, y_pred=[[3, 3, 3, 4]], y_true=[[1, 1, 4, 4]])
