"""How far from exact lossd, PyTorch and Keras are in float32, in units in the last place: a table in Markdown.

    accuracy.py --address HOST:PORT --messages FOLDER [--golden FOLDER]

Run by Debian's Python, which has PyTorch; Keras is asked in a process of its own. Exact answers and inputs come from the
golden files (tests/golden). Counted are the cases whose inputs and exact answers are normal float32 numbers or inputs 0,
for the cross-entropies those with hard targets (0 and 1, one class). A peer is not asked for a form or a parameter that
it does not have.
"""

import argparse
import collections
import json
import math
import os
import pathlib
import subprocess
import warnings

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOSSES = (
    *("mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_logarithmic_error"),
    *("huber", "smooth_l1", "log_cosh", "poisson", "poisson_nll", "gaussian_nll"),
    *("hinge", "squared_hinge", "categorical_hinge", "soft_margin", "hinge_embedding", "margin_ranking"),
    *("multi_margin", "multilabel_margin", "multilabel_soft_margin"),
    *("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy", "nll"),
    *("binary_focal_crossentropy", "categorical_focal_crossentropy", "generalized_cross_entropy"),
    *("kl_divergence", "cosine_similarity", "cosine_embedding", "triplet_margin", "ctc"),
)
LABELS = ("sparse_categorical_crossentropy", "nll", "multi_margin", "multilabel_margin", "generalized_cross_entropy", "ctc")
TINY, HUGE = 2.0**-126, float(np.finfo(np.float32).max)


# The golden files.


def number(text):
    return float.fromhex(text) if "0x" in text.lower() else float(text)


def parse_array(words):
    shape = [] if words[0] == "[]" else [int(n) for n in words[0].split("x")]
    return np.array([number(w) for w in words[1:]]).reshape(shape)


def setting(text):
    if text in ("true", "false"):
        return text == "true"
    return number(text) if text[-1].isdigit() else text  # infinities have the word for a parameter that is a number


def parse_line(line):
    """A case in float32: form, params, inputs by name, exact values and gradient of the first input; or None."""
    head, *fields = [part.split() for part in line.split("|")]
    dtype, kind, clip, *params = head
    if dtype != "F32":
        return None
    case = {"params": tuple(sorted(tuple(p.split("=")) for p in params if p != "-")), "form": (kind, clip), "inputs": {}}
    for name, *words in fields:
        if name == "=":
            case["value"] = np.array([[number(w) for w in words[i : i + 2]] for i in range(0, len(words), 2)])
        elif name == "d" and words[0] == next(iter(case["inputs"])):
            case["gradient"] = np.array([[number(w) for w in words[i : i + 2]] for i in range(1, len(words), 2)])
        elif name not in ("d", "h"):
            case["inputs"][name] = parse_array(words)
    return case if "gradient" in case else None


def usual(array):
    """Zeros and normal float32 numbers alone: some peers take subnormal ones for 0."""
    return bool(np.all((array == 0) | ((np.abs(array) >= TINY) & (np.abs(array) <= HUGE))))


def groups(folder, loss):
    """Cases of one form, parameters and shapes, as one batch: (form, params, inputs, exact values, exact gradient)."""
    batches = collections.defaultdict(list)
    for line in (folder / f"{loss}.golden").read_text().splitlines():
        case = parse_line(line) if line and not line.startswith("#") else None
        if case is None:
            continue
        inputs = case["inputs"]
        soft = "crossentropy" in loss and not set(np.ravel(inputs["y_true"])) <= {0.0, 1.0}
        if (loss in LABELS or not soft) and all(usual(a) for a in inputs.values()):
            shapes = tuple((name, a.shape) for name, a in inputs.items())
            binary = set(np.ravel(inputs.get("y_true", []))) <= {0.0, 1.0}  # what hinges look for in a whole batch
            if all(shape and shape[0] == shapes[0][1][0] for _, shape in shapes):
                batches[case["form"], case["params"], shapes, binary].append(case)
    for (form, params, shapes, _), cases in batches.items():
        inputs = {}
        for name, shape in shapes:
            array = np.concatenate([c["inputs"][name] for c in cases])
            integer = name.endswith("_length") or (name == "y_true" and loss in LABELS)
            inputs[name] = array.astype(np.int64 if integer else np.float32)
        yield (
            form,
            {name: setting(value) for name, value in params},
            inputs,
            np.concatenate([c["value"] for c in cases]),
            np.concatenate([c["gradient"] for c in cases]),
        )


