"""Divergences between distributions."""

import math

from mpmath import mp, mpf

from harness import F32, INF, case, loss, seeded
from inputs import bells, simplex
from numeric import clip, log, sqrt, times

BOTH = ("y_pred", "y_true")


def rows(c):
    return zip(c.y_pred, c.y_true)


def each(c, *slopes):
    """{input: slopes} of a function of (p, t) for each input, element by element."""
    return {
        name: [slope(p, t) for row in rows(c) for p, t in zip(*row)]
        for name, slope in zip(BOTH, slopes)
    }


def distributions(T, rng, widths=(1, 2, 3, 4, 5, 7, 8, 9, 12)):
    """(note, p, t), entries > 0."""
    quarter = [0.25, 0.25, 0.5]
    yield "equal", quarter, quarter
    yield "one class", [1.0], [1.0]
    yield "one class", [0.25], [0.75]
    yield "uniform", [0.25] * 4, [0.25] * 4
    yield "moved by one step", [T.up(0.25), 0.25, T.down(0.5)], quarter
    for shift in (2.0**-22, 2.0**-16, 2.0**-10, 2.0**-4):
        yield f"moved by {shift:g}", [0.25 + shift, 0.25, 0.5 - shift], quarter
        yield f"moved by {shift:g}", [0.25 + shift, 0.25 - shift], [0.25, 0.25]
    yield "ratios about 2", [0.5, 0.25, 0.25], [0.25, 0.5, 0.25]
    yield "ratios about 2", [0.3, 0.7 * 0.5, 0.35], [0.6, 0.175, 0.225]
    yield "confident", [1 - 2.0**-20, 2.0**-21, 2.0**-21], [0.5, 0.25, 0.25]
    yield "confident", [2.0**-21, 1 - 2.0**-20, 2.0**-21], [1 - 2.0**-10, 2.0**-11, 2.0**-11]
    yield "tiny entries", [1e-30, 0.5, 0.5], [1e-10, 0.75, 0.25]
    yield "tiny entries", [0.1, 0.9], [1e-35, 1.0]
    yield "the least number there is", [T.min_subnormal, 1.0], [0.5, 0.5]
    yield "the least number there is", [0.5, 0.5], [T.min_subnormal, 1.0]
    yield "tiny sums", [3e-20, 1e-20], [1e-20, 2e-20]
    yield "unnormalised", [3.0, 0.5, 2.0], [1.0, 4.0, 0.25]
    yield "huge", [1e30, 2e30], [2e30, 5e29]
    for k in widths:
        yield "random", simplex(T, rng, k), simplex(T, rng, k)
    for k in (2, 5):
        t = simplex(T, rng, k)
        yield "random, near", [a * (1 + 1e-3 * b) for a, b in zip(t, bells(rng, k))], t
        yield "random, unnormalised", simplex(T, rng, k, 3.0), simplex(T, rng, k, 0.7)


def with_zeros(T, rng):
    yield "one hot", [0.25, 0.5, 0.25], [0.0, 1.0, 0.0]
    yield "one hot, both", [0.0, 1.0], [0.0, 1.0]
    yield "a class that neither has", [0.25, 0.0, 0.75], [0.5, 0.0, 0.5]
    yield "no prediction where there is a target", [0.0, 1.0], [0.5, 0.5]
    yield "no target where there is a prediction", [0.5, 0.5], [0.0, 1.0]
    yield "disjoint", [1.0, 0.0], [0.0, 1.0]


def everything(T, rng):
    yield from distributions(T, rng)
    yield from with_zeros(T, rng)


def cases(groups, **options):
    for note, p, t in groups:
        yield case(note, y_pred=[p], y_true=[t], **options)


