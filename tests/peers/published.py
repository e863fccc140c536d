"""lossd beside numbers that others published: documentation, tests, papers. Literals alone; no peer is needed.

    published.py --address HOST:PORT --messages FOLDER [LOSS...]

A number is a text: how many digits it has says how near the answer has to be, one unit in the last of them, since some
sources cut digits off instead of rounding. Where the source computed in float32 it may be a few of its ulp off as well.
"""

import argparse
import collections
import sys
import traceback
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Mapping

import grpc
import numpy as np
from client import Client, NotInContract

FLOAT32_NOISE = 3e-6  # relative; 1 - p in the source's float32, then its square

KERAS = "Keras documentation"
KERAS_TESTS = "Keras tests"
OPTAX = "optax documentation"
OPTAX_TESTS = "optax tests"
TFA = "TensorFlow Addons documentation"
XGBOOST = "XGBoost tests"
# Box losses: computed once in float64 from the formulas of the papers, by no code of this repository.
BOXES = "computed from the papers' formulas"


@dataclass(frozen=True)
class Published:
    name: str
    source: str
    loss: str
    y_pred: object
    y_true: object
    value: str = ""  # "" where the source has none
    gradient: str = ""
    options: Mapping = field(default_factory=dict)
    params: Mapping = field(default_factory=dict)
    inputs: Mapping = field(default_factory=dict)
    noise: float = FLOAT32_NOISE


MEAN = {"reduction": "MEAN"}
SUM = {"reduction": "SUM"}
ROWS_OF_KERAS = {"reduction": "NONE", "convention": "KERAS"}  # the mean over the last axis, row by row
LOGITS = {"input_kind": "LOGITS"}
CLIPPED = {"input_kind": "PROBABILITIES", "clip_policy": "KERAS_CLIP"}

