"""lossd beside PyTorch: value and gradient of what torch.nn.functional computes, in float32 and float64.

Written for Debian 12's PyTorch 1.13. Also torch.distributions, whose log_prob is a likelihood loss with the sign turned.
"""

import functools

import numpy as np
import torch
import torch.distributions as distributions
import torch.nn.functional as F
from harness import Differs, Row, Tolerance, wider
from inputs import (
    COUNTS,
    HARD,
    LOGITS,
    POSITIVE,
    PROBABILITIES,
    REALS,
    SIGNS,
    SOFT,
    WEIGHTS,
    Domain,
    elements,
    embeddings,
    on_simplex,
    one_case,
    rows,
    sequences,
    with_input,
)

INF, NAN = float("inf"), float("nan")
TorchRow = functools.partial(Row, convention="TORCH")
LOGITS_BELOW_80 = Domain(LOGITS.sample, [x for x in LOGITS.special if abs(x) < 80])  # exp stays finite in float32
OPEN_PROBABILITIES = Domain(PROBABILITIES.sample, [p for p in PROBABILITIES.special if 0 < p < 1])
DISPERSION = Domain(lambda rng, shape: rng.uniform(0.1, 2, shape), [0.05, 0.5, 1, 3])
TWO_AXES = [(1, 2), (4, 3), (9, 130)]

SATURATED = wider(4, "the peer's own exp and log1p, each a few ulp")
# The peer adds logarithms down to -60, half a unit of which is 2e-6 in float32, over 30 frames.
LATTICE = Tolerance(1e-4, 1e-12, reason="logarithms to -60 added over 30 frames")


class Backend:
    name = "PyTorch"

    def __init__(self, cache=None):
        del cache  # nothing is compiled

    def evaluate(self, row, inputs, with_respect_to=None):
        wanted = row.with_respect_to if with_respect_to is None else with_respect_to
        tensors = {name: torch.tensor(array) for name, array in inputs.items()}
        for name in wanted:
            tensors[name].requires_grad_()
        items = row.peer(**tensors)
        if wanted:
            items.sum().backward()
        answer = {"value": items.detach().numpy()}
        for name in wanted:
            gradient = tensors[name].grad
            answer[name] = (torch.zeros_like(tensors[name]) if gradient is None else gradient).detach().numpy()
        return answer


def elementwise(name, loss, function, inputs, **more):
    return TorchRow(name, loss, lambda y_pred, y_true: function(y_pred, y_true, reduction="none"), inputs, **more)


def weighted(function):
    """BCE and BCE with logits have a weight of the shape of the elements."""
    return lambda y_pred, y_true, sample_weight: function(y_pred, y_true, weight=sample_weight, reduction="none")


def mean_of(function, **fixed):
    return lambda y_pred, y_true: function(y_pred, y_true, reduction="mean", **fixed)


REALS_WITH_TIES = functools.partial(elements, ties=True, y_pred=REALS, y_true=REALS)
MEAN = {"reduction": "MEAN"}