def logs(T, rng, groups, **options):
    """The same with the logarithm of p, and of t where options say so."""
    log_target = options.get("params", {}).get("log_target") == "true"
    for note, p, t in groups:
        p, t = [list(map(T.round, a)) for a in (p, t)]
        p = [math.log(a) if a else -200.0 for a in p]
        t = [math.log(a) if a else -250.0 for a in t] if log_target else t
        yield case(note, y_pred=[p], y_true=[t], **options)


def ordinary(T, rng):
    """Those that logarithms do not bring out of reach: no two that nearly agree."""
    skip = ("equal", "uniform", "moved", "the least", "huge", "random, near", "tiny sums", "one class", "one hot, both")
    return [row for row in everything(T, rng) if not row[0].startswith(skip)]


# --- Kullback-Leibler -------------------------------------------------------------------------------------------------


def masses(c, c0=None):
    """Rows of (p, t, whether p and t are inside the clip)."""
    for (ps, ts), (p0s, t0s) in zip(rows(c), rows(c0 or c)):
        row = []
        for p, t, p0, t0 in zip(ps, ts, p0s, t0s):
            p = mp.exp(p) if c.kind == "LOG_PROBABILITIES" else p
            t = mp.exp(t) if c.log_target == "true" else t
            inside = [True, True]
            if c.clip == "KERAS_CLIP":
                lo = mpf(c.T.clip_lo)
                inside = [lo <= p0 <= 1, lo <= t0 <= 1]
                p, t = clip(p, lo, mpf(1), p0), clip(t, lo, mpf(1), t0)
            row.append((p, t, *inside))
        yield row


def log_ratio(x, y):
    return mpf(0) if x == 0 == y else log(x) - log(y)


@loss("kl_divergence", params={"log_target": ("false", "true")}, differentiate=BOTH, hessian=("y_pred",))
def kl_divergence(c, c0):
    return [sum(times(t, log(t) - log(p)) for p, t, _, _ in row) for row in masses(c, c0)]


@kl_divergence.slope
def _(c):
    def of_p(p, t, inside, _):
        if c.kind == "LOG_PROBABILITIES":
            return -t
        return mpf(0) if t == 0 or not inside else -t / p if p else -mp.inf

    def of_t(p, t, _, inside):
        slope = mpf(0) if t == 0 == p or not inside else log_ratio(t, p) + 1
        return slope * t if c.log_target == "true" else slope

    return {name: [f(*m) for row in masses(c) for m in row] for name, f in zip(BOTH, (of_p, of_t))}


kl_divergence.is_linear = lambda c: c.kind == "LOG_PROBABILITIES"


@kl_divergence.cases
def _(T, rng):
    def groups(which=everything):
        return which(T, seeded("kl_divergence", T.name))

    on_log = {"log_target": "true"}
    yield from cases(groups(), kind="PROBABILITIES")
    yield from cases(groups(), kind="PROBABILITIES", clip="KERAS_CLIP")
    lo = T.clip_lo
    for a in (T.down(lo), lo, T.up(lo), 0.0, 1e-30):
        yield case("about the clip", kind="PROBABILITIES", clip="KERAS_CLIP", y_pred=[[a, 0.5]], y_true=[[0.25, 0.75]])
        yield case("about the clip", kind="PROBABILITIES", clip="KERAS_CLIP", y_pred=[[0.25, 0.5]], y_true=[[a, 0.75]])
    yield case("above 1", kind="PROBABILITIES", clip="KERAS_CLIP", y_pred=[[1.5, 0.5]], y_true=[[2.0, 0.75]])
    yield from logs(T, rng, groups(ordinary), kind="LOG_PROBABILITIES")
    yield from logs(T, rng, groups(ordinary), kind="LOG_PROBABILITIES", params=on_log)
    for note, p, t in groups(ordinary)[:12]:
        if min(p) > 0:
            t = [math.log(a) if a else -250.0 for a in map(T.round, t)]
            yield case(note, kind="PROBABILITIES", params=on_log, y_pred=[p], y_true=[t])


