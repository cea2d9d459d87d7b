"""Layers that the architectures share."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from .randomness import kept, rand_like, randint, randn
from .shares import rows_of_all

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


SMALLEST_PROBABILITY = 1e-6


class Dropout(nn.Dropout):
    """`nn.Dropout`, of which the mask is drawn from the generator of the fit."""

    stacks = True

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        return x * kept(x, 1 - self.p).div_(1 - self.p)


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

    stacks = True

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

    stacks = True

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


class UnitLength(nn.Module):
    """Standardized rows as rows of length 1 in their own units; what stands beside them stays."""

    def __init__(self, units):
        super().__init__()
        self.units = units

    def forward(self, x):
        n = len(self.units.center)
        return torch.cat([F.normalize(self.units.inverse(x[..., :n]), dim=-1), x[..., n:]], dim=-1)


class GroupSoftmax(nn.Module):
    """Probabilities in the place of the columns of each group, which indicate one category.

    ``softmax(log f + 4 (p - f))`` of what a decoder gives for an indicator, p, and its mean f: the
    frequencies stay what they are, and the slope there is one for two categories that are alike.
    """

    stacks = True

    def __init__(self, units, groups):
        super().__init__()
        self.units = units
        self.groups = groups

    def forward(self, x):
        x, (center, scale) = x.clone(), self.units.of(x)
        scale = scale.expand_as(center)
        for group in self.groups:
            frequency = center[group]
            steps = 4 * scale[group] * x[..., group]
            probability = (frequency.clamp(min=SMALLEST_PROBABILITY).log() + steps).softmax(-1)
            x[..., group] = (probability - frequency) / scale[group]
        return x


def column_mask(groups, n_columns):
    """Which columns belong to one of the groups."""
    mask = torch.zeros(n_columns, dtype=torch.bool)
    for group in groups:
        mask[group] = True
    return mask


def log_probability(x, units):
    """The logarithms of standardized probabilities."""
    return units.inverse(x).clamp(min=SMALLEST_PROBABILITY).log()


class Noise(nn.Module):
    """Corrupts standardized rows while training; at level 0 it draws no random number."""

    groups = ()  # of columns that are corrupted together: one would give the others away

    def __init__(self, level):
        super().__init__()
        self.level = level
        self.corrupted = None

    def learn(self, x):
        """Take from rows what the corruption needs to know of the columns."""

    def forward(self, x):
        if not self.training or self.level == 0:
            return x
        noisy = self.corrupt(x)
        self.corrupted = noisy != x
        return noisy

    def train(self, mode=True):
        self.corrupted = None
        return super().train(mode)

    def chosen(self, x):
        """The share ``level`` of the entries, at random."""
        draw = rand_like(x)
        for group in self.groups:
            draw[..., group] = draw[..., group.start, None]
        return draw < self.level


class GaussianNoise(Noise):
    """``x + level * N(0, 1)``."""

    stacks = True

    def corrupt(self, x):
        return torch.addcmul(x, randn(x.shape, x), x.new_full((), self.level))


class MaskingNoise(Noise):
    """0, the center of the column, for the share ``level`` of the entries: as if missing."""

    stacks = True

    def corrupt(self, x):
        return x.masked_fill(self.chosen(x), 0.0)


class SaltAndPepperNoise(Noise):
    """The column's smallest or largest value for the share ``level`` of the entries."""

    stacks = True

    def learn(self, x):
        self.register_buffer("low", x.amin(0))
        self.register_buffer("high", x.amax(0))

    def corrupt(self, x):
        draw = rand_like(x)
        noisy = torch.where(draw < self.level / 2, self.low, x)
        return torch.where(draw > 1 - self.level / 2, self.high, noisy)


class SwapNoise(Noise):
    """Another row's value of the same column for the share ``level`` of the entries."""

    def corrupt(self, x):
        flat = x.flatten(1)
        rows = rows_of_all(flat)
        others = randint(len(rows), flat.shape, x.device)
        return torch.where(self.chosen(x), rows.gather(0, others).view_as(x), x)


class CustomNoise(Noise):
    """A user's corruption."""

    runs_code_of_users = True

    def __init__(self, function):
        super().__init__(level=None)
        if isinstance(function, nn.Module):
            function = copy.deepcopy(function).requires_grad_(False)
        self.function = function

    def corrupt(self, x):
        noisy = self.function(x.clone())
        if not (isinstance(noisy, torch.Tensor) and noisy.shape == x.shape):
            raise TypeError(
                f"noise must map a tensor of shape {tuple(x.shape)} to one of the same shape, but "
                f"gave {getattr(noisy, 'shape', type(noisy).__name__)}."
            )
        return noisy


NOISES = {
    "gaussian": GaussianNoise,
    "masking": MaskingNoise,
    "salt_and_pepper": SaltAndPepperNoise,
    "swap": SwapNoise,
}
