#!/usr/bin/env python3
"""The worker with JAX (worker.py). Mode: jit. JAX has no number of threads; the driver gives it as many cores."""

import math
import os

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import ml_dtypes
import optax
import worker
from jax.nn import log_sigmoid, log_softmax, sigmoid


def bce(p, t):
    return -(t * jnp.log(p) + (1 - t) * jnp.log1p(-p))


def focal(x, t):
    p = sigmoid(x)
    miss = t * (1 - p) + (1 - t) * p
    return (0.25 * t + 0.75 * (1 - t)) * miss**2 * optax.sigmoid_binary_cross_entropy(x, t)


def cosine(a, b):
    return (a * b).sum(-1) / jnp.sqrt((a * a).sum(-1) * (b * b).sum(-1))


def cosine_embedding(a, b, t):
    return jnp.where(t > 0, 1 - cosine(a, b), jnp.maximum(cosine(a, b), 0))


def triplet(a, p, n):
    distance = lambda x, y: jnp.sqrt(((x - y + 1e-6) ** 2).sum(-1))
    return jnp.maximum(distance(a, p) - distance(a, n) + 1, 0)


def multi_margin(x, t):
    target = jnp.take_along_axis(x, t[:, None], -1)
    return (jnp.maximum(1 - target + x, 0).sum(-1) - 1) / x.shape[-1]


def cross_entropy(x, t):
    return optax.softmax_cross_entropy_with_integer_labels(x.astype(jnp.float32), t)


def ctc(x, t, input_length, label_length):
    del input_length  # every frame
    return optax.ctc_loss(x, jnp.zeros(x.shape[:2]), t, jnp.arange(t.shape[1]) >= label_length[:, None])


def ciou(pred, true):
    x1, y1, x2, y2 = jnp.moveaxis(pred, -1, 0)
    u1, v1, u2, v2 = jnp.moveaxis(true, -1, 0)
    w, h, tw, th = x2 - x1, y2 - y1, u2 - u1, v2 - v1
    width = jnp.maximum(jnp.minimum(x2, u2) - jnp.maximum(x1, u1), 0)
    inner = width * jnp.maximum(jnp.minimum(y2, v2) - jnp.maximum(y1, v1), 0)
    iou = inner / (w * h + tw * th - inner)
    diagonal = (jnp.maximum(x2, u2) - jnp.minimum(x1, u1)) ** 2 + (jnp.maximum(y2, v2) - jnp.minimum(y1, v1)) ** 2
    distance = ((x1 + x2 - u1 - u2) ** 2 + (y1 + y2 - v1 - v2) ** 2) / 4
    v = 4 / math.pi**2 * (jnp.arctan(tw / th) - jnp.arctan(w / h)) ** 2
    alpha = jax.lax.stop_gradient(v / (1 - iou + v))
    return 1 - iou + distance / diagonal + alpha * v


def ntxent(x, t):
    del t
    z = x / jnp.linalg.norm(x, axis=-1, keepdims=True)
    count = len(x)
    similarity = jnp.where(jnp.eye(count, dtype=bool), -jnp.inf, z @ z.T / 0.5)
    return optax.softmax_cross_entropy_with_integer_labels(similarity, jnp.arange(count) ^ 1)


LOSSES = {
    "mean squared error": optax.squared_error,
    "mean absolute error": lambda p, t: jnp.abs(p - t),
    "huber": optax.huber_loss,
    "smooth L1": optax.huber_loss,
    "log-cosh": optax.log_cosh,
    "quantile": lambda p, t: jnp.maximum(0.9 * (t - p), -0.1 * (t - p)),
    "BCE from logits": optax.sigmoid_binary_cross_entropy,
    "BCE from probabilities": bce,
    "focal": focal,
    "poisson NLL": lambda p, t: jnp.exp(p) - t * p,
    "gaussian NLL": lambda p, t, v: 0.5 * (jnp.log(v) + (p - t) ** 2 / v),
    "hinge": optax.hinge_loss,
    "squared hinge": lambda p, t: jnp.maximum(1 - t * p, 0) ** 2,
    "soft margin": lambda p, t: -log_sigmoid(p * t),
    "hinge embedding": lambda p, t: jnp.where(t > 0, p, jnp.maximum(1 - p, 0)),
    "margin ranking": lambda p, t, other: jnp.maximum(-t * (p - other), 0),
    "cross-entropy of distributions": optax.softmax_cross_entropy,
    "KL divergence": lambda p, t: (t * (jnp.log(t) - p)).sum(-1),
    "cosine similarity": cosine,
    "cosine embedding": cosine_embedding,
    "triplet margin": triplet,
    "multi margin": multi_margin,
    "multilabel soft margin": optax.sigmoid_binary_cross_entropy,
    "CIoU of 1 M pairs": ciou,
    "NT-Xent 4096x256": ntxent,
}


def loss_of(name):
    if name.startswith("CTC"):
        return ctc
    return LOSSES.get(name, cross_entropy) if name.startswith("cross-entropy") else LOSSES[name]


class Jax(worker.Worker):
    def load(self, name, arrays, bfloat16):
        loss = loss_of(name)
        self.function = jax.jit(jax.value_and_grad(lambda *tensors: loss(*tensors).mean()))
        # Integers as JAX has them, of 32 bits.
        self.tensors = [jax.device_put(a.view(ml_dtypes.bfloat16) if n in bfloat16 else a) for n, a in arrays.items()]

    def call(self, mode, threads):
        def call():
            value, gradient = self.function(*self.tensors)
            gradient.block_until_ready()
            return value

        return call


if __name__ == "__main__":
    worker.run(Jax())
