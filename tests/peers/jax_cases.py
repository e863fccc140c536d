"""lossd beside Keras 3 and optax, both on JAX: value and gradient, in float32 and mostly float64."""

import functools

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
from harness import Differs, Row, Tolerance, wider
from inputs import (
    COUNTS,
    HARD,
    INSIDE,
    LOGITS,
    POSITIVE,
    PROBABILITIES,
    REALS,
    SEED,
    SIGNS,
    SOFT,
    Domain,
    elements,
    embeddings,
    f32,
    one_case,
    rows,
    sequences,
    with_input,
)

K = keras.losses
O = optax.losses

INF, NAN = float("inf"), float("nan")
OptaxRow = functools.partial(Row, convention="OPTAX")
# keras.ops.mean computes in float32 on JAX, whatever it is given: float64 is compared where Keras takes no mean.
MEANS_IN_FLOAT32 = {
    *("mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_logarithmic_error"),
    *("huber", "log_cosh", "poisson", "hinge", "squared_hinge", "binary_crossentropy", "binary_focal_crossentropy"),
}

LOGITS_KIND = {"input_kind": "LOGITS"}
PROBABILITIES_KIND = {"input_kind": "PROBABILITIES"}

MANY_TERMS = wider(10, "up to 130 terms, and the peer's softmax")
# The peers add logarithms down to -60, half a unit of which is 2e-6 in float32, over 30 frames.
LATTICE = Tolerance(1e-4, 1e-12, reason="logarithms to -60 added over 30 frames")
FOCAL = wider(20, "the peer rounds p and 1 - p before their logarithms and powers")
# ln(max(p, eps) + 1): the 1 takes the last digits of a small p.
ONE_PLUS = wider(20, "the peer rounds 1 + p before the logarithm")
LOG_COSH = wider(4, "the peer subtracts ln 2 from a number near it")


class Backend:
    name = "JAX"

    def __init__(self, cache=None):
        # Compiling takes nearly all of the time; where the tables did not change, the last run's results are there.
        if cache:
            jax.config.update("jax_compilation_cache_dir", str(cache))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
            jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

    def evaluate(self, row, inputs, with_respect_to=None):
        wanted = row.with_respect_to if with_respect_to is None else with_respect_to

        def total(differentiated, fixed):
            items = row.peer(**differentiated, **fixed)
            return items.sum(), items

        function = jax.value_and_grad(total, has_aux=True) if wanted else lambda d, f: (total(d, f), {})
        if row.compiled:
            function = jax.jit(function)
        # As a caller has it: JAX without float64 unless asked for.
        wide = any(array.dtype == np.float64 for array in inputs.values())
        with jax.enable_x64(wide):
            fixed = {name: jnp.asarray(array) for name, array in inputs.items() if name not in wanted}
            (_, items), gradients = function({name: jnp.asarray(inputs[name]) for name in wanted}, fixed)
        return {"value": np.asarray(items), **{name: np.asarray(g) for name, g in gradients.items()}}


def KerasRow(name, loss, *more, **fields):
    dtypes = ("F32",) if loss in MEANS_IN_FLOAT32 else ("F32", "F64")
    return Row(name, loss, *more, **{"convention": "KERAS", "dtypes": dtypes, **fields})


def of_keras(name, loss, function, inputs, **more):
    """Keras takes the target first."""
    fixed = more.pop("fixed", {})
    return KerasRow(name, loss, lambda y_pred, y_true: function(y_true, y_pred, **fixed), inputs, **more)


def of_optax(name, loss, function, inputs, **more):
    fixed = more.pop("fixed", {})
    return OptaxRow(name, loss, lambda y_pred, y_true: function(y_pred, y_true, **fixed), inputs, **more)


def reduced(name, loss, make, inputs, reduction, **more):
    """A Keras loss object: weights, and its three reductions."""
    options = {
        "sum_over_batch_size": {"reduction": "MEAN"},
        "sum": {"reduction": "SUM"},
        "mean_with_sample_weight": {"reduction": "MEAN", "divisor": "WEIGHT_SUM"},
    }[reduction]
    # A Loss casts what it is given to its own dtype.
    return KerasRow(
        f"{name}, reduced by {reduction}",
        loss,
        lambda y_pred, y_true, sample_weight=None: make(reduction=reduction, dtype=str(y_pred.dtype))(
            y_true, y_pred, sample_weight=sample_weight
        ),
        inputs,
        options={**options, **more.pop("options", {})},
        dtypes=("F32",),
        **more,
    )


def no_kink(domain, *kinks):
    return Domain(domain.sample, [x for x in domain.special if x not in kinks])


REALS_WITH_TIES = functools.partial(elements, ties=True, y_pred=REALS, y_true=REALS)
# jax.numpy.abs has the slope 1 at 0: the ties of absolute errors stand among the differences.
REALS_APART = functools.partial(elements, distinct=True, y_pred=REALS, y_true=REALS)
# Hinges have a kink where t p = 1 and the perceptron one at p = 0.
MARGINS = functools.partial(elements, y_pred=no_kink(REALS, 0), y_true=SIGNS)
BINARY_MARGINS = functools.partial(elements, y_pred=no_kink(REALS, 0), y_true=HARD)
# Keras's focal losses clip sigmoid and softmax to [1e-7, 1 - 1e-7], and 1 - p has lost its digits well before that: what
# they do farther out stands among the differences.
NEAR_LOGITS = Domain(lambda rng, shape: rng.normal(0, 1.5, shape), [0, 0.5, -2, 5])
LOGARITHMIC = Domain(lambda rng, shape: rng.gamma(1, 2, shape), [-3, -1e-3, 0, 1e-3, 0.5, 1, 30, 1e4])


