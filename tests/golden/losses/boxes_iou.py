"""Losses of the overlap of two boxes; the geometry stands in boxes.py."""

from mpmath import mp, mpf

from boxes import (
    absolute,
    aspect_term,
    aspect_weight,
    box_loss,
    cases_of,
    centre_term,
    diagonal2,
    enclosing,
    iou_of,
    log,
    max_of,
    min_of,
    shift,
    side,
    sides_term,
    uncovered,
)

A = dict(y_pred=[[0, 0, 4, 2]], y_true=[[1, 1, 3, 4]])


@box_loss("iou", {"mode": ("linear", "log", "square"), "epsilon": 1e-6})
def iou(c, p, t, p0, t0):
    u = iou_of(p, t, p0, t0)
    if c.mode == "log":
        return -log(u if iou_of(p0, t0, p0, t0) >= c.epsilon else c.epsilon)
    return 1 - u**2 if c.mode == "square" else 1 - u


cases_of(iou, {}, {"mode": "log"}, {"mode": "square"}, {"mode": "log", "epsilon": 0.25})
iou.published("mmdetection's formula, Yu et al. 2016", "1.791759469", params={"mode": "log"}, **A)


@box_loss("giou")
def giou(c, *boxes):
    return 1 - iou_of(*boxes) + uncovered(*boxes)


cases_of(giou)
giou.published(
    "TensorFlow Addons documentation",
    "1.5041667",
    params={"box_format": "yxyx"},
    y_pred=[[3.0, 4.0, 6.0, 8.0], [14.0, 14.0, 15.0, 15.0]],
    y_true=[[4.0, 3.0, 7.0, 5.0], [5.0, 6.0, 10.0, 7.0]],
)


@box_loss("diou")
def diou(c, *boxes):
    return 1 - iou_of(*boxes) + centre_term(*boxes)


cases_of(diou)


@box_loss("ciou", {"variant": ("detached", "full", "gated")})
def ciou(c, p, t, p0, t0):
    u, v = iou_of(p, t, p0, t0), aspect_term(p, t)
    alpha = aspect_weight(p, t, u) if c.variant == "full" else aspect_weight(p0, t0, iou_of(p0, t0, p0, t0))
    if c.variant == "gated" and iou_of(p0, t0, p0, t0) <= 0.5:
        alpha = mpf(0)
    if p0 == t0:  # beside it 1 - IoU grows with the distance and v with its square: alpha v is flat to the second order
        alpha = mpf(0)
    return 1 - u + centre_term(p, t, p0, t0) + alpha * v


cases_of(ciou, {}, {"variant": "full"}, {"variant": "gated"}, degenerate=False)


@box_loss("eiou")
def eiou(c, *boxes):
    return 1 - iou_of(*boxes) + centre_term(*boxes) + sides_term(*boxes)


cases_of(eiou, degenerate=False)


@box_loss("focal_eiou", {"gamma": 0.5, "detach": ("true", "false")})
def focal_eiou(c, p, t, p0, t0):
    u = iou_of(p0, t0, p0, t0) if c.detach == "true" else iou_of(p, t, p0, t0)
    weight = mpf(1) if c.gamma == 0 else mpf(0) if iou_of(p0, t0, p0, t0) == 0 else u**c.gamma
    return weight * eiou_of(p, t, p0, t0)


def eiou_of(*boxes):
    return 1 - iou_of(*boxes) + centre_term(*boxes) + sides_term(*boxes)


cases_of(focal_eiou, {}, {"detach": "false"}, {"gamma": 2}, {"gamma": 0}, {"gamma": 1, "detach": "false"}, degenerate=False)


def power(a, a0, alpha):
    return mpf(0) if a0 == 0 else a**alpha


@box_loss("alpha_iou", {"alpha": 3, "kind": ("iou", "giou", "diou", "ciou")})
def alpha_iou(c, p, t, p0, t0):
    boxes, frozen = (p, t, p0, t0), (p0, t0, p0, t0)
    value = 1 - power(iou_of(*boxes), iou_of(*frozen), c.alpha)
    if c.kind == "giou":
        value += power(uncovered(*boxes), uncovered(*frozen), c.alpha)
    if c.kind in ("diou", "ciou"):
        value += power(centre_term(*boxes), centre_term(*frozen), c.alpha)
    if c.kind == "ciou":
        weight = aspect_weight(p0, t0, iou_of(*frozen))
        value += power(weight * aspect_term(p, t), weight * aspect_term(p0, t0), c.alpha)
    return value


