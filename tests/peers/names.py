"""Every loss that a peer exports resolves by the peer's own name.

    names.py --peer torch|jax --address HOST:PORT --messages FOLDER

The names are taken from the installed library, not from a list: a loss that a newer version adds shows here.
"""

import argparse
import inspect
import os
import sys

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"

from client import Client

# Exported beside the losses, and no loss under that name; with the reason.
NO_LOSS = {
    "Loss": "base class",
    "Regularizer": "base class",
    "Reduction": "an enum",
    "get": "looks a loss up",
    "serialize": "configuration",
    "deserialize": "configuration",
    "smooth_labels": "changes targets: options.label_smoothing",
    "kl_divergence_with_log_targets": "kl_divergence with the parameter log_target, which a name cannot set",
}


def torch_names():
    import torch

    for name, item in vars(torch.nn).items():
        if inspect.isclass(item) and (name.endswith("Loss")):
            yield "torch.nn", name
    for name in dir(torch.nn.functional):
        if name.endswith("_loss") or "cross_entropy" in name or name in ("kl_div", "cosine_similarity"):
            yield "torch.nn.functional", name


def jax_names():
    import keras
    import optax

    for module, where in ((keras.losses, "keras.losses"), (keras.regularizers, "keras.regularizers"),
                          (optax.losses, "optax.losses")):
        for name in dir(module):
            item = getattr(module, name)
            if not name.startswith("_") and (inspect.isclass(item) or inspect.isroutine(item) or callable(item)):
                yield where, name


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", choices=["torch", "jax"], required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--messages", required=True)
    arguments = parser.parse_args()
    fold = lambda name: name.lower().replace("_", "").replace("-", "")
    served = {fold(name) for name in Client(arguments.address, arguments.messages).names()}
    names = [entry for entry in (torch_names if arguments.peer == "torch" else jax_names)() if entry[1] not in NO_LOSS]
    missing = [f"{where}.{name}" for where, name in names if fold(name) not in served]
    for name in missing:
        print(f"FAILED: no loss is called {name}")
    print(f"{len(names) - len(missing)} of {len(names)} names of {arguments.peer} resolve")
    sys.exit(1 if missing or len(names) < 30 else 0)


main()
