"""Inputs that hurt, for tables of cases: each function makes a list of cases, a case is arrays by input name.

Floating-point numbers are made in float64 and rounded to float32, so that both dtypes compute on the same numbers and
ties stay ties. The harness casts them; integers and booleans are left as they are.
"""

import itertools
import math

import numpy as np

SEED = 20261122
SHAPES = [(7,), (2, 3, 4), (17, 33)]
ROWS = [(1, 2), (2, 3, 5), (9, 130)]  # the last axis is the row


def f32(array):
    return np.asarray(array, np.float64).astype(np.float32).astype(np.float64)


class Domain:
    """What one input may be: `sample(rng, shape)` is typical, `special` are the values where formulas break."""

    def __init__(self, sample, special):
        self.sample = sample
        self.special = special


REALS = Domain(lambda rng, shape: rng.normal(0, 2, shape), [0, 1e-4, -1e-4, 0.25, -0.75, 2, -3, 100, -1000, 3e4])
LOGITS = Domain(lambda rng, shape: rng.normal(0, 4, shape), [0, 1e-4, -1e-3, 0.5, -2, 15, -20, 40, -80, 500])
# Neither 1e-7 nor 1 - 1e-7 themselves: what holds on the edge of a clip is a row of its own.
PROBABILITIES = Domain(
    lambda rng, shape: rng.uniform(0, 1, shape), [0, 1e-9, 3e-7, 1e-3, 0.25, 0.5, 0.9, 1 - 1e-3, 1 - 1e-6, 1]
)
INSIDE = Domain(lambda rng, shape: rng.uniform(0.01, 0.99, shape), [1e-5, 1e-3, 0.25, 0.5, 0.9, 1 - 1e-3])
POSITIVE = Domain(lambda rng, shape: rng.gamma(2, 1, shape) + 1e-3, [1e-3, 0.1, 0.5, 1, 2, 30, 1000])
COUNTS = Domain(lambda rng, shape: rng.poisson(3, shape).astype(float), [0, 1, 2, 3, 20, 170])
HARD = Domain(lambda rng, shape: rng.integers(0, 2, shape).astype(float), [0, 1])
SIGNS = Domain(lambda rng, shape: rng.choice([-1.0, 1.0], shape), [-1, 1])
SOFT = Domain(lambda rng, shape: rng.uniform(0, 1, shape), [0, 1, 0.5, 0.25, 1e-4])
WEIGHTS = Domain(lambda rng, shape: rng.uniform(0, 3, shape), [0, 1, 2.5])


def elements(ties=False, distinct=False, **domains):
    """Random tensors of several shapes; then every combination of the special values, each an item of its own.

    ties: the first two inputs hold equal numbers in places; distinct: nowhere.
    """
    rng = np.random.default_rng(SEED)
    cases = []
    for shape in SHAPES:
        case = {name: f32(domain.sample(rng, shape)) for name, domain in domains.items()}
        if ties:
            first, second = list(case)[:2]
            same = rng.random(shape) < 0.2
            case[first] = np.where(same, case[second], case[first])
        cases.append(case)
    grid = np.array(list(itertools.product(*(domain.special for domain in domains.values()))), float)
    if distinct:
        grid = grid[grid[:, 0] != grid[:, 1]]
    # [n, 1]: a mean over the last axis (Keras) then mixes nothing.
    cases.append({name: f32(grid[:, i : i + 1]) for i, name in enumerate(domains)})
    return cases


def one_case(**arrays):
    """One case, spelled out."""
    return [{name: f32(a) if np.asarray(a).dtype.kind == "f" else np.asarray(a) for name, a in arrays.items()}]


def on_simplex(rng, shape):
    p = rng.gamma(1, 1, shape)
    return p / p.sum(-1, keepdims=True)