REGRESSION = [
    elementwise("mean squared error is mse_loss", "mean_squared_error", F.mse_loss, REALS_WITH_TIES),
    elementwise("mean absolute error is l1_loss", "mean_absolute_error", F.l1_loss, REALS_WITH_TIES),
    *(
        elementwise(
            f"huber is huber_loss at delta {delta}",
            "huber",
            functools.partial(F.huber_loss, delta=delta),
            REALS_WITH_TIES,
            params={"delta": delta},
        )
        for delta in (1.0, 0.25, 8.0)
    ),
    *(
        elementwise(
            f"smooth L1 is smooth_l1_loss at beta {beta}",
            "smooth_l1",
            functools.partial(F.smooth_l1_loss, beta=beta),
            REALS_WITH_TIES,
            params={"beta": beta},
        )
        for beta in (1.0, 0.125, 4.0)
    ),
    *(
        TorchRow(f"{loss} reduced by MEAN is the mean over the elements", loss, mean_of(f), REALS_WITH_TIES, options=MEAN)
        for loss, f in [("mean_squared_error", F.mse_loss), ("mean_absolute_error", F.l1_loss), ("huber", F.huber_loss)]
    ),
    TorchRow(
        "poisson NLL takes the logarithm of the rate",
        "poisson_nll",
        lambda y_pred, y_true: F.poisson_nll_loss(y_pred, y_true, reduction="none"),
        lambda: elements(y_pred=LOGITS_BELOW_80, y_true=COUNTS),
        tolerance=SATURATED,
    ),
    TorchRow(
        "poisson NLL takes the rate where log_input is false",
        "poisson_nll",
        lambda y_pred, y_true: F.poisson_nll_loss(y_pred, y_true, log_input=False, reduction="none"),
        lambda: elements(y_pred=POSITIVE, y_true=COUNTS),
        params={"log_input": False},
        tolerance=wider(8, "the peer rounds p + 1e-8 before the logarithm, times a count of 170"),
    ),
    TorchRow(
        "poisson NLL adds Stirling's term for counts above 1",
        "poisson_nll",
        lambda y_pred, y_true: F.poisson_nll_loss(y_pred, y_true, full=True, reduction="none"),
        lambda: elements(y_pred=LOGITS_BELOW_80, y_true=COUNTS),
        params={"full": True},
        tolerance=SATURATED,
    ),
    *(
        TorchRow(
            f"gaussian NLL has gradients of mean and variance, full {full}",
            "gaussian_nll",
            lambda y_pred, y_true, variance, full=full: F.gaussian_nll_loss(
                y_pred, y_true, variance, full=full, reduction="none"
            ),
            lambda: elements(y_pred=REALS, y_true=REALS, variance=POSITIVE),
            params={"full": full},
            with_respect_to=("y_pred", "variance"),
            tolerance=wider(4, "(p - t)^2 / v^2, and a difference of two terms"),
        )
        for full in (False, True)
    ),
    TorchRow(
        "gaussian NLL lets the gradient through the floor of the variance where asked to",
        "gaussian_nll",
        lambda y_pred, y_true, variance: F.gaussian_nll_loss(y_pred, y_true, variance, reduction="none"),
        lambda: one_case(y_pred=[0.5, 1.0, 1.0], y_true=[0.25, 1.0, 3.0], variance=[1e-9, 0.0, 1e-7]),
        params={"clamp_gradient": "passes"},
        with_respect_to=("y_pred", "variance"),
    ),
    Row(
        "laplace NLL is minus log_prob",
        "laplace_nll",
        lambda y_pred, y_true, scale: -distributions.Laplace(y_pred, scale).log_prob(y_true),
        lambda: elements(ties=True, y_pred=REALS, y_true=REALS, scale=POSITIVE),
        with_respect_to=("y_pred", "scale"),
    ),
    *(
        Row(
            f"student-t NLL is minus log_prob at {df} degrees of freedom",
            "student_t_nll",
            lambda y_pred, y_true, scale, df=df: -distributions.StudentT(df, y_pred, scale).log_prob(y_true),
            lambda: elements(y_pred=REALS, y_true=REALS, scale=POSITIVE),
            params={"df": df},
            with_respect_to=("y_pred", "scale"),
            tolerance=wider(8, "lgamma of the peer, and (p - t) / scale to 1e7"),
        )
        for df in (4.0, 1.5)
    ),
    Row(
        "negative binomial NLL is minus log_prob of r = 1 / alpha failures",
        "negative_binomial_nll",
        lambda y_pred, y_true, alpha: -distributions.NegativeBinomial(
            total_count=1 / alpha, logits=torch.log(y_pred * alpha)
        ).log_prob(y_true),
        lambda: elements(y_pred=POSITIVE, y_true=COUNTS, alpha=DISPERSION),
        with_respect_to=("y_pred", "alpha"),
        tolerance=wider(300, "lgamma(t + r) - lgamma(r) cancels"),
    ),
]