X1 = [-18.6, 0.51, 2.94, -12.8]
T1 = [0.0, 1.0, 0.0, 0.0]
X2 = [[-18.6, 0.51], [2.94, -12.8]]
T2 = [[0.0, 1.0], [0.0, 0.0]]
P2 = [[0.6, 0.4], [0.4, 0.6]]
P3 = [[0.05, 0.95, 0.0], [0.1, 0.8, 0.1]]
T3 = [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
Y3 = np.array([1, 2])
ROW_WEIGHTS = {"sample_weight": [0.8, 0.2]}

REGRESSION = [
    Published(
        "mean squared error", KERAS, "mean_squared_error", [0.9, 0.1, 0.8], [1.0, 0.0, 1.0],
        "0.02", "-0.066667 0.066667 -0.133333", MEAN,
    ),
    Published(
        "mean absolute error", KERAS, "mean_absolute_error", [1.9, 0.3, 1.8], [1.0, 0.3, 1.0],
        "0.5666667", "0.333333 0 0.333333", MEAN,
    ),
    Published(
        "mean absolute percentage error", KERAS, "mean_absolute_percentage_error",
        [90.0, 210.0, 310.0], [100.0, 200.0, 300.0], "6.111111", "-0.333333 0.166667 0.111111", MEAN,
    ),
    Published("huber", KERAS, "huber", P2, T2, "0.155", "0.15 -0.15 0.1 0.15", MEAN),
    Published(
        "log-cosh", KERAS, "log_cosh", [[1.0, 1.0], [0.0, 0.0]], T2, "0.108", "0.190399 0 0 0", MEAN
    ),
    Published(
        "cosine similarity", KERAS, "cosine_similarity", [[1.0, 0.0], [1.0, 1.0], [-1.0, -1.0]],
        [[0.0, 1.0], [1.0, 1.0], [1.0, 1.0]], "0 -0.99999994 0.99999994", "0 -1 0 0 0 0",
    ),
    Published(
        "cosine distance", OPTAX_TESTS, "cosine_distance", [[10.0, 1.0, -2.0], [1.0, 4.0, 0.2]],
        [[0.0, 1.2, 0.2], [1.0, -0.3, 0.0]], "0.9358251989 1.0464068465",
    ),
    Published(
        "huber of errors large and small", OPTAX_TESTS, "huber", [-2.0, 0.5, 0.0, 0.5, 2.0, 4.0, 132.0],
        [0.0, -0.5, 0.0, 1.0, 1.0, 2.0, 0.3], "1.5 0.5 0 0.125 0.5 1.5 131.2",
    ),
    Published(
        "log-cosh of errors large and small", OPTAX_TESTS, "log_cosh", [500.0, -2.0, -1.0, 0.5, 1.0],
        [-200.0, -1.5, 0.0, -1.0, 1.0], "699.3068 0.12011445 0.4337809 0.85544014 0",
    ),
    Published("pinball", TFA, "pinball", [1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 1.0], "0.475", "", MEAN, {"tau": 0.1}),
    # XGBoost has a half in front and prints -0.5435 -0.4257 -0.25475 -0.05855 0.1009: halves of numbers of four digits.
    Published(
        "squared logarithmic error", XGBOOST, "mean_squared_logarithmic_error", [0.1, 0.2, 0.4, 0.8, 1.6], [1.0] * 5,
        "", "-1.0870 -0.8514 -0.5095 -0.1171 0.2018",
    ),
    Published("L2 of ones", KERAS, "l2", np.ones((5, 5)), None, "50.0", "4 " * 25, SUM, {"factor": 2.0}),
]

BINARY = [
    Published("logits", KERAS, "binary_crossentropy", X1, T1, "0.8654", "0 -0.093798 0.237447 0.000001", {**LOGITS, **MEAN}),
    Published("logits by rows, the mean", KERAS, "binary_crossentropy", X2, T2, "0.8654", "", {**LOGITS, **MEAN}),
    Published(
        "logits by rows, weighted", KERAS, "binary_crossentropy", X2, T2, "0.2436386", "0 -0.075039 0.047489 0",
        {**LOGITS, **MEAN, "convention": "KERAS"}, {}, ROW_WEIGHTS,
    ),
    Published(
        "logits by rows, the sum", KERAS, "binary_crossentropy", X2, T2, "1.7309159", "",
        {**LOGITS, **SUM, "convention": "KERAS"},
    ),
    Published("logits by rows", KERAS, "binary_crossentropy", X2, T2, "0.2351567 1.4957592", "", {**LOGITS, **ROWS_OF_KERAS}),
    Published(
        "probabilities", KERAS, "binary_crossentropy", P2, T2, "0.916 0.714", "1.25 -1.25 0.833333 1.25",
        {**CLIPPED, **ROWS_OF_KERAS},
    ),
    Published(
        "elements", KERAS, "binary_crossentropy", [0.1, 0.9, 0.8, 0.2], [0.0, 1.0, 1.0, 0.0],
        "0.10536054 0.10536054 0.22314355 0.22314355", "1.111111 -1.111111 -1.25 1.25", CLIPPED,
    ),
]

BALANCED = {"apply_class_balancing": True}
BY_ROW = {"convention": "KERAS"}
FOCAL = [
    Published(name, KERAS, "binary_focal_crossentropy", x, t, value, gradient, {**LOGITS, **options}, params, inputs)
    for name, x, t, value, gradient, options, params, inputs in [
        ("gamma 2", X1, T1, "0.6912119", "0 -0.033887 0.281952 0", MEAN, {}, {}),
        ("gamma 2, balanced", X1, T1, "0.5101331", "0 -0.008472 0.211464 0", MEAN, BALANCED, {}),
        ("gamma 3", X2, T2, "0.647", "", MEAN, {"gamma": 3.0}, {}),
        ("gamma 3, balanced", X2, T2, "0.482141", "", MEAN, {"gamma": 3.0, **BALANCED}, {}),
        ("gamma 3, weighted", X2, T2, "0.133125", "", {**MEAN, **BY_ROW}, {"gamma": 3.0}, ROW_WEIGHTS),
        ("gamma 3, both", X2, T2, "0.0973597", "", {**MEAN, **BY_ROW}, {"gamma": 3.0, **BALANCED}, ROW_WEIGHTS),
        ("gamma 4, the sum", X2, T2, "1.222", "", {**SUM, **BY_ROW}, {"gamma": 4.0}, {}),
        ("gamma 4, the sum, balanced", X2, T2, "0.914", "", {**SUM, **BY_ROW}, {"gamma": 4.0, **BALANCED}, {}),
        ("gamma 5, by rows", X2, T2, "0.0017 1.1561", "", ROWS_OF_KERAS, {"gamma": 5.0}, {}),
        ("gamma 5, by rows, balanced", X2, T2, "0.0004 0.8670", "", ROWS_OF_KERAS, {"gamma": 5.0, **BALANCED}, {}),
    ]
] + [
    Published(
        "probabilities", KERAS, "binary_focal_crossentropy", P2, T2, "0.330 0.206",
        "0.999775 -0.999774 0.337664 0.999775", {**CLIPPED, **ROWS_OF_KERAS},
    ),
    Published(
        "sigmoid focal", TFA, "binary_focal_crossentropy", [0.97, 0.91, 0.03], [1.0, 1.0, 0.0],
        "6.8532745e-06 1.9097870e-04 2.0559824e-05", "", CLIPPED, {"alpha": 0.25, **BALANCED},
        noise=1e-5,  # the source adds 1e-7 inside the logarithm: 3.4e-6 of -ln 0.97, and its float32 beside
    ),
    Published(
        "categorical", KERAS, "categorical_focal_crossentropy", P3, T3, "0.23315276",
        "0.000922 -0.000049 0.000922 0.153058 0.153058 -1.377523", {**CLIPPED, **MEAN},
    ),
    Published(
        "categorical, weighted", KERAS, "categorical_focal_crossentropy", P3, T3, "0.1632", "",
        {**CLIPPED, **MEAN}, {}, {"sample_weight": [0.3, 0.7]},
    ),
    Published("categorical, the sum", KERAS, "categorical_focal_crossentropy", P3, T3, "0.46631", "", {**CLIPPED, **SUM}),
    Published("categorical, by rows", KERAS, "categorical_focal_crossentropy", P3, T3, "3.2058e-05 0.46627346", "", CLIPPED),
    Published(
        "categorical, of easier rows", KERAS, "categorical_focal_crossentropy",
        [[0.05, 0.9, 0.05], [0.1, 0.85, 0.05]], T3, "2.63401289e-04 6.75912094e-01", "", CLIPPED,
    ),
]

CATEGORICAL = [
    row
    for loss, target in [("categorical_crossentropy", T3), ("sparse_categorical_crossentropy", Y3)]
    for row in [
        Published(
            "probabilities, the mean", KERAS, loss, P3, target, "1.1769392", "0.5 -0.026316 0.5 0.5 0.5 -4.5",
            {**CLIPPED, **MEAN},
        ),
        Published(
            "probabilities, weighted", KERAS, loss, P3, target, "0.8135988", "", {**CLIPPED, **MEAN}, {},
            {"sample_weight": [0.3, 0.7]},
        ),
        Published("probabilities, the sum", KERAS, loss, P3, target, "2.3538785", "", {**CLIPPED, **SUM}),
        Published(
            "probabilities, by rows", KERAS, loss, P3, target, "0.0512933 2.3025851", "1 -0.052632 1 1 1 -9", CLIPPED
        ),
    ]
] + [
    Published(
        "one-hot targets", OPTAX, "categorical_crossentropy", [[1.2, -0.8, -0.5], [0.9, -1.2, 1.1]],
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], "0.2761 2.9518", "", LOGITS,
    ),
    Published(
        "integer labels", OPTAX, "sparse_categorical_crossentropy", [[1.2, -0.8, -0.5], [0.9, -1.2, 1.1]],
        np.array([0, 1]), "0.2761 2.9518", "", LOGITS,
    ),
    Published(
        "twelve classes", OPTAX, "sparse_categorical_crossentropy", np.arange(24.0).reshape(2, 12), np.array([5, 11]),
        "6.4587 0.4587", "", LOGITS,
    ),
    *(
        Published(
            f"epsilon {epsilon}", OPTAX_TESTS, "poly1_cross_entropy", [[4.0, 2.0, 1.0], [0.0, 5.0, 1.0]],
            [[1.0, 0.0, 0.0], [0.0, 0.8, 0.2]], value, "", LOGITS, {"epsilon": epsilon},
        )
        for epsilon, value in [
            (2.0, "0.4823 1.2567"), (1.0, "0.3261 1.0407"), (0.0, "0.1698 0.8247"), (-0.5, "0.0917 0.7168"),
            (5.45, "1.0211 2.0018"),
        ]
    ),
    Published(
        "the gradient of the documentation", OPTAX, "ranking_softmax", [[2.0, 1.0, 3.0]], [[1.0, 0.0, 0.0]], "1.408",
        "-0.755 0.09 0.665",
    ),
    Published(
        "with entries left out", OPTAX, "ranking_softmax", [[2.0, 1.0, 0.0], [1.0, 0.5, 1.5]],
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], "0.497", "", MEAN, {},
        {"where": np.array([[True, True, False], [True, True, True]])},
    ),
    Published(
        "q 0.5", KERAS_TESTS, "generalized_cross_entropy", [[0.7, 0.3], [0.2, 0.8], [0.6, 0.4], [0.4, 0.6]],
        np.array([0, 1, 0, 1]), "0.32668 0.21115 0.45081 0.45081", "", {"input_kind": "PROBABILITIES"},
    ),
]