kl_divergence.published(
    "optax, kl_divergence_test",
    ["0.8875"],
    kind="LOG_PROBABILITIES",
    y_pred=[[-2.9957, -3.5066, -3.9120, -1.2040, -0.6931, -2.3026]],
    y_true=[[0.2, 0.2, 0.2, 0.1, 0.15, 0.15]],
)


@loss("reverse_kl_divergence", differentiate=BOTH, hessian=("y_pred",))
def reverse_kl_divergence(c):
    return [sum(times(p, log(p) - log(t)) for p, t in zip(*row)) for row in rows(c)]


@reverse_kl_divergence.slope
def _(c):
    return each(
        c,
        lambda p, t: mpf(0) if p == 0 == t else log_ratio(p, t) + 1,
        lambda p, t: mpf(0) if p == 0 else -p / t if t else -mp.inf,
    )


@reverse_kl_divergence.cases
def _(T, rng):
    yield from cases(everything(T, rng), kind="PROBABILITIES")


@loss("generalized_kl_divergence", params={"log_target": ("false", "true")}, differentiate=BOTH, hessian=("y_pred",))
def generalized_kl_divergence(c):
    return [sum(times(t, log(t) - log(p)) - t + p for p, t, _, _ in row) for row in masses(c)]


@generalized_kl_divergence.slope
def _(c):
    def of_t(p, t):
        slope = mpf(0) if p == 0 == t else log_ratio(t, p)
        return slope * t if c.log_target == "true" else slope

    pairs = [(p, t) for row in masses(c) for p, t, _, _ in row]
    return {"y_pred": [p - t for p, t in pairs], "y_true": [of_t(p, t) for p, t in pairs]}


@generalized_kl_divergence.cases
def _(T, rng):
    groups = [row for row in ordinary(T, rng) if all(p != t or T is F32 for p, t in zip(*row[1:]))]
    yield from logs(T, rng, groups, kind="LOG_PROBABILITIES")
    yield from logs(T, rng, groups, kind="LOG_PROBABILITIES", params={"log_target": "true"})
    for x, t in ((0.0, 2.0), (-5.0, 1e-3), (3.0, 0.5), (1.0, 0.0), (-80.0, 1.0), (0.0, 0.75), (-1.0, 0.5), (-2.0, 0.25), (2.0, 5.0)):
        yield case("one", kind="LOG_PROBABILITIES", y_pred=[[x]], y_true=[[t]])


# --- Jensen-Shannon, entropies ----------------------------------------------------------------------------------------


@loss(
    "js_divergence",
    params={"beta": 0.5, "base": math.e, "sqrt": ("false", "true")},
    differentiate=BOTH,
    hessian=("y_pred",),
)
def js_divergence(c):
    values = []
    for ps, ts in rows(c):
        j = mpf(0)
        for p, t in zip(ps, ts):
            m = c.beta * t + (1 - c.beta) * p
            j += c.beta * times(t, log_ratio(t, m)) + (1 - c.beta) * times(p, log_ratio(p, m))
        values.append(j / mp.log(c.base))
    return [sqrt(max(j, mpf(0))) for j in values] if c.sqrt == "true" else values


@js_divergence.slope
def _(c):
    out = {"y_pred": [], "y_true": []}
    for (ps, ts), value in zip(rows(c), js_divergence.value(c)):
        factor = 1 / mp.log(c.base)
        if c.sqrt == "true":
            factor = factor / (2 * value) if value > mpf("1e-300") else mpf(0)
        for p, t in zip(ps, ts):
            m = c.beta * t + (1 - c.beta) * p
            for name, a, share in (("y_pred", p, 1 - c.beta), ("y_true", t, c.beta)):
                ratio = log_ratio(a, m)
                out[name].append(times(factor, share * ratio))
    return out


# In a class that neither row has, the mixture stays away: 0, where a derivative from one side is not.
js_divergence.is_definition = lambda c: any(p == 0 == t for row in rows(c) for p, t in zip(*row))