MARGIN = [
    TorchRow(
        "soft margin is soft_margin_loss where that does not overflow",
        "soft_margin",
        lambda y_pred, y_true: F.soft_margin_loss(y_pred, y_true, reduction="none"),
        lambda: elements(y_pred=LOGITS_BELOW_80, y_true=SIGNS),
        tolerance=wider(4, "the peer rounds 1 + exp(-t x)"),
    ),
    *(
        TorchRow(
            f"hinge embedding is hinge_embedding_loss at margin {margin}",
            "hinge_embedding",
            lambda y_pred, y_true, margin=margin: F.hinge_embedding_loss(y_pred, y_true, margin, reduction="none"),
            lambda: elements(y_pred=REALS, y_true=SIGNS),
            params={"margin": margin},
        )
        for margin in (1.0, 0.3)  # no input lies on the kink
    ),
    TorchRow(
        "hinge embedding at the kink passes the gradient under ACTIVE",
        "hinge_embedding",
        lambda y_pred, y_true: F.hinge_embedding_loss(y_pred, y_true, reduction="none"),
        lambda: one_case(y_pred=[1.0, 0.5, 2.0], y_true=[-1.0, -1.0, -1.0]),
        options={"kink_policy": "ACTIVE"},
    ),
    TorchRow(
        "margin ranking is margin_ranking_loss",
        "margin_ranking",
        lambda y_pred, other, y_true: F.margin_ranking_loss(y_pred, other, y_true, margin=0.3, reduction="none"),
        lambda: elements(y_pred=REALS, other=REALS, y_true=SIGNS),
        params={"margin": 0.3},
        with_respect_to=("y_pred", "other"),
    ),
    TorchRow(
        "margin ranking at the kink passes the gradient under ACTIVE",
        "margin_ranking",
        lambda y_pred, other, y_true: F.margin_ranking_loss(y_pred, other, y_true, reduction="none"),
        lambda: one_case(y_pred=[1.0, 0.5], other=[1.0, 2.0], y_true=[-1.0, 1.0]),
        options={"kink_policy": "ACTIVE"},
        with_respect_to=("y_pred", "other"),
    ),
    *(
        TorchRow(
            f"multi margin is multi_margin_loss at p {p} and margin {margin}",
            "multi_margin",
            lambda y_pred, y_true, p=p, margin=margin: F.multi_margin_loss(
                y_pred, y_true, p=p, margin=margin, reduction="none"
            ),
            lambda: rows(shapes=TWO_AXES),
            params={"p": p, "margin": margin},
            tolerance=wider(4, "129 rounded terms of 1/130 are added to the slope of the target"),
        )
        for p, margin in [(1, 1.0), (2, 1.0), (1, 0.3)]
    ),
    TorchRow(
        "multi margin multiplies by the weight of the target's class",
        "multi_margin",
        lambda y_pred, y_true, class_weight: F.multi_margin_loss(y_pred, y_true, weight=class_weight, reduction="none"),
        lambda: with_class_weight(rows(shapes=TWO_AXES)),
        tolerance=wider(4, "129 rounded terms of 1/130 are added to the slope of the target"),
    ),
    TorchRow(
        "multilabel margin reads labels up to the first -1",
        "multilabel_margin",
        lambda y_pred, y_true: F.multilabel_margin_loss(y_pred, y_true, reduction="none"),
        lambda: label_lists(),
        tolerance=wider(4, "up to 130 terms"),
    ),
    TorchRow(
        "multilabel soft margin is the mean over the classes",
        "multilabel_soft_margin",
        lambda y_pred, y_true: F.multilabel_soft_margin_loss(y_pred, y_true, reduction="none"),
        lambda: rows(target="hard"),
    ),
    TorchRow(
        "multilabel soft margin weighs classes",
        "multilabel_soft_margin",
        lambda y_pred, y_true, class_weight: F.multilabel_soft_margin_loss(
            y_pred, y_true, weight=class_weight, reduction="none"
        ),
        lambda: with_class_weight(rows(target="hard")),
    ),
]

