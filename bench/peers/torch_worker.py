#!/usr/bin/env python3
"""The worker with PyTorch (worker.py). Modes: eager, compile."""

import math

import torch
import torch.nn.functional as F
import worker


def focal(y_pred, y_true):
    bce = F.binary_cross_entropy_with_logits(y_pred, y_true, reduction="none")
    p = torch.sigmoid(y_pred)
    miss = y_true * (1 - p) + (1 - y_true) * p
    return ((0.25 * y_true + 0.75 * (1 - y_true)) * miss**2 * bce).mean()


def ciou(y_pred, y_true):
    x1, y1, x2, y2 = y_pred.unbind(-1)
    u1, v1, u2, v2 = y_true.unbind(-1)
    w, h, tw, th = x2 - x1, y2 - y1, u2 - u1, v2 - v1
    inner = (torch.min(x2, u2) - torch.max(x1, u1)).clamp(min=0) * (torch.min(y2, v2) - torch.max(y1, v1)).clamp(min=0)
    iou = inner / (w * h + tw * th - inner)
    diagonal = (torch.max(x2, u2) - torch.min(x1, u1)) ** 2 + (torch.max(y2, v2) - torch.min(y1, v1)) ** 2
    distance = ((x1 + x2 - u1 - u2) ** 2 + (y1 + y2 - v1 - v2) ** 2) / 4
    v = 4 / math.pi**2 * (torch.atan(tw / th) - torch.atan(w / h)) ** 2
    with torch.no_grad():
        alpha = v / (1 - iou + v)
    return (1 - iou + distance / diagonal + alpha * v).mean()


def ctc(y_pred, y_true, input_length, label_length):
    log_probabilities = y_pred.log_softmax(-1).transpose(0, 1)
    return F.ctc_loss(log_probabilities, y_true, input_length, label_length, reduction="none").mean()


def ntxent(y_pred, y_true):
    z = F.normalize(y_pred, dim=-1)
    similarity = (z @ z.T / 0.5).fill_diagonal_(-math.inf)
    return F.cross_entropy(similarity, torch.arange(len(z)) ^ 1)  # the other view


def log_cosh(y_pred, y_true):
    r = y_pred - y_true
    return (r + F.softplus(-2 * r) - math.log(2)).mean()


def quantile(y_pred, y_true):
    r = y_true - y_pred
    return torch.maximum(0.9 * r, -0.1 * r).mean()


LOSSES = {
    "mean squared error": F.mse_loss,
    "mean absolute error": F.l1_loss,
    "huber": F.huber_loss,
    "smooth L1": F.smooth_l1_loss,
    "log-cosh": log_cosh,
    "quantile": quantile,
    "BCE from logits": F.binary_cross_entropy_with_logits,
    "BCE from probabilities": F.binary_cross_entropy,
    "focal": focal,
    "poisson NLL": F.poisson_nll_loss,
    "gaussian NLL": lambda y_pred, y_true, variance: F.gaussian_nll_loss(y_pred, y_true, variance),
    "hinge": lambda y_pred, y_true: (1 - y_true * y_pred).clamp(min=0).mean(),
    "squared hinge": lambda y_pred, y_true: (1 - y_true * y_pred).clamp(min=0).square().mean(),
    "soft margin": F.soft_margin_loss,
    "hinge embedding": F.hinge_embedding_loss,
    "margin ranking": lambda y_pred, y_true, other: F.margin_ranking_loss(y_pred, other, y_true),
    "KL divergence": lambda y_pred, y_true: F.kl_div(y_pred, y_true, reduction="batchmean"),
    "cosine similarity": lambda y_pred, y_true: F.cosine_similarity(y_pred, y_true).mean(),
    "cosine embedding": lambda y_pred, other, y_true: F.cosine_embedding_loss(y_pred, other, y_true),
    "triplet margin": F.triplet_margin_loss,
    "multi margin": F.multi_margin_loss,
    "multilabel soft margin": F.multilabel_soft_margin_loss,
    "CIoU of 1 M pairs": ciou,
    "NT-Xent 4096x256": ntxent,
}


def loss_of(name):
    if name.startswith("cross-entropy"):
        return F.cross_entropy
    return ctc if name.startswith("CTC") else LOSSES[name]


class Torch(worker.Worker):
    def load(self, name, arrays, bfloat16):
        self.loss = loss_of(name)
        self.tensors = {
            n: torch.from_numpy(a.view("int16")).view(torch.bfloat16) if n in bfloat16 else torch.from_numpy(a)
            for n, a in arrays.items()
        }
        self.first = next(iter(self.tensors.values())).requires_grad_()

    def call(self, mode, threads):
        if mode == "compile" and not hasattr(torch, "compile"):
            raise LookupError("this PyTorch has no torch.compile")
        loss = self.loss
        torch.set_num_threads(threads)
        if mode == "compile":
            torch.compiler.reset()  # the number of threads is compiled in
            loss = torch.compile(loss)

        def call():
            torch.set_num_threads(threads)
            self.first.grad = None
            value = loss(*self.tensors.values())
            value.backward()
            return value.detach()

        return call


if __name__ == "__main__":
    worker.run(Torch())
