#!/usr/bin/env python3
"""The worker with TensorFlow, its losses Keras' where Keras has them (worker.py). Modes: eager, function.

TensorFlow reads its number of threads once, from the cores that it may use: the driver gives it as many."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import tensorflow as tf
import worker
from keras import losses


def keras(function, **settings):
    return lambda p, t: function(t, p, **settings)


def cosine(a, b):
    return tf.reduce_sum(tf.math.l2_normalize(a, -1) * tf.math.l2_normalize(b, -1), -1)


def cosine_embedding(a, b, t):
    return tf.where(t > 0, 1 - cosine(a, b), tf.nn.relu(cosine(a, b)))


def triplet(a, p, n):
    distance = lambda x, y: tf.norm(x - y + 1e-6, axis=-1)
    return tf.nn.relu(distance(a, p) - distance(a, n) + 1)


def multi_margin(x, t):
    target = tf.gather(x, t, batch_dims=1)[:, None]
    return (tf.reduce_sum(tf.nn.relu(1 - target + x), -1) - 1) / tf.cast(tf.shape(x)[-1], x.dtype)


def quantile(p, t):
    r = t - p
    return tf.maximum(0.9 * r, -0.1 * r)


cross_entropy = keras(losses.sparse_categorical_crossentropy, from_logits=True)

LOSSES = {
    "mean squared error": keras(losses.mean_squared_error),
    "mean absolute error": keras(losses.mean_absolute_error),
    "huber": keras(losses.huber),
    "smooth L1": keras(losses.huber),
    "log-cosh": keras(losses.log_cosh),
    "quantile": quantile,
    "BCE from logits": keras(losses.binary_crossentropy, from_logits=True),
    "BCE from probabilities": keras(losses.binary_crossentropy),
    "focal": keras(losses.binary_focal_crossentropy, from_logits=True, apply_class_balancing=True),
    "poisson NLL": lambda p, t: tf.nn.log_poisson_loss(t, p),
    "gaussian NLL": lambda p, t, v: 0.5 * (tf.math.log(v) + (p - t) ** 2 / v),
    "hinge": keras(losses.hinge),
    "squared hinge": keras(losses.squared_hinge),
    "soft margin": lambda p, t: tf.nn.softplus(-p * t),
    "hinge embedding": lambda p, t: tf.where(t > 0, p, tf.nn.relu(1 - p)),
    "margin ranking": lambda p, t, other: tf.nn.relu(-t * (p - other)),
    "cross-entropy of classes": cross_entropy,
    "cross-entropy of distributions": keras(losses.categorical_crossentropy, from_logits=True),
    "KL divergence": lambda p, t: tf.reduce_sum(tf.math.multiply_no_nan(tf.math.log(t) - p, t), -1),
    "cosine similarity": cosine,
    "cosine embedding": cosine_embedding,
    "triplet margin": triplet,
    "multi margin": multi_margin,
    "multilabel soft margin": keras(losses.binary_crossentropy, from_logits=True),
}


def loss_of(name):
    return cross_entropy if name.startswith("cross-entropy") and name not in LOSSES else LOSSES[name]


class TensorFlow(worker.Worker):
    def load(self, name, arrays, bfloat16):
        self.loss = loss_of(name)
        if bfloat16:
            arrays = {n: tf.bitcast(tf.constant(a), tf.bfloat16) if n in bfloat16 else a for n, a in arrays.items()}
        self.tensors = [tf.constant(a) for a in arrays.values()]

    def call(self, mode, threads):
        def gradient(*tensors):
            with tf.GradientTape() as tape:
                tape.watch(tensors[0])
                value = tf.reduce_mean(self.loss(*tensors))
            return value, tape.gradient(value, tensors[0])

        function = tf.function(gradient) if mode == "function" else gradient

        def call():
            value, slope = function(*self.tensors)
            del slope  # computed: on a CPU a call returns when it is
            return float(value)

        return call


if __name__ == "__main__":
    worker.run(TensorFlow())