def item_weights(shape_of):
    return lambda rng, case: rng.uniform(0, 2, shape_of(case["y_pred"].shape))


def weigh_rows(cases):
    return with_input(cases, sample_weight=item_weights(lambda shape: shape[:-1]))


KERAS_REGRESSION = [
    of_keras("mean squared error is Keras's", "mean_squared_error", K.mean_squared_error, REALS_WITH_TIES),
    of_keras("mean absolute error is Keras's", "mean_absolute_error", K.mean_absolute_error, REALS_APART),
    of_keras(
        "mean absolute percentage error floors the target, also at 0",
        "mean_absolute_percentage_error",
        K.mean_absolute_percentage_error,
        REALS_APART,
        tolerance=wider(4, "a division before the absolute value"),
    ),
    of_keras(
        "mean squared logarithmic error floors both sides",
        "mean_squared_logarithmic_error",
        K.mean_squared_logarithmic_error,
        lambda: elements(ties=True, y_pred=LOGARITHMIC, y_true=LOGARITHMIC),
        tolerance=ONE_PLUS,
    ),
    *(
        of_keras(f"huber is Keras's at delta {d}", "huber", K.huber, REALS_WITH_TIES, params={"delta": d}, fixed={"delta": d})
        for d in (1.0, 0.25, 8.0)
    ),
    of_keras("log-cosh is Keras's", "log_cosh", K.log_cosh, REALS_WITH_TIES, tolerance=LOG_COSH),
    of_keras(
        "poisson is Keras's",
        "poisson",
        K.poisson,
        lambda: elements(y_pred=Domain(POSITIVE.sample, [0, *POSITIVE.special]), y_true=COUNTS),
        tolerance=wider(8, "the peer rounds p + 1e-7 before the logarithm, times a count of 170"),
    ),
    of_keras(
        "cosine similarity is Keras's",
        "cosine_similarity",
        K.cosine_similarity,
        lambda: rows(target="soft", large=False),
        with_respect_to=("y_pred", "y_true"),
        tolerance=wider(4, "a norm of 130 squares"),
    ),
    of_keras(
        "cosine similarity with a target of zeros is 0, and so is its gradient",
        "cosine_similarity",
        K.cosine_similarity,
        lambda: one_case(y_pred=[[3.0, 4.0]], y_true=[[0.0, 0.0]]),
    ),
    *(
        reduced("weights of rows", "mean_squared_error", K.MeanSquaredError, lambda: weigh_rows(batches()), reduction)
        for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight")
    ),
    reduced("no weights", "mean_absolute_error", K.MeanAbsoluteError, lambda: batches(), "sum_over_batch_size"),
    reduced(
        "weights that are all 0", "mean_squared_error", K.MeanSquaredError,
        lambda: with_input(batches(), sample_weight=lambda rng, case: np.zeros(case["y_pred"].shape[:-1])),
        "mean_with_sample_weight",
    ),
    *(
        KerasRow(
            f"{loss} is Keras's regulariser",
            loss,
            lambda y_pred, make=make: make(y_pred),
            lambda: [{"y_pred": c["y_pred"]} for c in elements(y_pred=no_kink(REALS, 0))],
            params=params,
            options={"reduction": "SUM"},
            tolerance=wider(4, "a sum of 500 terms"),
        )
        for loss, make, params in [
            ("l1", keras.regularizers.L1(0.25), {"factor": 0.25}),
            ("l2", keras.regularizers.L2(0.25), {"factor": 0.25}),
            ("l1_l2", keras.regularizers.L1L2(0.25, 0.5), {"l1": 0.25, "l2": 0.5}),
        ]
    ),
    *(
        KerasRow(
            f"orthogonal regulariser of {mode}",
            "orthogonal_regularizer",
            lambda y_pred, mode=mode: keras.regularizers.OrthogonalRegularizer(0.25, mode)(y_pred),
            lambda: embeddings(labels=False),
            params={"factor": 0.25, "mode": mode},
            options={"reduction": "SUM"},
            tolerance=wider(4, "24 x 24 products"),
        )
        for mode in ("rows", "columns")
    ),
]

