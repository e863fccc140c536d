#!/usr/bin/env python3
"""The worker with Keras on TensorFlow (worker.py). Mode: function, a tf.function as Keras itself trains with. The losses are
Keras's where it has them. TensorFlow's number of threads is fixed when it starts; the driver gives it as many cores."""

import math
import os

os.environ.update(KERAS_BACKEND="tensorflow", CUDA_VISIBLE_DEVICES="")
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # it logs before it reads its log level; errors are answers here

import keras
import ml_dtypes
import tensorflow as tf
import worker
from keras import losses

FROM_LOGITS = {"from_logits": True}


def keras_loss(function, **options):
    return lambda y_pred, y_true: tf.reduce_mean(function(y_true, y_pred, **options))


def smooth_l1(p, t):
    return tf.reduce_mean(losses.huber(t, p, delta=1.0))


def quantile(p, t):
    return tf.reduce_mean(tf.maximum(0.9 * (t - p), -0.1 * (t - p)))


def focal(x, t):
    p = tf.sigmoid(x)
    miss = t * (1 - p) + (1 - t) * p
    bce = tf.nn.sigmoid_cross_entropy_with_logits(t, x)
    return tf.reduce_mean((0.25 * t + 0.75 * (1 - t)) * miss**2 * bce)


def gaussian_nll(p, t, variance):
    return tf.reduce_mean(0.5 * (tf.math.log(variance) + (p - t) ** 2 / variance))


def cosine(a, b):
    return tf.reduce_sum(tf.nn.l2_normalize(a, -1) * tf.nn.l2_normalize(b, -1), -1)


def cosine_embedding(a, b, t):
    return tf.reduce_mean(tf.where(t > 0, 1 - cosine(a, b), tf.maximum(cosine(a, b), 0)))


def triplet(a, p, n):
    distance = lambda x, y: tf.sqrt(tf.reduce_sum((x - y + 1e-6) ** 2, -1))
    return tf.reduce_mean(tf.maximum(distance(a, p) - distance(a, n) + 1, 0))


def multi_margin(x, t):
    target = tf.gather(x, t, axis=-1, batch_dims=1)[:, None]
    return tf.reduce_mean((tf.reduce_sum(tf.maximum(1 - target + x, 0), -1) - 1) / x.shape[-1])


def cross_entropy(x, t):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(t, tf.cast(x, tf.float32)))


def ctc(x, t, input_length, label_length):
    return tf.reduce_mean(tf.nn.ctc_loss(t, x, label_length, input_length, logits_time_major=False, blank_index=0))


def ciou(pred, true):
    x1, y1, x2, y2 = tf.unstack(pred, axis=-1)
    u1, v1, u2, v2 = tf.unstack(true, axis=-1)
    w, h, tw, th = x2 - x1, y2 - y1, u2 - u1, v2 - v1
    width = tf.maximum(tf.minimum(x2, u2) - tf.maximum(x1, u1), 0)
    inner = width * tf.maximum(tf.minimum(y2, v2) - tf.maximum(y1, v1), 0)
    iou = inner / (w * h + tw * th - inner)
    diagonal = (tf.maximum(x2, u2) - tf.minimum(x1, u1)) ** 2 + (tf.maximum(y2, v2) - tf.minimum(y1, v1)) ** 2
    distance = ((x1 + x2 - u1 - u2) ** 2 + (y1 + y2 - v1 - v2) ** 2) / 4
    v = 4 / math.pi**2 * (tf.atan(tw / th) - tf.atan(w / h)) ** 2
    alpha = tf.stop_gradient(v / (1 - iou + v))
    return tf.reduce_mean(1 - iou + distance / diagonal + alpha * v)


def ntxent(x, t):
    del t
    z = tf.nn.l2_normalize(x, -1)
    count = x.shape[0]
    similarity = tf.linalg.set_diag(tf.matmul(z, z, transpose_b=True) / 0.5, tf.fill([count], -math.inf))
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.range(count) ^ 1, similarity))


LOSSES = {
    "mean squared error": keras_loss(losses.mean_squared_error),
    "mean absolute error": keras_loss(losses.mean_absolute_error),
    "huber": keras_loss(losses.huber),
    "smooth L1": smooth_l1,
    "log-cosh": keras_loss(losses.log_cosh),
    "quantile": quantile,
    "BCE from logits": keras_loss(losses.binary_crossentropy, **FROM_LOGITS),
    "BCE from probabilities": keras_loss(losses.binary_crossentropy),
    "focal": focal,
    "poisson NLL": lambda p, t: tf.reduce_mean(tf.exp(p) - t * p),
    "gaussian NLL": gaussian_nll,
    "hinge": keras_loss(losses.hinge),
    "squared hinge": keras_loss(losses.squared_hinge),
    "soft margin": lambda p, t: tf.reduce_mean(tf.math.softplus(-p * t)),
    "hinge embedding": lambda p, t: tf.reduce_mean(tf.where(t > 0, p, tf.maximum(1 - p, 0))),
    "margin ranking": lambda p, t, other: tf.reduce_mean(tf.maximum(-t * (p - other), 0)),
    "cross-entropy of distributions": keras_loss(losses.categorical_crossentropy, **FROM_LOGITS),
    "KL divergence": lambda p, t: tf.reduce_mean(tf.reduce_sum(t * (tf.math.log(t) - p), -1)),
    "cosine similarity": lambda a, b: tf.reduce_mean(cosine(a, b)),
    "cosine embedding": cosine_embedding,
    "triplet margin": triplet,
    "multi margin": multi_margin,
    "multilabel soft margin": keras_loss(losses.binary_crossentropy, **FROM_LOGITS),
    "CIoU of 1 M pairs": ciou,
    "NT-Xent 4096x256": ntxent,
}


def loss_of(name):
    if name.startswith("CTC"):
        return ctc
    return LOSSES.get(name, cross_entropy) if name.startswith("cross-entropy") else LOSSES[name]


class TensorFlow(worker.Worker):
    def load(self, name, arrays, bfloat16):
        loss = loss_of(name)
        arrays = {n: a.view(ml_dtypes.bfloat16) if n in bfloat16 else a for n, a in arrays.items()}
        # Integers as its kernels want them, of 32 bits.
        self.tensors = [tf.constant(a, tf.int32 if a.dtype.kind == "i" else None) for a in arrays.values()]

        @tf.function
        def value_and_gradient(*tensors):
            with tf.GradientTape() as tape:
                tape.watch(tensors[0])
                value = loss(*tensors)
            return value, tape.gradient(value, tensors[0])

        self.function = value_and_gradient

    def call(self, mode, threads):
        return lambda: self.function(*self.tensors)[0]


if __name__ == "__main__":
    worker.run(TensorFlow())