CLASSIFICATION = [
    elementwise(
        "binary cross-entropy from probabilities clamps the logarithm at -100, also at 0 and 1",
        "binary_crossentropy",
        F.binary_cross_entropy,
        lambda: elements(y_pred=PROBABILITIES, y_true=SOFT),
        options={"input_kind": "PROBABILITIES"},
        dtypes=("F32",),
    ),
    elementwise(
        "binary cross-entropy from probabilities in float64",
        "binary_crossentropy",
        F.binary_cross_entropy,
        lambda: elements(y_pred=OPEN_PROBABILITIES, y_true=SOFT),
        options={"input_kind": "PROBABILITIES"},
        dtypes=("F64",),
    ),
    elementwise(
        "binary cross-entropy from probabilities of 0 and 1 in float64",
        "binary_crossentropy",
        F.binary_cross_entropy,
        lambda: one_case(y_pred=[0.0, 0.0, 0.0, 1.0, 1.0, 1.0], y_true=[0.0, 0.25, 1.0, 0.0, 0.25, 1.0]),
        options={"input_kind": "PROBABILITIES"},
        dtypes=("F64",),
        tolerance=Tolerance(f32=0, f64=5e-9, reason="the peer's 1e-12 is a float's, in float64 too"),
    ),
    TorchRow(
        "binary cross-entropy's weight is the weight of an element",
        "binary_crossentropy",
        weighted(F.binary_cross_entropy),
        lambda: elements(y_pred=OPEN_PROBABILITIES, y_true=HARD, sample_weight=WEIGHTS),
        options={"input_kind": "PROBABILITIES"},
    ),
    elementwise(
        "binary cross-entropy from logits is binary_cross_entropy_with_logits",
        "binary_crossentropy",
        F.binary_cross_entropy_with_logits,
        lambda: elements(y_pred=LOGITS, y_true=SOFT),
        options={"input_kind": "LOGITS"},
        tolerance=wider(4, "the peer subtracts x t from x"),
    ),
    TorchRow(
        "binary cross-entropy weighs positives, class by class",
        "binary_crossentropy",
        lambda y_pred, y_true, pos_weight: F.binary_cross_entropy_with_logits(
            y_pred, y_true, pos_weight=pos_weight, reduction="none"
        ),
        lambda: with_input(rows(target="soft"), pos_weight=per_class),
        options={"input_kind": "LOGITS"},
        tolerance=wider(20, "the peer's (1 - t) x and weighted softplus, of logits to 300, cancel"),
    ),
    TorchRow(
        "the mean of weighted binary cross-entropy divides by the number of elements",
        "binary_crossentropy",
        lambda y_pred, y_true, sample_weight: F.binary_cross_entropy_with_logits(y_pred, y_true, sample_weight),
        lambda: elements(y_pred=LOGITS, y_true=SOFT, sample_weight=WEIGHTS),
        options={"input_kind": "LOGITS", **MEAN},
    ),
    TorchRow(
        "sparse cross-entropy is cross_entropy of class indices",
        "sparse_categorical_crossentropy",
        lambda y_pred, y_true: F.cross_entropy(y_pred, y_true, reduction="none"),
        lambda: rows(shapes=TWO_AXES),
        options={"input_kind": "LOGITS"},
    ),
    TorchRow(
        "sparse cross-entropy weighs by the class of the target",
        "sparse_categorical_crossentropy",
        lambda y_pred, y_true, class_weight: F.cross_entropy(y_pred, y_true, weight=class_weight, reduction="none"),
        lambda: with_class_weight(rows(shapes=TWO_AXES)),
        options={"input_kind": "LOGITS"},
    ),
    TorchRow(
        "the mean of weighted sparse cross-entropy divides by the sum of the targets' weights",
        "sparse_categorical_crossentropy",
        lambda y_pred, y_true, class_weight: F.cross_entropy(y_pred, y_true, weight=class_weight),
        lambda: with_class_weight(rows(shapes=TWO_AXES)),
        options={"input_kind": "LOGITS", **MEAN},
    ),
    TorchRow(
        "sparse cross-entropy leaves ignored rows out of the mean",
        "sparse_categorical_crossentropy",
        lambda y_pred, y_true: F.cross_entropy(y_pred, y_true, ignore_index=-100),
        lambda: with_ignored(rows(shapes=[(4, 3), (9, 130)]), -100),
        options={"input_kind": "LOGITS", "ignore_index": -100, **MEAN},
    ),
    TorchRow(
        "an ignored class stays in the softmax of the other rows",
        "sparse_categorical_crossentropy",
        lambda y_pred, y_true: F.cross_entropy(y_pred, y_true, ignore_index=1, reduction="none"),
        lambda: with_ignored(rows(shapes=[(4, 3), (9, 130)]), 1),
        options={"input_kind": "LOGITS", "ignore_index": 1},
    ),
    *(
        TorchRow(
            f"label smoothing of sparse cross-entropy, with class weights, reduced by {reduction}",
            "sparse_categorical_crossentropy",
            lambda y_pred, y_true, class_weight, reduction=reduction: F.cross_entropy(
                y_pred, y_true, weight=class_weight, label_smoothing=0.125, reduction=reduction.lower()
            ),
            lambda: with_class_weight(rows(shapes=TWO_AXES)),
            options={"input_kind": "LOGITS", "label_smoothing": 0.125, "reduction": reduction},
            tolerance=wider(4, "a sum over the classes of terms to 100"),
        )
        for reduction in ("NONE", "MEAN")
    ),
    TorchRow(
        "cross-entropy of soft targets is cross_entropy of class probabilities",
        "categorical_crossentropy",
        lambda y_pred, y_true: F.cross_entropy(y_pred, y_true, reduction="none"),
        lambda: rows(target="soft", shapes=TWO_AXES),
        options={"input_kind": "LOGITS"},
        tolerance=wider(30, "130 terms to 100, one of them 0 times a logarithm"),
    ),
    *(
        TorchRow(
            f"label smoothing of soft targets, with class weights, reduced by {reduction} over the rows",
            "categorical_crossentropy",
            lambda y_pred, y_true, class_weight, reduction=reduction: F.cross_entropy(
                y_pred, y_true, weight=class_weight, label_smoothing=0.125, reduction=reduction.lower()
            ),
            lambda: with_class_weight(rows(target="simplex", shapes=TWO_AXES)),
            options={"input_kind": "LOGITS", "label_smoothing": 0.125, "reduction": reduction},
            tolerance=wider(30, "130 terms to 100"),
        )
        for reduction in ("NONE", "MEAN")
    ),
    TorchRow(
        "NLL is nll_loss of log-probabilities",
        "nll",
        lambda y_pred, y_true: F.nll_loss(y_pred, y_true, reduction="none"),
        lambda: rows("log_probabilities", shapes=TWO_AXES),
    ),
    TorchRow(
        "the mean of weighted NLL divides by the sum of the targets' weights",
        "nll",
        lambda y_pred, y_true, class_weight: F.nll_loss(y_pred, y_true, weight=class_weight),
        lambda: with_class_weight(rows("log_probabilities", shapes=TWO_AXES)),
        options=MEAN,
    ),
    TorchRow(
        "linear cross-entropy is cross_entropy behind linear, with its three gradients",
        "linear_cross_entropy",
        lambda y_pred, weight, bias, y_true: F.cross_entropy(F.linear(y_pred, weight, bias), y_true, reduction="none"),
        lambda: linear_layers(),
        with_respect_to=("y_pred", "weight", "bias"),
        tolerance=wider(10, "a product of matrices before the softmax"),
    ),
    TorchRow(
        "adaptive log softmax is AdaptiveLogSoftmaxWithLoss, with the gradients of all its weights",
        "adaptive_log_softmax",
        lambda **tensors: adaptive_log_softmax(**tensors),
        lambda: adaptive_softmaxes(),
        with_respect_to=(
            "y_pred",
            "head_weight",
            "tail1_projection",
            "tail1_output",
            "tail2_projection",
            "tail2_output",
        ),
        tolerance=wider(10, "products of matrices before the softmax"),
    ),
]