KERAS_MARGIN = [
    *(
        of_keras(f"{loss} of targets that are {kind}", loss, function, inputs)
        for loss, function in [("hinge", K.hinge), ("squared_hinge", K.squared_hinge)]
        for kind, inputs in [("-1 and 1", MARGINS), ("0 and 1", BINARY_MARGINS)]
    ),
    of_keras(
        "hinge reads one -1 in the whole tensor as targets of -1 and 1",
        "hinge",
        K.hinge,
        lambda: one_case(y_pred=[[0.25, -0.5], [0.75, 2.0]], y_true=[[0.0, 1.0], [1.0, -1.0]]),
    ),
    of_keras(
        "hinge at its kink has half the slope under AVERAGE",
        "hinge",
        K.hinge,
        lambda: one_case(y_pred=[[1.0], [-1.0]], y_true=[[1.0], [-1.0]]),
        options={"kink_policy": "AVERAGE"},
    ),
    of_keras(
        "categorical hinge is Keras's",
        "categorical_hinge",
        K.categorical_hinge,
        lambda: untied_scores("one_hot"),
    ),
    of_keras(
        "categorical hinge of targets that are -1 and 1",
        "categorical_hinge",
        K.categorical_hinge,
        lambda: untied_scores("signs"),
        tolerance=MANY_TERMS,
    ),
]

KERAS_CLASSIFICATION = [
    of_keras(
        "binary cross-entropy from probabilities clips to [1e-7, 1 - 1e-7]",
        "binary_crossentropy",
        K.binary_crossentropy,
        lambda: elements(y_pred=PROBABILITIES, y_true=SOFT),
        options=PROBABILITIES_KIND,
        tolerance=wider(4, "the peer rounds 1 - p before the logarithm"),
    ),
    of_keras(
        "binary cross-entropy from logits is Keras's",
        "binary_crossentropy",
        K.binary_crossentropy,
        lambda: elements(y_pred=LOGITS, y_true=SOFT),
        options=LOGITS_KIND,
        fixed={"from_logits": True},
        tolerance=wider(4, "the peer subtracts x t from x"),
    ),
    *(
        of_keras(
            f"label smoothing of binary cross-entropy, {kind}",
            "binary_crossentropy",
            K.binary_crossentropy,
            lambda domain=domain: elements(y_pred=domain, y_true=HARD),
            options={"input_kind": kind, "label_smoothing": 0.125},
            fixed={"from_logits": kind == "LOGITS", "label_smoothing": 0.125},
            tolerance=wider(4, "the peer rounds 1 - p, and subtracts x t from x"),
        )
        for kind, domain in [("LOGITS", LOGITS), ("PROBABILITIES", PROBABILITIES)]
    ),
    reduced(
        "binary cross-entropy with weights of rows",
        "binary_crossentropy",
        functools.partial(K.BinaryCrossentropy, from_logits=True),
        lambda: weigh_rows(batches(target=SOFT)),
        "sum_over_batch_size",
        options=LOGITS_KIND,
    ),
    of_keras(
        "categorical cross-entropy divides probabilities by their sum",
        "categorical_crossentropy",
        K.categorical_crossentropy,
        lambda: rows("probabilities", "soft"),
        options=PROBABILITIES_KIND,
        tolerance=MANY_TERMS,
    ),
    of_keras(
        "categorical cross-entropy from probabilities, one class of each row",
        "categorical_crossentropy",
        K.categorical_crossentropy,
        lambda: rows("probabilities", "one_hot"),
        options=PROBABILITIES_KIND,
    ),
    of_keras(
        "categorical cross-entropy from logits is Keras's",
        "categorical_crossentropy",
        K.categorical_crossentropy,
        lambda: rows(target="soft"),
        options=LOGITS_KIND,
        fixed={"from_logits": True},
        tolerance=MANY_TERMS,
    ),
    *(
        of_keras(
            f"label smoothing of categorical cross-entropy, {kind}",
            "categorical_crossentropy",
            K.categorical_crossentropy,
            lambda prediction=prediction: rows(prediction, "one_hot"),
            options={"input_kind": kind, "label_smoothing": 0.125},
            fixed={"from_logits": kind == "LOGITS", "label_smoothing": 0.125},
            tolerance=MANY_TERMS,
        )
        for kind, prediction in [("LOGITS", "logits"), ("PROBABILITIES", "probabilities")]
    ),
    of_keras(
        "categorical cross-entropy over the first axis",
        "categorical_crossentropy",
        K.categorical_crossentropy,
        lambda: [first_axis_last(c) for c in rows(target="one_hot", shapes=[(4, 3), (2, 3, 5)])],
        options={**LOGITS_KIND, "axis": 1},
        fixed={"from_logits": True, "axis": 1},
    ),
    of_keras(
        "sparse categorical cross-entropy divides probabilities by their sum",
        "sparse_categorical_crossentropy",
        K.sparse_categorical_crossentropy,
        lambda: rows("probabilities"),
        options=PROBABILITIES_KIND,
    ),
    of_keras(
        "sparse categorical cross-entropy from logits is Keras's",
        "sparse_categorical_crossentropy",
        K.sparse_categorical_crossentropy,
        rows,
        options=LOGITS_KIND,
        fixed={"from_logits": True},
    ),
    reduced(
        "sparse categorical cross-entropy without an ignored class",
        "sparse_categorical_crossentropy",
        functools.partial(K.SparseCategoricalCrossentropy, from_logits=True, ignore_class=1),
        lambda: rows(shapes=[(4, 3), (9, 130)]),
        "sum_over_batch_size",
        options={**LOGITS_KIND, "ignore_index": 1},
        compiled=False,
    ),
    *(
        of_keras(
            f"binary focal cross-entropy from {kind.lower()}, {params}",
            "binary_focal_crossentropy",
            K.binary_focal_crossentropy,
            lambda domain=domain: elements(y_pred=domain, y_true=SOFT),
            options={"input_kind": kind},
            params=params,
            fixed={"from_logits": kind == "LOGITS", **params},
            tolerance=FOCAL,
        )
        for kind, domain in [("LOGITS", NEAR_LOGITS), ("PROBABILITIES", INSIDE)]
        for params in ({}, {"gamma": 3.0}, {"apply_class_balancing": True, "alpha": 0.75})
    ),
    of_keras(
        "label smoothing of binary focal cross-entropy",
        "binary_focal_crossentropy",
        K.binary_focal_crossentropy,
        lambda: elements(y_pred=INSIDE, y_true=HARD),
        options={**PROBABILITIES_KIND, "label_smoothing": 0.125},
        fixed={"label_smoothing": 0.125},
        tolerance=FOCAL,
    ),
    *(
        of_keras(
            f"categorical focal cross-entropy from {kind.lower()}, {params}",
            "categorical_focal_crossentropy",
            K.categorical_focal_crossentropy,
            inputs,
            options={"input_kind": kind},
            params=params,
            fixed={"from_logits": kind == "LOGITS", **params},
            tolerance=FOCAL,
        )
        for kind, inputs in [
            ("LOGITS", lambda: near_scores()),
            ("PROBABILITIES", lambda: rows("probabilities", "soft", large=False, zeros=False)),
        ]
        for params in ({}, {"gamma": 1.5, "alpha": 0.75})
    ),
    of_keras(
        "generalised cross-entropy is Keras's",
        "generalized_cross_entropy",
        K.categorical_generalized_cross_entropy,
        lambda: rows("simplex", zeros=False),
        options=PROBABILITIES_KIND,
        params={"q": 0.75},
        fixed={"q": 0.75},
        tolerance=wider(4, "a power in float32"),
    ),
    of_keras(
        "KL divergence clips both sides to [1e-7, 1]",
        "kl_divergence",
        K.kl_divergence,
        lambda: [*rows("simplex", "simplex", [(1, 2)], zeros=False), *rows("simplex", "simplex", [(2, 3, 5), (9, 130)])],
        options=PROBABILITIES_KIND,
        with_respect_to=("y_pred", "y_true"),
        tolerance=MANY_TERMS,
    ),
]

