"""Penalties on the weights themselves, element by element."""

from harness import case, loss
from inputs import bell, symmetric


def weight_cases(parameters):
    """`parameters`: sets of them, the first the default."""

    def cases(T, rng):
        sizes = [T.min_subnormal, T.min_normal, 1e-30, 1e-10, 1e-3, 0.1, T.down(1.0), 1.0, T.up(1.0), 3.7, 1e4, 1e19, 1e30]
        sizes += [T.max] + [bell(rng) for _ in range(8)]
        for params in parameters:
            for w in [0.0, -0.0] + symmetric(sizes):
                yield case("every size", params=params, y_pred=[w])
            yield case("several items", params=params, y_pred=[bell(rng) for _ in range(4)])

    return cases


@loss("l1", params={"factor": 0.01}, hessian=True)
def l1(c):
    return [c.factor * abs(w) for w in c.y_pred]


l1.cases(weight_cases(({}, {"factor": 0}, {"factor": 0.3}, {"factor": 50})))
l1.published("Keras documentation, its 25 ones", "0.01", y_pred=[1] * 5)


@loss("l2", params={"factor": 0.01}, hessian=True)
def l2(c):
    return [c.factor * w**2 for w in c.y_pred]


l2.cases(weight_cases(({}, {"factor": 0}, {"factor": 0.3}, {"factor": 50})))
l2.published("Keras documentation: 50 for 25 ones", "2.0", params={"factor": 2}, y_pred=[1] * 25)


@loss("l1_l2", params={"l1": 0, "l2": 0}, hessian=True)
def l1_l2(c):
    return [c.l1 * abs(w) + c.l2 * w**2 for w in c.y_pred]


l1_l2.cases(weight_cases(({"l1": 0.01, "l2": 0.01}, {}, {"l1": 0.3}, {"l2": 0.7}, {"l1": 1, "l2": 30})))