@js_divergence.cases
def _(T, rng):
    groups = list(everything(T, rng))
    yield from cases(groups, kind="PROBABILITIES")
    for params in ({"base": 2}, {"beta": 0.1}, {"sqrt": "true"}, {"beta": 0.75, "base": 10, "sqrt": "true"}):
        yield from cases(groups[::3] + groups[-6:], kind="PROBABILITIES", params=params)


SCIPY = "SciPy, jensenshannon"
IN_BITS = {"base": 2, "sqrt": "true"}
js_divergence.published(SCIPY, "1.0", kind="PROBABILITIES", params=IN_BITS, y_pred=[[0, 1, 0]], y_true=[[1, 0, 0]])
js_divergence.published(
    SCIPY, "0.46450140402246", kind="PROBABILITIES", params={"sqrt": "true"}, y_pred=[[0.5, 0.5]], y_true=[[1, 0]]
)


@loss("entropy", hessian=True)
def entropy(c):
    values = []
    for x in c.y_pred:
        if c.kind == "LOGITS":
            s = sum(map(mp.exp, x))
            x = [mp.exp(a) / s for a in x]
        values.append(-sum(times(a, log(a)) for a in x))
    return values


@entropy.slope
def _(c):
    if c.kind == "PROBABILITIES":
        return {"y_pred": [-(log(a) + 1) for x in c.y_pred for a in x]}
    slopes = []
    for x in c.y_pred:
        s = sum(map(mp.exp, x))
        shares = [mp.exp(a) / s for a in x]
        h = -sum(times(a, log(a)) for a in shares)
        slopes += [times(-a, log(a) + h) for a in shares]
    return {"y_pred": slopes}


@entropy.cases
def _(T, rng):
    for note, p, _ in everything(T, rng):
        yield case(note, kind="PROBABILITIES", y_pred=[p])
    yield case("nothing", kind="PROBABILITIES", y_pred=[[0.0, 0.0]])
    for k in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12):
        yield case("random", kind="PROBABILITIES", y_pred=[simplex(T, rng, k)])
    for x in ([0.0, 0.0], [3.0], [1.0, 1.0, 1.0, T.up(1.0)], [0.0, 40.0], [0.0, 60.0, -5.0], [1e4, 1e4 + 1], [-1e4, 1e4]):
        yield case("logits", kind="LOGITS", y_pred=[x])
    yield case("an impossible class", kind="LOGITS", y_pred=[[1.0, -INF, 2.0]])
    for x in ([T.max, -T.max], [1e30, 0.0], [0.5, 17.0, 17.0], [-800.0, -800.5], [0.0, 1e-5], [0.0, -1e-3, 2e-3]):
        yield case("logits", kind="LOGITS", y_pred=[x])
    for scale in (0.1, 1.0, 10.0):
        for k in (2, 3, 4, 5, 7, 8, 9, 10, 12):
            yield case("random", kind="LOGITS", y_pred=[bells(rng, k, scale)])


@loss("cross_entropy", differentiate=BOTH, hessian=("y_pred",))
def cross_entropy(c):
    return [-sum(times(t, p if c.kind == "LOG_PROBABILITIES" else log(p)) for p, t in zip(*row)) for row in rows(c)]


@cross_entropy.slope
def _(c):
    if c.kind == "LOG_PROBABILITIES":
        return each(c, lambda p, t: -t, lambda p, t: -p)
    return each(c, lambda p, t: mpf(0) if t == 0 else -t / p if p else -mp.inf, lambda p, t: -log(p))


cross_entropy.is_linear = lambda c: c.kind == "LOG_PROBABILITIES"


@cross_entropy.cases
def _(T, rng):
    yield from cases(everything(T, rng), kind="PROBABILITIES")
    yield from logs(T, rng, everything(T, rng), kind="LOG_PROBABILITIES")