KERAS_OVERLAP = [
    *(
        of_keras(f"dice over {where}", "dice", K.dice, lambda: masks(), options=options, fixed={"axis": axis})
        for where, options, axis in [
            ("everything but the first axis", {"item_axes": [1, 2]}, (1, 2)),
            ("the whole batch", {"item_axes": [0, 1, 2]}, None),
            ("the last axis", {"item_axes": [2]}, 2),
        ]
    ),
    *(
        KerasRow(
            f"tversky over everything but the first axis, alpha {alpha} and beta {beta}",
            "tversky",
            # Keras 3.15 still weighs false negatives by alpha, against its documentation; corrected in keras#23333.
            lambda y_pred, y_true, a=alpha, b=beta: K.tversky(y_true, y_pred, alpha=b, beta=a, axis=(1, 2)),
            lambda: masks(),
            options={"item_axes": [1, 2]},
            params={"alpha": alpha, "beta": beta},
        )
        for alpha, beta in [(0.5, 0.5), (0.25, 0.75)]
    ),
]

KERAS_SEQUENCE = [
    of_keras(
        "CTC counts labels that are not 0 and reads every frame",
        "ctc",
        K.ctc,
        lambda: [keras_ctc(c) for c in sequences()],
        options=LOGITS_KIND,
        tolerance=LATTICE,
        dtypes=("F32",),  # in which Keras computes CTC, whatever it is given
    ),
    of_keras(
        "CTC takes a 0 among the labels for a symbol that has the blank's score",
        "ctc",
        K.ctc,
        lambda: one_case(y_pred=(np.arange(24.0).reshape(2, 4, 3) - 12) / 100, y_true=[[1, 2, 1, 0], [1, 2, 0, 2]]),
        options=LOGITS_KIND,
        tolerance=LATTICE,
        dtypes=("F32",),
    ),
    KerasRow(
        "CTC with lengths is keras.ops.ctc_loss",
        "ctc",
        lambda y_pred, y_true, input_length, label_length: keras.ops.ctc_loss(
            y_true, y_pred, label_length, input_length, mask_index=0
        ),
        sequences,
        options=LOGITS_KIND,
        tolerance=LATTICE,
        dtypes=("F32",),
    ),
]

KERAS_METRIC = [
    *(
        of_keras(
            f"circle is Keras's, gamma {gamma} and margin {margin}",
            "circle",
            K.circle,
            lambda: embeddings(unit=True),
            params={"gamma": gamma, "margin": margin},
            fixed={"gamma": gamma, "margin": margin},
            tolerance=wider(30, "exponents of gamma times rounded similarities", floor=10),
        )
        for gamma, margin in [(80.0, 0.4), (16.0, 0.25)]
    ),
]

