"""Layers that the architectures share."""

import torch
from torch import nn
from torch.nn import functional as F

ACTIVATIONS = {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


class TiedLinear(nn.Module):
    """``x W + b``: the transpose of ``linear`` (``y W^T + c``), with a bias of its own."""

    def __init__(self, linear):
        super().__init__()
        self.linear = linear
        self.bias = nn.Parameter(torch.zeros(linear.in_features))

    @property
    def weight(self):
        """A view: what is written to it is written to the weight of ``linear``."""
        return self.linear.weight.t()

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


class Gate(nn.Module):
    """``gate * x``, the gate zero at the start: it silences whatever module stands before it."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return self.gate * x


class Shortcut(nn.Module):
    """``shortcut(x) + path(x)``: a linear path beside a nonlinear one that is silent at the start.

    A net of two such halves starts as a linear autoencoder, and so can start at PCA. Where
    ``path`` has more outputs than ``shortcut`` (a variational encoder's log-variances), the
    shortcut joins the first of them. Without a ``path`` it is the linear autoencoder.
    """

    def __init__(self, path, shortcut):
        super().__init__()
        self.path = path
        self.shortcut = shortcut

    def forward(self, x):
        linear = self.shortcut(x)
        if self.path is None:
            return linear
        path = self.path(x)
        n = linear.shape[-1]
        if path.shape[-1] == n:
            return linear + path
        return torch.cat([linear + path[..., :n], path[..., n:]], dim=-1)