DIVERGENCE = [
    *(
        TorchRow(
            f"KL divergence is kl_div of log-probabilities, with the gradient of the target ({kind})",
            "kl_divergence",
            lambda y_pred, y_true: F.kl_div(y_pred, y_true, reduction="none").sum(-1),
            lambda kind=kind: [c for c in rows("log_probabilities", kind, zeros=False)],
            options={"input_kind": "LOG_PROBABILITIES"},
            with_respect_to=("y_pred", "y_true"),
            tolerance=wider(4, "up to 130 terms"),
        )
        for kind in ("simplex", "soft")
    ),
    TorchRow(
        "KL divergence of a target of 0 is 0",
        "kl_divergence",
        lambda y_pred, y_true: F.kl_div(y_pred, y_true, reduction="none").sum(-1),
        lambda: rows("log_probabilities", "simplex"),
        options={"input_kind": "LOG_PROBABILITIES"},
        tolerance=wider(4, "up to 130 terms"),
    ),
    TorchRow(
        "KL divergence takes log-targets",
        "kl_divergence",
        lambda y_pred, y_true: F.kl_div(y_pred, y_true, reduction="none", log_target=True).sum(-1),
        lambda: log_pairs(),
        options={"input_kind": "LOG_PROBABILITIES"},
        params={"log_target": True},
        with_respect_to=("y_pred", "y_true"),
        tolerance=wider(4, "up to 130 terms"),
    ),
    Row(
        "entropy of logits is that of torch.distributions.Categorical",
        "entropy",
        lambda y_pred: distributions.Categorical(logits=y_pred).entropy(),
        lambda: [{"y_pred": c["y_pred"]} for c in rows(large=False)],
        options={"input_kind": "LOGITS"},
        tolerance=wider(4, "up to 130 terms"),
    ),
    Row(
        "entropy of probabilities is the sum of torch.special.entr",
        "entropy",
        lambda y_pred: torch.special.entr(y_pred).sum(-1),
        lambda: [{"y_pred": c["y_pred"]} for c in rows("simplex", zeros=False)],
        options={"input_kind": "PROBABILITIES"},
        tolerance=wider(4, "up to 130 terms"),
    ),
    Row(
        "cosine similarity with the sign left alone is cosine_similarity",
        "cosine_similarity",
        lambda y_pred, y_true: F.cosine_similarity(y_pred, y_true, dim=-1),
        lambda: rows(target="soft", large=False),
        params={"sign": "positive", "epsilon": 1e-8},
        with_respect_to=("y_pred", "y_true"),
    ),
]