PLANES = [[[1.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]]
PLANE_PREDICTIONS = [[[0.0, 1.0], [0.0, 1.0]], [[0.4, 0.0], [0.0, 0.9]]]
OVERLAP = [
    Published("by images", KERAS, "dice", PLANE_PREDICTIONS, PLANES, "0.5 0.75757575", "", {"item_axes": [1, 2]}),
    Published("over the batch", KERAS, "dice", PLANE_PREDICTIONS, PLANES, "0.6164384", "", {"item_axes": [0, 1, 2], **MEAN}),
    # Keras 3.15 has alpha and beta the other way round than its documentation, which lossd follows.
    Published(
        "by images", KERAS_TESTS, "tversky", PLANE_PREDICTIONS, PLANES, "0.5 0.7222222", "", {"item_axes": [1, 2]},
        {"alpha": 0.8, "beta": 0.2},
    ),
    Published(
        "over the batch", KERAS_TESTS, "tversky", [[4.0, 1.0], [6.0, 1.0]], [[1.0, 2.0], [1.0, 2.0]], "-0.29629636", "",
        {"item_axes": [0, 1], **MEAN}, {"alpha": 0.8, "beta": 0.2},
    ),
]

CTC = [
    Published(
        "with lengths", KERAS_TESTS, "ctc",
        [[[0.4, 0.8, 0.4], [0.2, 0.8, 0.3], [0.9, 0.4, 0.5]], [[0.4, 0.8, 0.4], [0.2, 0.3, 0.3], [0.4, 0.3, 0.2]]],
        np.array([[1, 2, 1], [1, 2, 2]]), "3.4411672 1.91680186", "", LOGITS, {},
        {"label_length": np.array([3, 2]), "input_length": np.array([3, 2])},
    ),
    Published(
        "of labels padded with 0, one of them in the middle", KERAS_TESTS, "ctc",
        (np.arange(24.0).reshape(2, 4, 3) - 12) / 100, np.array([[1, 2, 1, 0], [1, 2, 0, 2]]), "2.448645", "",
        {**LOGITS, **MEAN, "convention": "KERAS"},
    ),
]

CIRCLE_PREDICTIONS = [
    [0.70014004, -0.42008403, 0.14002801, 0.56011203],
    [0.17609018, 0.70436073, -0.52827054, 0.44022545],
    [-0.34050261, 0.25537696, -0.68100522, 0.59587957],
    [0.32163376, -0.75047877, 0.53605627, -0.21442251],
    [0.51261459, -0.34174306, 0.17087153, 0.76892189],
]
CIRCLE_LABELS = np.array([1, 1, 2, 2, 3])
CIRCLE = [
    Published(
        "the mean over anchors that have a loss", KERAS_TESTS, "circle", CIRCLE_PREDICTIONS, CIRCLE_LABELS, "188.3883",
        "", {**MEAN, "divisor": "NONZERO"},
    ),
    Published(
        "gamma 256 and margin 0.25", KERAS_TESTS, "circle", CIRCLE_PREDICTIONS, CIRCLE_LABELS, "652.7617", "",
        {**MEAN, "divisor": "NONZERO"}, {"gamma": 256.0, "margin": 0.25},
    ),
    Published(
        "weighted", KERAS_TESTS, "circle", CIRCLE_PREDICTIONS, CIRCLE_LABELS, "244.91918", "",
        {**MEAN, "divisor": "NONZERO"}, {}, {"sample_weight": [2.0, 2.0, 1.0, 1.0, 0.5]},
    ),
]

# Prediction and truth as x1, y1, x2, y2: overlapping, disjoint, and one in the other.
A = ([[0.0, 0.0, 4.0, 2.0]], [[1.0, 1.0, 3.0, 4.0]])
B = ([[0.0, 0.0, 1.0, 1.0]], [[2.0, 3.0, 4.0, 5.0]])
D = ([[1.0, 1.0, 3.0, 2.0]], [[0.0, 0.0, 4.0, 4.0]])
IDENTICAL = ([[1.0, 1.0, 3.0, 2.0]], [[1.0, 1.0, 3.0, 2.0]])
BOX_TABLE = [
    # loss, params, (value, gradient) of A, B, D
    (
        "iou", {},
        ("0.833333333", "-0.027778 -0.055556 0.027778 -0.138889"), ("1", "0 0 0 0"), ("0.875", ""),
    ),
    ("iou", {"mode": "log"}, ("1.791759469", ""), ("13.815510558", ""), ("2.079441542", "")),
    ("iou", {"mode": "square"}, ("0.972222222", ""), ("1", ""), ("0.984375", "")),
    (
        "giou", {},
        ("1.083333333", "-0.090278 0.006944 0.090278 -0.263889"), ("1.75", "-0.0125 0 -0.05 -0.05"), ("0.875", ""),
    ),
    (
        "diou", {},
        ("0.903645833", "-0.0102 -0.084852 0.0102 -0.185764"),
        ("1.451219512", "0.027067 0.024688 -0.060976 -0.085366"),
        ("0.8828125", ""),
    ),
    (
        "ciou", {},
        ("0.916303936", "-0.015076 -0.075099 0.015076 -0.195517"),
        ("1.451219512", "0.027067 0.024688 -0.060976 -0.085366"),
        ("0.884732269", ""),
    ),
    (
        "ciou", {"variant": "full"},
        ("0.916303936", "-0.019015 -0.065731 0.019015 -0.202274"),
        ("1.451219512", "0.027067 0.024688 -0.060976 -0.085366"),
        ("0.884732269", ""),
    ),
    ("eiou", {}, ("1.216145833", "-0.1352 0.071398 0.1352 -0.310764"), ("1.553719512", ""), ("1.6953125", "")),
    (
        "focal_eiou", {},
        ("0.496489457", "-0.055195 0.029148 0.055195 -0.126869"), ("0", "0 0 0 0"), ("0.599383482", ""),
    ),
    ("alpha_iou", {}, ("0.995370370", ""), ("1", ""), ("0.998046875", "")),
    (
        "siou", {},
        ("0.971126280", "-0.037015 -0.062366 0.037015 -0.220536"), ("1.394413816", ""), ("0.941120168", ""),
    ),
    (
        "wiou_v1", {},
        ("0.894036160", "-0.029801 -0.10151 0.029801 -0.190914"), ("1.570225928", ""), ("0.881862710", ""),
    ),
    ("wiou_v2", {"iou_mean": 0.5}, ("1.154195720", ""), ("2.220634803", ""), ("1.166594711", "")),
    ("wiou_v3", {"iou_mean": 0.5}, ("1.168837260", ""), ("1.988952842", ""), ("1.147518706", "")),
]
BOX = [
    Published(f"{name}, {params or 'defaults'}", BOXES, loss, *pair, value, gradient, {}, params)
    for loss, params, *answers in BOX_TABLE
    for name, pair, (value, gradient) in zip(("overlapping", "disjoint", "contained"), (A, B, D), answers)
] + [
    Published(f"identical boxes, {params or 'defaults'}", BOXES, loss, *IDENTICAL, "0", "0 0 0 0", {}, params)
    for loss, params, *_ in BOX_TABLE
] + [
    Published(
        name, TFA, loss, [[4.0, 3.0, 7.0, 5.0], [5.0, 6.0, 10.0, 7.0]], [[3.0, 4.0, 6.0, 8.0], [14.0, 14.0, 15.0, 15.0]],
        value, "", {}, {"box_format": "yxyx"},
    )
    for name, loss, value in [("two pairs", "giou", "1.075 1.9333333"), ("two pairs", "iou", "0.875 1.0")]
]
# No distance, no angle: IoU 1/4, and the shape 2 (1 - exp(-1/2))^4. An angle of 0/0 makes the formula NaN.
EQUAL_CENTRES = Published(
    "equal centres", BOXES, "siou", [[1.0, 1.0, 3.0, 3.0]], [[0.0, 0.0, 4.0, 4.0]], "0.773968",
    "0.143474 0.143474 -0.143474 -0.143474",
)
# The sign of the last component turns where IoU^gamma is not detached; the others were not published.
NOT_DETACHED = Published(
    "overlapping, not detached", BOXES, "focal_eiou", *A, "0.496489457", "? ? ? 0.080002", {}, {"detach": False}
)

TABLE = REGRESSION + BINARY + FOCAL + CATEGORICAL + OVERLAP + CTC + CIRCLE + BOX + [EQUAL_CENTRES, NOT_DETACHED]


def unit(text):
    """One unit in the last digit that is written."""
    return float(Decimal(1).scaleb(Decimal(text).as_tuple().exponent))


def as_array(value, dtype):
    array = np.asarray(value)
    return array.astype(dtype) if array.dtype.kind == "f" else array


def difference(got, texts, noise):
    """What is wrong, or None."""
    texts = texts.split()
    got = np.ravel(got).astype(np.float64)
    if len(got) != len(texts):
        return f"{len(got)} numbers {got}, published are {len(texts)}: {' '.join(texts)}"
    for number, text in zip(got, texts):
        if text == "?":
            continue
        # A whole number is exact.
        allowed = (unit(text) if "." in text or "e" in text else 1e-6) + noise * abs(float(text))
        if not abs(number - float(text)) <= allowed:
            return f"{got}, published is {' '.join(texts)}"
    return None


def check(row, client):
    for dtype in (np.float32, np.float64):
        inputs = {"y_pred": as_array(row.y_pred, dtype)}
        if row.y_true is not None:
            inputs["y_true"] = as_array(row.y_true, dtype)
        inputs.update({name: as_array(array, dtype) for name, array in row.inputs.items()})
        answer = client.gradient(row.loss, inputs, dict(row.params), {"reduction": "NONE", **row.options})
        value = answer.value if answer.per_item is None else answer.per_item
        for name, got, texts in [("value", value, row.value), ("gradient", answer.gradients["y_pred"], row.gradient)]:
            wrong = difference(got, texts, row.noise) if texts else None
            if wrong:
                return f"{dtype.__name__}, {name}: {wrong}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True)
    parser.add_argument("--messages", required=True)
    parser.add_argument("loss", nargs="*")
    arguments = parser.parse_args()
    client = Client(arguments.address, arguments.messages)
    served = client.names()

    rows = collections.Counter()
    failures = collections.Counter()
    not_served = set()
    for row in TABLE:
        if arguments.loss and row.loss not in arguments.loss:
            continue
        rows[row.loss] += 1
        if row.loss not in served:
            failures[row.loss] += 1
            if row.loss not in not_served:
                print(f"FAILED: {row.loss}: not served")
                not_served.add(row.loss)
            continue
        try:
            wrong = check(row, client)
        except grpc.RpcError as error:
            wrong = f"{error.code().name}: {error.details()}"
        except NotInContract as error:
            wrong = f"not in the contract: {error}"
        except Exception:  # a fault of one row fails that row
            wrong = traceback.format_exc(limit=-3).strip()
        if wrong:
            failures[row.loss] += 1
            print(f"FAILED: {row.loss}: {row.name} ({row.source}): {wrong}")
    print(f"\n{'loss':32} published numbers")
    for loss, count in sorted(rows.items()):
        print(f"{loss:32} {count:3} rows" + (f"   {failures[loss]} FAILED" if failures[loss] else ""))
    failed = sum(failures.values())
    print(f"{sum(rows.values()) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