def ulps(got, exact):
    """Errors in units in the last place of the exact answer; those that are no normal float32 are left out."""
    got, exact = np.ravel(got).astype(np.float64), np.reshape(exact, (-1, 2))
    hi, lo = exact[:, 0], exact[:, 1]
    kept = (np.abs(hi) >= TINY) & (np.abs(hi) <= HUGE)
    got, hi, lo = got[kept], hi[kept], lo[kept]
    unit = np.exp2(np.floor(np.log2(np.abs(hi))) - 23)
    errors = np.abs((got - hi) - lo) / unit
    return np.where(np.isfinite(errors), errors, math.inf)


# Who is asked: a function (loss, form, params, inputs) to (values, gradient), or None for what it does not have.


def ask_torch(loss, form, params, inputs):
    import torch
    import torch.nn.functional as F

    LOGITS, LOGS = ("LOGITS", "NO_CLIP"), ("LOG_PROBABILITIES", "NO_CLIP")
    n = {"reduction": "none"}

    def ctc(y_pred, y_true, input_length=None, label_length=None, **fixed):
        items = len(y_pred)
        frames = torch.full((items,), y_pred.shape[1]) if input_length is None else input_length
        labels = torch.full((items,), y_true.shape[1]) if label_length is None else label_length
        return F.ctc_loss(y_pred.log_softmax(-1).transpose(0, 1), y_true, frames, labels, **n)

    # Function, form, and which of lossd's parameters it has by the same name.
    functions = {
        "mean_squared_error": [(F.mse_loss, None, ())],
        "mean_absolute_error": [(F.l1_loss, None, ())],
        "huber": [(F.huber_loss, None, ("delta",))],
        "smooth_l1": [(F.smooth_l1_loss, None, ("beta",))],
        "poisson_nll": [(F.poisson_nll_loss, None, ("log_input", "full"))],
        "gaussian_nll": [
            (lambda y_pred, y_true, variance, **f: F.gaussian_nll_loss(y_pred, y_true, variance, **f), None, ("full",))
        ],
        "soft_margin": [(F.soft_margin_loss, None, ())],
        "hinge_embedding": [(F.hinge_embedding_loss, None, ("margin",))],
        "margin_ranking": [
            (lambda y_pred, other, y_true, **f: F.margin_ranking_loss(y_pred, other, y_true, **f), None, ("margin",))
        ],
        "multi_margin": [(F.multi_margin_loss, None, ("margin",))],
        "multilabel_margin": [(F.multilabel_margin_loss, None, ())],
        "multilabel_soft_margin": [(F.multilabel_soft_margin_loss, None, ())],
        "binary_crossentropy": [
            (F.binary_cross_entropy_with_logits, LOGITS, ()),
            (F.binary_cross_entropy, ("PROBABILITIES", "TORCH_LOG_CLAMP"), ()),
        ],
        "categorical_crossentropy": [(F.cross_entropy, LOGITS, ())],
        "sparse_categorical_crossentropy": [(F.cross_entropy, LOGITS, ())],
        "nll": [(F.nll_loss, None, ())],
        "kl_divergence": [(lambda y_pred, y_true, **f: F.kl_div(y_pred, y_true, **f).sum(-1), LOGS, ("log_target",))],
        "cosine_similarity": [(lambda y_pred, y_true, **f: -F.cosine_similarity(y_pred, y_true, dim=-1), None, ())],
        "cosine_embedding": [
            (lambda y_pred, other, y_true, **f: F.cosine_embedding_loss(y_pred, other, y_true, **f), None, ("margin",))
        ],
        "triplet_margin": [
            (
                lambda anchor, positive, negative, **f: F.triplet_margin_loss(anchor, positive, negative, **f),
                None,
                ("margin", "p", "swap"),
            )
        ],
        "ctc": [(ctc, LOGITS, ())],
    }
    for function, of, taken in functions.get(loss, []):
        if of in (None, form) and set(params) <= set(taken) and "inf" not in params.values():
            tensors = {name: torch.tensor(array) for name, array in inputs.items()}
            first = next(iter(tensors.values())).requires_grad_()
            by_place = loss not in ("gaussian_nll", "margin_ranking", "cosine_embedding", "triplet_margin", "ctc")
            values = function(*tensors.values(), **n, **params) if by_place else function(**tensors, **n, **params)
            values.sum().backward()
            gradient = torch.zeros_like(first) if first.grad is None else first.grad
            return values.detach().numpy(), gradient.numpy()
    return None


KERAS_NAMES = {"generalized_cross_entropy": "categorical_generalized_cross_entropy"}
KERAS_PARAMS = {
    "huber": ("delta",),
    "binary_focal_crossentropy": ("gamma", "alpha", "apply_class_balancing"),
    "categorical_focal_crossentropy": ("gamma", "alpha"),
    "generalized_cross_entropy": ("q",),
}