OPTAX_REGRESSION = [
    of_optax("mean squared error is squared_error", "mean_squared_error", O.squared_error, REALS_WITH_TIES),
    of_optax("half squared error is l2_loss", "half_squared_error", O.l2_loss, REALS_WITH_TIES),
    *(
        of_optax(f"huber is huber_loss at delta {d}", "huber", O.huber_loss, inputs, params={"delta": d}, fixed={"delta": d})
        for d, inputs in [(0.3, REALS_WITH_TIES), (0.7, REALS_WITH_TIES)]
    ),
    of_optax("log-cosh is log_cosh", "log_cosh", O.log_cosh, REALS_WITH_TIES, tolerance=LOG_COSH),
    *(
        of_optax(
            f"{loss} is {function.__name__}",
            loss,
            function,
            lambda: rows(target="soft", large=False),
            params=params,
            with_respect_to=("y_pred", "y_true"),
            tolerance=wider(4, "a norm of 130 squares"),
        )
        for loss, function, params in [
            ("cosine_similarity", O.cosine_similarity, {"sign": "positive"}),
            ("cosine_distance", O.cosine_distance, {}),
        ]
    ),
]

OPTAX_MARGIN = [
    of_optax("hinge is hinge_loss", "hinge", O.hinge_loss, MARGINS),
    of_optax(
        "hinge at its kink has half the slope under AVERAGE",
        "hinge",
        O.hinge_loss,
        lambda: one_case(y_pred=[1.0, -1.0], y_true=[1.0, -1.0]),
        options={"kink_policy": "AVERAGE"},
    ),
    of_optax("perceptron is perceptron_loss", "perceptron", O.perceptron_loss, MARGINS),
    of_optax(
        "perceptron at its kink has half the slope under AVERAGE",
        "perceptron",
        O.perceptron_loss,
        lambda: one_case(y_pred=[0.0, 0.0], y_true=[1.0, -1.0]),
        options={"kink_policy": "AVERAGE"},
    ),
    of_optax("sparsemax is sparsemax_loss", "sparsemax", O.sparsemax_loss, lambda: elements(y_pred=LOGITS, y_true=HARD)),
    of_optax(
        "multiclass sparsemax is multiclass_sparsemax_loss",
        "multiclass_sparsemax",
        O.multiclass_sparsemax_loss,
        lambda: untied_scores("label", shapes=[(1, 2), (4, 3), (9, 130)]),
        tolerance=MANY_TERMS,
    ),
    of_optax(
        "multiclass hinge is multiclass_hinge_loss",
        "multiclass_hinge",
        O.multiclass_hinge_loss,
        lambda: untied_scores("label"),
    ),
    of_optax(
        "multiclass perceptron is multiclass_perceptron_loss",
        "multiclass_perceptron",
        O.multiclass_perceptron_loss,
        lambda: untied_scores("label"),
    ),
    of_optax(
        "fenchel-young of the entropy is that of logsumexp",
        "fenchel_young",
        O.make_fenchel_young_loss(jax.nn.logsumexp),
        lambda: rows(target="simplex"),
        params={"regularizer": "entropy"},
        tolerance=MANY_TERMS,
    ),
    of_optax(
        "fenchel-young of the gini entropy is that of the sparsemax conjugate",
        "fenchel_young",
        O.make_fenchel_young_loss(lambda scores: gini_conjugate(scores)),
        lambda: rows(target="simplex", large=False),
        params={"regularizer": "gini"},
        tolerance=MANY_TERMS,
    ),
]