cases_of(alpha_iou, {}, {"kind": "giou"}, {"kind": "diou"}, {"kind": "ciou"}, {"alpha": 0.5}, degenerate=False)


@box_loss("siou", {"theta": 4})
def siou(c, p, t, p0, t0):
    d, d0 = ([shift(*b, i) for i in (0, 1)] for b in ((p, t), (p0, t0)))
    if d0 == [0, 0]:
        direction = mpf(0)
    else:
        # at |dx| = |dy| both give the same sine, of which there is no kink
        nearer = min((abs(a0), absolute(a, a0)) for a, a0 in zip(d, d0))[1]
        direction = mp.sin(2 * mp.asin(nearer / mp.sqrt(d[0] ** 2 + d[1] ** 2)))
    pulls = [(2 - direction) * (d[i] / enclosing(p, t, p0, t0, i)) ** 2 for i in (0, 1)]
    value = 1 - iou_of(p, t, p0, t0) + sum(1 - mp.exp(-a) for a in pulls) / 2
    for i in (0, 1):
        w, W, w0 = side(p, p0, i), side(t, t0, i), side(p0, p0, i)
        omega = absolute(w - W, w0 - W) / max_of([w, W], [w0, W])
        value += power(1 - mp.exp(-omega), abs(w0 - W), c.theta) / 2
    return value


cases_of(siou, {}, {"theta": 1}, {"theta": 2.5}, degenerate=False)


def wiou(p, t, p0, t0):
    apart = sum(shift(p, t, i) ** 2 for i in (0, 1)) / diagonal2(p0, t0, p0, t0)
    return mp.exp(apart) * (1 - iou_of(p, t, p0, t0))


@box_loss("wiou_v1")
def wiou_v1(c, *boxes):
    return wiou(*boxes)


cases_of(wiou_v1)


@box_loss("wiou_v2", {"gamma": 0.5, "iou_mean": 1})
def wiou_v2(c, p, t, p0, t0):
    return ((1 - iou_of(p0, t0, p0, t0)) / c.iou_mean) ** c.gamma * wiou(p, t, p0, t0)


cases_of(wiou_v2, {"iou_mean": 0.5}, {}, {"gamma": 2}, {"gamma": 0})


@box_loss("wiou_v3", {"alpha": 1.9, "delta": 3, "iou_mean": 1})
def wiou_v3(c, p, t, p0, t0):
    beta = (1 - iou_of(p0, t0, p0, t0)) / c.iou_mean
    return beta / (c.delta * c.alpha ** (beta - c.delta)) * wiou(p, t, p0, t0)


cases_of(wiou_v3, {"iou_mean": 0.5}, {}, {"alpha": 1.7, "delta": 2.7}, {"iou_mean": 0.01})


@box_loss("extended_iou", {"smooth_point": 0.1})
def extended_iou(c, p, t, p0, t0):
    near, near0, far, far0 = [], [], [], []
    for b, b0, n, f in ((p, p0, near, far), (p0, p0, near0, far0)):
        for i in (0, 1):
            corner = min_of([b[i], t[i]], [b0[i], t[i]])
            n.append(max_of([b[i], t[i]], [b0[i], t[i]]) - corner)
            f.append(min_of([b[i + 2], t[i + 2]], [b0[i + 2], t[i + 2]]) - corner)
    lo = [min_of([near[i], far[i]], [near0[i], far0[i]]) for i in (0, 1)]
    hi = [max_of([near[i], far[i]], [near0[i], far0[i]]) for i in (0, 1)]
    inside = far[0] * far[1] + lo[0] * lo[1] - near[0] * hi[1] - hi[0] * near[1]
    areas = [side(a, a0, 0) * side(a, a0, 1) for a, a0 in ((p, p0), (t, t0))]
    u = 1 - inside / (sum(areas) - inside)
    return u**2 / (2 * c.smooth_point) if u < c.smooth_point else u - c.smooth_point / 2


cases_of(extended_iou, {}, {"smooth_point": 1}, degenerate=False)
