"""The module that every family trains: an encoder, a decoder and the units of the data."""

from typing import NamedTuple

import torch
from torch import nn

from .layers import Shortcut
from .randomness import Draws, drawing

EVALUATION_SEED = 0
# Each has slope one where its argument is the usual value of X, so that a net that starts at
# PCA's reconstruction still starts near it behind the activation.
OUTPUT_ACTIVATIONS = {
    "identity": None,
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


def find(module, kind):
    """The first submodule of a kind, or None: wrappers such as noise do not hide it."""
    return next((m for m in module.modules() if isinstance(m, kind)), None)


class Output(NamedTuple):
    """What a forward pass gives; all in standardized units but ``logits``."""

    code: torch.Tensor
    reconstruction: torch.Tensor
    logits: torch.Tensor | None = None  # the argument of the output activation, in units of X


class Units(nn.Module):
    """``(x - center) / scale``: a center for each column, and one scale for all that share a unit.

    One scale for a table leaves the squared error what it was, up to a factor: errors are then
    fractions of the variance of X, and neither the unit nor the origin of X matters to training.
    Columns that differ in their units (channels, columns of a frame) have scales of their own.

    Both are held in float64, and taken in the precision of x.
    """

    stacks = True

    def __init__(self, center, scale):
        super().__init__()
        self.register_buffer("center", center)
        self.register_buffer("scale", scale)

    def of(self, x):
        """Center and scale in the precision of x."""
        return self.center.to(x.dtype), self.scale.to(x.dtype)

    def forward(self, x):
        center, scale = self.of(x)
        return (x - center).div_(scale)

    def inverse(self, x):
        center, scale = self.of(x)
        return torch.addcmul(center, x, scale)


class EncoderDecoder(nn.Module):
    """``decoder(encoder(x))`` on standardized rows; `encode` and `decode` speak the users' units.

    Rows are rebuilt in ``target_units``: those of X, unless X is to be rebuilt as something else.
    """

    # Whether rows of several nets, of shape (n_nets, n_rows, n), go through a module with stacked
    # weights as those of one do through one: said by each class for itself (`engine.together`).
    stacks = True

    progress = 1.0  # the share of training that is done, for what changes by and by,
    settled = 0.0  # and the share after which nothing does: before, no loss is judged by another

    def __init__(self, encoder, decoder, units, target_units=None, output_activation="identity"):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.units = units
        self.target_units = target_units or units
        self.output_activation = output_activation

    def forward(self, x):
        return self.of_code(self.encoder(x))

    def of_code(self, code):
        """What codes give."""
        x, logits, _ = self._reconstruct(code)
        return Output(code, x, logits)

    def _decoded(self, code):
        return self.decoder(code)

    def _reconstruct(self, code):
        x = self._decoded(code)
        if self.output_activation == "identity":
            return x, None, None
        logits = self.target_units.inverse(x)
        if self.output_activation == "sigmoid":
            logits = 4 * logits - 2
        activated = OUTPUT_ACTIVATIONS[self.output_activation](logits)
        return self.target_units(activated), logits, activated

    @torch.no_grad()
    def start_at(self, maps):
        """Start at the linear maps ``maps.encoder`` and ``maps.decoder``, weights and biases.

        Only the shortcuts are written; the paths beside them are silent, so that this is the whole
        net. Codes beyond those that the maps have start at zero.
        """
        for half, (weight, bias) in ((self.encoder, maps.encoder), (self.decoder, maps.decoder)):
            linear = find(half, Shortcut).shortcut
            linear.weight.zero_()[: weight.shape[0], : weight.shape[1]].copy_(weight)
            linear.bias.zero_()[: len(bias)].copy_(bias)

    def encode(self, x):
        """Codes of rows in units of X; a missing entry counts as its column's center."""
        return self.encoder(self.units(x).nan_to_num_(nan=0.0))

    def reconstruct(self, x, *beside):
        """``decode(encode(x))``, both told what is known beside the rows."""
        return self.decode(self.encode(x, *beside), *beside)

    def random(self, draw, shape, like):
        """Random numbers; in evaluation the same ones each time."""
        if self.training:
            return draw(shape, like)
        with drawing(Draws(EVALUATION_SEED)):  # in float32 on the CPU, wherever it is wanted
            return draw(shape, torch.empty(0)).to(like)

    def decode(self, code):
        """Rows in units of the target."""
        x, _, activated = self._reconstruct(code)
        return self.target_units.inverse(x) if activated is None else activated


class BiasedEncoderDecoder(EncoderDecoder):
    """Is told each row's bias: the last number of its code, in units of X, and added to the row."""

    def forward(self, x, bias):
        return self.of_code(torch.cat([self.encoder(x), bias], dim=-1))

    def _decoded(self, code):
        bias = code[..., -1:] / self.units.of(code)[1]
        return self.decoder(torch.cat([code[..., :-1], bias], dim=-1)) + bias

    def encode(self, x, bias):
        return torch.cat([super().encode(x), bias], dim=-1)

    def reconstruct(self, x, bias):
        return self.decode(self.encode(x, bias))