OPTAX_CLASSIFICATION = [
    of_optax(
        "binary cross-entropy from logits is sigmoid_binary_cross_entropy",
        "binary_crossentropy",
        O.sigmoid_binary_cross_entropy,
        lambda: elements(y_pred=LOGITS, y_true=SOFT),
        options=LOGITS_KIND,
        tolerance=wider(4, "the peer's log_sigmoid"),
    ),
    *(
        of_optax(
            f"binary focal cross-entropy is sigmoid_focal_loss, {params}",
            "binary_focal_crossentropy",
            O.sigmoid_focal_loss,
            lambda: elements(y_pred=LOGITS, y_true=HARD),
            options=LOGITS_KIND,
            params={"apply_class_balancing": "alpha" in params, **params},
            fixed=params,
            tolerance=wider(10, "the peer's logarithms of sigmoids"),
        )
        for params in ({"gamma": 2.0}, {"gamma": 0.5}, {"gamma": 2.0, "alpha": 0.75})
    ),
    *(
        of_optax(
            f"categorical cross-entropy of {target} targets is softmax_cross_entropy",
            "categorical_crossentropy",
            O.softmax_cross_entropy,
            lambda target=target: rows(target=target),
            options=LOGITS_KIND,
            tolerance=MANY_TERMS,
        )
        for target in ("one_hot", "soft")
    ),
    of_optax(
        "categorical cross-entropy counts 0 log 0 as 0, as safe_softmax_cross_entropy",
        "categorical_crossentropy",
        O.safe_softmax_cross_entropy,
        lambda: one_case(y_pred=[[0.0, -INF, 1.0], [2.0, 1.0, -INF]], y_true=[[0.5, 0.0, 0.5], [1.0, 0.0, 0.0]]),
        options=LOGITS_KIND,
    ),
    OptaxRow(
        "label smoothing is smooth_labels",
        "categorical_crossentropy",
        lambda y_pred, y_true: O.softmax_cross_entropy(y_pred, O.smooth_labels(y_true, 0.125)),
        lambda: rows(target="one_hot"),
        options={**LOGITS_KIND, "label_smoothing": 0.125},
        tolerance=MANY_TERMS,
    ),
    OptaxRow(
        "a class mask takes classes out of the softmax",
        "categorical_crossentropy",
        lambda y_pred, y_true, class_mask: O.softmax_cross_entropy(
            y_pred, y_true, where=jnp.broadcast_to(class_mask, y_pred.shape)
        ),
        lambda: with_class_mask(rows(target="soft", shapes=[(4, 3), (9, 130)])),
        options=LOGITS_KIND,
        tolerance=MANY_TERMS,
    ),
    of_optax(
        "sparse categorical cross-entropy is softmax_cross_entropy_with_integer_labels",
        "sparse_categorical_crossentropy",
        O.softmax_cross_entropy_with_integer_labels,
        rows,
        options=LOGITS_KIND,
    ),
    *(
        of_optax(
            f"poly-1 cross-entropy is poly_loss_cross_entropy at epsilon {epsilon}",
            "poly1_cross_entropy",
            O.poly_loss_cross_entropy,
            lambda: rows(target="soft", large=False),
            options=LOGITS_KIND,
            params={"epsilon": epsilon},
            fixed={"epsilon": epsilon},
            tolerance=MANY_TERMS,
        )
        for epsilon in (2.0, -1.0)
    ),
    *(
        of_optax(
            f"{loss} is {function.__name__}",
            loss,
            function,
            lambda target=target: rows("log_probabilities", target, zeros=False),
            options={"input_kind": "LOG_PROBABILITIES"},
            with_respect_to=("y_pred", "y_true"),
            tolerance=MANY_TERMS,
        )
        for loss, function, target in [
            ("kl_divergence", O.kl_divergence, "simplex"),
            ("generalized_kl_divergence", O.generalized_kl_divergence, "soft"),
        ]
    ),
    of_optax(
        "KL divergence of a target of 0 is 0",
        "kl_divergence",
        O.kl_divergence,
        lambda: rows("log_probabilities", "simplex"),
        options={"input_kind": "LOG_PROBABILITIES"},
        tolerance=MANY_TERMS,
    ),
    of_optax(
        "KL divergence takes log-targets, as kl_divergence_with_log_targets",
        "kl_divergence",
        O.kl_divergence_with_log_targets,
        lambda: [{**c, "y_true": f32(np.log(c["y_true"]))} for c in rows("log_probabilities", "simplex", zeros=False)],
        options={"input_kind": "LOG_PROBABILITIES"},
        params={"log_target": True},
        with_respect_to=("y_pred", "y_true"),
        tolerance=MANY_TERMS,
    ),
]

OPTAX_OTHER = [
    OptaxRow(
        "CTC is ctc_loss, blank 0",
        "ctc",
        lambda y_pred, y_true, input_length, label_length: optax_ctc(y_pred, y_true, input_length, label_length, 0),
        sequences,
        options=LOGITS_KIND,
        tolerance=LATTICE,
    ),
    OptaxRow(
        "CTC is ctc_loss, the last class the blank",
        "ctc",
        lambda y_pred, y_true, input_length, label_length: optax_ctc(
            y_pred, y_true, input_length, label_length, y_pred.shape[-1] - 1
        ),
        lambda: sequences(blank=-1),
        options=LOGITS_KIND,
        params={"blank": -1},
        tolerance=LATTICE,
    ),
    OptaxRow(
        "dice of probabilities is dice_loss of one class at alpha and beta one half",
        "dice",
        # 2 I + 2 s over St + Sp + 2 s: a smooth of 1 is 2 in numerator and denominator.
        lambda y_pred, y_true: O.dice_loss(
            jnp.log(y_pred[..., None]) - jnp.log1p(-y_pred[..., None]), y_true[..., None], smooth=1.0
        ),
        lambda: masks(),
        options={"item_axes": [1, 2]},
        params={"smooth_numerator": 2.0, "smooth_denominator": 2.0},
        tolerance=wider(4, "a sigmoid of a logarithm"),
    ),
    OptaxRow(
        "tversky of probabilities is dice_loss at other alpha and beta",
        "tversky",
        lambda y_pred, y_true: O.dice_loss(
            jnp.log(y_pred[..., None]) - jnp.log1p(-y_pred[..., None]), y_true[..., None], alpha=0.25, beta=0.75
        ),
        lambda: masks(),
        options={"item_axes": [1, 2]},
        params={"alpha": 0.25, "beta": 0.75, "smooth_numerator": 1.0, "smooth_denominator": 1.0},
        tolerance=wider(4, "a sigmoid of a logarithm"),
    ),
    OptaxRow(
        "triplet margin of the squared norm's root is triplet_margin_loss",
        "triplet_margin",
        lambda anchor, positive, negative: O.triplet_margin_loss(anchor, positive, negative, eps=0.0),
        lambda: triplets(),
        params={"epsilon": 0.0},
        with_respect_to=("anchor", "positive", "negative"),
        tolerance=wider(4, "a norm of 17 differences"),
    ),
    *(
        of_optax(
            f"NT-Xent is ntxent at temperature {temperature}",
            "ntxent",
            O.ntxent,
            embeddings,
            options={"reduction": "MEAN", "divisor": "TERMS"},
            params={"temperature": temperature},
            fixed={"temperature": temperature},
            tolerance=wider(30, "exponents of similarities divided by the temperature"),
        )
        for temperature in (0.07, 0.5)
    ),
    of_optax(
        "ranking softmax is ranking_softmax_loss",
        "ranking_softmax",
        O.ranking_softmax_loss,
        lambda: rows(target="soft"),
        fixed={"reduce_fn": None},
        tolerance=MANY_TERMS,
    ),
    OptaxRow(
        "ranking softmax leaves entries out",
        "ranking_softmax",
        lambda y_pred, y_true, where: O.ranking_softmax_loss(y_pred, y_true, where=where, reduce_fn=None),
        lambda: with_input(
            rows(target="soft", shapes=[(4, 3), (9, 130)]),
            where=lambda rng, case: with_one_true(rng.random(case["y_pred"].shape) < 0.6),
        ),
        tolerance=MANY_TERMS,
    ),
]