def rows(prediction="logits", target="label", shapes=None, zeros=True, large=True):
    """Rows of K predictions, with targets that are "label", "one_hot", "soft", "simplex", "signs" or "hard"."""
    rng = np.random.default_rng(SEED + 1)
    cases = []
    for shape in shapes or ROWS:
        for kind in ("typical", "adversarial"):
            adversarial = kind == "adversarial"
            if prediction == "logits":
                p = rng.normal(0, 3, shape)
                if adversarial:
                    p = np.round(p) * (30 if large else 1)  # ties, and softmax saturates
            elif prediction == "probabilities":  # rows that do not sum to 1: dividing by the sum shows
                p = rng.uniform(0.05, 1, shape)
                if adversarial and zeros:
                    p[..., 0] = 0
            elif prediction == "simplex":
                p = on_simplex(rng, shape)
                if adversarial and zeros:
                    p[..., 0] = 0
                    p /= p.sum(-1, keepdims=True)
            elif prediction == "log_probabilities":
                p = np.log(on_simplex(rng, shape) * (1e-4 if adversarial else 1))
            else:
                raise ValueError(prediction)
            cases.append({"y_pred": f32(p), "y_true": row_targets(rng, target, shape, adversarial and zeros)})
    return cases


def row_targets(rng, kind, shape, adversarial=False):
    if kind == "label":
        return rng.integers(0, shape[-1], shape[:-1])
    if kind == "one_hot":
        return np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]
    if kind == "signs":
        return rng.choice([-1.0, 1.0], shape)
    if kind == "hard":
        return rng.integers(0, 2, shape).astype(float)
    if kind in ("soft", "simplex"):
        t = rng.uniform(0.01, 1, shape) if kind == "soft" else on_simplex(rng, shape)
        if adversarial:
            t[..., -1] = 0
            if kind == "simplex":
                t /= t.sum(-1, keepdims=True)
        return f32(t)
    raise ValueError(kind)


def with_input(cases, **more):
    """Adds inputs: `more` maps a name to a function of (rng, case) or to an array."""
    rng = np.random.default_rng(SEED + 2)
    result = []
    for case in cases:
        added = {name: make(rng, case) if callable(make) else np.asarray(make) for name, make in more.items()}
        result.append({**case, **{n: f32(a) if a.dtype.kind == "f" else a for n, a in added.items()}})
    return result


def sequences(kind="logits", blank=0, infeasible=False):
    """CTC: y_pred [B, T, C], y_true [B, L] padded, lengths [B]; repeated labels, empty targets, short inputs."""
    rng = np.random.default_rng(SEED + 3)
    cases = []
    for batch, frames, classes, labels in [(1, 4, 3, 2), (3, 9, 5, 4), (5, 30, 12, 9)]:
        x = rng.normal(0, 2, (batch, frames, classes))
        if kind != "logits":
            x = x - np.log(np.exp(x).sum(-1, keepdims=True))
        if kind == "probabilities":
            x = np.exp(x)
        choices = [c for c in range(classes) if c != (blank % classes)]
        y = rng.choice(choices, (batch, labels))
        y[0, 1] = y[0, 0]  # a repeat: needs a blank between
        label_length = rng.integers(1, labels + 1, batch)
        if batch > 1:
            label_length[1] = 0
        input_length = np.full(batch, frames)
        for i in range(batch):
            repeats = int((y[i, 1 : label_length[i]] == y[i, : max(label_length[i] - 1, 0)]).sum())
            shortest = int(label_length[i]) + repeats
            input_length[i] = rng.integers(max(shortest, 1), frames + 1)
        if infeasible:
            label_length[0], input_length[0] = labels, 1
        cases.append(
            {"y_pred": f32(x), "y_true": y, "input_length": input_length, "label_length": label_length}
        )
    return cases


def embeddings(unit=False, labels=True):
    """y_pred [N, D] with labels [N], every label at least twice."""
    rng = np.random.default_rng(SEED + 4)
    cases = []
    for n, d in [(4, 2), (6, 5), (24, 17)]:
        x = rng.normal(0, 1, (n, d))
        if unit:
            x /= np.linalg.norm(x, axis=-1, keepdims=True)
        case = {"y_pred": f32(x)}
        if labels:
            case["y_true"] = rng.permutation(np.arange(n) // 2 % max(2, n // 4))
        cases.append(case)
    return cases


def size(case):
    return max(math.prod(array.shape) for array in case.values())