METRIC = [
    *(
        TorchRow(
            f"triplet margin is triplet_margin_loss with {params}",
            "triplet_margin",
            lambda anchor, positive, negative, params=params: F.triplet_margin_loss(
                anchor, positive, negative, reduction="none", **params
            ),
            lambda: triplets(),
            params=params,
            with_respect_to=("anchor", "positive", "negative"),
            tolerance=wider(4, "a norm of 17 differences"),
        )
        for params in ({}, {"p": 1.0, "margin": 0.3}, {"p": 3.0}, {"swap": True}, {"margin": 5.0, "swap": True})
    ),
    *(
        TorchRow(
            f"cosine embedding is cosine_embedding_loss at margin {margin}",
            "cosine_embedding",
            lambda y_pred, other, y_true, margin=margin: F.cosine_embedding_loss(
                y_pred, other, y_true, margin, reduction="none"
            ),
            lambda: cosine_pairs(),
            params={"margin": margin},
            with_respect_to=("y_pred", "other"),
        )
        for margin in (0.0, 0.25)
    ),
    *(
        Row(
            f"InfoNCE with symmetric {symmetric} is cross_entropy of the similarities",
            "info_nce",
            lambda y_pred, other, symmetric=symmetric: info_nce(y_pred, other, symmetric),
            lambda: with_input(
                embeddings(labels=False), other=lambda rng, case: case["y_pred"] + rng.normal(0, 0.5, case["y_pred"].shape)
            ),
            params={"symmetric": symmetric},
            with_respect_to=("y_pred", "other"),
            tolerance=wider(20, "similarities are divided by a temperature of 0.07"),
        )
        for symmetric in (True, False)
    ),
]

SEQUENCE = [
    Row(
        "CTC of logits is ctc_loss behind log_softmax, and so is its gradient",
        "ctc",
        lambda y_pred, y_true, input_length, label_length: ctc(
            y_pred.log_softmax(-1), y_true, input_length, label_length
        ),
        sequences,
        options={"input_kind": "LOGITS"},
        tolerance=LATTICE,
    ),
    Row(
        "CTC with the last class as the blank",
        "ctc",
        lambda y_pred, y_true, input_length, label_length: ctc(
            y_pred.log_softmax(-1), y_true, input_length, label_length, blank=y_pred.shape[-1] - 1
        ),
        lambda: sequences(blank=-1),
        params={"blank": -1},
        options={"input_kind": "LOGITS"},
        tolerance=LATTICE,
    ),
    TorchRow(
        "CTC of log-probabilities returns PyTorch's gradient, that of the logits",
        "ctc",
        lambda y_pred, y_true, input_length, label_length: ctc(y_pred, y_true, input_length, label_length),
        lambda: sequences("log_probabilities"),
        options={"input_kind": "LOG_PROBABILITIES"},
        tolerance=LATTICE,
    ),
    TorchRow(
        "the mean of CTC divides each by its length, at least 1",
        "ctc",
        lambda y_pred, y_true, input_length, label_length: ctc(
            y_pred.log_softmax(-1), y_true, input_length, label_length, reduction="mean"
        ),
        sequences,
        options={"input_kind": "LOGITS", **MEAN},
        tolerance=LATTICE,
    ),
    TorchRow(
        "the sum of CTC divides by nothing",
        "ctc",
        lambda y_pred, y_true, input_length, label_length: ctc(
            y_pred.log_softmax(-1), y_true, input_length, label_length, reduction="sum"
        ),
        sequences,
        options={"input_kind": "LOGITS", "reduction": "SUM"},
        tolerance=LATTICE,
    ),
    Row(
        "the value of CTC without a path is infinite",
        "ctc",
        lambda y_pred, y_true, input_length, label_length: ctc(
            y_pred.log_softmax(-1), y_true, input_length, label_length
        ),
        lambda: sequences(infeasible=True),
        options={"input_kind": "LOGITS"},
        with_respect_to=(),
        tolerance=LATTICE,
    ),
    Row(
        "CTC without a path is 0 with gradient 0 where asked to",
        "ctc",
        lambda y_pred, y_true, input_length, label_length: ctc(
            y_pred.log_softmax(-1), y_true, input_length, label_length, zero_infinity=True
        ),
        lambda: sequences(infeasible=True),
        params={"infeasible": "zero"},
        options={"input_kind": "LOGITS"},
        tolerance=LATTICE,
    ),
]

