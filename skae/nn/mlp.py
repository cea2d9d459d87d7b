"""Multilayer perceptrons."""

from itertools import pairwise

from torch import nn

from .layers import ACTIVATIONS, Dropout, TiedLinear


class MLP(nn.Sequential):
    """Linear layers of the given ``sizes`` with an activation between them, none after the last."""

    def __init__(self, sizes, activation="silu", dropout=0.0):
        super().__init__(
            *_layers([nn.Linear(*pair) for pair in pairwise(sizes)], activation, dropout)
        )

    @property
    def last(self):
        """The layer that gives the outputs."""
        return self[-1]


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
