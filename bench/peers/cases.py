"""What is compared: each case is a loss of lossd, its inputs, and its name in the tables of the peers' workers.

Inputs are typical, not hard: finite, inside the domain, the same for every side. Value and gradient with respect to the
first input, of the mean.
"""

import functools
from dataclasses import dataclass, field

import numpy as np

L2, MEMORY = 1 << 16, 1 << 24  # elements of the first input
CLASSES = 1024  # of a row where the case says nothing else


@dataclass(frozen=True)
class Case:
    name: str
    loss: str  # lossd's name
    group: str  # elementwise, row, cross_entropy, ctc, boxes, batch
    inputs: object  # (rng, shape of the first input) -> arrays by name, the first input first
    shapes: tuple  # one for each size: (name of the size, shape)
    options: dict = field(default_factory=dict)
    params: dict = field(default_factory=dict)
    bfloat16: bool = False
    quick: bool = False  # the quick run has it in all sizes, and with torch.compile, which takes seconds for a shape

    def draw(self, shape):
        """float32 and integers; bfloat16 as uint16, its upper half."""
        arrays = self.inputs(np.random.default_rng(len(self.name)), shape)
        floats = {n: a.astype(np.float32) for n, a in arrays.items() if a.dtype.kind == "f"}
        if self.bfloat16:
            floats = {n: (a.view(np.uint32) >> 16).astype(np.uint16) for n, a in floats.items()}
        return {**arrays, **floats}


def normal(rng, shape):
    return rng.standard_normal(shape, dtype=np.float32)


def between(low, high):
    return lambda rng, shape: rng.uniform(low, high, shape)


def signs(rng, shape):
    return rng.choice(np.float32([-1, 1]), shape)


def hard(rng, shape):
    return rng.integers(0, 2, shape).astype(np.float32)


def counts(rng, shape):
    return rng.integers(0, 9, shape).astype(np.float32)


def log_softmax(rng, shape):
    x = normal(rng, shape)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def softmax(rng, shape):
    return np.exp(log_softmax(rng, shape))


def labels(rng, shape):
    return rng.integers(0, shape[-1], shape[:-1])


def draws(rng, shape, functions):
    return {name: function(rng, shape) for name, function in functions.items()}


def elementwise(name, loss, y_pred=normal, y_true=normal, others=None, **more):
    functions = {"y_pred": y_pred, "y_true": y_true, **(others or {})}
    shapes = (("L2", (L2,)), ("memory", (MEMORY,)))
    return Case(name, loss, "elementwise", functools.partial(draws, functions=functions), shapes, **more)


def rows(name, loss, functions, shapes=None, group="row", **more):
    shapes = shapes or (("L2", (L2 // CLASSES, CLASSES)), ("memory", (MEMORY // CLASSES, CLASSES)))
    return Case(name, loss, group, functools.partial(draws, functions=functions), shapes, **more)


def cross_entropy(shape, **more):
    size = "x".join(map(str, shape))
    suffix = " bf16" if more.get("bfloat16") else ""
    return rows(
        f"cross-entropy {size}{suffix}",
        "sparse_categorical_crossentropy",
        {"y_pred": normal, "y_true": labels},
        (("memory", shape),),
        "cross_entropy",
        options=LOGITS,
        **more,
    )


def ctc(frames, most_labels, alphabet, batch):
    def draw(rng, shape):
        return {
            "y_pred": normal(rng, shape),
            "y_true": rng.integers(1, alphabet, (batch, most_labels)),
            "input_length": np.full(batch, frames),
            "label_length": rng.integers(most_labels // 2, most_labels + 1, batch),
        }

    name = f"CTC T{frames} L{most_labels} A{alphabet} B{batch}"
    return Case(name, "ctc", "ctc", draw, (("memory", (batch, frames, alphabet)),), options=LOGITS)


def boxes(rng, shape):
    corners = rng.uniform(0, 2, (2, *shape[:-1], 2))
    sides = rng.uniform(0.5, 3, (2, *shape[:-1], 2))
    pred, true = np.concatenate([corners, corners + sides], axis=-1)
    return {"y_pred": pred, "y_true": true}


def two_views(rng, shape):
    return {"y_pred": normal(rng, shape), "y_true": np.arange(shape[0]) // 2}


LOGITS, PROBABILITIES = {"input_kind": "LOGITS"}, {"input_kind": "PROBABILITIES"}
LOG_PROBABILITIES = {"input_kind": "LOG_PROBABILITIES"}
BALANCED, COSINE = {"apply_class_balancing": True}, {"sign": "positive", "epsilon": 1e-8}
CLASSIFIED, DISTRIBUTED = {"y_pred": normal, "y_true": labels}, {"y_pred": normal, "y_true": softmax}

CASES = [
    elementwise("mean squared error", "mean_squared_error", quick=True),
    elementwise("mean absolute error", "mean_absolute_error"),
    elementwise("huber", "huber"),
    elementwise("smooth L1", "smooth_l1"),
    elementwise("log-cosh", "log_cosh"),
    elementwise("quantile", "pinball", params={"tau": 0.9}),
    elementwise("BCE from logits", "binary_crossentropy", y_true=hard, options=LOGITS, quick=True),
    elementwise("BCE from probabilities", "binary_crossentropy", between(0.01, 0.99), hard, options=PROBABILITIES),
    elementwise("focal", "binary_focal_crossentropy", y_true=hard, options=LOGITS, params=BALANCED),
    elementwise("poisson NLL", "poisson_nll", y_true=counts),
    elementwise("gaussian NLL", "gaussian_nll", others={"variance": between(0.1, 2)}),
    elementwise("hinge", "hinge", y_true=signs),
    elementwise("squared hinge", "squared_hinge", y_true=signs),
    elementwise("soft margin", "soft_margin", y_true=signs),
    elementwise("hinge embedding", "hinge_embedding", y_true=signs),
    elementwise("margin ranking", "margin_ranking", y_true=signs, others={"other": normal}),
    rows("cross-entropy of classes", "sparse_categorical_crossentropy", CLASSIFIED, options=LOGITS),
    rows("cross-entropy of distributions", "categorical_crossentropy", DISTRIBUTED, options=LOGITS),
    rows("KL divergence", "kl_divergence", {"y_pred": log_softmax, "y_true": softmax}, options=LOG_PROBABILITIES),
    rows("cosine similarity", "cosine_similarity", {"y_pred": normal, "y_true": normal}, params=COSINE),
    rows(
        "cosine embedding",
        "cosine_embedding",
        {"y_pred": normal, "other": normal, "y_true": lambda rng, shape: signs(rng, shape[:-1])},
    ),
    rows("triplet margin", "triplet_margin", {"anchor": normal, "positive": normal, "negative": normal}),
    rows("multi margin", "multi_margin", {"y_pred": normal, "y_true": labels}),
    rows("multilabel soft margin", "multilabel_soft_margin", {"y_pred": normal, "y_true": hard}),
    cross_entropy((4096, 1000), quick=True),
    cross_entropy((4096, 1000), bfloat16=True, quick=True),
    cross_entropy((512, 128_256)),
    cross_entropy((512, 128_256), bfloat16=True),
    ctc(150, 40, 28, 64),
    ctc(150, 20, 5000, 64),
    Case("CIoU of 1 M pairs", "ciou", "boxes", boxes, (("memory", (1 << 20, 4)),)),
    Case("NT-Xent 4096x256", "ntxent", "batch", two_views, (("memory", (4096, 256)),), params={"temperature": 0.5}),
]