DIFFERENCES = [
    Differs(
        "mean absolute error has the slope 0 where prediction and target agree",
        "mean_absolute_error",
        lambda y_pred, y_true: K.mean_absolute_error(y_true, y_pred),
        {"y_pred": [[2.0]], "y_true": [[2.0]]},
        lossd={"y_pred": [0.0]},
        peer_says={"y_pred": [-1.0]},
    ),
    Differs(
        "log-cosh of a small error is half its square",
        "log_cosh",
        lambda y_pred, y_true: K.log_cosh(y_true, y_pred),
        {"y_pred": [[1e-4]], "y_true": [[0.0]]},
        lossd={"value": [5e-9], "y_pred": [1e-4]},
        peer_says={"value": [0.0]},
    ),
    Differs(
        "the cross-entropy of a confident row is small, not 0",
        "sparse_categorical_crossentropy",
        lambda y_pred, y_true: O.softmax_cross_entropy_with_integer_labels(y_pred, y_true),
        {"y_pred": [[20.0, 0.0]], "y_true": [0]},
        lossd={"value": [2.0611536e-09], "y_pred": [-2.0611536e-09, 2.0611536e-09]},
        peer_says={"value": [0.0]},
        options=LOGITS_KIND,
    ),
    Differs(
        "focal cross-entropy of a logit that is far off keeps its slope",
        "binary_focal_crossentropy",
        lambda y_pred, y_true: K.binary_focal_crossentropy(y_true, y_pred, from_logits=True),
        {"y_pred": [[-40.0]], "y_true": [[1.0]]},
        lossd={"value": [40.0], "y_pred": [-1.0]},
        peer_says={"value": [16.118095]},
        options=LOGITS_KIND,
    ),
    Differs(
        "categorical focal cross-entropy of a logit that is far off keeps its slope",
        "categorical_focal_crossentropy",
        lambda y_pred, y_true: K.categorical_focal_crossentropy(y_true, y_pred, from_logits=True),
        {"y_pred": [[20.0, 0.0]], "y_true": [[0.0, 1.0]]},
        lossd={"value": [5.0], "y_pred": [0.25, -0.25]},
        peer_says={"value": [4.029523], "y_pred": [0.0, 0.0]},
        options=LOGITS_KIND,
        convention="KERAS",
    ),
    Differs(
        "KL divergence has its full slope where a row touches the clip",
        "kl_divergence",
        lambda y_pred, y_true: K.kl_divergence(y_true, y_pred),
        {"y_pred": [[0.5, 1.0]], "y_true": [[0.5, 1.0]]},
        lossd={"value": [0.0], "y_pred": [-1.0, -1.0], "y_true": [1.0, 1.0]},
        peer_says={"value": [0.0], "y_pred": [-1.0, -0.5], "y_true": [1.0, 0.5]},
        options=PROBABILITIES_KIND,
        convention="KERAS",
    ),
    Differs(
        "the label 2049 of float16 scores is not read as 2048",
        "sparse_categorical_crossentropy",
        lambda y_pred, y_true: K.SparseCategoricalCrossentropy(True, reduction="none", dtype="float16")(y_true, y_pred),
        {"y_pred": np.where(np.arange(2051) == 2049, 40.0, 0.0)[None], "y_true": [2049]},
        lossd={"value": [0.0]},
        peer_says={"value": [40.0]},
        options=LOGITS_KIND,
        convention="KERAS",
        dtype="F16",
    ),
    Differs(
        "focal cross-entropy with gamma below 1 has a gradient where prediction and target agree",
        "binary_focal_crossentropy",
        lambda y_pred, y_true: K.binary_focal_crossentropy(y_true, y_pred, gamma=0.5),
        {"y_pred": [[1.0]], "y_true": [[1.0]]},
        lossd={"y_pred": [0.0]},
        peer_says={"y_pred": [NAN]},
        options={**PROBABILITIES_KIND, "clip_policy": "KERAS_CLIP"},
        params={"gamma": 0.5},
    ),
    Differs(
        "cosine similarity of a zero vector is no NaN",
        "cosine_similarity",
        lambda y_pred, y_true: O.cosine_similarity(y_pred, y_true),
        {"y_pred": [[0.0, 0.0]], "y_true": [[1.0, 0.0]]},
        lossd={"value": [0.0]},
        peer_says={"value": [NAN]},
        params={"sign": "positive"},
    ),
    Differs(
        "the gradient of cosine similarity at a zero vector is that of the floor",
        "cosine_similarity",
        lambda y_pred, y_true: K.cosine_similarity(y_true, y_pred),
        {"y_pred": [[0.0, 0.0]], "y_true": [[3.0, 4.0]]},
        lossd={"value": [0.0], "y_pred": [-6e6, -8e6]},
        peer_says={"value": [0.0], "y_pred": [NAN, NAN]},
        convention="KERAS",
    ),
    Differs(
        "CTC of labels that need more frames than there are is infinite",
        "ctc",
        lambda y_pred, y_true: O.ctc_loss(y_pred, jnp.zeros(y_pred.shape[:2]), y_true, jnp.zeros(y_true.shape)),
        {"y_pred": [[[0.0, 0.0]]], "y_true": [[1, 1]]},
        lossd={"value": [INF], "y_pred": [0.0, 0.0]},
        peer_says={"value": [1e5]},
        options=LOGITS_KIND,
        convention="OPTAX",
        tolerance=1e-3,
    ),
    Differs(
        "hinge has the slope of least norm at its kink",
        "hinge",
        lambda y_pred, y_true: O.hinge_loss(y_pred, y_true),
        {"y_pred": [1.0], "y_true": [1.0]},
        lossd={"value": [0.0], "y_pred": [0.0]},
        peer_says={"value": [0.0], "y_pred": [-0.5]},
    ),
]