def ask_keras(loss, form, params, inputs):
    import jax
    import jax.numpy as jnp
    import keras

    keras_clips = loss not in ("nll", "generalized_cross_entropy")
    forms = {("UNSPECIFIED", "NO_CLIP"), ("LOGITS", "NO_CLIP"), ("PROBABILITIES", "KERAS_CLIP" if keras_clips else "NO_CLIP")}
    function = getattr(keras.losses, KERAS_NAMES.get(loss, loss), None)
    if form not in forms or function is None or not set(params) <= set(KERAS_PARAMS.get(loss, ())):
        return None
    if set(inputs) != {"y_pred", "y_true"}:
        return None
    fixed = {"q": 0.5, **params} if loss == "generalized_cross_entropy" else dict(params)
    if "crossentropy" in loss:
        fixed["from_logits"] = form[0] == "LOGITS"
    elementwise = inputs["y_pred"].ndim == 1
    y_pred, y_true = (jnp.asarray(a[:, None] if elementwise else a) for a in (inputs["y_pred"], inputs["y_true"]))

    def total(x):
        values = function(y_true, x, **fixed)
        return values.sum(), values

    (_, values), gradient = jax.value_and_grad(total, has_aux=True)(y_pred)
    return np.asarray(values), np.asarray(gradient)


def lossd(client):
    def ask(loss, form, params, inputs):
        options = {"reduction": "NONE", "clip_policy": form[1]}
        if form[0] != "UNSPECIFIED":
            options["input_kind"] = form[0]
        else:
            del options["clip_policy"]
        first = next(iter(inputs))
        answer = client.gradient(loss, inputs, params, options, with_respect_to=(first,))
        return answer.per_item, answer.gradients[first]

    return ask


def measure(ask, folder):
    """{"loss, form": [cases, worst error and share beyond 4 ulp of the values, the same of the gradients]}"""
    errors = collections.defaultdict(lambda: ([], []))
    for loss in LOSSES:
        for form, params, inputs, value, gradient in groups(folder, loss):
            answer = ask(loss, form, params, inputs)
            if answer is not None:
                name = loss if form[0] == "UNSPECIFIED" else f"{loss}, {form[0]}, {form[1]}"
                errors[name][0].append(ulps(answer[0], value))
                errors[name][1].append(ulps(answer[1], gradient))
    result = {}
    for name, (values, gradients) in errors.items():
        result[name] = [sum(map(len, values))]
        for found in (np.concatenate(values), np.concatenate(gradients)):
            result[name] += [float(found.max(initial=0)), float(np.mean(found > 4)) if len(found) else 0.0]
    return result


def show(ulp, share):
    many = f", {max(share, 0.01):.0%}" if share else ""
    if math.isinf(ulp):
        return "NaN or inf" + many
    if ulp < 99.95:
        return (f"{ulp:.2f}" if ulp < 9.995 else f"{ulp:.1f}") + many
    return (f"{ulp:.0f}" if ulp < 2**23 else "all digits") + many  # 0, or a number of another magnitude


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--address")
    parser.add_argument("--messages")
    parser.add_argument("--golden", type=pathlib.Path, default=ROOT / "tests/golden")
    parser.add_argument("--keras", action="store_true", help="print what Keras answers as JSON")
    arguments = parser.parse_args()
    if arguments.keras:
        warnings.simplefilter("ignore")  # one class: Keras would use another loss
        os.environ["KERAS_BACKEND"], os.environ["JAX_PLATFORMS"] = "jax", "cpu"
        print(json.dumps(measure(ask_keras, arguments.golden)))
        return

    from client import Client

    answers = {
        "lossd": measure(lossd(Client(arguments.address, arguments.messages)), arguments.golden),
        "PyTorch": measure(ask_torch, arguments.golden),
        "Keras": json.loads(
            subprocess.run(
                [ROOT / "build/peers/bin/python", __file__, "--keras", "--golden", arguments.golden],
                check=True,
                stdout=subprocess.PIPE,
            ).stdout
        ),
    }
    print("| loss | cases | " + " | ".join(f"{who} value | {who} gradient" for who in answers) + " |")
    print("|---|--:|" + "--:|" * 2 * len(answers))
    for name, (cases, *_) in answers["lossd"].items():
        if not any(name in answers[peer] for peer in ("PyTorch", "Keras")):
            continue
        cells = [
            f"{show(*measured[name][1:3])} | {show(*measured[name][3:])}" if name in measured else " | "
            for measured in answers.values()
        ]
        print(f"| {name} | {cases} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
