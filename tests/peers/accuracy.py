"""How far from exact lossd, PyTorch and Keras are in float32, in units in the last place: a table in Markdown.

    accuracy.py --address HOST:PORT --messages FOLDER [--golden FOLDER]

Run by Debian's Python, which has PyTorch; Keras is asked in a process of its own. Exact answers and inputs come from the
golden files (tests/golden). Counted are the cases with hard targets (0 and 1, one class) for the cross-entropies, whose
inputs and exact answer are normal float32 numbers or inputs 0; a peer is not asked for a form that it does not have.
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
    *("mean_squared_error", "mean_absolute_error", "huber", "smooth_l1", "log_cosh"),
    *("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"),
)
TINY, HUGE = 2.0**-126, float(np.finfo(np.float32).max)


# The golden files.


def number(text):
    return float.fromhex(text) if "0x" in text.lower() else float(text)


def parse_array(words):
    shape = [] if words[0] == "[]" else [int(n) for n in words[0].split("x")]
    return np.array([number(w) for w in words[1:]]).reshape(shape)


def parse_line(line):
    """Returns (input kind, clip policy, params, inputs, exact values, exact gradient)."""
    head, *fields = [part.split() for part in line.split("|")]
    dtype, kind, clip, *params = head
    if dtype != "F32":
        return None
    case = {"params": tuple(sorted(tuple(p.split("=")) for p in params if p != "-")), "form": (kind, clip)}
    for name, *words in fields:
        if name == "=":
            case["value"] = np.array([[number(w) for w in words[i : i + 2]] for i in range(0, len(words), 2)])
        elif name == "d" and words[0] == "y_pred":
            case["gradient"] = np.array([[number(w) for w in words[i : i + 2]] for i in range(1, len(words), 2)])
        elif name not in ("d", "h"):
            case[name] = parse_array(words)
    return case


def usual(array):
    """Zeros and normal float32 numbers alone: some peers take subnormal ones for 0."""
    return bool(np.all((array == 0) | ((np.abs(array) >= TINY) & (np.abs(array) <= HUGE))))


def groups(folder, loss):
    """Cases of one form, parameters and shape of a row, as one batch: (form, params, y_pred, y_true, value, gradient)."""
    batches = collections.defaultdict(list)
    for line in (folder / f"{loss}.golden").read_text().splitlines():
        case = parse_line(line) if line and not line.startswith("#") else None
        if case is None:
            continue
        hard = loss in LOSSES[:5] or loss.startswith("sparse") or set(np.ravel(case["y_true"])) <= {0.0, 1.0}
        if hard and usual(case["y_pred"]) and usual(case["y_true"]):
            row = np.shape(case["y_pred"])[-1] if "categorical" in loss else 1
            batches[case["form"], case["params"], row].append(case)
    for (form, params, row), cases in batches.items():
        y_pred = np.concatenate([np.reshape(c["y_pred"], (-1, row)) for c in cases])
        y_true = np.concatenate([np.ravel(c["y_true"]) for c in cases])
        sparse = loss.startswith("sparse")
        yield (
            form,
            {name: number(value) for name, value in params},
            y_pred.astype(np.float32),
            y_true.astype(np.int64) if sparse else y_true.reshape(y_pred.shape).astype(np.float32),
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


# Who is asked: a function (loss, form, params, y_pred, y_true) to (values, gradient), or None for a form it does not have.


def ask_torch(loss, form, params, y_pred, y_true):
    import torch
    import torch.nn.functional as F

    functions = {
        ("mean_squared_error", "UNSPECIFIED", "NO_CLIP"): F.mse_loss,
        ("mean_absolute_error", "UNSPECIFIED", "NO_CLIP"): F.l1_loss,
        ("huber", "UNSPECIFIED", "NO_CLIP"): F.huber_loss,
        ("smooth_l1", "UNSPECIFIED", "NO_CLIP"): F.smooth_l1_loss,
        ("binary_crossentropy", "LOGITS", "NO_CLIP"): F.binary_cross_entropy_with_logits,
        ("binary_crossentropy", "PROBABILITIES", "TORCH_LOG_CLAMP"): F.binary_cross_entropy,
        ("categorical_crossentropy", "LOGITS", "NO_CLIP"): F.cross_entropy,
        ("sparse_categorical_crossentropy", "LOGITS", "NO_CLIP"): F.cross_entropy,
    }
    if (loss, *form) not in functions:
        return None
    x = torch.tensor(y_pred, requires_grad=True)
    values = functions[loss, *form](x, torch.tensor(y_true), reduction="none", **params)
    values.sum().backward()
    return values.detach().numpy(), x.grad.numpy()


def ask_keras(loss, form, params, y_pred, y_true):
    import jax
    import jax.numpy as jnp
    import keras

    if (*form,) not in {("UNSPECIFIED", "NO_CLIP"), ("LOGITS", "NO_CLIP"), ("PROBABILITIES", "KERAS_CLIP")}:
        return None
    function = getattr(keras.losses, loss, None)
    if function is None:
        return None
    fixed = {**params, **({"from_logits": form[0] == "LOGITS"} if form[0] != "UNSPECIFIED" else {})}

    def total(x):
        values = function(jnp.asarray(y_true), x, **fixed)
        return values.sum(), values

    (_, values), gradient = jax.value_and_grad(total, has_aux=True)(jnp.asarray(y_pred))
    return np.asarray(values), np.asarray(gradient)


def lossd(client):
    def ask(loss, form, params, y_pred, y_true):
        options = {"reduction": "NONE", "clip_policy": form[1]}
        if form[0] != "UNSPECIFIED":
            options["input_kind"] = form[0]
        else:
            del options["clip_policy"]
        answer = client.gradient(loss, {"y_pred": y_pred, "y_true": y_true}, params, options)
        return answer.per_item, answer.gradients["y_pred"]

    return ask


def measure(ask, folder):
    """{"loss, form": [cases, worst error of a value, worst error of a gradient]}"""
    errors = collections.defaultdict(lambda: ([], []))
    for loss in LOSSES:
        for form, params, y_pred, y_true, value, gradient in groups(folder, loss):
            answer = ask(loss, form, params, y_pred, y_true)
            if answer is not None:
                name = loss if form[0] == "UNSPECIFIED" else f"{loss}, {form[0]}, {form[1]}"
                errors[name][0].append(ulps(answer[0], value))
                errors[name][1].append(ulps(answer[1], gradient))
    result = {}
    for name, (values, gradients) in errors.items():
        values, gradients = np.concatenate(values), np.concatenate(gradients)
        result[name] = [len(values), float(values.max(initial=0)), float(gradients.max(initial=0))]
    return result


def show(ulp):
    if math.isinf(ulp):
        return "NaN or inf"
    if ulp < 99.95:
        return f"{ulp:.2f}" if ulp < 9.995 else f"{ulp:.1f}"
    return f"{ulp:.0f}" if ulp < 2**23 else "all digits"  # 0, or a number of another magnitude


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
        cells = [
            f"{show(measured[name][1])} | {show(measured[name][2])}" if name in measured else " | "
            for measured in answers.values()
        ]
        print(f"| {name} | {cases} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