DIFFERENCES = [
    Differs(
        "soft margin does not overflow",
        "soft_margin",
        lambda y_pred, y_true: F.soft_margin_loss(y_pred, y_true, reduction="none"),
        {"y_pred": [100.0], "y_true": [-1.0]},
        lossd={"value": [100.0], "y_pred": [1.0]},
        peer_says={"value": [INF], "y_pred": [NAN]},
    ),
    Differs(
        "the cross-entropy of a confident row is small, not 0",
        "sparse_categorical_crossentropy",
        lambda y_pred, y_true: F.cross_entropy(y_pred, y_true, reduction="none"),
        {"y_pred": [[20.0, 0.0]], "y_true": [0]},
        lossd={"value": [2.0611536e-09], "y_pred": [-2.0611536e-09, 2.0611536e-09]},
        peer_says={"value": [0.0]},
        options={"input_kind": "LOGITS"},
    ),
    Differs(
        "smooth L1 without a quadratic part has the slope 0 at 0",
        "smooth_l1",
        lambda y_pred, y_true: F.smooth_l1_loss(y_pred, y_true, beta=0.0, reduction="none"),
        {"y_pred": [1.0], "y_true": [1.0]},
        lossd={"value": [0.0], "y_pred": [0.0]},
        peer_says={"value": [0.0], "y_pred": [-1.0]},
        params={"beta": 0},
    ),
    Differs(
        "the mean over rows that are all ignored is 0",
        "sparse_categorical_crossentropy",
        lambda y_pred, y_true: F.cross_entropy(y_pred, y_true, ignore_index=-100),
        {"y_pred": [[1.0, 2.0]], "y_true": [-100]},
        lossd={"value": [0.0], "y_pred": [0.0, 0.0]},
        peer_says={"value": [NAN]},
        options={"input_kind": "LOGITS", "ignore_index": -100, "reduction": "MEAN"},
    ),
    Differs(
        "a soft target of 0 on a logit of -inf counts for nothing",
        "categorical_crossentropy",
        lambda y_pred, y_true: F.cross_entropy(y_pred, y_true, reduction="none"),
        {"y_pred": [[0.0, -INF, 0.0]], "y_true": [[0.5, 0.0, 0.5]]},
        lossd={"value": [0.6931472], "y_pred": [0.0, 0.0, 0.0]},
        peer_says={"value": [NAN]},
        options={"input_kind": "LOGITS"},
    ),
    Differs(
        "the mean over elements that are all masked is 0",
        "mean_squared_error",
        lambda y_pred, y_true, mask: F.mse_loss(y_pred[mask], y_true[mask]),
        {"y_pred": [1.0, 2.0], "y_true": [0.0, 0.0], "mask": [False, False]},
        lossd={"value": [0.0], "y_pred": [0.0, 0.0]},
        peer_says={"value": [NAN]},
        options={"reduction": "MEAN"},
    ),
    Differs(
        "gaussian NLL's gradient of the variance is 0 below the floor",
        "gaussian_nll",
        lambda y_pred, y_true, variance: F.gaussian_nll_loss(y_pred, y_true, variance, reduction="none"),
        {"y_pred": [2.0], "y_true": [1.0], "variance": [1e-9]},
        lossd={"y_pred": [1e6], "variance": [0.0]},
        peer_says={"y_pred": [1e6], "variance": [-4.999995e11]},
    ),
    Differs(
        "CTC without a path has a finite gradient",
        "ctc",
        lambda y_pred, y_true, input_length, label_length: ctc(
            y_pred.log_softmax(-1), y_true, input_length, label_length
        ),
        {"y_pred": [[[0.0, 0.0]]], "y_true": [[1, 1]], "input_length": [1], "label_length": [2]},
        lossd={"value": [INF], "y_pred": [0.0, 0.0]},
        peer_says={"value": [INF], "y_pred": [NAN, NAN]},
        options={"input_kind": "LOGITS"},
    ),
    Differs(
        "the gradient of CTC is that of the log-probabilities that were sent",
        "ctc",
        lambda y_pred, y_true, input_length, label_length: ctc(y_pred, y_true, input_length, label_length),
        {"y_pred": [[[-0.6931472, -0.6931472]]], "y_true": [[1]], "input_length": [1], "label_length": [1]},
        lossd={"value": [0.6931472], "y_pred": [0.0, -1.0]},
        peer_says={"value": [0.6931472], "y_pred": [0.5, -0.5]},
        options={"input_kind": "LOG_PROBABILITIES"},
    ),
]