# Inputs of one row's own shape.


def batches(target=REALS):
    """Two or three axes, so that a weight can belong to a row."""
    return [c for c in elements(y_pred=REALS, y_true=target)[:-1] if c["y_pred"].ndim > 1]


def untied_scores(target, **more):
    """The typical half of the cases: the adversarial one has ties, where a maximum has a kink."""
    return rows(target=target, **more)[::2]


def near_scores():
    """Logits whose softmax stays well above 1e-7, also of 130 classes."""
    return [{**c, "y_pred": f32(c["y_pred"] / 3)} for c in rows(target="soft", large=False, zeros=False)]


def first_axis_last(case):
    """The class axis moved to the second place."""
    return {name: np.ascontiguousarray(np.moveaxis(array, -1, 1)) for name, array in case.items()}


def masks():
    rng = np.random.default_rng(SEED + 5)
    return [
        {"y_pred": f32(rng.uniform(0.01, 0.99, shape)), "y_true": rng.integers(0, 2, shape).astype(float)}
        for shape in [(1, 1, 1), (2, 3, 4), (3, 16, 17)]
    ]


def triplets():
    cases = []
    for shape in [(5, 3), (2, 3, 4), (9, 17)]:
        rng = np.random.default_rng(shape[0])
        cases += one_case(**{name: rng.normal(0, 1, shape) for name in ("anchor", "positive", "negative")})
    return cases


def with_one_true(mask):
    mask[..., 0] = True
    return mask


def with_class_mask(cases):
    """The same classes for every row; a class that is out has no target."""
    result = []
    for case in cases:
        mask = np.arange(case["y_pred"].shape[-1]) % 3 != 1
        result.append({**case, "class_mask": mask})
    return result


def keras_ctc(case):
    """Keras pads labels with 0 and counts the others."""
    labels = case["y_true"].copy()
    labels[np.arange(labels.shape[1]) >= case["label_length"][:, None]] = 0
    return {"y_pred": case["y_pred"], "y_true": labels}


def optax_ctc(logits, labels, input_length, label_length, blank):
    frames, length = logits.shape[1], labels.shape[1]
    return O.ctc_loss(
        logits,
        (jnp.arange(frames) >= input_length[:, None]).astype(logits.dtype),
        labels,
        (jnp.arange(length) >= label_length[:, None]).astype(logits.dtype),
        blank_id=blank,
    )


def gini_conjugate(scores):
    """max over the simplex of p . s - (|p|^2 - 1) / 2."""
    p = optax.projections.projection_simplex(scores)
    return jnp.dot(p, scores) - (jnp.dot(p, p) - 1) / 2


ROWS = (
    KERAS_REGRESSION
    + KERAS_MARGIN
    + KERAS_CLASSIFICATION
    + KERAS_OVERLAP
    + KERAS_SEQUENCE
    + KERAS_METRIC
    + OPTAX_REGRESSION
    + OPTAX_MARGIN
    + OPTAX_CLASSIFICATION
    + OPTAX_OTHER
    + DIFFERENCES
)


def peer_of_row(row):
    return {"KERAS": "Keras", "OPTAX": "optax"}.get(row.convention, "JAX")
