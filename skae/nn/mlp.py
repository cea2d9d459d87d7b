"""Multilayer perceptrons."""

from itertools import pairwise

import torch
from torch import nn

from .layers import ACTIVATIONS, Dropout, TiedLinear


class MLP(nn.Sequential):
    """Linear layers of the given ``sizes`` with an activation between them, none after the last."""

    stacks = True

    def __init__(self, sizes, activation="silu", dropout=0.0):
        super().__init__(
            *_layers([nn.Linear(*pair) for pair in pairwise(sizes)], activation, dropout)
        )

    @property
    def last(self):
        """The layer that gives the outputs."""
        return self[-1]


class ColumnMLP(MLP):
    """An MLP each of whose first outputs is multiplied by a fixed power of its column's size.

    A step of Adam moves all weights alike. With ``power`` 0 it moves what is said of a small column
    by more than the column varies, and with 1 the small columns, which count little in the error,
    decide how far a step goes.
    """

    stacks = True

    def __init__(self, sizes, activation="silu", dropout=0.0, power=0.75):
        super().__init__(sizes, activation, dropout)
        self.power = power
        self.register_buffer("factors", torch.ones(sizes[-1]))

    def forward(self, x):
        return super().forward(x) * self.factors

    @torch.no_grad()
    def learn(self, rows, observed=None):
        """The sizes of columns: the standard deviations of standardized rows."""
        n = torch.tensor(len(rows)) if observed is None else observed.sum(0).clamp(min=1)
        away = rows - rows.sum(0) / n
        if observed is not None:
            away = away * observed
        deviations = (away.square().sum(0) / n).sqrt()
        self.factors[: rows.shape[1]] = deviations.where(deviations > 0, 1.0) ** self.power


class TiedMLP(nn.Sequential):
    """The mirror image of ``mlp``, whose weights it shares, transposed; the biases are its own."""

    def __init__(self, mlp, activation="silu", dropout=0.0):
        linears = [TiedLinear(layer) for layer in reversed(mlp) if hasattr(layer, "weight")]
        super().__init__(*_layers(linears, activation, dropout))


def _layers(linears, activation, dropout):
    layers = []
    for linear in linears[:-1]:
        layers += [linear, ACTIVATIONS[activation]()]
        if dropout:
            layers.append(Dropout(dropout))
    return [*layers, linears[-1]]