# Inputs of one row's own shape.


def per_class(rng, case):
    return rng.uniform(0.25, 3, case["y_pred"].shape[-1:])


def with_class_weight(cases):
    return with_input(cases, class_weight=per_class)


def with_ignored(cases, label):
    """Every third row has that label."""
    return [{**c, "y_true": np.where(np.arange(c["y_true"].shape[-1]) % 3 == 0, label, c["y_true"])} for c in cases]


def label_lists():
    """Distinct labels, then a -1, then what nobody reads."""
    cases = []
    for case in rows(shapes=TWO_AXES):
        rng = np.random.default_rng(case["y_pred"].size)
        labels = rng.permuted(np.tile(np.arange(case["y_pred"].shape[-1]), (case["y_pred"].shape[0], 1)), axis=-1)
        for row, count in zip(labels, rng.integers(0, min(6, labels.shape[-1]), len(labels))):
            row[count] = -1
        cases.append({"y_pred": case["y_pred"], "y_true": labels})
    return cases


def linear_layers():
    cases = []
    for n, h, k in [(1, 1, 2), (3, 4, 5), (8, 17, 130)]:
        rng = np.random.default_rng(n)
        cases += one_case(
            y_pred=rng.normal(0, 1, (n, h)),
            weight=rng.normal(0, 1, (k, h)),
            bias=rng.normal(0, 1, k),
            y_true=rng.integers(0, k, n),
        )
    return cases


def adaptive_softmaxes():
    """8 features, 20 classes: a shortlist of 5, clusters of 7 and 8 behind projections to 4 and 2."""
    rng = np.random.default_rng(7)
    return one_case(
        y_pred=rng.normal(0, 1, (9, 8)),
        y_true=rng.permutation(20)[:9],
        head_weight=rng.normal(0, 1, (7, 8)),
        tail1_projection=rng.normal(0, 1, (4, 8)),
        tail1_output=rng.normal(0, 1, (7, 4)),
        tail2_projection=rng.normal(0, 1, (2, 8)),
        tail2_output=rng.normal(0, 1, (8, 2)),
    )


def adaptive_log_softmax(y_pred, y_true, head_weight, **tails):
    module = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 12], div_value=2.0, dtype=y_pred.dtype)
    weights = {"head.weight": head_weight}
    for i in (1, 2):
        weights[f"tail.{i - 1}.0.weight"] = tails[f"tail{i}_projection"]
        weights[f"tail.{i - 1}.1.weight"] = tails[f"tail{i}_output"]
    # Its output is the log-probability of each target.
    return -torch.nn.utils.stateless.functional_call(module, weights, (y_pred, y_true)).output


def log_pairs():
    return with_input(
        rows("log_probabilities"), y_true=lambda rng, case: np.log(on_simplex(rng, case["y_pred"].shape))
    )


def triplets():
    cases = []
    for shape in [(1, 1), (5, 3), (2, 3, 4), (9, 17)]:
        rng = np.random.default_rng(len(shape) + shape[0])
        cases += one_case(**{name: rng.normal(0, 1, shape) for name in ("anchor", "positive", "negative")})
    return cases


def cosine_pairs():
    """PyTorch takes pairs in two axes."""
    cases = []
    for n, d in [(1, 2), (6, 3), (9, 130)]:
        rng = np.random.default_rng(n)
        cases += one_case(
            y_pred=rng.normal(0, 2, (n, d)), other=rng.normal(0, 2, (n, d)), y_true=rng.choice([-1.0, 1.0], n)
        )
    return cases


def info_nce(x, y, symmetric):
    s = F.normalize(x, dim=-1) @ F.normalize(y, dim=-1).T / 0.07
    target = torch.arange(len(s))
    forth = F.cross_entropy(s, target, reduction="none")
    return (forth + F.cross_entropy(s.T, target, reduction="none")) / 2 if symmetric else forth


def ctc(log_probabilities, labels, input_length, label_length, **options):
    options = {"reduction": "none", **options}
    return F.ctc_loss(log_probabilities.transpose(0, 1), labels, input_length, label_length, **options)


ROWS = REGRESSION + MARGIN + CLASSIFICATION + DIVERGENCE + METRIC + SEQUENCE + DIFFERENCES


def peer_of_row(row):
    return Backend.name
