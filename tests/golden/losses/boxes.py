"""Losses of two boxes x1 y1 x2 y2, of positive width and height."""

from mpmath import mp, mpf

from harness import case, loss
from inputs import box_pairs
from numeric import max_of, min_of, relu


def overlap(p, t, p0, t0, i):
    """Length of the intersection along axis i."""
    hi, hi0 = min_of([p[i + 2], t[i + 2]], [p0[i + 2], t0[i + 2]]), min(p0[i + 2], t0[i + 2])
    lo, lo0 = max_of([p[i], t[i]], [p0[i], t0[i]]), max(p0[i], t0[i])
    return relu(hi - lo, hi0 - lo0)


def enclosing(p, t, p0, t0, i):
    """Length of the smallest box around both along axis i."""
    return max_of([p[i + 2], t[i + 2]], [p0[i + 2], t0[i + 2]]) - min_of([p[i], t[i]], [p0[i], t0[i]])


def iou_of(p, t, p0, t0):
    intersection = overlap(p, t, p0, t0, 0) * overlap(p, t, p0, t0, 1)
    areas = [(a[2] - a[0]) * (a[3] - a[1]) for a in (p, t)]
    return intersection / (sum(areas) - intersection)


def centre_term(p, t, p0, t0):
    """rho^2 / c^2: the distance of the centres by the diagonal of the box around both."""
    rho2 = sum(((p[i] + p[i + 2] - t[i] - t[i + 2]) / 2) ** 2 for i in (0, 1))
    return rho2 / sum(enclosing(p, t, p0, t0, i) ** 2 for i in (0, 1))


def aspect_term(p, t):
    angles = [mp.atan((a[2] - a[0]) / (a[3] - a[1])) for a in (p, t)]
    return 4 / mp.pi**2 * (angles[1] - angles[0]) ** 2


def pairs(c, c0):
    return zip(c.y_pred, c.y_true, c0.y_pred, c0.y_true)


@loss("ciou", params={"variant": ("detached", "full", "gated")})
def ciou(c, c0):
    values = []
    for p, t, p0, t0 in pairs(c, c0):
        u, v = iou_of(p, t, p0, t0), aspect_term(p, t)
        u0, v0 = (u, v) if c.variant == "full" else (iou_of(p0, t0, p0, t0), aspect_term(p0, t0))
        alpha = v0 / (1 - u0 + v0) if v0 else mpf(0)  # 0 for the same shape, also where IoU = 1 makes it 0 / 0
        if c.variant == "gated" and u0 <= 0.5:
            alpha = mpf(0)
        values.append(1 - u + centre_term(p, t, p0, t0) + alpha * v)
    return values


@ciou.cases
def _(T, rng):
    for variant in ("detached", "full", "gated"):
        params = {} if variant == "detached" else {"variant": variant}
        for note, p, t in box_pairs(T, rng):
            yield case(note, params=params, y_pred=[p], y_true=[t])
    yield case("the default, spelled out", params={"variant": "detached"}, y_pred=[[0, 0, 4, 2]], y_true=[[1, 1, 3, 4]])
    half = [[0, 0, 2, 1]], [[0, 0, 2, 2]]
    for p, t in (half, half[::-1]):
        yield case("IoU = 1/2, not above it", params={"variant": "gated"}, y_pred=p, y_true=t)
