"""Preference losses, element by element; the inputs are log-probabilities of completions.

Formulas: Rafailov et al. 2023, equation 7, with the label smoothing of Mitchell 2023 (dpo); Azar et al. 2024, equation 17
(ipo); Ethayarajh et al. 2024, equation 8 (kto); Meng, Xia and Chen 2024, equation 6 (simpo).
"""

from mpmath import mp

from harness import case, loss
from inputs import bell, symmetric, uniform


def log_sigmoid(z):
    return -mp.log(1 + mp.exp(-z))


PAIR = {"differentiate": ("y_pred", "policy_rejected"), "hessian": ("y_pred",)}


def gains(c):
    pairs = zip(c.y_pred, c.policy_rejected, c.reference_chosen, c.reference_rejected)
    return [(w - rw) - (l - rl) for w, l, rw, rl in pairs]


def pair(note, w, l, rw, rl, **params):
    return case(note, params=params, y_pred=[w], policy_rejected=[l], reference_chosen=[rw], reference_rejected=[rl])


def pair_cases(T, rng):
    for gain in [0.0] + symmetric([T.min_subnormal, 1e-30, 1e-8, 1e-3, 1.0, 4.9, 5.0, 17.0, 200.0, 880.0, 2000.0]):
        yield pair("every gain", gain, 0.0, 0.0, 0.0)
        yield pair("every gain, of the rejected", -20.0, gain, -20.0, 0.0)
    for scale in (1.0, 30.0, 1e3, 1e5):
        for _ in range(6):
            base = [scale * (bell(rng) - 8) for _ in range(2)]
            yield pair(f"random, {scale:g}", *[a + 3 * bell(rng) for a in base], *base)
    yield pair("all the same", -7.25, -7.25, -7.25, -7.25)
    yield case(
        "two items",
        y_pred=[-3.0, -10.0],
        policy_rejected=[-3.0, -25.0],
        reference_chosen=[-5.0, -15.0],
        reference_rejected=[-5.0, -20.0],
    )


@loss("dpo", params={"beta": 0.1, "label_smoothing": 0}, **PAIR)
def dpo(c):
    eps = c.label_smoothing
    return [-(1 - eps) * log_sigmoid(c.beta * h) - eps * log_sigmoid(-c.beta * h) for h in gains(c)]


@dpo.cases
def _(T, rng):
    yield from pair_cases(T, rng)
    for beta in (0.01, 0.5, 3.0):
        for _ in range(4):
            yield pair("another beta", *[20 * bell(rng) - 90 for _ in range(4)], beta=beta)
    for eps in (1e-3, 0.1, 0.25, 0.5):
        for gain in (0.0, 3.0, -3.0, 70.0, -70.0, 3000.0):
            yield pair("smoothed", -40.0 + gain, -50.0, -40.0, -50.0, label_smoothing=eps)


ONE = {"policy_rejected": [-25], "reference_chosen": [-15], "reference_rejected": [-20]}
dpo.published("by hand: z = 1, ln(1 + 1/e)", "0.31326169", y_pred=[-10], **ONE)


@loss("ipo", params={"beta": 0.1}, **PAIR)
def ipo(c):
    return [(h - 1 / (2 * c.beta)) ** 2 for h in gains(c)]


@ipo.cases
def _(T, rng):
    yield from pair_cases(T, rng)
    for beta in (0.01, 0.5, 0.25, 3.0):
        for _ in range(4):
            yield pair("another beta", *[20 * bell(rng) - 90 for _ in range(4)], beta=beta)


ipo.published("by hand: (10 - 5)^2", "25", y_pred=[-10], **ONE)


@loss("kto", params={"beta": 0.1, "desirable_weight": 1, "undesirable_weight": 1}, hessian=True)
def kto(c):
    values = []
    for p, reference, t, kl in zip(c.y_pred, c.reference, c.y_true, c.kl):
        u = c.beta * (p - reference - kl)
        weight, u = (c.desirable_weight, u) if t == 1 else (c.undesirable_weight, -u)
        values.append(weight * (1 - 1 / (1 + mp.exp(-u))))
    return values


@kto.cases
def _(T, rng):
    def one(note, p, reference, t, kl, **params):
        return case(note, params=params, y_pred=[p], reference=[reference], y_true=[t], kl=[kl])

    for t in (1.0, 0.0):
        for gain in [0.0] + symmetric([T.min_subnormal, 1e-30, 1e-8, 1e-3, 1.0, 17.0, 200.0, 880.0]):
            yield one("every gain", gain, 0.0, t, 0.0)
        for _ in range(12):
            base = 100 * bell(rng) - 800
            yield one("random", base + 9 * bell(rng), base, t, 5 * rng.random())
        for beta in (0.01, 1.0, 4.0):
            for weight in (0.5, 1.33):
                p = uniform(rng, -60, -50)
                params = {"beta": beta, "desirable_weight": weight, "undesirable_weight": 3 * weight}
                yield one("other parameters", p, -55.0, t, 1.0, **params)
    yield case("two items", y_pred=[-8.0, -8.0], reference=[-10.0, -9.0], y_true=[1.0, 0.0], kl=[2.0, 2.0])


kto.published("by hand", "0.5", y_pred=[-8], reference=[-10], y_true=[1], kl=[2])


@loss("simpo", params={"beta": 2, "gamma": 0.5}, **PAIR)
def simpo(c):
    return [-log_sigmoid(c.beta * (w - l) - c.gamma) for w, l in zip(c.y_pred, c.policy_rejected)]


@simpo.cases
def _(T, rng):
    def one(note, w, l, **params):
        return case(note, params=params, y_pred=[w], policy_rejected=[l])

    for gap in [0.0] + symmetric([T.min_subnormal, 1e-30, 1e-8, 1e-3, 0.25, 1.0, 8.5, 44.0, 350.0]):
        yield one("every gap", gap, 0.0)
        yield one("every gap", -1.5, gap)
    yield one("z = 0 and beside it", T.up(0.25), 0.0)
    yield one("z = 0 and beside it", T.down(0.25), 0.0)
    for _ in range(24):
        yield one("random", bell(rng) - 2, bell(rng) - 2)
    for beta, gamma in ((10.0, 3.0), (2.5, 1.4), (0.1, 0.0), (1.0, -0.5)):
        for _ in range(4):
            yield one("other parameters", bell(rng) - 2, bell(rng) - 2, beta=beta, gamma=gamma)


simpo.published("by hand: z = 1, ln(1 + 1/e)", "0.31326169", y_pred=[-1], policy_rejected=[-1.75])
